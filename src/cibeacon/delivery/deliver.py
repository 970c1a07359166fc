"""Sends what is ready, or shows it: every signal is on disk before the first one leaves, and off it once it arrived.

What is interrupted, refused for who asked, or out of time stays on disk, for `replay`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from typing import NamedTuple

from cibeacon import __version__
from cibeacon.delivery.preview import Preview
from cibeacon.delivery.turns import Carrier, HttpClients, Turn, at_once, in_turn
from cibeacon.delivery.write_ahead import Journal, main_request
from cibeacon.files.upload_copy import cleaning
from cibeacon.model.outcome import Outcome
from cibeacon.model.report import Notice
from cibeacon.model.request import Exchange
from cibeacon.model.signals import NO_JOB, Attachment, JobUpdate, job_key
from cibeacon.run import Run
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import guarded, interruption
from cibeacon.runtime.watched_file import Watch
from cibeacon.settings import Settings
from cibeacon.settings.endpoint import endpoints
from cibeacon.signals.plan import Ready, Step
from cibeacon.sinks import SINKS

_SPOOLED_EARLIER = "CIBEACON_OUT_SPOOLED"
"""How many signals an earlier job of a pipeline kept, as its dotenv report says."""
Told = tuple[tuple[Outcome, ...], tuple[Notice, ...]]


def deliver(
    env: Environment, found: Run, steps: Sequence[Step], watch: Watch | None = None, journal: Journal | None = None
) -> Told:
    """Every step's outcome, and what is to be said of the spool. The network stack is loaded when something is sent.

    `watch` is told how far each file is; `journal` is what is on disk already.
    """
    settings = found.settings
    if found.dry_run:
        return tuple(_previewed(step, settings) if isinstance(step, Ready) else step for step in steps), ()
    journal = journal or Journal(env, found)
    why, notices = journal.hold(steps, settings, found.interrupted)
    round_ = _Round(env, settings, journal, steps, watch)
    if why is None:
        try:
            why = guarded(lambda: round_.send(found.deadline), lambda fault: fault)
        except KeyboardInterrupt as stop:
            why = interruption(stop)
    outcomes = tuple(round_.outcomes(str(why)))
    journal.let_go()
    return outcomes, notices


class _Round:
    """One round of sending: what is to be said one after the other, and files several at a time."""

    def __init__(
        self, env: Environment, settings: Settings, journal: Journal, steps: Sequence[Step], watch: Watch | None
    ) -> None:
        self._world, self._settings, self._journal, self._steps = env, settings, journal, list(steps)
        self._planned, self._watch = tuple(steps), watch
        self._rows: dict[int, Outcome] = {}

    def send(self, deadline: Deadline) -> None:
        """Comes to every step. Files have time of their own, and what follows them has all of its time afresh."""
        phases = groupby(range(len(self._steps)), lambda place: _is_file(self._steps[place]))
        for files, places in [(files, list(places)) for files, places in phases]:
            if files:
                self._at_once(places, self._afresh(self._settings.dci.dci_upload_timeout))
                deadline = self._afresh(self._settings.core.timeout)
            else:
                self._one_by_one(places, deadline)

    def outcomes(self, why: str) -> Iterator[Outcome]:
        """A row for every step; `why` nobody came to those that have none yet."""
        for place, step in enumerate(self._steps):
            yield self._rows.get(place) or self._settled(place, _unsent(step, why))

    def _one_by_one(self, places: Sequence[int], deadline: Deadline) -> None:
        turns = [_turn(place, step) for place, step in self._ready(places)]
        with clients(self._world, self._settings, deadline, {turn.sink for turn in turns}) as both:
            for place, row in in_turn(turns, _OfSteps(self._steps, self._settings, both), deadline, self._world.random):
                self._keep(place, row)

    def _at_once(self, places: Sequence[int], deadline: Deadline) -> None:
        """A file that fails keeps no other from being sent, nor what comes after all of them."""
        ready = dict(self._ready(places))

        def uploaded(client: Carrier, place: int) -> Outcome:
            return client.send(_dialogue(ready[place], self._settings), ready[place].row)

        def hire() -> AbstractContextManager[Carrier]:
            return hired(self._world, self._settings, deadline, ("dci",), self._watch)

        for place, row in at_once(list(ready), hire, uploaded):
            self._keep(place, row)

    def _ready(self, places: Iterable[int]) -> list[tuple[int, Ready]]:
        """The steps that are to be sent; what became of the others is known."""
        for place in places:
            if isinstance(step := self._steps[place], Outcome):
                self._keep(place, step)
        return [(place, step) for place in places if isinstance(step := self._steps[place], Ready)]

    def _keep(self, place: int, row: Outcome) -> None:
        self._rows[place] = self._settled(place, self._awaiting(self._steps[place], row))
        if _makes_job(row):
            self._steps[place + 1 :] = [_of_job(step, row) for step in self._steps[place + 1 :]]

    def _awaiting(self, step: Step, row: Outcome) -> Outcome:
        """What DCI has no job for is kept only if the job may still be made: it waits here, or where an earlier job ran."""
        signal = step.signal if isinstance(step, Ready) else None
        if row.error != NO_JOB or not isinstance(signal, JobUpdate):
            return row
        elsewhere = self._world.environ.get(_SPOOLED_EARLIER, "0") not in ("", "0")
        return row._replace(retryable=elsewhere or self._journal.holds(job_key(signal.correlation)))

    def _settled(self, place: int, row: Outcome) -> Outcome:
        """The row as it stands on disk, with the call that it waits for where none was made."""
        planned = self._planned[place]
        if row.retryable and row.request is None and isinstance(planned, Ready):
            row = row._replace(request=_previewed(planned, self._settings).request)
        return self._journal.settled(row)

    def _afresh(self, seconds: float) -> Deadline:
        return Deadline(seconds, self._world.clock, self._world.sleep, self._world.clock())


class _OfSteps(NamedTuple):
    """Sends steps by their places; what is told of one may change those behind it."""

    steps: Sequence[Step]
    settings: Settings
    clients: HttpClients

    def tell(self, place: int, deadline: Deadline, *, patient: bool) -> Outcome:
        """The step sent."""
        step = self.steps[place]
        if isinstance(step, Outcome):
            return step
        return self.clients.send(_dialogue(step, self.settings), step.row, deadline, patient=patient)

    def untold(self, place: int) -> Outcome:
        """The step left to a replay."""
        step = self.steps[place]
        return step if isinstance(step, Outcome) else untold(step.row, self.settings)

    def free(self, sink: str) -> float:
        """When the sink wants to be asked again."""
        return self.clients.free(sink)


@contextmanager
def hired(
    env: Environment,
    settings: Settings,
    deadline: Deadline,
    sinks: Collection[str] = tuple(SINKS),
    watch: Watch | None = None,
    *,
    slowed: Callable[[float], None] | None = None,
    patient: bool = True,
) -> Iterator[Carrier]:
    """A courier for those of the sinks that have an address and a credential; each has its share of the budget.

    One that is not patient tries everything once, and leaves nobody alone but who asks for it. `slowed` is told the
    seconds of every `Retry-After`.
    """
    from cibeacon.http.client import REST_SECONDS, TRIES, HttpClient  # requests takes 0.1 s to import

    known = endpoints(settings)
    client = HttpClient(
        {name: known[name] for name in sinks if known[name].base_url and known[name].token},
        deadline,
        random=env.random,
        now=env.now,
        user_agent=f"cibeacon/{__version__}",
        allow_http=settings.core.allow_http,
        watch=watch,
        clean=cleaning(settings, env.environ),
        slowed=slowed,
        rest=REST_SECONDS if patient else 0.0,
        tries=TRIES if patient else 1,
    )
    try:
        yield client
    finally:
        client.close()


def clients(env: Environment, settings: Settings, deadline: Deadline, sinks: Collection[str]) -> HttpClients:
    """The couriers of a round. The network stack is loaded when the first one is needed."""
    return HttpClients(
        lambda patient, slowed: hired(env, settings, deadline, sinks, slowed=slowed, patient=patient), env.clock
    )


def untold(row: Outcome, settings: Settings) -> Outcome:
    """The row of a signal that was not tried, since others were given up."""
    why = f"{endpoints(settings)[row.sink].name} did not take the signals before this one."
    return row._replace(status="spooled", retryable=True, error="not tried", reason=why)


def preview(settings: Settings) -> Preview:
    """The dry run's carrier."""
    return Preview({name: endpoint.base_url for name, endpoint in endpoints(settings).items() if endpoint.base_url})


