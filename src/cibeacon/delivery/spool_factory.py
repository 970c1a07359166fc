"""Knows where the signals of a run are kept: a folder on disk, or a bucket. Knows no signal."""

from __future__ import annotations

from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.settings import Settings
from cibeacon.spool.file_store import LockPatience, Spool, SpoolStore, folder, is_address

_SHORTEST, _LONGEST = 1.0, 10.0
"""Seconds that one request to a bucket may take, however much time is left: signals are sent without it, too."""
_LOCK_SECONDS, _LOCK_SHARE = 3.0, 0.25
"""Seconds, and part of the timeout, that all waits for locks together may take."""
_BUCKET_HURRY, _LOCK_HURRY = 0.6, 0.3
"""Seconds for the same after an interruption: the report must be written before the process has to end."""


def open_spool(
    env: Environment, settings: Settings, ci_system: CISystem, *, in_hurry: bool = False
) -> SpoolStore | None:
    """The spool of this run; None when there is none. In a hurry after an interruption."""
    given = settings.core.spool
    if given and is_address(given):
        from cibeacon.spool.object_spool import BucketSpool
        from cibeacon.spool.object_store import Bucket  # few people keep signals in a bucket

        if in_hurry:
            return BucketSpool(Bucket(given, Deadline(_BUCKET_HURRY, env.clock, env.sleep, env.clock()).remaining))
        deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
        return BucketSpool(Bucket(given, lambda: max(_SHORTEST, min(_LONGEST, deadline.remaining() / 2))))
    path = folder(given, ci_system.spool_folder(Variables(env.environ)))
    if path is None:
        return None
    return Spool(paths.settled(env, path), env.token, lock_patience(env, settings, in_hurry=in_hurry), holds=True)


def lock_patience(env: Environment, settings: Settings, *, in_hurry: bool = False) -> LockPatience:
    """How long this run waits for locks that other processes hold."""
    most = _LOCK_HURRY if in_hurry else _LOCK_SECONDS
    return LockPatience(min(most, settings.core.timeout * _LOCK_SHARE), env.sleep)
