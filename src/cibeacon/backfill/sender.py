"""Sends rows over a few connections at once, each row in its partition: the rows of one key in their order. Writes no file.

A host that does not answer gets pauses and further tries. When row after row fails for reasons that are not its own, the
sender stops, so that it does not burn through the rest.
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
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.sinks import dx
from cibeacon.sinks.dx import ADVICE

if TYPE_CHECKING:
    from cibeacon.http.client import HttpClient

PARTITION_DEPTH = 64
"""Rows that wait in one partition."""
FAILURES = 3
"""Rows in a row that fail for reasons that are not their own, until the sender stops."""
PAUSE = 15.0
"""Seconds in which a host is left alone that took a row at none of its tries."""
PATIENCE, FIRST_PATIENCE = 120.0, 30.0
"""Seconds after the last row that got through in which rows are tried again; the second for a host that never answered."""
MOST_PAUSES = 20
"""Pauses that one row is worth, whatever else gets through."""
LONGEST_WAIT = 900.0
"""Seconds that a `Retry-After` may ask for; a longer one stops the sender."""
GRACE = 1.0
"""Seconds after a row's time in which its request has to end."""
_TOO_MANY_REQUESTS = 429
_NOT_IMPORTED = frozenset({"repository_not_found", "repo_not_found", "merge_commit_shas_not_found"})
_NO_SUCH_METHOD = frozenset({404, 405})
_HELD_BACK = Outcome(
    "",
    dx.NAME,
    "failed",
    error="not sent: an earlier row of the same pull request failed",
    reason="Correct the earlier row and send both, in their order.",
)
_Result = TypeVar("_Result")
FailureCause: TypeAlias = Literal["row", "host", "settings"]
"""`host`: the row may get through later; `settings`: no row gets through before the token or the URL is corrected."""


class Job(NamedTuple):
    """One row to be sent."""

    row: ValidRow
    cells: Cells
    run_input: RunInput
    is_held_back: bool
    """True after an invalid row of its key: it fails without being sent."""


class Outage(NamedTuple):
    """A host that takes no rows."""

    error: str
    hint: str
    answers: bool
    """True where it answers, with an error of its own."""

    def describe(self, host: str) -> str:
        """What is the matter, as a clause."""
        return f"{host} {'is in trouble' if self.answers else 'does not answer'} ({self.error})"


class Partition:
    """One thread with one connection, and the rows that wait for it."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client
        self.executor = ThreadPoolExecutor(1)
        self.executor.submit(lambda: None)  # starts the thread; raises RuntimeError where there can be no more
        self.pending: deque[tuple[Job, Future[Outcome | None]]] = deque()
        self.failed_keys: set[str] = set()
        self.overdue = inf
        """When the request under way has to be over, on the monotonic clock."""


class Sender:
    """All partitions; `start`, `submit` and `collect` belong to one thread."""

    def __init__(self, options: BackfillOptions, env: Environment) -> None:
        self._options, self._env, self._clock = options, env, env.clock
        self._partitions: list[Partition] = []
        self._stopping, self._lock = Event(), Lock()
        self._limiter = RateLimiter(options.rate, env.clock, self._stopping.wait)
        self._failures, self._has_answered = 0, False
        self._last_success = self._patience_from = env.clock()
        self.outage: Outage | None = None
        """Why no rows get through just now."""
        self.error: str | None = None
        """Why the sender stopped by itself."""

    def start(self) -> bool:
        """Starts as many workers as there may be; False where a container allows no thread."""
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
        """True when no more rows are sent."""
        return self._stopping.is_set()

    @property
    def pending(self) -> int:
        """Rows that were submitted and not collected."""
        return sum(len(partition.pending) for partition in self._partitions)

    def has_room(self, partition_key: str) -> bool:
        """Whether another row of this key may be submitted."""
        return len(self._partition(partition_key).pending) < PARTITION_DEPTH

    def submit(self, job: Job) -> None:
        """Has a row sent, after all earlier ones of its key."""
        partition = self._partition(job.row.partition_key)
        partition.pending.append((job, partition.executor.submit(self._process, partition, job)))

    def collect(self) -> Iterator[tuple[Job, Outcome | None]]:
        """Rows that are done since the last time, each with its outcome; None where it was not tried.

        To be called now and then: it also stops the sender where a request does not end.
        """
        for partition in self._partitions:
            if self._clock() > partition.overdue:
                self._stop(f"an answer did not end within {self._options.timeout + GRACE:g} s")
            while partition.pending and partition.pending[0][1].done():
                job, future = partition.pending.popleft()
                yield job, future.result()

    def stop(self) -> None:
        """Sends no more rows; requests under way go on."""
        self._stopping.set()

    def close(self) -> None:
        """Closes the connections, each once its requests are over."""
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
        """Tries a row until the host takes or refuses it, or is given up; None where the sender stopped before."""
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
        """Whether a row is tried again. Where others got through meanwhile, the row alone upsets the host."""
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
            self._stop(f"{FAILURES} rows one after the other failed: {outcome.error}. {outcome.reason}")
        return outcome._replace(status="failed") if cause else outcome

    def _retry_after(self, seconds: float) -> None:
        """All workers wait when the host asks for it."""
        if seconds > LONGEST_WAIT:
            self._stop(f"the host asks to wait for over {LONGEST_WAIT / 60:.0f} minutes (Retry-After)")
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
    """Why a row was not delivered; None where it was."""
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
    """No thread for each request, which would cost half as much as the request: `collect` sees one that does not end."""
    return work()
