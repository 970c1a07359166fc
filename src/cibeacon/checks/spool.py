"""Checks whether signals can be written to the spool, and which are waiting there. Leaves nothing behind."""

from __future__ import annotations

from functools import partial

from cibeacon.checks import Answer, View, fail, not_checked, ok, warn
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SpoolError
from cibeacon.spool import Spool

_OLD = 3600.0
"""Seconds; a younger signal may belong to a job that is still running or that replays it later."""
_SECONDS = 3.0


def writable(view: View) -> Answer:
    """Whether a signal that cannot be sent can be spooled."""
    spool = view.spool
    if spool is None and view.settings.given("spool"):
        source = view.settings.origins["spool"].source
        return ok("the spool is off: signals that cannot be sent are lost", source=source)
    if spool is None:
        hint = "Set spool to a folder that outlives the job."
        return warn("there is no folder for the spool: signals that cannot be sent are lost", hint)
    if view.offline and not isinstance(spool, Spool):
        return not_checked(view.offline)
    try:
        spool.try_writing(view.env.token())
    except SpoolError as error:
        return fail(f"{error.what}: {error.why}", error.hint)
    return ok("signals that cannot be sent can be spooled", source=_place(view))


def waiting(view: View) -> Answer:
    """Which signals are waiting, and for how long."""
    from cibeacon.spool.spool_reader import SpoolReader

    env, spool = view.env, view.spool
    if spool is None or (view.offline and not isinstance(spool, Spool)):
        return not_checked(view.offline or "there is no spool")
    deadline = Deadline(min(_SECONDS, view.deadline.remaining()), env.clock, env.sleep, env.clock())
    reader = SpoolReader(
        env.cwd, None, resolve=partial(paths.resolve_trusted, env), deadline=None if view.offline else deadline
    )
    reader.add_spool(spool)
    if reader.problems:
        return warn(reader.problems[0].rstrip("."), "Check the spool and its permissions.", _place(view))
    if not reader.entries:
        return ok("no signal is waiting", source=_place(view))
    seconds = env.now() - min(entry.record.created_at for entry in reader.entries)
    count = len(reader.entries)
    message = f"{count:,} {'signal is' if count == 1 else 'signals are'} waiting, the oldest for {_age(seconds)}"
    if seconds < _OLD:
        return ok(message, source=_place(view))
    return warn(message, "Run cibeacon replay.", _place(view))


def _place(view: View) -> str:
    spool = view.spool
    return "" if spool is None else str(spool.folder) if isinstance(spool, Spool) else spool.bucket.url


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} seconds"
