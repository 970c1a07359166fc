"""Sends what is ready, or shows it: every signal is on disk before the first one leaves, and off it once it arrived.

What is interrupted, refused for who asked, or out of time stays on disk, for `replay`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import groupby
from typing import Protocol

from cibeacon import __version__
from cibeacon.call import Dialogue
from cibeacon.delivery import keeping
from cibeacon.delivery.endpoint import endpoints
from cibeacon.delivery.rehearsal import Rehearsal
from cibeacon.errors import SpoolError, interruption
from cibeacon.files.cleaning import cleaning
from cibeacon.files.watching import Watch
from cibeacon.outcome import Outcome
from cibeacon.planning.plan import Ready, Step
from cibeacon.planning.signals import Attachment, Deployment, JobState
from cibeacon.process.budget import Budget
from cibeacon.process.world import World
from cibeacon.redact import Redactor
from cibeacon.settings import Settings, secret_values
from cibeacon.sinks import SINKS
from cibeacon.spool.on_disk import Place
from cibeacon.spool.record import Record
from cibeacon.survey import Survey
from cibeacon.telling.report import Notice

Told = tuple[tuple[Outcome, ...], tuple[Notice, ...]]
UPLOADS = 4
"""Files that are sent at once."""


class Carrier(Protocol):
    """A courier, or its rehearsal."""

    def carry(self, dialogue: Dialogue, row: Outcome) -> Outcome:
        """The row of a signal once its dialogue was carried."""
        ...


class Journal:
    """What is on disk of the signals at hand; `others` says why the others are not."""

    def __init__(self, kept: Mapping[str, Record], place: Place | None, others: str) -> None:
        self._kept, self._place, self._others = kept, place, others

    def settled(self, row: Outcome) -> Outcome:
        """The row as it stands on disk: what arrived, or never will, is taken away there."""
        record = self._kept.get(row.key or "")
        if not row.keep:
            if record and self._place:
                self._place.forget(record)
            return row
        if record is None:
            why = f"{row.reason} It could not be kept for later: {self._others}."
            return row._replace(word="failed", keep=False, reason=why)
        if row.word == "failed":
            return row._replace(reason=f"{row.reason} It is kept: run cibeacon replay once that is mended.")
        return row


def deliver(world: World, found: Survey, steps: Sequence[Step], watch: Watch | None = None) -> Told:
    """Every step's outcome, and what is to be said of the spool. The network stack is loaded when something is sent.

    `watch` is told how far each file is.
    """
    settings = found.settings
    if not any(isinstance(step, Ready) for step in steps):
        return tuple(step for step in steps if isinstance(step, Outcome)), ()
    if found.rehearsed:
        shown = rehearsal(settings)
        return tuple(
            shown.carry(_shown(step, settings), step.row) if isinstance(step, Ready) else step for step in steps
        ), ()
    why = found.interrupted
    try:
        journal, notices = _journaled(world, found, steps)
    except KeyboardInterrupt as stop:  # there is a moment to do it over: nothing of them is told or kept yet
        why = why or interruption(stop)
        journal, notices = _journaled(world, found, steps)
    round_ = _Round(world, settings, journal, steps, watch)
    if why is None:
        try:
            round_.send(found.budget)
        except KeyboardInterrupt as stop:
            why = interruption(stop)
    return tuple(round_.outcomes(str(why))), notices


class _Round:
    """One round of sending: what is to be said one after the other, and files several at a time."""

    def __init__(
        self, world: World, settings: Settings, journal: Journal, steps: Sequence[Step], watch: Watch | None
    ) -> None:
        self._world, self._settings, self._journal, self._steps = world, settings, journal, list(steps)
        self._watch = watch
        self._rows: dict[int, Outcome] = {}

    def send(self, budget: Budget) -> None:
        """Comes to every step. Files have time of their own, and what follows them has all of its time afresh."""
        phases = groupby(range(len(self._steps)), lambda place: _is_file(self._steps[place]))
        for files, places in [(files, list(places)) for files, places in phases]:
            if files:
                self._at_once(places, self._afresh(self._settings.dci.dci_upload_timeout))
                budget = self._afresh(self._settings.core.timeout)
            else:
                self._one_by_one(places, budget)

    def outcomes(self, why: str) -> Iterator[Outcome]:
        """A row for every step; `why` nobody came to those that have none yet."""
        for place, step in enumerate(self._steps):
            yield self._rows.get(place) or self._journal.settled(_unsent(step, why))

    def _one_by_one(self, places: Sequence[int], budget: Budget) -> None:
        names = {step.row.sink for place in places if isinstance(step := self._steps[place], Ready)}
        with hired(self._world, self._settings, budget, names) if names else nullcontext() as courier:
            for place in places:
                self._keep(place, _carried(courier, self._steps[place], self._settings))

    def _at_once(self, places: Sequence[int], budget: Budget) -> None:
        """A file that fails keeps no other from being sent, nor what comes after all of them."""
        from cibeacon.process.deadline import together  # the network stack has it too

        ready = [place for place in places if isinstance(self._steps[place], Ready)]
        for place in set(places) - set(ready):
            self._keep(place, _carried(None, self._steps[place], self._settings))
        with ExitStack() as held:
            idle = [
                held.enter_context(hired(self._world, self._settings, budget, ("dci",), self._watch))
                for _ in ready[:UPLOADS]
            ]  # a session is for one thread

            def uploaded(place: int) -> Outcome:
                courier = idle.pop()
                try:
                    return _carried(courier, self._steps[place], self._settings)
                finally:
                    idle.append(courier)

            for place, row in together(uploaded, ready, UPLOADS):
                self._keep(place, row)

    def _keep(self, place: int, row: Outcome) -> None:
        self._rows[place] = self._journal.settled(row)
        if _makes_job(row):
            self._steps[place + 1 :] = [_of_job(step, row) for step in self._steps[place + 1 :]]

    def _afresh(self, seconds: float) -> Budget:
        return Budget(seconds, self._world.clock, self._world.sleep, self._world.clock())


@contextmanager
def hired(
    world: World,
    settings: Settings,
    budget: Budget,
    sinks: Collection[str] = tuple(SINKS),
    watch: Watch | None = None,
) -> Iterator[Carrier]:
    """A courier for those of the sinks that have an address and a credential; each has its share of the budget."""
    from cibeacon.delivery.courier import Courier  # requests takes 0.1 s to import

    known = endpoints(settings)
    courier = Courier(
        {name: known[name] for name in sinks if known[name].base_url and known[name].token},
        budget,
        random=world.random,
        now=world.now,
        user_agent=f"cibeacon/{__version__}",
        allow_http=settings.core.allow_http,
        watch=watch,
        clean=cleaning(settings, world.environ),
    )
    try:
        yield courier
    finally:
        courier.close()


def rehearsal(settings: Settings) -> Rehearsal:
    """The dry run's carrier."""
    return Rehearsal({name: endpoint.base_url for name, endpoint in endpoints(settings).items() if endpoint.base_url})


