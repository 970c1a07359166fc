"""Knows where the signals of a run are kept: a folder on disk, or a bucket. Knows no signal."""

from __future__ import annotations

from cibeacon.detect import Host
from cibeacon.process.budget import Budget
from cibeacon.process.world import World
from cibeacon.settings import Settings
from cibeacon.spool.on_disk import Place, Spool, folder, is_address

_LEAST, _MOST = 1.0, 10.0
"""Seconds that a bucket may take for a question, be the time over or plenty: signals are sent without it, too."""


def place(world: World, settings: Settings, host: Host) -> Place | None:
    """The spool of this run; None when there is none."""
    given = settings.core.spool
    if given and is_address(given):
        from cibeacon.spool.bucket import Bucket  # few keep their signals in one
        from cibeacon.spool.in_bucket import BucketSpool

        budget = Budget(settings.core.timeout, world.clock, world.sleep, world.started)
        return BucketSpool(Bucket(given, lambda: max(_LEAST, min(_MOST, budget.remaining() / 2))))
    here = folder(given, host.spool_folder(world.environ))
    return Spool(world.cwd / here, world.token) if here else None
