"""Knows where the signals of a run are kept: a folder on disk, or a bucket. Knows no signal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.settings import Settings
from cibeacon.spool.file_store import Place, Spool, folder, is_address
from cibeacon.spool.locks import Patience

if TYPE_CHECKING:
    from cibeacon.spool.spool_reader import Entry

_LEAST, _MOST = 1.0, 10.0
"""Seconds that a bucket may take for a question, be the time over or plenty: signals are sent without it, too."""
_LOCKED_MOST, _LOCKED_SHARE = 3.0, 0.25
"""Seconds, and part of all the time, that the locks of folders may take together."""
_HASTY_BUCKET, _HASTY_LOCK = 0.6, 0.3
"""Seconds for the same, all in all, after an interruption: the report has to be written before the farewell ends."""


def place(env: Environment, settings: Settings, host: CISystem, *, hasty: bool = False) -> Place | None:
    """The spool of this run; None when there is none. Hasty: after an interruption, there is but a moment for it."""
    given = settings.core.spool
    if given and is_address(given):
        from cibeacon.spool.object_spool import BucketSpool
        from cibeacon.spool.object_store import Bucket  # few keep their signals in one

        if hasty:
            moment = Deadline(_HASTY_BUCKET, env.clock, env.sleep, env.clock())
            return BucketSpool(Bucket(given, moment.remaining))
        deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
        return BucketSpool(Bucket(given, lambda: max(_LEAST, min(_MOST, deadline.remaining() / 2))))
    here = folder(given, host.spool_folder(Variables(env.environ)))
    if here is None:
        return None
    return Spool(paths.settled(env, here), env.token, patience(env, settings, hasty=hasty), holds=True)


def waiting(kept_at: Place | None, cwd: Path) -> list[Entry]:
    """What waits in a spool."""
    from cibeacon.spool.object_spool import BucketSpool
    from cibeacon.spool.spool_reader import Backlog

    found = Backlog(cwd, None)
    if isinstance(kept_at, BucketSpool):
        found.buckets = lambda _: kept_at.bucket
        found.add(kept_at.bucket.address)
    elif isinstance(kept_at, Spool) and kept_at.folder.is_dir() and not kept_at.folder.is_symlink():
        found.add(str(kept_at.folder))
    return found.entries


def patience(env: Environment, settings: Settings, *, hasty: bool = False) -> Patience:
    """How long this run waits for locks that other processes hold."""
    return Patience(min(_HASTY_LOCK if hasty else _LOCKED_MOST, settings.core.timeout * _LOCKED_SHARE), env.sleep)
