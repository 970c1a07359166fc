"""Compares the upload of a 1 GiB file to DCI with a minimal script. Run: .venv/bin/python benchmarks/upload.py

Runs in turn, each as a whole process against the same server on loopback, which only counts the received bytes:
  ours   cibeacon dci upload: two look-ups, the SHA-256 of the file for the signature, and the file
  (a)    a minimal script: requests.post of the open file, unsigned
Wall times are medians, and ratios compare with (a), pair by pair. Memory is the peak of anonymous memory (RssAnon, read every
10 ms); pages of the file itself belong to the kernel, which frees them on demand.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROUNDS = int(os.environ.get("ROUNDS", "7"))
SIZE = int(os.environ.get("MIB", "1024")) << 20
JOB = "12345678-1234-4234-8234-123456789abc"
_LOOK = 0.01
_BLOCK = 1 << 20

SERVER = """
import json, socket, sys, threading

JOB = sys.argv[1]
ANSWERS = {"GET": {"job": {"id": JOB, "status": "running"}, "files": [], "_meta": {"count": 0}}, "POST": {"file": {}}}

def serve(connection):
    stream, block = connection.makefile("rb"), bytearray(1 << 20)
    while line := stream.readline():
        left = 0
        while (header := stream.readline()) not in (b"\\r\\n", b""):
            name, _, value = header.partition(b":")
            left = int(value) if name.lower() == b"content-length" else left
        total = left
        while left and (got := stream.readinto(memoryview(block)[: min(left, len(block))])):
            left -= got
        answer = json.dumps(ANSWERS[line.split()[0].decode()] | {"bytes": total}).encode()
        head = f"HTTP/1.1 {201 if total else 200} OK\\r\\nContent-Type: application/json\\r\\nContent-Length: {len(answer)}"
        connection.sendall(head.encode() + b"\\r\\n\\r\\n" + answer)

with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""

MINIMAL = """
import os, sys, requests
with open(sys.argv[1], "rb") as file:
    reply = requests.post(os.environ["DCI_CS_URL"] + "/api/v1/files", data=file, timeout=600)
assert reply.status_code == 201 and reply.json()["bytes"] == os.path.getsize(sys.argv[1]), reply.text
"""


class Figure(NamedTuple):
    """One whole process: wall seconds, and the peak of anonymous memory in MiB."""

    wall: float
    anonymous: float


@contextmanager
def server() -> Iterator[str]:
    """The counting server in a separate process."""
    command = [sys.executable, "-c", SERVER, JOB]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        yield f"http://127.0.0.1:{running.stdout.readline().strip()}"
        running.terminate()


def measured(title: str, command: list[str], environ: Mapping[str, str]) -> Figure:
    """One run. A command that fails ends the benchmark with its output."""
    started = time.perf_counter()
    with subprocess.Popen(command, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        most = 0
        while child.poll() is None:
            most = max(most, _anonymous(child.pid))
            time.sleep(_LOOK)
        wall = time.perf_counter() - started
        said = child.stdout.read() if child.stdout else b""
    if child.returncode:
        raise SystemExit(f"{title}: exit {child.returncode}\n{said.decode(errors='replace')}")
    return Figure(wall, most / 1024)


def _anonymous(pid: int) -> int:
    """KiB of anonymous memory of a process; 0 after its end."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as name, server() as url:
        folder = Path(name)
        file = folder / "core.bin"
        with file.open("wb") as target:
            block = os.urandom(_BLOCK)
            for _ in range(SIZE // _BLOCK):
                target.write(block)
        environ = {"PATH": os.environ["PATH"], "HOME": name, "DCI_CS_URL": url, "CIBEACON_DCI_JOB_ID": JOB}
        environ |= {"DCI_CLIENT_ID": JOB, "DCI_API_SECRET": "secret", "CIBEACON_SPOOL": "off"}
        cibeacon = str(Path(sys.executable).with_name("cibeacon"))
        commands = {
            "cibeacon dci upload": [cibeacon, "dci", "upload", "--strict", "--upload-timeout=600", str(file)],
            "(a) requests.post": [sys.executable, "-c", MINIMAL, str(file)],
        }
        found: dict[str, list[Figure]] = {title: [] for title in commands}
        for number in range(ROUNDS + 1):
            for title, command in commands.items():
                figure = measured(title, command, environ)
                if number:  # the first round warms up
                    found[title].append(figure)
    print(f"{SIZE >> 20} MiB, {ROUNDS} rounds after a warm-up, whole processes, medians; ratios to (a) pair by pair")
    print(f"{'':<24}{'wall':>10}{'ratio':>8}{'anonymous':>14}")
    for title, figures in found.items():
        ratio = statistics.median(
            one.wall / other.wall for one, other in zip(figures, found["(a) requests.post"], strict=True)
        )
        wall, memory = statistics.median(each.wall for each in figures), max(each.anonymous for each in figures)
        print(f"{title:<24}{wall:8.2f} s{ratio:8.2f}{memory:10.1f} MiB")


if __name__ == "__main__":
    main()