def _previewed(step: Ready, settings: Settings) -> Outcome:
    return preview(settings).show(main_request(step, settings), step.row)


def _turn(place: int, step: Ready) -> Turn:
    return Turn(place, step.row.sink, getattr(step.signal, "correlation", place))


def _dialogue(step: Ready, settings: Settings) -> Exchange:
    sink = step.row.sink
    return SINKS[sink].send(step.signal, endpoints(settings)[sink].form)


def _is_file(step: Step) -> bool:
    return isinstance(step, Ready) and isinstance(step.signal, Attachment)


def _makes_job(row: Outcome) -> bool:
    *_, before, last = ("", "", *(row.key or "").split("/"))
    return row.sink == "dci" and last == "job" and before not in ("file", "value")


def _of_job(step: Step, job: Outcome) -> Step:
    """What belongs to a job of DCI, once it is known what became of the job: it may be there, and not run yet."""
    if isinstance(step, Outcome) or not isinstance(step.signal, JobUpdate):
        return step
    job_id = (job.outputs or {}).get("dci_job_id")
    if job_id or job.status in ("sent", "duplicate"):
        return step._replace(signal=step.signal._replace(job_id=job_id))
    if job.retryable:
        return _unsent(step, "its job is not at DCI yet")
    return step.row._replace(status="skipped", reason="DCI has no job for it")


def _unsent(step: Step, why: str) -> Outcome:
    """A step that nobody came to. Whether it arrived after all is not known, and sending it twice does no harm."""
    if isinstance(step, Outcome):
        return step
    return step.row._replace(status="spooled", retryable=True, error="not sent", reason=f"{why[:1].upper()}{why[1:]}.")
