"""Compares `cibeacon exec` with `env` and other wrappers. Run: .venv/bin/python benchmarks/exec.py

Runs in turn, each around the same command and reporting to a server on loopback:
  env                          the command without a wrapper
  ours                         cibeacon exec, as in a GitLab job, reporting to the sandbox; also with a flag
  sentry-cli monitors run      @sentry/cli, with a server that accepts everything
  datadog-ci trace             @datadog/datadog-ci; its intake cannot be on loopback, so each call is refused at once, and
                               it retries for half a minute: `whole` is a single call
npm installs the last two into a temporary folder; without npm they are left out.
`start` is the time from the call until the command runs, `memory` the memory of all processes of the wrapper (proportional
set size) when the command starts and two seconds later, and `whole` the time of a call that runs `true`. All are medians.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from report import sandbox

ROUNDS = int(os.environ.get("ROUNDS", "15"))
PACKAGES = ("@sentry/cli@3.8.0", "@datadog/datadog-ci@5.25.0")
NOWHERE = "http://127.0.0.1:9"


class Wrapper(NamedTuple):
    """A wrapper, with its complete environment."""

    title: str
    words: list[str]
    environ: Mapping[str, str]
    rounds: int = ROUNDS
    """The number of whole calls to measure."""


class TakesAll(BaseHTTPRequestHandler):
    """Answers every request with an empty object."""

    def do_POST(self) -> None:
        """Answers any call."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    do_PUT = do_POST

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


@contextmanager
def taking_all() -> Iterator[int]:
    """The port of a server that accepts everything."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), TakesAll)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


def from_npm(folder: Path, port: int, environ: Mapping[str, str]) -> list[Wrapper]:
    """The other wrappers that npm can install."""
    npm = shutil.which("npm")
    if npm is None:
        print("Other wrappers are left out because npm is not installed (scripts/engines-node shows what it needs).")
        return []
    command = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"Other wrappers are left out because npm cannot install them: {done.stderr.strip().splitlines()[-1:]}")
        return []
    programs = folder / "node_modules/.bin"
    sentry = {**environ, "SENTRY_DSN": f"http://key@127.0.0.1:{port}/1", "HTTPS_PROXY": NOWHERE}
    datadog = {**environ, "DATADOG_API_KEY": "key", "HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE}
    found = [
        Wrapper("sentry-cli monitors run", [str(programs / "sentry-cli"), "monitors", "run", "shop", "--"], sentry),
        Wrapper("datadog-ci trace", [str(programs / "datadog-ci"), "trace", "--no-fail", "--"], datadog, 1),
    ]
    return [wrapper for wrapper in found if Path(wrapper.words[0]).exists()]


def start(wrapper: Wrapper) -> float:
    """Seconds until the command ran; the rest of the call is killed."""
    called = time.time_ns()
    with subprocess.Popen(
        [*wrapper.words, "date", "+%s%N"],
        env=dict(wrapper.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        assert running.stdout
        for line in running.stdout:
            if line.strip().isdigit() and len(line) > 15:
                break
        else:
            raise SystemExit(f"{wrapper.title} did not run the command")
        os.killpg(running.pid, signal.SIGKILL)
    return (int(line) - called) / 1e9


def whole(wrapper: Wrapper) -> float:
    """Seconds of a call that runs `true`."""
    called = time.perf_counter()
    subprocess.run([*wrapper.words, "true"], env=dict(wrapper.environ), capture_output=True, check=True)
    return time.perf_counter() - called


def memory(wrapper: Wrapper) -> tuple[float, float]:
    """MiB of all the wrapper's processes when the command starts, and two seconds later."""
    command = [*wrapper.words, "sh", "-c", "echo $$; read line"]
    with subprocess.Popen(
        command,
        env=dict(wrapper.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        assert running.stdin
        assert running.stdout
        own = 0
        while not own:
            word = running.stdout.readline().strip()
            own = int(word) if word.isdigit() else 0
        at_start = _memory_beside(running.pid, own)
        time.sleep(2)
        later = _memory_beside(running.pid, own)
        os.killpg(running.pid, signal.SIGKILL)
    return at_start, later


def _memory_beside(session: int, command: int) -> float:
    total = 0
    for path in Path("/proc").iterdir():
        if not path.name.isdigit() or int(path.name) == command:
            continue
        try:
            if int((path / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                rollup = (path / "smaps_rollup").read_text().split("\nPss:", 1)
                total += int(rollup[1].split()[0]) if len(rollup) > 1 else 0
        except (OSError, IndexError):
            continue  # it has ended
    return total / 1024


def main() -> None:
    """Prints the table."""
    cibeacon = str(Path(sys.executable).with_name("cibeacon"))
    with tempfile.TemporaryDirectory() as name, sandbox() as url, taking_all() as port:
        folder = Path(name).resolve()
        plain = {"PATH": os.environ["PATH"], "HOME": name}
        job = {
            "GITLAB_CI": "true",
            "CI_SERVER_URL": "https://gitlab.example.com",
            "CI_PROJECT_PATH": "acme/shop",
            "CI_PIPELINE_ID": "900",
            "CI_JOB_ID": "77",
            "CI_JOB_NAME": "build",
        }
        ours = {**plain, **job, "CIBEACON_SPOOL": f"{name}/spool", "CIBEACON_DX_URL": url, "DX_API_TOKEN": "token"}
        wrappers = [
            Wrapper("env", ["env"], plain),
            Wrapper("ours", [cibeacon, "exec", "--"], ours),
            Wrapper("ours, with --name", [cibeacon, "exec", "--name", "build", "--"], ours),
            *from_npm(folder, port, {**plain, **job}),
        ]
        starts: dict[str, list[float]] = {wrapper.title: [] for wrapper in wrappers}
        wholes: dict[str, list[float]] = {wrapper.title: [] for wrapper in wrappers}
        for number in range(ROUNDS + 1):
            for wrapper in wrappers:
                begun = start(wrapper)
                ended = whole(wrapper) if 0 < number <= wrapper.rounds else None
                if number:  # the first round warms up
                    starts[wrapper.title].append(begun)
                    wholes[wrapper.title] += [ended] if ended is not None else []
        memories = {wrapper.title: memory(wrapper) for wrapper in wrappers}
    print(f"{ROUNDS} rounds after a warm-up, medians")
    print(f"{'':<28}{'start':>10}{'over env':>10}{'whole':>10}{'memory':>12}{'later':>12}")
    least = statistics.median(starts["env"]) * 1000
    for wrapper in wrappers:
        begun, ended = (statistics.median(times[wrapper.title]) * 1000 for times in (starts, wholes))
        at_start, later = memories[wrapper.title]
        over = begun - least
        print(f"{wrapper.title:<28}{begun:7.1f} ms{over:7.1f} ms{ended:7.1f} ms{at_start:8.1f} MiB{later:8.1f} MiB")


if __name__ == "__main__":
    main()
