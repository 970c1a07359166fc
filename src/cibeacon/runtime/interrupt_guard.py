"""Knows where the work may be broken off: where it waits or reckons for long, and nowhere else. Knows no signal.

Whatever is begun elsewhere is finished: a batch of records is on disk whole, a folder that was made is removed, what
was sent is written down. An interruption that comes meanwhile is told at the next stretch that allows it.
"""

from __future__ import annotations

from _thread import get_ident
from types import CodeType, FrameType, TracebackType

_MAIN = get_ident()
"""Signals are the main thread's, and so is whatever is broken off; in other threads a stretch is nothing."""


class _Told:
    """The interruption of this process that nobody heard yet, and whether anybody would. The main thread's alone."""

    interruptible = False
    waiting: KeyboardInterrupt | None = None


class Section:
    """A stretch of the work; a context manager for one use."""

    def __init__(self, *, interruptible: bool) -> None:
        self._interruptible, self._before = interruptible, False

    def __enter__(self) -> None:
        if get_ident() != _MAIN:
            return
        self._before, _Told.interruptible = _Told.interruptible, self._interruptible
        if self._interruptible and _Told.waiting:
            _Told.interruptible = self._before
            raise _heard()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if get_ident() != _MAIN:
            return
        _Told.interruptible = self._before
        if self._interruptible and isinstance(error, KeyboardInterrupt):
            _Told.waiting = None
        elif _Told.waiting and (self._interruptible or self._before):  # it came late, or a callback swallowed it
            raise _heard()


_OUR_OWN: frozenset[CodeType] = frozenset((Section.__enter__.__code__, Section.__exit__.__code__))
"""Between two stretches nothing is raised: the one would be neither entered nor left."""


def interruptible() -> Section:
    """An interruption breaks this off: it is raised here, and whoever entered is ready for it."""
    return Section(interruptible=True)


def uninterrupted() -> Section:
    """Inside a stretch that may be broken off, this is finished first."""
    return Section(interruptible=False)


def interrupt(stop: KeyboardInterrupt, frame: FrameType | None) -> None:
    """For a signal's handler: raises the interruption if the work may be broken off, else keeps it until it may."""
    _Told.waiting = stop
    again(frame)


def forget(kind: type[KeyboardInterrupt]) -> None:
    """An interruption of a kind that nobody has to hear any more."""
    if isinstance(_Told.waiting, kind):
        _Told.waiting = None


def again(frame: FrameType | None) -> None:
    """Raises what was not heard. Python swallows what is raised in a destructor or a callback."""
    if _Told.waiting and _Told.interruptible and (frame is None or frame.f_code not in _OUR_OWN):
        raise _Told.waiting


def _heard() -> KeyboardInterrupt:
    stop, _Told.waiting = _Told.waiting, None
    return stop or KeyboardInterrupt()
