"""The process itself: its environment, its deadline, how it is interrupted, what it leaves behind.

The package shares what is in this module: what a process gets from outside, which only `__main__` builds.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TextIO, TypeAlias

Stage: TypeAlias = Literal["single", "main", "post"]
"""`main` and `post` are the stages of the GitHub action; `single` does everything at once: the CLI, a GitLab job."""


def _nothing(*_: float | None) -> None:
    """Does nothing: for a process without signal handlers."""


class Environment(NamedTuple):
    """The process around a command."""

    environ: Mapping[str, str]
    cwd: Path
    stdin: TextIO
    out: TextIO
    err: TextIO
    now: Callable[[], float]
    """Wall clock, Unix seconds."""
    began: int
    """Wall clock at the start of the process: the time of everything that it reports."""
    clock: Callable[[], float]
    """Monotonic clock, seconds."""
    started: float
    """Monotonic clock at the start of the process, from which the deadline counts."""
    sleep: Callable[[float], None]
    random: Callable[[], float]
    """A number from 0 to 1, for jitter."""
    token: Callable[[], str]
    """A new unguessable word, for delimiters."""
    stage: Stage = "single"
    alarm: Callable[[float, int], object] = _nothing
    """Interrupts the work after so many seconds; a process that has to be killed gets this exit code."""
    halftime: Callable[[float | None], object] = _nothing
    """Interrupts the work with `HalfTime` after so many seconds; None cancels it."""
    closing: Callable[[int], object] = _nothing
    """Called with the exit code as soon as it is known."""
    waiting: Callable[[int], object] = _nothing
    """Called with the number of the run's signals in the spool, whenever it changes."""
