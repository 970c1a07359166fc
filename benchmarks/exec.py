"""`cibeacon exec` beside `env` and other wrappers. Run: .venv/bin/python benchmarks/exec.py

In one run, in turn, each around the same command and reporting to a server on loopback:
  env                          what a command costs that nothing stands in front of
  ours                         cibeacon exec, as in a job on GitLab, reporting to the sandbox; and with a flag
  sentry-cli monitors run      @sentry/cli, to a server that takes everything
  datadog-ci trace             @datadog/datadog-ci; its intake cannot be on loopback, so each call is refused at once, and
                               it tries for half a minute: its `whole` is one call
The two come from npm into a temporary folder, and are left out where that cannot be done.
`start` is the time from the call until the command runs; `memory` is what all processes of the wrapper take together
(proportional set size) at the moment when the command starts, and two seconds later; `whole` is the time of a call that
runs `true`. All are medians.
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
    """What stands in front of a command, with its environment and nothing else."""

    title: str
    words: list[str]
    environ: Mapping[str, str]
    rounds: int = ROUNDS
    """How many whole calls are measured."""


class TakesAll(BaseHTTPRequestHandler):
    """Answers every request with an empty object."""

    def do_POST(self) -> None:
        """Any call."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    do_PUT = do_POST

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def taking_all() -> Iterator[int]:
    """The port of a server that takes everything."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), TakesAll)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


def from_npm(folder: Path, port: int, environ: Mapping[str, str]) -> list[Wrapper]:
    """The other wrappers, as far as npm has them."""
    npm = shutil.which("npm")
    if npm is None:
        print("Other wrappers are left out: there is no npm here (scripts/engines-node says what it takes).")
        return []
    command = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"Other wrappers are left out: npm cannot install them: {done.stderr.strip().splitlines()[-1:]}")
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
    """Seconds until the command ran. What follows is cut off."""
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
    """Seconds that a call takes which runs `true`."""
    called = time.perf_counter()
    subprocess.run([*wrapper.words, "true"], env=dict(wrapper.environ), capture_output=True, check=True)
    return time.perf_counter() - called


def memory(wrapper: Wrapper) -> tuple[float, float]:
    """MiB of all processes of the wrapper when the command starts, and two seconds later."""
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
