"""What the image costs: its layers, and the start of a container. Run: .venv/bin/python benchmarks/image.py TAG

Each contender is a whole `docker run --rm`, in turn: an empty container (/bin/true), bare Python, the action's pre stage,
`cibeacon --version`, and a report of a run without settings. Wall time is the median; the ratio is to the empty
container, pair by pair. Sizes are the engine's, unpacked, layer by layer; an empty layer is left out.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from processes import Contender, Figure, compared

ROUNDS = int(os.environ.get("ROUNDS", "21"))
EMPTY = "an empty container"


def contenders(tag: str) -> list[Contender]:
    """Who is measured."""
    home = "/opt/cibeacon/bin"

    def run(title: str, *words: str, entrypoint: str = f"{home}/cibeacon") -> Contender:
        command = ["docker", "run", "--rm", "--network=host", f"--entrypoint={entrypoint}", tag, *words]
        return Contender(title, command, os.environ)

    return [
        run(EMPTY, entrypoint="/bin/true"),
        run("bare Python", "-I", "-c", "pass", entrypoint=f"{home}/python"),
        run("the pre stage", entrypoint=f"{home}/cibeacon-pre"),
        run("cibeacon --version", "--version"),
        run("cibeacon report, a dry run", "report"),
    ]


def line(title: str, found: list[Figure], empty: list[Figure]) -> str:
    """A contender's figures."""
    wall = statistics.median(figure.wall for figure in found)
    ratio = statistics.median(one.wall / other.wall for one, other in zip(found, empty, strict=True))
    return f"{title:<34}{wall * 1000:7.1f} ms{ratio:8.2f}"


def layers(tag: str) -> str:
    """The image's layers that hold anything, newest first."""
    form = "{{.Size}}\t{{.CreatedBy}}"
    done = subprocess.run(["docker", "history", "--format", form, tag], capture_output=True, text=True, check=True)
    return "\n".join(row[:100] for row in done.stdout.splitlines() if not row.startswith("0B"))


def main(tag: str) -> None:
    """Prints sizes and times."""
    print(layers(tag))
    figures = compared(contenders(tag), Path.cwd(), ROUNDS)
    print(f"{ROUNDS} rounds after a warm-up, whole containers, medians; ratios to {EMPTY} pair by pair")
    for title, found in figures.items():
        print(line(title, found, figures[EMPTY]))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} TAG")
    main(sys.argv[1])
