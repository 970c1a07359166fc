"""Measures whole processes in turn, over several rounds after a warm-up, and compares them pair by pair."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Contender(NamedTuple):
    """A command to measure, with its complete environment."""

    title: str
    command: list[str]
    environ: Mapping[str, str]
    rounds: int | None = None
    """The number of rounds in which it runs; None means all."""


class Figure(NamedTuple):
    """One whole process with its children: wall seconds, processor seconds, MiB of the largest process."""

    wall: float
    processor: float
    memory: float


def measured(contender: Contender, cwd: Path) -> Figure:
    """One run. A command that fails ends the benchmark with its output."""
    started = time.perf_counter()
    child = subprocess.Popen(
        contender.command, cwd=cwd, env=dict(contender.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    tail = b""
    while child.stdout and (chunk := child.stdout.read(1 << 16)):
        tail = (tail + chunk)[-4000:]
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.stdout:
        child.stdout.close()
    if child.returncode != 0:
        raise SystemExit(f"{contender.title}: exit {child.returncode}\n{tail.decode(errors='replace')}")
    return Figure(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def compared(contenders: list[Contender], cwd: Path, rounds: int) -> dict[str, list[Figure]]:
    """The figures of every contender, one per round, measured in turn."""
    figures: dict[str, list[Figure]] = {contender.title: [] for contender in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            if contender.rounds is not None and number > contender.rounds:
                continue
            figure = measured(contender, cwd)
            if number:  # the first round warms up
                figures[contender.title].append(figure)
    return figures


def table(figures: Mapping[str, list[Figure]], against: str) -> str:
    """Medians, and the median of each pair's ratio to the contender `against`."""
    lines = [f"{'':<34}{'wall':>10}{'ratio':>8}{'processor':>13}{'memory':>12}{'ratio':>8}"]
    for title, found in figures.items():
        wall, processor, memory = (statistics.median(column) for column in zip(*found, strict=True))
        pairs = [(one, other) for one, other in zip(found, figures[against], strict=False)]
        ratio = statistics.median(one.wall / other.wall for one, other in pairs)
        weight = statistics.median(one.memory / other.memory for one, other in pairs)
        lines.append(
            f"{title:<34}{wall * 1000:7.1f} ms{ratio:8.2f}{processor * 1000:10.1f} ms{memory:8.1f} MiB{weight:8.2f}"
        )
    return "\n".join(lines)
