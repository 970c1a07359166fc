"""Runs a command under `cibeacon exec` and under `env`, and observes all that a caller can see of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from living import SECONDS, _command, _living, _session

CIBEACON = os.fspath(Path(sys.executable).with_name("cibeacon"))
PATIENT = "--report-timeout=100"
"""A report ends when it is done: this is for busy machines."""
EXEC = (CIBEACON, "exec", PATIENT, "--")
ENV = ("env",)
PATH = "/usr/local/bin:/usr/bin:/bin"
NUMBERS = {number.name.removeprefix("SIG"): number for number in signal.Signals}

_PUPPET = """
import os, signal, sys
caught = {getattr(signal, "SIG" + name) for name in sys.argv[1].split(",") if name}
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, caught)
os.write(1, b"ready\\n")
while caught:
    name = signal.Signals(signal.sigwait(caught)).name.removeprefix("SIG")
    os.write(1, (name + "\\n").encode())
    if name == sys.argv[2]:
        os._exit(int(sys.argv[3]))
while True:
    signal.pause()
"""


def puppet(catches="", *, ends_at="", code=0):
    """A command that prints the name of every signal that it catches, and at one of them ends with a code."""
    return (sys.executable, "-c", _PUPPET, catches, ends_at, str(code))


def job(url, folder, **more):
    """The variables of a job on GitLab that reports to a server."""
    return {
        "PATH": PATH,
        "GITLAB_CI": "true",
        "CI_SERVER_URL": "https://gitlab.example.com",
        "CI_PROJECT_PATH": "acme/shop",
        "CI_PIPELINE_ID": "900",
        "CI_JOB_ID": "77",
        "CI_JOB_NAME": "build",
        "CI_COMMIT_SHA": "a" * 40,
        "CI_COMMIT_BRANCH": "main",
        "CIBEACON_SPOOL": os.fspath(Path(folder) / "spool"),
        "CIBEACON_DX_URL": url,
        "DX_API_TOKEN": "good",
        **more,
    }


class Observed(NamedTuple):
    """All that a caller sees of a command."""

    code: int
    out: bytes
    err: bytes
    left: list[str]
    """The processes of its session that outlive it."""


class Running:
    """A command that runs as the first of a session; a context manager, at whose end all of that is gone."""

    def __init__(self, command, *, environ, cwd, stdin=subprocess.DEVNULL, **more):
        self.process = subprocess.Popen(
            list(command),
            env=dict(environ),
            cwd=cwd,
            stdin=stdin,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True, **more},
        )
        self._out = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in (*self._others(), self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()

    def line(self):
        """The next line of its output."""
        line = self.process.stdout.readline()
        self._out += line
        return line.decode().strip()

    def command(self):
        """The process of the wrapped command, which runs."""
        (command,) = [pid for pid in self._children() if _command(pid) != _command(self.process.pid)]
        return command

    def beside(self):
        """The processes that stand beside it."""
        return [pid for pid in self._children() if _command(pid) == _command(self.process.pid)]

    def _children(self):
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(word) for word in text.split()]

    def send(self, name, to="alone"):
        """Sends a signal to the process alone, or to its group."""
        (os.killpg if to == "group" else os.kill)(self.process.pid, NUMBERS[name])

    def observed(self, *, expected_left=None):
        """What there was to see, once it has ended. Killed processes have the time that a busy machine needs."""
        out, err = self.process.communicate(timeout=SECONDS)
        until = time.monotonic() + SECONDS
        while (left := self.left()) != expected_left and expected_left is not None and time.monotonic() < until:
            time.sleep(0.01)
        return Observed(self.process.returncode, self._out + (out or b""), err or b"", left)

    def left(self):
        """The command lines of the processes of its session that outlive it."""
        return sorted(_command(pid).strip() for pid in self._others())

    def _others(self):
        return [pid for pid in _living() if pid != self.process.pid and _session(pid) == self.process.pid]


def observe(wrapper, command, sends=(), **how):
    """What is to be seen of a command; signals are sent once it has said that it is ready, or got the one before."""
    expected_left = how.pop("expected_left", None)
    with Running((*wrapper, *command), **how) as running:
        for name, to in sends:
            running.line()
            running.send(name, to)
        return running.observed(expected_left=expected_left)


def both(command, sends=(), *, flags=(), environ, cwd, **how):
    """The same under `env` and under us."""
    plain = observe(ENV, command, sends, environ=environ, cwd=cwd, **how)
    wrapped = observe(
        (CIBEACON, "exec", PATIENT, *flags, "--"),
        command,
        sends,
        environ=environ,
        cwd=cwd,
        expected_left=plain.left,
        **how,
    )
    return plain, wrapped


def runs(sandbox):
    """The runs that DX has now."""
    return sandbox.ledger.document()["pipeline_runs"]


def only_run(sandbox):
    """The one run that DX has."""
    (run,) = runs(sandbox).values()
    return run
