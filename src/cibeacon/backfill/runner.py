"""Runs a backfill: looks at the files, reads their rows, sends them, and writes down what became of each.

Memory does not grow with the rows: those that were sent are known from files, on disk where they are many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NamedTuple, Protocol

from cibeacon.backfill.columns import Kind, header_faults
from cibeacon.backfill.dedupe import ClassifiedRow, RowClassifier
from cibeacon.backfill.input_table import STDIN, Cells, InputError, InputTable
from cibeacon.backfill.parsers import TimeRules
from cibeacon.backfill.rows import RowFault
from cibeacon.backfill.run_files import FileOptions, RunFiles, RunInput
from cibeacon.backfill.sender import Job, Outage, Sender, SendOptions
from cibeacon.backfill.summary import BackfillSummary, RowCounts
from cibeacon.model.outcome import Outcome, ShownRequest
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import CibeaconError, SettingsError
from cibeacon.runtime.interrupt_guard import interruptible
from cibeacon.sinks import dx

SHOWN_REQUESTS = 3
"""Requests that a dry run shows."""
NAP = 0.02
RECORD_ROWS = 64
"""Rows that are read until outcomes are written down."""
SYNC_SECONDS = 1.0
PARTING = 0.6
"""Seconds after an interruption for requests that are under way."""


class BackfillPlan(NamedTuple):
    """What a run is to do."""

    kind: Kind
    inputs: tuple[str, ...]
    rules: TimeRules
    files: FileOptions
    sending: SendOptions


class BackfillView(Protocol):
    """Shows a run while it goes on."""

    def show_fault(self, file: str, fault: RowFault, /) -> None:
        """One thing that is wrong with a row."""
        ...

    def show_request(self, request: ShownRequest, /) -> None:
        """A request that a dry run would make."""
        ...

    def show_outage(self, host: str, outage: Outage | None, /) -> None:
        """A host takes no rows and gets a pause; None: it answers again."""
        ...

    def show_progress(self, rows: RowCounts, fraction: float | None, /) -> None:
        """How far the run is; called often. The fraction of the bytes, where their number is known."""
        ...


class BackfillRun:
    """One run of a backfill."""

    def __init__(self, plan: BackfillPlan, env: Environment, view: BackfillView) -> None:
        self._plan, self._env, self._view = plan, env, view
        self._mode, shard = plan.files.mode, plan.files.shard
        self.summary = BackfillSummary(plan.kind.name, self._mode, shard=str(shard) if shard else None)
        self._counts = self.summary.rows
        self._classifier = RowClassifier(plan.kind, plan.rules, plan.sending.endpoint.base_url, shard)
        self._files = RunFiles(plan.kind, env.cwd, plan.files, env.token)
        self._sender = Sender(plan.sending, env)
        self._held_back: set[str] = set()
        self._outage: Outage | None = None
        self._shown_requests = 0
        self._synced = env.clock()
        self._total_bytes = 0

    def run(self) -> BackfillSummary:
        """Does it. However it ends, the rows that were sent are written down, and the summary counts all."""
        started = self._env.clock()
        try:
            self._check_files()
            if self._mode == "send":
                with closing(self._sender):
                    self._send()
            else:
                for _, row, _ in self._rows():
                    self._counts.valid += row.status == "ready"
        except KeyboardInterrupt:
            outage = self._sender.outage
            during = f" while {outage.describe(self._plan.sending.endpoint.name)}. {outage.hint}" if outage else ""
            self.summary.stopped = f"cibeacon was interrupted{during}"
        except (InputError, SettingsError) as error:
            self.summary.unusable = str(error)
        except CibeaconError as error:
            self.summary.stopped = str(error)
        finally:
            self._close()
        self.summary.seconds = self._env.clock() - started
        return self.summary

    def _check_files(self) -> None:
        """Opens all files and checks their columns before anything is sent. What comes by a pipe comes only once."""
        for name in self._plan.inputs:
            if name != STDIN and not (self._env.cwd / name).is_fifo():
                with InputTable(name, self._env.cwd, self._env.stdin) as table:
                    self._check_header(table)
                    self._total_bytes += table.size or 0

    def _check_header(self, table: InputTable) -> None:
        faults = header_faults(self._plan.kind, table.columns) if table.columns else []
        if faults:
            what = f"{table.name} is no file of {self._plan.kind.name}"
            raise InputError(what, "; ".join(faults), "Correct its first line")

    def _rows(self) -> Iterator[tuple[Cells, ClassifiedRow, int]]:
        """Every row that is `ready` or `invalid`, with the index of its file; the others are counted."""
        for name in self._plan.inputs:
            with interruptible():  # standard input may stay open and silent
                table = InputTable(name, self._env.cwd, self._env.stdin)
            with table:
                self._check_header(table)
                run_input = self._files.open(name, table)
                rows = table.rows()
                while True:
                    with interruptible():
                        cells = next(rows, None)
                    if cells is None:
                        break
                    run_input.rows += 1
                    self._counts.read += 1
                    row = self._classify(run_input, cells)
                    if row.status in ("ready", "invalid"):
                        yield cells, row, len(self._files.inputs) - 1
                    if self._counts.read % RECORD_ROWS == 0:
                        self._record_outcomes()

    def _classify(self, run_input: RunInput, cells: Cells) -> ClassifiedRow:
        row = self._classifier.classify(cells)
        if row.status == "ready" and row.fingerprint in run_input.journal:
            self._counts.already += 1
            return row._replace(status="repeated")
        if row.status != "ready":
            self._counts.count(row.status)
        if row.status == "invalid":
            self._report_faults(run_input, cells, row.faults)
        elif row.status == "ready" and self._mode == "dry-run":
            self._show_request(row)
        return row

    def _report_faults(self, run_input: RunInput, cells: Cells, faults: Sequence[RowFault]) -> None:
        self.summary.add_faults(run_input.table.name, faults)
        for fault in faults:
            self._view.show_fault(run_input.table.name, fault)
        if self._mode == "send":
            error = "; ".join(f"{fault.column}: {fault.what}" if fault.column else fault.what for fault in faults)
            run_input.fail(cells, error, " ".join(dict.fromkeys(fault.hint for fault in faults)))

    def _show_request(self, row: ClassifiedRow) -> None:
        if self._shown_requests == SHOWN_REQUESTS or row.signal is None:
            return
        self._shown_requests += 1
        endpoint = self._plan.sending.endpoint
        outcome = Outcome(row.signal.kind, dx.NAME, "skipped")
        outcome = dx.request(row.signal, endpoint.form).preview(outcome, endpoint.base_url)
        if outcome.request:
            self._view.show_request(outcome.request)

    def _send(self) -> None:
        if not self._sender.start():
            raise SettingsError("Nothing was sent", "this machine allows no more threads", "Raise its limit")
        try:
            self._submit_rows()
            while self._sender.pending and not self._sender.is_stopped:
                self._record_outcomes()
                self._env.sleep(NAP)
        finally:
            self._sender.stop()
            self._finish_requests()
        self.summary.stopped = self._sender.error

    def _submit_rows(self) -> None:
        sender, keeps_order = self._sender, self._plan.sending.keeps_order
        for cells, row, file in self._rows():
            key = row.partition_key
            if row.signal is None or key is None:
                if keeps_order and key:
                    self._held_back.add(key)
                continue
            while not sender.has_room(key) and not sender.is_stopped:
                self._record_outcomes()
                if not sender.has_room(key):
                    self._env.sleep(NAP)
            if sender.is_stopped:
                self._counts.left += 1
                return
            sender.submit(Job(row.signal, key, cells, row.fingerprint, file, key in self._held_back))

    def _finish_requests(self) -> None:
        """Waits a moment for the requests under way, and writes down how they ended."""
        until = self._env.clock() + PARTING
        self._record_outcomes(sync=True)
        while self._sender.pending and self._env.clock() < until:
            self._env.sleep(NAP)
            self._record_outcomes()
        self._record_outcomes(sync=True)
        self._counts.left += self._sender.pending

    def _record_outcomes(self, *, sync: bool = False) -> None:
        """Writes down what became of the rows that were sent since the last time."""
        inputs = self._files.inputs
        delivered: list[list[bytes]] = [[] for _ in inputs]
        try:
            for job, outcome in self._sender.collect():
                if outcome is None:
                    self._counts.left += 1
                elif outcome.status in ("sent", "duplicate"):
                    self._counts.count(outcome.status)
                    delivered[job.file].append(job.fingerprint)
                else:
                    self._counts.failed += 1
                    fault = RowFault(job.cells.number, "", outcome.error or "failed", outcome.reason or "")
                    self._report_faults(inputs[job.file], job.cells, (fault,))
        finally:
            for run_input, fingerprints in zip(inputs, delivered, strict=True):
                if fingerprints:
                    run_input.journal.add(fingerprints)
        if sync or self._env.clock() > self._synced + SYNC_SECONDS:
            for run_input in inputs:
                run_input.journal.sync()
            self._synced = self._env.clock()
        self._show_progress()

    def _show_progress(self) -> None:
        if self._sender.outage is not self._outage:
            self._outage = self._sender.outage
            self._view.show_outage(self._plan.sending.endpoint.name, self._outage)
        read = sum(run_input.table.position for run_input in self._files.inputs)
        self._view.show_progress(self._counts, min(1.0, read / self._total_bytes) if self._total_bytes else None)

    def _close(self) -> None:
        self._classifier.close()
        error = self._files.close()
        self.summary.stopped = self.summary.stopped or error
        self.summary.files += [run_input.document() for run_input in self._files.inputs]
