"""Knows whose turn it is to be sent: what a vendor does not take must not keep the others from it. Knows no signal.

One after the other has its turn, and is tried patiently, until one is given up. Then either that one is at fault, or the
vendor is down: of those behind it any is tried, once. When some in a row were given up as well the vendor is left alone,
and when one arrives the others follow. What was given up comes last; but where the vendor only asked for a pause, the same
one is tried first after it, once, so that the order stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import NamedTuple, Protocol, Self

from cibeacon.model.outcome import Outcome
from cibeacon.model.request import Exchange
from cibeacon.runtime.deadline import Deadline

PROBES = 3
"""How many in a row are tried before a vendor that answers is left alone; one that is mute is asked once more."""
UPLOADS = 4
"""Files that are sent at once."""
_BACKOFF_SECONDS = 0.5


class Carrier(Protocol):
    """A courier, or its rehearsal."""

    def send(self, exchange: Exchange, row: Outcome, deadline: Deadline | None = None) -> Outcome:
        """The row of a signal once its dialogue was carried; `deadline` is time of its own, where it has that."""
        ...


Hire = Callable[[bool, Callable[[float], None]], AbstractContextManager[Carrier]]
"""Gives a courier that is patient, or one that tries everything once; it tells the seconds of every `Retry-After`."""


class HttpClients:
    """The two couriers of a round, hired when they are needed; a context manager that lets them go."""

    def __init__(self, hire: Hire, clock: Callable[[], float]) -> None:
        self._hire, self._clock, self._held = hire, clock, ExitStack()
        self._hired: dict[bool, Carrier] = {}
        self._free: dict[str, float] = {}
        self._doubtful = set[str | None]()
        """Keys of signals of which an attempt may have arrived."""
        self._sink = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def send(self, exchange: Exchange, row: Outcome, deadline: Deadline, *, patient: bool) -> Outcome:
        """The row of a signal once its dialogue was carried."""
        self._sink = row.sink
        if not patient and self.free(row.sink) > self._clock():
            self._hired.pop(False, None)  # it was told to rest, and whoever asks now has decided not to wait
        if patient not in self._hired:
            self._hired[patient] = self._held.enter_context(self._hire(patient, self._slowed))
        row = row._replace(maybe_delivered=row.maybe_delivered or row.key in self._doubtful)
        told = self._hired[patient].send(exchange, row, deadline)
        if told.maybe_delivered:
            self._doubtful.add(told.key)
        return told

    def free(self, sink: str) -> float:
        """The moment on the clock until which the sink's vendor asked to be left alone."""
        return self._free.get(sink, 0.0)

    def _slowed(self, seconds: float) -> None:
        self._free[self._sink] = self._clock() + seconds


def at_once(
    places: Sequence[int],
    hire: Callable[[], AbstractContextManager[Carrier]],
    tell: Callable[[Carrier, int], Outcome],
) -> Iterator[tuple[int, Outcome]]:
    """Every place with what became of its file, as it comes: several at once, and none that fails keeps another."""
    from cibeacon.runtime.threads import together  # the network stack has it too

    with ExitStack() as held:
        idle = [held.enter_context(hire()) for _ in places[:UPLOADS]]  # a session is for one thread

        def uploaded(place: int) -> Outcome:
            client = idle.pop()
            try:
                return tell(client, place)
            finally:
                idle.append(client)

        yield from together(uploaded, places, UPLOADS)


class Turn(NamedTuple):
    """One signal's turn."""

    place: int
    """By which the caller knows it."""
    sink: str
    chain: object
    """Signals with the same one are sent in their order; those with different ones have nothing to do with each other."""


class Teller(Protocol):
    """What sends; it knows the signals by their places."""

    def tell(self, place: int, deadline: Deadline, *, patient: bool) -> Outcome:
        """What became of a signal. Not `patient`: it is tried once."""
        ...

    def untold(self, place: int) -> Outcome:
        """The row of a signal that was not tried, since the vendor did not take those before it."""
        ...

    def free(self, sink: str) -> float:
        """The moment on the clock until which the vendor asked to be left alone; the past when it did not."""
        ...


Told = Iterator[tuple[int, Outcome]]


