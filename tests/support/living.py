"""Real processes of the command: started in an environment of their own, told to end, and looked at when they are gone."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cibeacon.model import spool_record

SECONDS = 120
"""How long anything is waited for that comes at once, even on a busy machine."""

_STAND = """
import os
def stand():
    with open({reached!r}, "w") as file:
        file.write("here")
    os.read(os.open({go!r}, os.O_RDONLY), 2)
"""
_AT_AN_IMPORT = """
import importlib.abc, sys
class Stop(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            stand()
sys.meta_path.insert(0, Stop())
"""
_AT_A_CALL = """
import {module}, itertools
calls, called = itertools.count(1), {module}.{name}
def standing(*given, **more):
    if next(calls) == {number}:
        stand()
    return called(*given, **more)
{module}.{name} = standing
"""


class Bell:
    """A named pipe by which others say that they are at some place; whoever writes to it never waits for us."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def waited_for(self) -> str:
        """What was written there, once it was."""
        assert select.select([self._file], [], [], SECONDS)[0], f"nobody wrote to {self.path.name}"
        return os.read(self._file, 1 << 16).decode()

    @property
    def rung(self) -> bool:
        """Whether something was written there that nobody has read."""
        return bool(select.select([self._file], [], [], 0)[0])

    def close(self) -> None:
        os.close(self._file)


class Stopped:
    """A process that stands still, until it is told to go on, where it is about to do something for the n-th time.

    Args:
        folder: is made.
        what: imports a module of this name; or with brackets, as `os.replace()`, calls a function.
    """

    def __init__(self, folder: Path, what: str, number: int = 1) -> None:
        folder.mkdir()
        self._reached, self._go = Bell(folder / "reached"), folder / "go"
        os.mkfifo(self._go)
        self._file = os.open(self._go, os.O_RDWR)
        text = _STAND.format(reached=os.fspath(self._reached.path), go=os.fspath(self._go))
        if what.endswith("()"):
            module, _, name = what.removesuffix("()").rpartition(".")
            text += _AT_A_CALL.format(module=module, name=name, number=number)
        else:
            text += _AT_AN_IMPORT.format(name=what)
        (folder / "sitecustomize.py").write_text(text)
        self.environ = {"PYTHONPATH": os.fspath(folder)}

    def waited_for(self) -> None:
        """Returns once it stands still."""
        self._reached.waited_for()

    @property
    def reached(self) -> bool:
        """Whether it stands still."""
        return self._reached.rung

    def goes_on(self) -> None:
        """Lets it go on."""
        os.write(self._file, b"go")

    def close(self) -> None:
        self._reached.close()
        os.close(self._file)


class Ended(NamedTuple):
    """What a process left behind."""

    code: int
    out: str
    err: str
    seconds: float
    """From the first signal, or from the start, to the end."""


class Living:
    """A running `cibeacon ARGV`; a context manager, at whose end it is gone."""

    def __init__(
        self,
        *argv: str,
        environ: Mapping[str, str],
        cwd: Path,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        command: Sequence[str] = (sys.executable, "-m", "cibeacon"),
    ) -> None:
        self._since = time.monotonic()
        self.process = subprocess.Popen(
            [*command, *argv],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], **environ},
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Living:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.others():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()

    def told(self, number: int) -> None:
        """Sends a signal to the process alone."""
        self._since = time.monotonic()
        self.process.send_signal(number)

    def ended(self) -> Ended:
        """Its end, once it came; how long it lived is for bounds only."""
        out, err = self.process.communicate(timeout=SECONDS)
        return Ended(self.process.returncode, out or "", err, time.monotonic() - self._since)

    def others(self) -> list[int]:
        """Every other living process of its session: what it started, and what those did."""
        return [pid for pid in _living() if pid != self.process.pid and _session(pid) == self.process.pid]

    def left_behind(self) -> list[int]:
        """Processes of its session that outlive it: those that were killed get the time that a busy machine needs."""
        until = time.monotonic() + SECONDS
        while (others := self.others()) and time.monotonic() < until:
            time.sleep(0.01)
        return others

    def child(self, command: str) -> int:
        """A child that runs a command, once there is one."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            for pid in self.others():
                if command in _command(pid):
                    return pid
            time.sleep(0.01)  # nobody tells of a child's start
        raise AssertionError(f"no child runs {command}")


def gone(process: int) -> bool:
    """True once a process has ended, by a descriptor that was opened while it lived."""
    return bool(select.select([process], [], [], SECONDS)[0])


def records(spool: Path) -> dict[str, spool_record.Record]:
    """Every record in a spool by its key. One that was written by halves is an error."""
    found = [spool_record.read(path.read_bytes()) for path in sorted(spool.glob("*.ndjson"))]
    return {each.key: each for each in found}


def outputs(text: str) -> dict[str, str]:
    """GitHub's outputs file as the runner reads it; one that was written by halves is an error."""
    pattern = re.compile(r"(\w+)<<(\S+)\n(.*?)\n\2(?:\n|$)", re.DOTALL)
    assert pattern.sub("", text).strip() == ""
    return {name: value for name, _, value in pattern.findall(text)}


def document(folder: Path) -> dict:
    """The JSON report that a run left in the runner's folder."""
    return json.loads((folder / "cibeacon/report.json").read_text())


def _living() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _session(pid: int) -> int | None:
    """The session of a process; none when it has ended."""
    try:
        state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return None
    return None if state == "Z" else int(session)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
