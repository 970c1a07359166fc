"""Knows where the work may be interrupted: in sections that wait or compute for long, and nowhere else. Knows no signal.

Everything else is finished first: a batch of records is complete on disk, a folder that was made is removed, what was
sent is written down. An interruption that comes meanwhile is raised in the next section that allows it.
"""

from __future__ import annotations

from _thread import get_ident
from types import CodeType, FrameType, TracebackType

_MAIN = get_ident()
"""Signals are the main thread's, and so are interruptions; in other threads a section does nothing."""


class _State:
    """The interruption that is still to be raised, and whether it may be. The main thread's alone."""

    interruptible = False
    pending: KeyboardInterrupt | None = None


class Section:
    """A section of the work; a context manager for one use."""

    def __init__(self, *, interruptible: bool) -> None:
        self._interruptible, self._before = interruptible, False

    def __enter__(self) -> None:
        if get_ident() != _MAIN:
            return
        self._before, _State.interruptible = _State.interruptible, self._interruptible
        if self._interruptible and _State.pending:
            _State.interruptible = self._before
            raise _take_pending()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if get_ident() != _MAIN:
            return
        _State.interruptible = self._before
        if self._interruptible and isinstance(error, KeyboardInterrupt):
            _State.pending = None
        elif _State.pending and (self._interruptible or self._before):  # it came late, or a callback swallowed it
            raise _take_pending()


_OWN_CODE: frozenset[CodeType] = frozenset((Section.__enter__.__code__, Section.__exit__.__code__))
"""Between two sections nothing is raised: the one would be neither entered nor left."""


def interruptible() -> Section:
    """A section in which an interruption is raised."""
    return Section(interruptible=True)


def uninterrupted() -> Section:
    """A section that is finished first, inside one that may be interrupted."""
    return Section(interruptible=False)


def interrupt(stop: KeyboardInterrupt, frame: FrameType | None) -> None:
    """For a signal's handler: raises the interruption where it may be raised, else in the next section that allows it."""
    _State.pending = stop
    raise_pending(frame)


def discard(kind: type[KeyboardInterrupt]) -> None:
    """Drops a pending interruption of a kind."""
    if isinstance(_State.pending, kind):
        _State.pending = None


def raise_pending(frame: FrameType | None) -> None:
    """Raises the interruption again, where it may be: Python swallows what is raised in a destructor or a callback."""
    is_own_code = frame is not None and frame.f_code in _OWN_CODE
    if _State.pending and _State.interruptible and not is_own_code and not _is_importing(frame):
        raise _State.pending


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported: half a library would stay, and fail later. The next alarm tries again."""
    while frame and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def _take_pending() -> KeyboardInterrupt:
    stop, _State.pending = _State.pending, None
    return stop or KeyboardInterrupt()
