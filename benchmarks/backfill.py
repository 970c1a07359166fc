"""Compares `cibeacon backfill` with a bare `requests.Session` loop. Run: .venv/bin/python benchmarks/backfill.py

Runs whole processes in turn, each with the same file, the same number of threads and the same server on loopback. The server
is a separate process and answers at once, so the clients are measured:
  ours   cibeacon backfill deployments: checks every row, derives its id, sends it with retries and records it in the journal
  bare   reads the file with csv and posts each row unchanged from as many threads; checks and records nothing
ROWS, THREADS and ROUNDS change the sizes. Rates are medians; the ratio compares the rates pair by pair.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from processes import Contender, measured

ROWS = int(os.environ.get("ROWS", "100000"))
THREADS = int(os.environ.get("THREADS", "8"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))

SERVER = r"""
import asyncio
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'
class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.read = transport, b""
    def data_received(self, data):
        self.read += data
        while (end := self.read.find(b"\r\n\r\n")) >= 0:
            head = self.read[:end].lower()
            size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(self.read) < end + 4 + size:
                return
            self.read = self.read[end + 4 + size:]
            self.transport.write(ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

BARE = """
import csv, os, sys, threading, requests
url, threads = os.environ["CIBEACON_DX_URL"] + "/api/deployments.create", int(sys.argv[2])
def work(rows):
    session = requests.Session()
    session.headers["Authorization"] = "Bearer " + os.environ["DX_API_TOKEN"]
    for row in rows:
        reply = session.post(url, json={**row, "deployed_at": int(row["deployed_at"])}, timeout=10)
        assert reply.status_code == 200 and reply.json()["ok"]
rows = list(csv.DictReader(open(sys.argv[1])))
workers = [threading.Thread(target=work, args=(rows[number::threads],)) for number in range(threads)]
for worker in workers: worker.start()
for worker in workers: worker.join()
"""


def history(path: Path) -> None:
    """A file of deployments of five hundred services."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["deployed_at", "service", "repository", "commit_sha", "environment", "source_name"])
        for number in range(ROWS):
            service = f"service-{number % 500}"
            writer.writerow([1_600_000_000 + number, service, "acme/shop", f"{number:040x}", "production", "argo"])


@contextmanager
def server() -> Iterator[str]:
    """The base URL of a server that answers everything at once."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        yield f"http://127.0.0.1:{running.stdout.readline().strip()}"
        running.terminate()


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as name, server() as url:
        folder = Path(name)
        history(folder / "d.csv")
        environ = {"CIBEACON_DX_URL": url, "DX_API_TOKEN": "token", "PATH": os.environ["PATH"], "HOME": name}
        cibeacon = str(Path(sys.executable).with_name("cibeacon"))
        argv = [cibeacon, "backfill", "deployments", "d.csv", "--rps=0", f"--workers={THREADS}", "--format=json"]
        ours = Contender("cibeacon backfill", argv, environ)
        bare = Contender("bare requests.Session loop", [sys.executable, "-c", BARE, "d.csv", str(THREADS)], environ)
        pairs = []
        for number in range(ROUNDS):
            (folder / "d.csv.cibeacon-journal").unlink(missing_ok=True)
            order = (ours, bare) if number % 2 else (bare, ours)
            found = {each.title: measured(each, folder) for each in order}
            pairs.append((found[ours.title], found[bare.title]))
    ratio = median(theirs.wall / mine.wall for mine, theirs in pairs)
    print(f"{ROWS:,} rows, {THREADS} threads, {ROUNDS} rounds, whole processes")
    for place, each in enumerate((ours, bare)):
        figures = [pair[place] for pair in pairs]
        rate = ROWS / median(figure.wall for figure in figures)
        processor = median(figure.processor for figure in figures) / ROWS * 1e6
        memory = max(figure.memory for figure in figures)
        print(f"{each.title:<28} {rate:8,.0f}/s  {memory:5.0f} MiB  {processor:4.0f} µs of processor a row")
    print(f"ratio of the rates, pair by pair  {ratio:.2f}")


if __name__ == "__main__":
    main()
