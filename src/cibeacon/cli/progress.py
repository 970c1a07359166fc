"""Shows the upload progress of large files: bars on a terminal, an occasional line elsewhere. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cibeacon.cli.output import say
from cibeacon.runtime import Environment
from cibeacon.runtime.paths import Watch
from cibeacon.runtime.safe_text import Redactor, clipped
from cibeacon.settings import secret_values

LARGE = 8 << 20
"""Size in bytes from which a file's progress is shown."""
EVERY = 10.0
"""Seconds between two lines."""
_WIDTH = 200


@contextmanager
def progress(env: Environment) -> Iterator[Watch]:
    """A watch for the HTTP client. It prints to stderr and restores the terminal at the end."""
    if not env.err.isatty():
        yield _Lines(env).watch
        return
    from rich.console import Console  # takes 0.1 s to import, and only people need it
    from rich.progress import Progress, TaskID

    tasks: dict[Path, TaskID] = {}
    clean = Redactor(secret_values(env.environ))
    with Progress(console=Console(file=env.err), transient=True) as bars:

        def watch(path: Path, read: int) -> None:
            if path not in tasks:
                size = path.stat().st_size
                tasks[path] = bars.add_task(
                    clipped(clean(path.name), 40).replace("[", "\\["), total=size, visible=size >= LARGE
                )
            bars.update(tasks[path], completed=read)

        yield watch


class _Lines:
    """A line for each large file that is being uploaded, every ten seconds."""

    def __init__(self, env: Environment) -> None:
        self._env, self._clean = env, Redactor(secret_values(env.environ))
        self._last_line = env.clock()
        self._read: dict[Path, int] = {}

    def watch(self, path: Path, read: int) -> None:
        """Called from the sending threads; if two call at once, a line is printed twice at worst."""
        self._read[path] = read
        now = self._env.clock()
        if now < self._last_line + EVERY:
            return
        self._last_line = now
        for file, done in tuple(self._read.items()):
            size = file.stat().st_size if file.exists() else 0
            if size >= LARGE and done < size:
                text = f"{file.name}: {done >> 20} of {size >> 20} MiB"
                say(self._env, f"{clipped(self._clean(text), _WIDTH)}\n", to_stderr=True)
