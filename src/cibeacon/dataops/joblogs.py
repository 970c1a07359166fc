"""Reads the logs of the jobs of a pipeline while it runs: none, those of failed jobs, or all. Prints through its caller.

Each job has an offset of its own, and a job that was retried is another job. What cannot be read is said once and costs
nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from cibeacon.dataops.client import Client
from cibeacon.dataops.errors import Fault
from cibeacon.dataops.loglines import Lines
from cibeacon.dataops.records import Job, Snapshot
from cibeacon.dataops.trace import Again, Tail

Show = Callable[[Job, Iterable[str]], None]
_MOST_TRIES = 3


class JobLogs:
    """The logs of one wait.

    Args:
        wanted: none, failed or all.
        limit: bytes of each job that are shown: of `all` the first, of `failed` the last.
        clean: takes secrets out.
        show: prints lines of a job's log.
        note: prints a line of ours.
    """

    def __init__(
        self,
        client: Client,
        wanted: str,
        limit: int,
        clean: Callable[[str], str],
        show: Show,
        note: Callable[[str], None],
    ) -> None:
        self._client, self._wanted, self._limit = client, wanted, limit
        self._clean, self._show, self._note = clean, show, note
        self._open: dict[int, Reading] = {}
        self._done: set[int] = set()

    def after(self, look: Snapshot, *, last: bool) -> None:
        """Reads on what this look makes readable; `last` ends every log."""
        known = {job.id for job in look.jobs}
        for reading in [each for number, each in self._open.items() if number not in known]:
            if not reading.tries:
                self._note(f"job {reading.job.name} was tried again; this is the rest of the attempt before.")
            self._read(reading, reading.job, over=True)
        for job in look.jobs:
            if not job.bridge and job.id not in self._done and self._readable(job):
                reading = self._open.setdefault(job.id, Reading(self._client, job, self._limit, self._clean))
                self._read(reading, job, over=job.over or last)

    def _readable(self, job: Job) -> bool:
        return job.status == "failed" if self._wanted == "failed" else self._wanted == "all" and job.began

    def _read(self, reading: Reading, job: Job, *, over: bool) -> None:
        try:
            if self._wanted == "failed":
                self._show(job, reading.ending())
            else:
                self._show(job, reading.more(over=over))
        except Fault as fault:
            reading.tries += 1
            if fault.refused or reading.tries >= _MOST_TRIES:
                self._note(f"the log of job {job.name} is not shown: {fault.why}")
                self._close(job)
            return
        if over or reading.full:
            self._close(job)

    def _close(self, job: Job) -> None:
        self._done.add(job.id)
        self._open.pop(job.id, None)


class Reading:
    """One job's log as lines. `limit` of 0 shows all of it."""

    def __init__(self, client: Client, job: Job, limit: int, clean: Callable[[str], str]) -> None:
        self._client, self.job, self._limit, self._clean = client, job, limit, clean
        self._tail, self._lines = Tail(), Lines(clean)
        self._shown = 0
        self.tries = 0
        self.full = False

    @property
    def offset(self) -> int:
        """Bytes that were read."""
        return self._tail.offset

    def more(self, *, over: bool) -> Iterator[str]:
        """What is new. `over`: nothing follows, so what came after the last line break is a line."""
        for piece in self._pieces():
            if isinstance(piece, Again):
                yield from self._lines.rest()
                yield from ("--- the log starts again: it was erased, or the job was retried ---",)
                continue
            room = self._limit - self._shown if self._limit else len(piece)
            self._shown += min(room, len(piece))
            yield from self._lines.feed(piece[:room])
            if self._limit and self._shown >= self._limit and len(piece) >= room:
                self.full = True
                yield from self._lines.rest()
                yield f"--- the first {self._limit} bytes; the rest is at {self.job.web_url or 'the server'} ---"
                return
        if over:
            yield from self._lines.rest()

    def ending(self) -> Iterator[str]:
        """The last lines of a log that is whole, as many bytes as the limit."""
        self._tail = Tail()  # another try begins at the start
        kept: deque[bytes] = deque()
        size = dropped = 0
        for piece in self._pieces():
            if isinstance(piece, Again):
                kept.clear()
                size = dropped = 0
                continue
            kept.append(piece)
            size += len(piece)
            while self._limit and size - len(kept[0]) >= self._limit:
                size -= len(kept[0])
                dropped += len(kept.popleft())
        if self._limit and size > self._limit:
            dropped += size - self._limit
            kept[0] = kept[0][size - self._limit :]
        if dropped:
            yield f"--- the last {self._limit} bytes; the whole is at {self.job.web_url or 'the server'} ---"
        for each in kept:
            yield from self._lines.feed(each)
        yield from self._lines.rest()

    def _pieces(self) -> Iterator[bytes | Again]:
        project = self.job.project
        return self._tail.more(lambda offset: self._client.trace(self.job.id, offset, project))
