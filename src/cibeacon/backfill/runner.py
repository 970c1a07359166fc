"""The order of things in a backfill: files are looked at, rows are read, sifted and told, and what became of each is kept.

Memory does not grow with the rows but for some thirty bytes each, by which a row is known again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from cibeacon.backfill import columns, identity
from cibeacon.backfill.columns import Kind
from cibeacon.backfill.dedupe import Found, Sieve
from cibeacon.backfill.outage import Outage
from cibeacon.backfill.parsers import About
from cibeacon.backfill.partition import Job
from cibeacon.backfill.progress_view import View
from cibeacon.backfill.reading import STDIN, BadFile, Cells, Table
from cibeacon.backfill.rows import Fault
from cibeacon.backfill.run_files import Desk, Mode, Source
from cibeacon.backfill.shard import Shard
from cibeacon.backfill.tally import Summary
from cibeacon.backfill.workers import Crew, Hire, Plan
from cibeacon.delivery.preview import Preview
from cibeacon.model.outcome import Outcome
from cibeacon.model.signals import PullServices
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import CibeaconError, SettingsError
from cibeacon.runtime.interrupt_guard import interruptible
from cibeacon.settings.endpoint import Endpoint
from cibeacon.sinks import dx

BODIES = 3
"""Requests that a dry run shows."""
NAP = 0.02
OFTEN = 64
"""Rows after which is written down what was told meanwhile."""
SYNC_SECONDS = 1.0
PARTING = 0.6
"""Seconds after an interruption for requests that are on their way."""


class Order(NamedTuple):
    """What is to be done."""

    kind: Kind
    files: tuple[str, ...]
    mode: Mode
    about: About
    endpoint: Endpoint
    timeout: float
    workers: int
    rate: float
    shard: Shard | None
    journal: str | None
    """A path for all files, `off`, or None: beside each file."""
    failures: str | None


class Campaign:
    """One run of a backfill."""

    def __init__(self, order: Order, env: Environment, view: View, hiring: Callable[[], Hire]) -> None:
        self._order, self._world, self._view, self._hiring = order, env, view, hiring
        self.summary = Summary(order.kind.name, order.mode, shard=str(order.shard) if order.shard else None)
        self._rows = self.summary.rows
        self._sieve = Sieve(order.kind, order.about, order.endpoint.base_url, order.shard)
        self._desk = Desk(
            order.kind, env.cwd, order.files, order.shard, order.journal, order.failures, order.mode, env.token
        )
        self._sources = self._desk.sources
        self._keeps = order.kind.signal is PullServices
        self._crew: Crew | None = None
        self._silence: Outage | None = None
        self._bodies = 0
        self._synced = env.clock()
        self._size = 0

    def run(self) -> Summary:
        """Does it. Whatever happens, what was told is written down, and the summary tells of it."""
        began = self._world.clock()
        try:
            self._look()
            if self._order.mode == "send":
                self._send()
            else:
                for found, _, _ in self._found():
                    self._rows.valid += found.status == "ready"
        except KeyboardInterrupt:
            self.summary.stopped = f"cibeacon was interrupted{self._meanwhile()}"
        except (BadFile, SettingsError) as error:
            self.summary.unusable = str(error)
        except CibeaconError as error:
            self.summary.stopped = str(error)
        finally:
            self._close()
        self.summary.seconds = self._world.clock() - began
        return self.summary

    def _meanwhile(self) -> str:
        """What kept rows from being sent at the last, as a clause."""
        silence = self._crew.silence if self._crew else None
        return f" while {silence.told(self._order.endpoint.name)}. {silence.reason}" if silence else ""

    def _look(self) -> None:
        """All files can be opened and have the right columns: before anything is sent. What comes by a pipe comes once."""
        for name in self._order.files:
            if name != STDIN and not (self._world.cwd / name).is_fifo():
                with Table(name, self._world.cwd, self._world.stdin) as table:
                    self._columns(table)
                    self._size += table.size or 0

    def _columns(self, table: Table) -> None:
        wrong = columns.faults(self._order.kind, table.columns) if table.columns else []
        if wrong:
            what = "; ".join(f"{what} ({mend.rstrip('.')})" for what, mend in wrong)
            raise BadFile(f"{table.name} is no file of {self._order.kind.name}", what, "Mend its first line")

    def _found(self) -> Iterator[tuple[Found, Cells, int]]:
        """Every row that needs something done, with the number of its file; the others are counted."""
        for name in self._order.files:
            with interruptible():  # nobody may be writing to our standard input
                table = Table(name, self._world.cwd, self._world.stdin)
            with table:
                self._columns(table)
                source = self._desk.opened(name, table)
                cells = table.rows()
                while True:
                    with interruptible():
                        one = next(cells, None)
                    if one is None:
                        break
                    source.rows += 1
                    self._rows.read += 1
                    if found := self._sifted(source, one):
                        yield found, one, len(self._sources) - 1
                    if self._rows.read % OFTEN == 0:
                        self._settle()

    def _sifted(self, source: Source, cells: Cells) -> Found | None:
        """The row, where something is to be done with it."""
        found = self._sieve.sift(cells)
        if found.status == "ready":
            if found.address in source.journal:
                self._rows.already += 1
                return None
            self._show(found)
            return found
        if found.status == "invalid":
            self._rows.invalid += 1
            self._refuse(source, cells, found.faults)
            return found
        setattr(self._rows, found.status, getattr(self._rows, found.status) + 1)
        return None

    def _refuse(self, source: Source, cells: Cells, faults: Sequence[Fault]) -> None:
        self.summary.fault(source.name, faults)
        for fault in faults:
            self._view.fault(source.name, fault)
        if self._order.mode == "send":
            what = "; ".join(f"{each.column}: {each.what}" if each.column else each.what for each in faults)
            source.fail(cells, what, " ".join(dict.fromkeys(each.mend for each in faults)))

    def _show(self, found: Found) -> None:
        if self._order.mode != "dry-run" or self._bodies >= BODIES or found.signal is None:
            return
        self._bodies += 1
        url = self._order.endpoint.base_url
        row = Outcome(found.signal.kind, dx.NAME, "skipped")
        shown = Preview({dx.NAME: url} if url else {}).send(dx.send(found.signal, self._order.endpoint.form), row)
        if shown.request:
            self._view.request(shown.request)

    def _send(self) -> None:
        order = self._order
        crew = self._crew = Crew(
            Plan(order.endpoint.form, order.timeout, self._keeps, self._world.clock), order.rate, self._hiring()
        )
        with ExitStack() as leaving:
            leaving.callback(crew.close)
            workers = crew.start(order.workers)
            if not workers:
                raise SettingsError("Nothing was sent", "this machine allows no more threads", "Look at its limits")
            try:
                self._feed(crew, workers)
                while crew.waiting and not crew.over:
                    self._settle()
                    self._world.sleep(NAP)
            finally:
                crew.stop()
                self._part(crew)
        if crew.trouble:
            self.summary.stopped = crew.trouble

    def _feed(self, crew: Crew, workers: int) -> None:
        for found, cells, source in self._found():
            if found.order is None or (found.signal is None and not self._keeps):  # it holds nothing back
                continue
            lane = identity.lane(found.order, workers)
            while not crew.takes(lane) and not crew.over:
                self._settle()
                if not crew.takes(lane):
                    self._world.sleep(NAP)
            if crew.over:
                self._rows.left += found.signal is not None
                return
            crew.give(Job(found.signal, found.order, lane, cells, found.address, source))

    def _part(self, crew: Crew) -> None:
        """Waits a moment for what is on its way, when no more is to be told."""
        until = self._world.clock() + PARTING
        self._settle(sync=True)
        while crew.waiting and self._world.clock() < until:
            self._world.sleep(NAP)
            self._settle()
        self._settle(sync=True)
        self._rows.left += crew.waiting

    def _settle(self, *, sync: bool = False) -> None:
        """Writes down what the workers did."""
        for job, outcome in self._crew.finished() if self._crew else ():
            source = self._sources[job.source]
            if outcome is None:
                self._rows.left += 1
            elif outcome.status in ("sent", "duplicate"):
                setattr(self._rows, outcome.status, getattr(self._rows, outcome.status) + 1)
                source.told.append(job.address)
            else:
                self._rows.failed += 1
                fault = Fault(job.cells.number, "", outcome.error or "failed", outcome.reason or "")
                source.fail(job.cells, fault.what, fault.mend)
                self.summary.fault(source.name, (fault,))
                self._view.fault(source.name, fault)
        for source in self._sources:
            if source.told:
                source.journal.add(source.told)
                source.told.clear()
        if sync or self._world.clock() > self._synced + SYNC_SECONDS:
            for source in self._sources:
                source.journal.sync()
            self._synced = self._world.clock()
        self._watch()

    def _watch(self) -> None:
        silence = self._crew.silence if self._crew else None
        if silence is not self._silence:
            self._silence = silence
            self._view.silent(self._order.endpoint.name, silence)
        read = sum(source.table.position for source in self._sources)
        self._view.watch(self._rows, min(1.0, read / self._size) if self._size else None)

    def _close(self) -> None:
        whole = not (self.summary.stopped or self.summary.unusable)
        troubles = [trouble for source in self._sources if (trouble := source.close(whole=whole))]
        if troubles and not self.summary.stopped:
            self.summary.stopped = troubles[0]
        self.summary.files += [source.document() for source in self._sources]
