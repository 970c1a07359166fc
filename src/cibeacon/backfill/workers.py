"""The workers that tell rows: each has a connection of its own, and all of them one rhythm. Knows no files.

Rows of one order go to one worker, which tells them one after the other. A host that does not answer is waited for; when
row after row fails for reasons that are not theirs, the crew stops, so that the rest is not burnt through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from math import inf
from threading import Event, Lock
from typing import NamedTuple, Protocol, TypeAlias

from cibeacon.backfill.failure_class import Blame, blame
from cibeacon.backfill.identity import Told
from cibeacon.backfill.outage import Outage, Patience
from cibeacon.backfill.partition import Job, Lane
from cibeacon.backfill.rate_limiter import LONGEST, Pace
from cibeacon.model.outcome import Outcome
from cibeacon.model.request import Exchange
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.threads import aside
from cibeacon.sinks import dx


class Carrier(Protocol):
    """A courier."""

    def send(self, exchange: Exchange, row: Outcome, deadline: Deadline | None = None, /) -> Outcome:
        """The row of a signal once its dialogue was carried."""
        ...


Hire: TypeAlias = Callable[[Callable[[float], None]], AbstractContextManager[Carrier]]
"""Gives a courier that tells of every `Retry-After`."""
DEPTH = 64
"""Rows that wait for one worker."""
STRIKES = 3
"""Rows in a row that fail for no fault of theirs, until the crew stops."""
RESTS = (15.0, 30.0, 60.0)
"""Seconds that a host is left alone which does not answer, time after time."""
ROUNDS_WHEN_LIMITED = 20
GRACE = 1.0
"""Seconds after the time of a row until its worker is given up."""
_TOO_MANY = 429


class Plan(NamedTuple):
    """What a crew needs to know of its work."""

    form: str
    timeout: float
    """Seconds that one row may take, retries included."""
    keeps_order: bool
    """True where a row must not be told after an earlier one of its order failed."""
    clock: Callable[[], float]


class Crew:
    """So many workers, from `start` to `close` or `stop`. All but their work is the caller's own thread's.

    Args:
        hire: a worker's courier, for as long as it works.
        rate: requests a second; 0 for as many as there can be.
    """

    def __init__(self, plan: Plan, rate: float, hire: Hire) -> None:
        self._plan, self._hire = plan, hire
        self._over = Event()
        self._pace = Pace(rate, plan.clock, self._over.wait)
        self._lock = Lock()
        self._strikes, self._last_success = 0, plan.clock()
        self._patience = Patience(RESTS, plan.clock)
        self._done: deque[tuple[Job, Outcome | None]] = deque()
        self._lanes: list[Lane] = []
        self._ended: list[Callable[[], None]] = []
        self.trouble: str | None = None
        """Why the crew stopped by itself."""

    def start(self, workers: int) -> int:
        """Starts the workers; how many there are. A container may allow fewer threads."""
        for _ in range(workers):
            lane = Lane()
            if not self._begun(lane, None):
                break
            self._lanes.append(lane)
        return len(self._lanes)

    @property
    def silence(self) -> Outage | None:
        """What keeps rows from being sent just now, where that is the host's doing."""
        return self._patience.silence

    @property
    def over(self) -> bool:
        """True when nothing more is told."""
        return self._over.is_set()

    @property
    def waiting(self) -> int:
        """Rows that were given and are not done."""
        return sum(lane.load for lane in self._lanes)

    def takes(self, lane: int) -> bool:
        """Whether a worker has room for another row."""
        return self._lanes[lane].load < DEPTH

    def give(self, job: Job) -> None:
        """A row for the worker of its lane."""
        lane = self._lanes[job.lane]
        lane.load += job.signal is not None
        lane.inbox.put(job)

    def finished(self) -> list[tuple[Job, Outcome | None]]:
        """Rows that are done since the last time, and what became of them; None where nobody came to it.

        To be asked now and then: here it is seen that a worker hangs.
        """
        for ended in self._ended:
            ended()  # raises what ended a worker before its time
        now = self._plan.clock()
        for lane in self._lanes:
            if now > lane.until and not self.over:
                self._give_up(lane)
        found = []
        while self._done:
            job, outcome = self._done.popleft()
            self._lanes[job.lane].load -= 1
            found.append((job, outcome))
        return found

    def stop(self) -> None:
        """Nothing more is told, but what is on its way."""
        self._over.set()

    def close(self) -> None:
        """The workers go home when they have done what they were given."""
        for lane in self._lanes:
            lane.inbox.put(None)

    def _begun(self, lane: Lane, first: Job | None) -> bool:
        turn = lane.turn
        return aside(lambda: self._work(lane, turn, first), self._ended.append)

    def _give_up(self, lane: Lane) -> None:
        """Neither a name look-up nor dripping headers end by themselves: another worker takes over, from this job on."""
        with self._lock:
            if lane.until == inf or lane.job is None:  # it is done after all
                return
            job, lane.until = lane.job, inf
            lane.turn += 1
            lane.lost += 1
        first: Job | None = job
        if not self._patience.hanging(_lost(), lane.lost, self._plan.timeout + GRACE):
            self._hand_in(lane, lane.turn, job, self._counted(_lost(), "moment"))
            first = None
        if not self._begun(lane, first):
            self.trouble = "a request hangs, and this machine allows no other thread"
            self.stop()

    def _work(self, lane: Lane, turn: int, first: Job | None) -> None:
        with self._hire(self._slowed) as client:
            while lane.turn == turn and (job := first or lane.inbox.get()):
                first = None
                if job.signal is None:
                    lane.barred.add(job.order)
                    continue
                if job is not lane.job:
                    lane.job, lane.lost = job, 0
                outcome = _behind() if job.order in lane.barred else self._told(client, lane, turn, job.signal)
                self._hand_in(lane, turn, job, outcome)

    def _slowed(self, seconds: float) -> None:
        """All workers wait when the host asks for it; for longer than anybody waits, the crew stops."""
        if self._pace.hold(seconds):
            return
        with self._lock:
            self.trouble = self.trouble or f"the host asks to wait for over {LONGEST / 60:.0f} minutes (Retry-After)"
            self._over.set()

    def _hand_in(self, lane: Lane, turn: int, job: Job, outcome: Outcome | None) -> None:
        with self._lock:
            if lane.turn != turn:  # it was given up, and another has the job
                return
            lane.until = inf
            if self._plan.keeps_order and outcome and outcome.status == "failed":
                lane.barred.add(job.order)
            self._done.append((job, outcome))

    def _told(self, client: Carrier, lane: Lane, turn: int, signal: Told) -> Outcome | None:
        """What became of a row; None where all ended before."""
        rested, maybe_delivered = 0, bool(lane.lost)
        for _ in range(ROUNDS_WHEN_LIMITED):
            if self._over.is_set() or not self._pace.turn():
                return None
            began = self._plan.clock()
            if not self._watched(lane, turn, began + self._plan.timeout + GRACE):
                return None
            deadline = Deadline(self._plan.timeout, self._plan.clock, self._sleep, began)
            row = Outcome(signal.kind, dx.NAME, "skipped", reference_id=getattr(signal, "reference_id", None))
            row = row._replace(maybe_delivered=maybe_delivered)
            outcome = client.send(dx.send(signal, self._plan.form), row, deadline)
            self._watched(lane, turn, inf)
            whose, maybe_delivered = blame(outcome), outcome.maybe_delivered
            if whose != "moment":
                break
            if self._over.is_set():
                self._patience.interrupted(outcome)
                return None
            if outcome.http_status == _TOO_MANY:
                continue
            rests = self._patience.rests(outcome, rested)
            if not rests or (rests[0] and self._last_success > began):  # others get through: it is this row alone
                break
            rested += 1
            self._patience.resting(outcome, rests, self._plan.clock() - began)
            self._pace.hold(rests[0])
        return self._counted(outcome, whose)

    def _watched(self, lane: Lane, turn: int, until: float) -> bool:
        """Says until when a worker may be busy; false when it was given up."""
        with self._lock:
            if lane.turn == turn:
                lane.until = until
            return lane.turn == turn

    def _sleep(self, seconds: float) -> None:
        self._over.wait(seconds)

    def _counted(self, outcome: Outcome, whose: Blame | None) -> Outcome:
        if whose != "moment":
            self._patience.answered(well=whose != "asker")
        with self._lock:
            if whose in (None, "row"):
                self._strikes, self._last_success = 0, self._plan.clock()
            else:
                self._strikes += 1
            if self._strikes >= STRIKES and not self._over.is_set():
                self.trouble = f"{STRIKES} rows one after the other failed: {outcome.error}. {outcome.reason}"
                self._over.set()
        return outcome._replace(status="failed") if whose else outcome


def _behind() -> Outcome:
    why = "Mend the earlier row and send both, in their order."
    return Outcome("", dx.NAME, "failed", error="not sent: an earlier row of the same pull request failed", reason=why)


def _lost() -> Outcome:
    why = "The answer came too slowly, time after time: send it again later."
    return Outcome("", dx.NAME, "failed", error="timed out", reason=why)
