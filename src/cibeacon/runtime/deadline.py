"""Knows how much time is left for the whole run, and waits no longer than that for work in other threads.

It does not know the clock, which is passed in, nor the network. Some work cannot be interrupted: a name look-up, a header
that trickles in, an upload. It continues in its own thread until it is done or the process ends, while the caller goes
on. Work that could not be abandoned is not started: if a container allows no more threads, no request is made.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Event
from typing import NamedTuple, Self, TypeVar

from cibeacon.runtime.shutdown import interruptible
from cibeacon.runtime.signal_handling import start_thread


class Deadline(NamedTuple):
    """A span of wall-clock time, shared by everything that gets it."""

    seconds: float
    clock: Callable[[], float]
    """A monotonic clock, in seconds."""
    sleep: Callable[[float], None]
    started: float

    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.started + self.seconds - self.clock())

    def share(self, fraction: float) -> Self:
        """A fraction of the whole span, from the same start: for work that must leave time for later steps."""
        return self._replace(seconds=self.seconds * fraction)

    def part(self, fraction: float) -> Self:
        """A fraction of the time left, from now on: for one of several tasks that must not delay each other."""
        now = self.clock()
        return self._replace(seconds=self.remaining() * fraction, started=now)


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Unwatched(TimeoutError):
    """Work was not started, because no thread could be started to run it."""

    def __init__(self) -> None:
        super().__init__("this machine allows no more threads (a container's process limit)")


def within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """What `work` returns or raises. Raises `TimeoutError` if it takes over `seconds`, `Unwatched` if it was not started."""
    done = Event()
    outcomes: list[Callable[[], _Result]] = []

    def run() -> None:
        outcomes.append(_attempt(work))
        done.set()

    with interruptible():
        if not start_thread(run):
            raise Unwatched
        finished = done.wait(seconds)
    if not finished:
        raise TimeoutError(f"not done within {seconds:.3g} s")
    return outcomes[0]()


def together(work: Callable[[_Item], _Result], items: Sequence[_Item], most: int) -> Iterator[tuple[_Item, _Result]]:
    """Each item with the result of `work`, as it comes, `most` items at once. Raises what `work` raises.

    If the caller stops iterating, work in progress continues in its threads, and no more is started.
    """
    from queue import SimpleQueue  # few commands need it

    waiting, over = list(reversed(items)), Event()
    done: SimpleQueue[tuple[_Item, Callable[[], _Result]]] = SimpleQueue()

    def serve() -> None:
        while waiting and not over.is_set():
            try:
                item = waiting.pop()
            except IndexError:  # another thread took the last one
                return
            done.put((item, _attempt(partial(work, item))))

    workers = sum(start_thread(serve) for _ in range(min(most, len(items))))
    try:
        if not workers:
            yield from ((item, work(item)) for item in items)
            return
        for _ in items:
            with interruptible():
                item, outcome = done.get()
            yield item, outcome()
    finally:
        over.set()


def _attempt(work: Callable[[], _Result]) -> Callable[[], _Result]:
    """A function that returns the result of the work, or raises what it raised."""
    try:
        result = work()
    except BaseException as error:  # raised again by the returned function
        failure = error

        def failed() -> _Result:
            raise failure

        return failed
    return lambda: result