def in_turn(turns: Sequence[Turn], teller: Teller, deadline: Deadline, random: Callable[[], float]) -> Told:
    """Every signal's place with what became of it, as it comes. Each sink has its share of the budget.

    No signal gets more than half of what is left for its sink while others wait behind it.
    """
    ahead, shares, given_up = Counter(turn.sink for turn in turns), dict[str, Deadline](), dict[str, _Probing]()
    for turn in turns:
        ahead[turn.sink] -= 1
        if turn.sink in given_up:
            given_up[turn.sink].add(turn)
            continue
        if turn.sink not in shares:
            shares[turn.sink] = deadline.part(1 / (len(ahead) - len(shares)))
        row = teller.tell(turn.place, _allowed(shares[turn.sink], others=ahead[turn.sink] > 0), patient=True)
        if ahead[turn.sink] and _given_up(row):
            given_up[turn.sink] = _Probing(turn, row, teller, random, paused=teller.free(turn.sink) > deadline.clock())
        else:
            yield turn.place, row
    waiting = sorted(given_up, key=teller.free)
    for number, sink in enumerate(waiting):
        yield from given_up[sink].told(deadline.part(1 / (len(waiting) - number)))


class _Probing:
    """Looks whether a vendor takes others than the signal that it did not take.

    Args:
        turn: the signal's.
        row: what became of it.
        teller: sends.
        random: from 0 to 1.
        paused: whether the vendor asked to be left alone for a while, and said nothing against the signal.
    """

    def __init__(self, turn: Turn, row: Outcome, teller: Teller, random: Callable[[], float], *, paused: bool) -> None:
        self._teller, self._random, self._first = teller, random, turn
        self._chains: dict[object, list[Turn]] = {turn.chain: [turn]}
        self._rows = {turn.place: row}
        """Of those that were given up."""
        self._most = PROBES if row.http_status else 1
        self._in_a_row, self._doubtful = 0, True
        self._paused = paused
        self._own_pause: float | None = None
        """The end of the pause that the first signal was answered with when it had waited for one already."""

    def add(self, turn: Turn) -> None:
        """Another one that waits."""
        self._chains.setdefault(turn.chain, []).append(turn)

    def told(self, deadline: Deadline) -> Told:
        """Every signal that waits, with what became of it."""
        first, *others = self._chains.values()
        fresh, last, over = others[::-1], [first], list[list[Turn]]()
        if self._paused and self._may_ask(deadline):
            row = self._after_its_pause(_allowed(deadline, others=bool(fresh)))
            if _given_up(row):
                last, over = [], [first]
            else:
                yield first[0].place, row
                last, fresh = [], [*fresh, first[1:]] if first[1:] else fresh
        while (fresh or last) and self._may_ask(deadline):
            chain = fresh.pop(-1 - self._any(len(fresh))) if fresh else last.pop(0)
            turn, again = chain[0], chain[0].place in self._rows
            row = self._tried(turn, _allowed(deadline, others=bool(fresh or last)))
            if _given_up(row):
                (over if again else last).append(chain)
                continue
            yield turn.place, row
            if chain[1:]:
                fresh.append(chain[1:])
        for turn in (turn for chain in (*fresh[::-1], *last, *over) for turn in chain):
            yield turn.place, self._rows.get(turn.place) or self._teller.untold(turn.place)

    def _after_its_pause(self, deadline: Deadline) -> Outcome:
        """What became of the first signal when it had its pause. It is no sample of those that wait behind it."""
        row = self._tried(self._first, deadline)
        self._in_a_row = 0
        if _given_up(row):
            self._own_pause = self._teller.free(self._first.sink)
        return row

    def _may_ask(self, deadline: Deadline) -> bool:
        """Whether the vendor may be asked again, once it was waited as long as it wants to be left alone."""
        free = self._teller.free(self._first.sink)
        wait = max(0.0, free - deadline.clock())
        if free == self._own_pause and wait > deadline.remaining() / 2:
            wait = 0.0  # a signal that is always answered with a pause must not keep the others back
        if self._in_a_row >= self._most or wait >= deadline.remaining():
            return False
        pause = self._random() * _BACKOFF_SECONDS * 2**self._in_a_row if self._in_a_row else 0.0
        deadline.sleep(min(max(wait, pause), deadline.remaining()))
        return deadline.remaining() > 0

    def _any(self, count: int) -> int:
        """Which of so many is next: the first where the vendor takes signals, and any where it may not."""
        return min(int(self._random() * count), count - 1) if self._doubtful else 0

    def _tried(self, turn: Turn, deadline: Deadline) -> Outcome:
        row, before = self._teller.tell(turn.place, deadline, patient=False), self._rows.get(turn.place)
        if before:
            row = row._replace(attempts=row.attempts + before.attempts)
        if _given_up(row):
            self._rows[turn.place] = row
            self._in_a_row, self._doubtful = self._in_a_row + 1, True
        elif row.request:
            self._in_a_row, self._doubtful = 0, False
        return row


def _allowed(deadline: Deadline, *, others: bool) -> Deadline:
    return deadline.part(0.5) if others else deadline


def _given_up(row: Outcome) -> bool:
    """Whether a request was made, or was about to be, and the vendor did not take it."""
    return row.status == "spooled" and row.request is not None
