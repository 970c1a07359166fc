"""Sends rows over a few connections at once, the rows of one key one after the other in order. Writes no file.

If a host does not answer, the sender waits and tries again. If several rows in a row fail for reasons other than the row
itself, the sender stops, so that the rest does not fail, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from threading import Event, Lock
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, TypeVar

from cibeacon import __version__
from cibeacon.backfill.columns import BackfillSignal
from cibeacon.backfill.input_table import Cells
from cibeacon.backfill.options import BackfillOptions
from cibeacon.backfill.rate_limiter import RateLimiter
from cibeacon.backfill.rows import ValidRow
from cibeacon.backfill.run_files import RunInput
from cibeacon.backfill.shard import partition_index
from cibeacon.model.report import Outcome
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.sinks import dx
from cibeacon.sinks.dx import ADVICE

if TYPE_CHECKING:
    from cibeacon.http.client import HttpClient

PARTITION_DEPTH = 64
"""Rows that may wait in one partition."""
FAILURES = 3
"""Consecutive failures for reasons other than the row itself that stop the sender."""
PAUSE = 15.0
"""Seconds to wait after all attempts to send a row failed because of the host."""
PATIENCE, FIRST_PATIENCE = 120.0, 30.0
"""Seconds after the last accepted row in which rows are retried; the second if the host has never answered."""
MOST_PAUSES = 20
"""Pauses for one row at most, even if other rows are accepted."""
LONGEST_WAIT = 900.0
"""Longest `Retry-After` in seconds; a longer one stops the sender."""
GRACE = 1.0
"""Seconds that a request may take beyond its row's time."""
_TOO_MANY_REQUESTS = 429
_NOT_IMPORTED = frozenset({"repository_not_found", "repo_not_found", "merge_commit_shas_not_found"})
_NO_SUCH_METHOD = frozenset({404, 405})
_HELD_BACK = Outcome(
    "",
    dx.NAME,
    "failed",
    error="not sent: an earlier row of the same pull request failed",
    reason="Correct the earlier row and send both in order.",
)
_Result = TypeVar("_Result")
FailureCause: TypeAlias = Literal["row", "host", "settings"]
"""`host`: the row may succeed later; `settings`: no row can succeed until the token or the URL is corrected."""


class Job(NamedTuple):
    """One row to send."""

    row: ValidRow
    cells: Cells
    run_input: RunInput
    is_held_back: bool
    """Whether it follows an invalid row of its key, so that it fails without being sent."""


class Outage(NamedTuple):
    """A host that accepts no rows."""

    error: str
    hint: str
    answers: bool
    """Whether it answers, with an error."""

    def describe(self, host: str) -> str:
        """What is wrong, as a clause."""
        return f"{host} {'answers with an error' if self.answers else 'does not answer'} ({self.error})"


