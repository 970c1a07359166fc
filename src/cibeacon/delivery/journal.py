"""Knows what is on disk of the signals at hand, from before the first one leaves until it is known what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cibeacon.call import Dialogue
from cibeacon.delivery import keeping
from cibeacon.delivery.endpoint import endpoints
from cibeacon.errors import SpoolError
from cibeacon.outcome import Outcome
from cibeacon.planning.plan import Ready, Step
from cibeacon.planning.signals import Deployment
from cibeacon.process.world import World
from cibeacon.redact import Redactor
from cibeacon.settings import Settings, secret_values
from cibeacon.sinks import SINKS
from cibeacon.spool.on_disk import Place
from cibeacon.spool.record import LARGEST, Record
from cibeacon.survey import Survey
from cibeacon.telling.report import Notice

_TELLING = "a secret of this job stands in it"
_NO_TIME = "there was no time to write it down"
_TOO_LARGE = f"it is over {LARGEST >> 20} MiB"


class Journal:
    """What is on disk of the signals at hand; `others` says why the others are not, by their keys or as a whole."""

    def __init__(self, kept: Mapping[str, Record], place: Place | None, others: Mapping[str, str] | str) -> None:
        self._kept, self._place, self._others = kept, place, others

    def holds(self, key: str) -> bool:
        """Whether a signal of that key waits."""
        return self._place is not None and self._place.holds(key)

    def settled(self, row: Outcome) -> Outcome:
        """The row as it stands on disk: what arrived, or never will, is taken away there."""
        record = self._kept.get(row.key or "")
        if not row.keep:
            if record and self._place:
                self._place.forget(record)
            return row
        if record is None:
            unkept = self._others if isinstance(self._others, str) else self._others.get(row.key or "", _TELLING)
            why = f"{row.reason} It could not be kept for later: {unkept}."
            return row._replace(word="failed", keep=False, reason=why)
        if row.word == "failed":
            return row._replace(reason=f"{row.reason} It is kept: run cibeacon replay once that is mended.")
        return row._replace(reason=f"{row.reason} It is kept: cibeacon replay sends it.")


def shown(step: Ready, settings: Settings) -> Dialogue:
    """The call that a signal comes down to."""
    sink = step.row.sink
    return SINKS[sink].rehearse(step.signal, endpoints(settings)[sink].form)


def hastily(world: World, found: Survey, steps: Sequence[Step]) -> tuple[Journal, tuple[Notice, ...]]:
    """`journaled` in the moment after an interruption; where another one comes meanwhile nothing is kept."""
    try:
        return journaled(world, found, steps, hasty=True)
    except KeyboardInterrupt:
        return Journal({}, None, _NO_TIME), ()


def journaled(
    world: World, found: Survey, steps: Sequence[Step], *, hasty: bool = False
) -> tuple[Journal, tuple[Notice, ...]]:
    """The signals on disk, before any of them leaves. Where that is not possible they are sent all the same."""
    kept_at = keeping.place(world, found.settings, found.host, hasty=hasty)
    if kept_at is None:
        return Journal({}, None, "there is no spool (setting spool)"), ()
    clean = Redactor(secret_values(world.environ))
    records = [_record(step, found.settings, world.now()) for step in steps if isinstance(step, Ready)]
    safe = [record for record in records if clean(line := record.line().decode("ascii")) == line]
    large = [record for record in records if len(record.line()) > LARGEST]
    fits = [record for record in safe if len(record.line()) <= LARGEST]
    kept_at.tidy(world.now())
    try:
        kept_at.keep(fits)
    except SpoolError as error:
        return Journal({}, None, error.why), (Notice("remark", f"warning: {error}"),)
    kept = {record.key: record for record in reversed(fits)}  # of two with one key the file holds the last: it stays
    return Journal(kept, kept_at, {record.key: _TOO_LARGE for record in large}), tuple(
        Notice("remark", f"warning: {_unkept(record)}") for record in large
    )


def _record(step: Ready, settings: Settings, now: float) -> Record:
    dialogue = shown(step, settings)
    call = next(dialogue)
    dialogue.close()
    own = isinstance(step.signal, Deployment) and step.signal.own_reference
    return Record.of(call, step.row, now, own_reference=own, signal=SINKS[step.row.sink].keeps(step.signal))


def _unkept(record: Record) -> SpoolError:
    return SpoolError(f"A signal is not kept for later ({record.kind})", _TOO_LARGE, "Send less metadata.")
