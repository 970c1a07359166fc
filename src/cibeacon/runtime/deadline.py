"""Knows how much time is left for everything together, and waits for work in other threads no longer than that.

It does not know the clock, which is handed in, nor the network. Some work cannot be interrupted: a name look-up, a header
that drips, a file that uploads. It goes on alone in its thread and ends with the process at the latest; the caller has its
time back. Work that could not be given up is not begun: where a container allows no more threads, nothing is asked and
nothing is sent.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Event
from typing import NamedTuple, Self, TypeVar

from cibeacon.runtime.shutdown import interruptible
from cibeacon.runtime.signal_handling import start_thread


class Deadline(NamedTuple):
    """A span of wall-clock time, shared by all who are given it."""

    seconds: float
    clock: Callable[[], float]
    """A monotonic clock, in seconds."""
    sleep: Callable[[float], None]
    started: float

    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.started + self.seconds - self.clock())

    def share(self, fraction: float) -> Self:
        """A part of the whole span, from the same start: for work that must leave time for what follows."""
        return self._replace(seconds=self.seconds * fraction)

    def part(self, fraction: float) -> Self:
        """A part of what is left, from now on: for one of several who must not wait for each other."""
        now = self.clock()
        return self._replace(seconds=self.remaining() * fraction, started=now)


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Unwatched(TimeoutError):
    """Work was not begun, since no thread could be started that would let us go on without it."""

    def __init__(self) -> None:
        super().__init__("this machine allows no thread that could break it off (a container's limit of processes)")


def within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """What `work` returns or raises; `TimeoutError` when it is not done within `seconds`, and where it was not begun."""
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
    """Each item with what `work` makes of it, as it comes; at most so many at once. What `work` raises is raised here.

    Whoever stops listening leaves what is in work to itself, and nothing else is begun.
    """
    from queue import SimpleQueue  # few verbs do several things at once

    waiting, over = list(reversed(items)), Event()
    done: SimpleQueue[tuple[_Item, Callable[[], _Result]]] = SimpleQueue()

    def serve() -> None:
        while waiting and not over.is_set():
            try:
                item = waiting.pop()
            except IndexError:  # another one took the last
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
    """What became of work, for whoever waits: gives its result, or raises what it raised."""
    try:
        result = work()
    except BaseException as error:  # it belongs to whoever waits
        failure = error

        def failed() -> _Result:
            raise failure

        return failed
    return lambda: result