class Partition:
    """One thread with one connection, and the rows that are waiting for it."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client
        self.executor = ThreadPoolExecutor(1)
        self.executor.submit(lambda: None)  # starts the thread; raises RuntimeError if none can be started
        self.pending: deque[tuple[Job, Future[Outcome | None]]] = deque()
        self.failed_keys: set[str] = set()
        self.overdue = inf
        """When the current request must have ended, on the monotonic clock."""


class Sender:
    """All partitions; `start`, `submit` and `collect` must be called from one thread."""

    def __init__(self, options: BackfillOptions, env: Environment) -> None:
        self._options, self._env, self._clock = options, env, env.clock
        self._partitions: list[Partition] = []
        self._stopping, self._lock = Event(), Lock()
        self._limiter = RateLimiter(options.rate, env.clock, self._stopping.wait)
        self._failures, self._has_answered = 0, False
        self._last_success = self._patience_from = env.clock()
        self.outage: Outage | None = None
        """Why the host accepts no rows at the moment."""
        self.error: str | None = None
        """Why the sender stopped itself."""

    def start(self) -> bool:
        """Starts the workers, as many as the machine allows; False if it allows none."""
        for _ in range(self._options.workers):
            client = self._open_client()
            try:
                self._partitions.append(Partition(client))
            except RuntimeError:
                client.close()
                break
        return bool(self._partitions)

    @property
    def is_stopped(self) -> bool:
        """Whether it sends no more rows."""
        return self._stopping.is_set()

    @property
    def pending(self) -> int:
        """Rows that were submitted and not collected."""
        return sum(len(partition.pending) for partition in self._partitions)

    def has_room(self, partition_key: str) -> bool:
        """Whether another row of this key may be submitted."""
        return len(self._partition(partition_key).pending) < PARTITION_DEPTH

    def submit(self, job: Job) -> None:
        """Sends a row after all earlier rows of its key."""
        partition = self._partition(job.row.partition_key)
        partition.pending.append((job, partition.executor.submit(self._process, partition, job)))

    def collect(self) -> Iterator[tuple[Job, Outcome | None]]:
        """Rows that were finished since the last call, each with its outcome; None if it was not tried.

        Call it regularly: it also stops the sender if a request does not end.
        """
        for partition in self._partitions:
            if self._clock() > partition.overdue:
                self._stop(f"a response took more than {self._options.timeout + GRACE:g} s")
            while partition.pending and partition.pending[0][1].done():
                job, future = partition.pending.popleft()
                yield job, future.result()

    def stop(self) -> None:
        """Sends no more rows; requests in progress continue."""
        self._stopping.set()

    def close(self) -> None:
        """Closes each connection once its requests have ended."""
        self.stop()
        for partition in self._partitions:
            partition.executor.submit(partition.client.close)
            partition.executor.shutdown(wait=False)

    def _open_client(self) -> HttpClient:
        from cibeacon.http.client import HttpClient  # a check and a dry run need no network

        options, env = self._options, self._env
        return HttpClient(
            {dx.NAME: options.endpoint},
            Deadline(options.timeout, env.clock, env.sleep, env.clock()),
            random=env.random,
            now=env.now,
            user_agent=f"cibeacon/{__version__}",
            allow_http=options.allow_http,
            run_within=_unbounded,
            on_retry_after=self._retry_after,
        )

    def _partition(self, partition_key: str) -> Partition:
        return self._partitions[partition_index(partition_key, len(self._partitions))]

    def _process(self, partition: Partition, job: Job) -> Outcome | None:
        """Runs in the partition's thread."""
        if job.is_held_back or job.row.partition_key in partition.failed_keys:
            outcome: Outcome | None = _HELD_BACK
        else:
            outcome = self._send(partition, job.row.signal)
        if self._options.keeps_order and outcome and outcome.status == "failed":
            partition.failed_keys.add(job.row.partition_key)
        return outcome

    def _send(self, partition: Partition, signal: BackfillSignal) -> Outcome | None:
        """Tries a row until the host accepts or rejects it or cibeacon gives up; None if the sender stopped first."""
        outcome = Outcome(signal.kind, dx.NAME, "skipped", reference_id=getattr(signal, "reference_id", None))
        pauses = 0
        while not self._stopping.is_set() and self._limiter.wait_turn():
            started = self._clock()
            partition.overdue = started + self._options.timeout + GRACE
            deadline = Deadline(self._options.timeout, self._clock, self._sleep, started)
            tried = partition.client.send(dx.send(signal, self._options.endpoint.form), outcome, deadline)
            partition.overdue = inf
            cause = failure_cause(tried)
            if cause == "host" and self._stopping.is_set():
                self.outage = self.outage or _outage(tried)
                return None
            if cause != "host" or pauses == MOST_PAUSES or not self._is_worth_a_pause(tried, started):
                return self._record(tried, cause)
            pauses += 1
            self.outage = self.outage or _outage(tried)
            self._limiter.hold(PAUSE)
            outcome = outcome._replace(maybe_delivered=tried.maybe_delivered)
        return None

    def _is_worth_a_pause(self, outcome: Outcome, started: float) -> bool:
        """Whether to retry a row after a pause. If the host accepted other rows meanwhile, this row causes the failure."""
        with self._lock:
            self._has_answered = self._has_answered or outcome.http_status is not None
            patience = PATIENCE if self._has_answered else FIRST_PATIENCE
            is_alone = self._last_success > started and outcome.http_status != _TOO_MANY_REQUESTS
            return not is_alone and self._clock() + PAUSE <= self._patience_from + patience

    def _record(self, outcome: Outcome, cause: FailureCause | None) -> Outcome:
        with self._lock:
            if cause != "host":
                self.outage, self._has_answered = None, True
            if cause in (None, "row"):
                self._failures = 0
                self._last_success = self._clock()
                self._patience_from = max(self._patience_from, self._last_success)
            else:
                self._failures += 1
        if self._failures >= FAILURES:
            self._stop(f"{FAILURES} rows in a row failed: {outcome.error}. {outcome.reason}")
        return outcome._replace(status="failed") if cause else outcome

    def _retry_after(self, seconds: float) -> None:
        """Makes all workers wait for as long as the host asks."""
        if seconds > LONGEST_WAIT:
            self._stop(f"the host asks to wait more than {LONGEST_WAIT / 60:.0f} minutes (Retry-After)")
            return
        self._limiter.hold(seconds)
        with self._lock:
            self._patience_from = max(self._patience_from, self._clock() + seconds)

    def _stop(self, error: str) -> None:
        if not self._stopping.is_set():
            self.error = error
            self._stopping.set()

    def _sleep(self, seconds: float) -> None:
        self._stopping.wait(seconds)


def failure_cause(outcome: Outcome) -> FailureCause | None:
    """Why a row was not delivered; None if it was."""
    if outcome.status == "spooled":
        return "host"
    if outcome.status != "failed":
        return None
    code = (outcome.error or "").partition(":")[0]
    if code in _NOT_IMPORTED:
        return "row"
    if outcome.retryable or (outcome.http_status in _NO_SUCH_METHOD and code not in ADVICE):
        return "settings"
    return "row"


def _outage(outcome: Outcome) -> Outage:
    return Outage(outcome.error or "no answer", outcome.reason or "", bool(outcome.http_status))


def _unbounded(seconds: float, work: Callable[[], _Result]) -> _Result:
    """Runs the work without a thread, which would cost half as much as a request: `collect` notices one that does not end."""
    return work()
