"""Knows what is on disk of the signals at hand, from before the first one leaves until it is known what became of each."""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.delivery import spool_factory
from cibeacon.model.outcome import Outcome
from cibeacon.model.report import Notice
from cibeacon.model.request import Request
from cibeacon.model.signals import Deployment
from cibeacon.model.spool_record import LARGEST, Record
from cibeacon.run import Run
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import SpoolError, interruption
from cibeacon.runtime.redact import Redactor
from cibeacon.settings import Settings, secret_values
from cibeacon.settings.endpoint import endpoints
from cibeacon.signals.plan import Ready, Step
from cibeacon.sinks import SINKS

_TELLING = "a secret of this job stands in it"
_NO_TIME = "there was no time to write it down"
_TOO_LARGE = f"it is over {LARGEST >> 20} MiB"


class Journal:
    """The signals of a run on disk: as they are known at first, and again when more is known of them."""

    def __init__(self, env: Environment, found: Run) -> None:
        self._world, self._settings, self._host = env, found.settings, found.host
        self._place = spool_factory.place(env, found.settings, found.host)
        self._clean = Redactor(secret_values(env.environ))
        self._kept: dict[str, Record] = {}
        self._over: set[str] = set()
        self._others: dict[str, str] = {}
        """Why those are not kept that are not, by their keys."""
        self._fault = "" if self._place else "there is no spool (setting spool)"
        """Why none is kept any more."""
        self._said: tuple[Notice, ...] = ()
        env.waiting(0)

    def hold(self, steps: Sequence[Step], settings: Settings, why: str | None) -> tuple[str | None, tuple[Notice, ...]]:
        """Has the signals on disk, and no others. Where that is not possible they are sent all the same.

        `why` nothing is to be sent any more, where the run was interrupted; an interruption that comes meanwhile is
        given back. There is a moment to do it over then, and where another one comes things stay as they are.
        """
        ready = [step for step in steps if isinstance(step, Ready)]
        for _ in range(2):
            try:
                self._keep([_record(step, settings, self._world.now()) for step in ready], hasty=why is not None)
                return why, self._said
            except KeyboardInterrupt as stop:
                why = interruption(stop)
        self._others |= {step.signal.key: _NO_TIME for step in ready if step.signal.key not in self._kept}
        return why, self._said

    def let_go(self) -> None:
        """It is known what became of each signal: what waits may be sent by others."""
        if self._place:
            self._place.let_go()

    def holds(self, key: str) -> bool:
        """Whether a signal of that key waits."""
        return self._place is not None and self._place.holds(key)

    def settled(self, row: Outcome) -> Outcome:
        """The row as it stands on disk: what arrived, or never will, is taken away there."""
        key = row.key or ""
        record = self._kept.get(key)
        if not row.retryable:
            if record and self._place:
                self._place.forget(record)
                self._over.add(key)
                self._tell()
            return row
        if record is None:
            why = f"{row.reason} It could not be kept for later: {self._fault or self._others.get(key, _TELLING)}."
            return row._replace(status="failed", retryable=False, reason=why)
        self._over.discard(key)
        self._tell()
        if row.status == "failed":
            return row._replace(reason=f"{row.reason} It is kept: run cibeacon replay once that is mended.")
        return row._replace(reason=f"{row.reason} It is kept: cibeacon replay sends it.")

    def _keep(self, records: Sequence[Record], *, hasty: bool) -> None:
        """Writes what is not there yet as it is known now, and takes away what is not to be told any more."""
        if self._fault or not (records or self._kept):
            return
        place = spool_factory.place(self._world, self._settings, self._host, hasty=True) if hasty else self._place
        safe = [record for record in records if self._clean(line := record.line().decode("ascii")) == line]
        large = [record for record in records if len(record.line()) > LARGEST]
        fits = [self._as_kept(record) for record in safe if len(record.line()) <= LARGEST]
        self._others = {record.key: _TOO_LARGE for record in large}
        self._said = tuple(Notice("info", f"warning: {_unkept(record)}") for record in large)
        if place is None:
            return
        if not self._kept:
            place.tidy(self._world.now())
        known = self._kept
        kept = {
            record.key: record for record in reversed(fits)
        }  # of two with one key the file holds the last: it stays
        try:
            if fresh := [record for record in fits if known.get(record.key) is not record]:
                place.keep(fresh)
        except SpoolError as error:
            self._fault, self._said = error.why, (*self._said, Notice("info", f"warning: {error}"))
            kept = {key: record for key, record in known.items() if key in kept}
        self._kept = kept
        self._tell()
        for key in known.keys() - kept.keys():
            place.forget(known[key])
        if hasty:
            place.let_go()

    def _as_kept(self, record: Record) -> Record:
        """The record that is on disk already, where it says the same."""
        kept = self._kept.get(record.key)
        return kept if kept and kept == record._replace(created_at=kept.created_at) else record

    def _tell(self) -> None:
        self._world.waiting(len(self._kept.keys() - self._over))


def main_request(step: Ready, settings: Settings) -> Request:
    """The request that a signal comes down to."""
    sink = step.row.sink
    return SINKS[sink].request(step.signal, endpoints(settings)[sink].form)


def _record(step: Ready, settings: Settings, now: float) -> Record:
    own = isinstance(step.signal, Deployment) and step.signal.own_reference
    return Record.of(
        main_request(step, settings),
        step.row,
        now,
        own_reference=own,
        signal=SINKS[step.row.sink].spooled_signal(step.signal),
    )


def _unkept(record: Record) -> SpoolError:
    return SpoolError(f"A signal is not kept for later ({record.kind})", _TOO_LARGE, "Send less metadata.")