def _carried(carrier: Carrier | None, step: Step, settings: Settings) -> Outcome:
    if isinstance(step, Outcome) or carrier is None:
        return step if isinstance(step, Outcome) else step.row
    sink = step.row.sink
    return carrier.carry(SINKS[sink].tell(step.signal, endpoints(settings)[sink].form), step.row)


def _shown(step: Ready, settings: Settings) -> Dialogue:
    """The call that a signal comes down to."""
    sink = step.row.sink
    return SINKS[sink].rehearse(step.signal, endpoints(settings)[sink].form)


def _is_file(step: Step) -> bool:
    return isinstance(step, Ready) and isinstance(step.signal, Attachment)


def _makes_job(row: Outcome) -> bool:
    *_, before, last = ("", "", *(row.key or "").split("/"))
    return row.sink == "dci" and last == "job" and before != "file"


def _of_job(step: Step, job: Outcome) -> Step:
    """What belongs to a job of DCI, once it is known what became of the job."""
    if isinstance(step, Outcome) or not isinstance(step.signal, Attachment | JobState):
        return step
    if job.word in ("sent", "duplicate"):
        return step._replace(signal=step.signal._replace(job_id=(job.facts or {}).get("dci_job_id")))
    if job.keep:
        return _unsent(step, "its job is not at DCI yet")
    return step.row._replace(word="skipped", reason="DCI has no job for it")


def _unsent(step: Step, why: str) -> Outcome:
    """A step that nobody came to. Whether it arrived after all is not known, and sending it twice does no harm."""
    if isinstance(step, Outcome):
        return step
    return step.row._replace(word="spooled", keep=True, error="not sent", reason=f"{why[:1].upper()}{why[1:]}.")


def _journaled(world: World, found: Survey, steps: Sequence[Step]) -> tuple[Journal, tuple[Notice, ...]]:
    """The signals on disk, before any of them leaves. Where that is not possible they are sent all the same."""
    kept_at = keeping.place(world, found.settings, found.host)
    if kept_at is None:
        return Journal({}, None, "there is no spool (setting spool)"), ()
    clean = Redactor(secret_values(world.environ))
    records = [_record(step, found.settings, world.now()) for step in steps if isinstance(step, Ready)]
    safe = [record for record in records if clean(line := record.line().decode("ascii")) == line]
    kept_at.tidy(world.now())
    try:
        kept_at.keep(safe)
    except SpoolError as error:
        return Journal({}, None, error.why), (Notice("remark", f"warning: {error}"),)
    kept = {record.key: record for record in reversed(safe)}  # of two with one key the file holds the last: it stays
    return Journal(kept, kept_at, "a secret of this job stands in it"), ()


def _record(step: Ready, settings: Settings, now: float) -> Record:
    dialogue = _shown(step, settings)
    call = next(dialogue)
    dialogue.close()
    own = isinstance(step.signal, Deployment) and step.signal.own_reference
    return Record.of(call, step.row, now, own_reference=own, signal=SINKS[step.row.sink].keeps(step.signal))
