"""Keeps the signals of a run in the spool from before the first one is sent until each one's outcome is known.

Does not send anything, and does not know why a signal was not delivered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cibeacon.model.error_ids import SITE
from cibeacon.model.report import Notice, Outcome
from cibeacon.model.request import Endpoint, Request
from cibeacon.model.signals import Deployment
from cibeacon.model.spool_record import LARGEST, Record
from cibeacon.runtime import Environment, paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SpoolError, interruption
from cibeacon.runtime.safe_text import Redactor
from cibeacon.settings import Settings, secret_values
from cibeacon.signals.plan import PlannedSignal, PlanStep
from cibeacon.sinks import SINKS
from cibeacon.spool import LockPatience, Spool, folder, is_address

if TYPE_CHECKING:
    from cibeacon.spool.spool_reader import SpoolStore

_NOT_CLEAN = "it contains a secret of this job"
_TEMPORARY = (
    "The spool is in RUNNER_TEMP, which the runner empties when the job ends. To send these signals later, upload the folder "
    f"as an artifact, or set spool to a folder or bucket that lasts: {SITE}/delivery/#recipes"
)
_NO_TIME = "there was no time to write it"
_TOO_LARGE = f"it is over {LARGEST >> 20} MiB"
_SHORTEST, _LONGEST = 1.0, 10.0
"""Seconds that one request to a bucket may take, however much time is left: signals are also sent without it."""
_LOCK_SECONDS, _LOCK_SHARE = 3.0, 0.25
"""Seconds, and share of the timeout, that all waits for locks together may take."""
_HURRY_SECONDS = 0.6
"""Seconds for the spool after an interruption: the report must be written before the process has to end."""


class WriteAhead:
    """The signals of a run in the spool. They are written as soon as they are known, and again if they change.

    Args:
        default_folder: the spool's folder if the setting `spool` is not set.
    """

    def __init__(self, env: Environment, settings: Settings, default_folder: str | None) -> None:
        self._env, self._endpoints = env, settings.endpoints
        self._spool = open_spool(env, settings, default_folder)
        self._redact = Redactor(secret_values(env.environ))
        self._records: dict[str, Record] = {}
        self._delivered: set[str] = set()
        self._unwritten: dict[str, str] = {}
        """Key of a signal that is not in the spool → the reason."""
        temporary, path = env.environ.get("RUNNER_TEMP"), settings.core.spool or default_folder or ""
        self._until = " until the job ends" if temporary and path.startswith(temporary) else ""
        """Until when the spool exists; empty if it is not known to end."""
        self._fault = "" if self._spool else "there is no spool (setting spool)"
        """Why nothing more is written."""
        self._notices: tuple[Notice, ...] = ()
        env.waiting(0)

    def write(self, steps: Sequence[PlanStep], interrupted: str | None) -> tuple[str | None, tuple[Notice, ...]]:
        """Makes the spool contain exactly the signals that are ready. If that fails, they are still sent.

        Returns why sending must stop, if the run was interrupted before or meanwhile, and notices. After an interruption
        it tries once more, with less time; a second interruption leaves the spool unchanged.
        """
        ready = [step for step in steps if isinstance(step, PlannedSignal)]
        for _ in range(2):
            try:
                if interrupted and self._spool:
                    self._spool.hurry(Deadline(_HURRY_SECONDS, self._env.clock, self._env.sleep, self._env.clock()))
                self._write([_record(step, self._endpoints, self._env.now()) for step in ready])
                return interrupted, self._notices
            except KeyboardInterrupt as stop:
                interrupted = interruption(stop)
        self._unwritten |= {step.signal.key: _NO_TIME for step in ready if step.signal.key not in self._records}
        return interrupted, self._notices

    def release(self) -> tuple[Notice, ...]:
        """Lets other processes send waiting signals: every outcome is known. Says how to keep those in a temporary spool."""
        if self._spool:
            self._spool.let_go()
        waits = self._records.keys() - self._delivered
        return (Notice("info", _TEMPORARY),) if waits and self._until else ()

    def holds(self, key: str) -> bool:
        """Whether a signal with that key waits in the spool."""
        return self._spool is not None and self._spool.holds(key)

    def record_outcome(self, outcome: Outcome) -> Outcome:
        """Updates the spool after an outcome: removes a signal that arrived or never will, and explains one that stays."""
        key = outcome.key or ""
        record = self._records.get(key)
        if not outcome.retryable:
            if record and self._spool:
                self._spool.forget(record)
                self._delivered.add(key)
                self._count_waiting()
            return outcome
        if record is None:
            reason = self._fault or self._unwritten.get(key, _NOT_CLEAN)
            reason = f"{outcome.reason} The signal could not be spooled: {reason}."
            return outcome._replace(status="failed", retryable=False, reason=reason)
        self._delivered.discard(key)
        self._count_waiting()
        place = f"The signal is in the spool{self._until}"
        if outcome.status == "failed":
            return outcome._replace(reason=f"{outcome.reason} {place}; run cibeacon replay once this is fixed.")
        return outcome._replace(reason=f"{outcome.reason} {place}; cibeacon replay sends it.")

    def _write(self, records: Sequence[Record]) -> None:
        """Writes signals that are new or have changed, and removes those that must not be sent any more."""
        spool = self._spool
        if spool is None or self._fault or not (records or self._records):
            return
        if not self._records:
            spool.tidy(self._env.now())
        wanted = self._writable(records)
        waiting = {record.key: record for record in reversed(wanted)}
        # If two records have one key, the file has the last one, and keeps it when the first one arrives.
        try:
            if fresh := [record for record in wanted if self._records.get(record.key) is not record]:
                spool.keep(fresh)
        except SpoolError as error:
            self._fault, self._notices = error.why, (*self._notices, Notice("info", f"warning: {error}"))
            waiting = {key: record for key, record in self._records.items() if key in waiting}
        outdated = [record for key, record in self._records.items() if key not in waiting]
        self._records = waiting
        self._count_waiting()
        for record in outdated:
            spool.forget(record)

    def _writable(self, records: Sequence[Record]) -> list[Record]:
        """The records without a secret and not too large; an unchanged record is the same object as in the spool."""
        safe = [record for record in records if self._redact(line := record.line().decode("ascii")) == line]
        large = [record for record in records if len(record.line()) > LARGEST]
        self._unwritten = {record.key: _TOO_LARGE for record in large}
        self._notices = tuple(Notice("info", f"warning: {_too_large(record)}") for record in large)
        return [self._known_or(record) for record in safe if record.key not in self._unwritten]

    def _known_or(self, record: Record) -> Record:
        known = self._records.get(record.key)
        return known if known and known == record._replace(created_at=known.created_at) else record

    def _count_waiting(self) -> None:
        self._env.waiting(len(self._records.keys() - self._delivered))


def open_spool(env: Environment, settings: Settings, default_folder: str | None) -> SpoolStore | None:
    """The spool of this run; None if there is none."""
    given = settings.core.spool
    if given and is_address(given):
        from cibeacon.spool.object_spool import BucketSpool
        from cibeacon.spool.object_store import Bucket  # few runs use a bucket

        deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
        return BucketSpool(Bucket(given, lambda: max(_SHORTEST, min(_LONGEST, deadline.remaining() / 2))))
    path = folder(given, default_folder)
    return (
        Spool(paths.resolve_trusted(env, path), env.token, lock_patience(env, settings), holds=True) if path else None
    )


def lock_patience(env: Environment, settings: Settings) -> LockPatience:
    """How long this run waits for locks that other processes hold."""
    return LockPatience(min(_LOCK_SECONDS, settings.core.timeout * _LOCK_SHARE), env.sleep)


def preview_steps(steps: Sequence[PlanStep], known: Mapping[str, Endpoint]) -> tuple[Outcome, ...]:
    """The outcomes of a dry run."""
    return tuple(preview(step, known) if isinstance(step, PlannedSignal) else step for step in steps)


def preview(step: PlannedSignal, known: Mapping[str, Endpoint]) -> Outcome:
    """The outcome of a signal in a dry run: its main request."""
    return _main_request(step, known).preview(step.outcome, known[step.outcome.sink].base_url)


def _main_request(step: PlannedSignal, known: Mapping[str, Endpoint]) -> Request:
    return SINKS[step.outcome.sink].request(step.signal, known[step.outcome.sink].form)


def _record(step: PlannedSignal, known: Mapping[str, Endpoint], now: float) -> Record:
    own = isinstance(step.signal, Deployment) and step.signal.own_reference
    sink, form = SINKS[step.outcome.sink], known[step.outcome.sink].form
    spooled_signal = sink.spooled_signal(step.signal, form)
    return Record.of(_main_request(step, known), step.outcome, now, own_reference=own, signal=spooled_signal)


def _too_large(record: Record) -> SpoolError:
    return SpoolError(f"A signal was not spooled ({record.kind})", _TOO_LARGE, "Send less metadata.")
