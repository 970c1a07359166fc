"""What a process is given: environment, streams, clocks, chance. Built by `__main__` alone."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TextIO, TypeAlias

Stage: TypeAlias = Literal["single", "main", "post"]
"""`main` and `post` are the stages of the GitHub action; `single` is everything at once: the CLI, a GitLab job."""


def _nothing(*_: float | None) -> None:
    """What a process without signal handlers does."""


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
    """The wall clock when the process began: the time of everything that it reports."""
    clock: Callable[[], float]
    """Monotonic clock, seconds."""
    started: float
    """The monotonic clock when the process began: the time budget counts from here."""
    sleep: Callable[[float], None]
    random: Callable[[], float]
    """A number from 0 to 1, for jitter."""
    token: Callable[[], str]
    """A fresh unguessable word, for delimiters."""
    stage: Stage = "single"
    alarm: Callable[[float, int], object] = _nothing
    """Interrupts the work after so many seconds; the exit code is for a process that has to be ended."""
    halftime: Callable[[float | None], object] = _nothing
    """Interrupts the work with `HalfTime` after so many seconds; with None no more."""
    closing: Callable[[int], object] = _nothing
    """Takes the exit code as soon as it is known."""
    waiting: Callable[[int], object] = _nothing
    """Takes how many signals of the run are in the spool, whenever that changes."""
