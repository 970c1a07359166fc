"""Runs a backfill: checks the files, reads their rows, sends them, and records the outcome of each.

Memory does not grow with the number of rows: those that were sent are recorded in files, on disk if there are many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Protocol

from cibeacon.backfill.columns import BackfillSignal, header_faults
from cibeacon.backfill.dedupe import RowClassifier
from cibeacon.backfill.input_table import STDIN, Cells, InputError, InputTable
from cibeacon.backfill.options import BackfillOptions
from cibeacon.backfill.rows import InvalidRow, RowFault, ValidRow
from cibeacon.backfill.run_files import RunFiles, RunInput
from cibeacon.backfill.sender import Job, Outage, Sender
from cibeacon.backfill.summary import BackfillSummary, RowCounts
from cibeacon.model.report import Outcome, ShownRequest
from cibeacon.runtime import Environment
from cibeacon.runtime.errors import CibeaconError, SettingsError
from cibeacon.runtime.shutdown import interruptible
from cibeacon.sinks import dx

SHOWN_REQUESTS = 3
"""Requests that a dry run shows."""
NAP = 0.02
RECORD_ROWS = 64
"""Rows that are read before outcomes are recorded."""
SYNC_SECONDS = 1.0
PARTING = 0.6
"""Seconds that requests in progress get after an interruption."""


class BackfillView(Protocol):
    """Shows a run in progress."""

    def show_fault(self, file: str, fault: RowFault, /) -> None:
        """Shows one fault of a row."""
        ...

    def show_request(self, request: ShownRequest, /) -> None:
        """Shows a request that a dry run would send."""
        ...

    def show_outage(self, host: str, outage: Outage | None, /) -> None:
        """Shows that a host accepts no rows, so that cibeacon waits; None: it answers again."""
        ...

    def show_progress(self, rows: RowCounts, fraction: float | None, /) -> None:
        """Shows the progress; called often. `fraction` is that of the bytes, if their number is known."""
        ...


class BackfillRun:
    """One run of a backfill."""

    def __init__(self, options: BackfillOptions, env: Environment, view: BackfillView) -> None:
        self._options, self._env, self._view = options, env, view
        self._mode, shard = options.mode, options.shard
        self.summary = BackfillSummary(options.kind.name, options.mode, shard=str(shard) if shard else None)
        self._counts = self.summary.rows
        self._classifier = RowClassifier(options)
        self._files = RunFiles(options, env.cwd, env.token)
        self._sender = Sender(options, env)
        self._outage: Outage | None = None
        self._shown_requests = 0
        self._synced = env.clock()
        self._total_bytes = 0

    def run(self) -> BackfillSummary:
        """Runs it. However it ends, the rows that were sent are recorded, and the summary counts all."""
        started = self._env.clock()
        try:
            self._check_files()
            if self._mode == "send":
                with closing(self._sender):
                    self._send()
            else:
                for _, _, row in self._rows():
                    self._counts.valid += isinstance(row, ValidRow)
        except KeyboardInterrupt:
            outage = self._sender.outage
            during = f" while {outage.describe(self._options.endpoint.name)}. {outage.hint}" if outage else ""
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
        """Opens all files and checks their columns before anything is sent, except pipes, which can be read only once."""
        for name in self._options.inputs:
            if name != STDIN and not (self._env.cwd / name).is_fifo():
                with InputTable(name, self._env.cwd, self._env.stdin) as table:
                    self._check_header(table)
                    self._total_bytes += table.size or 0

    def _check_header(self, table: InputTable) -> None:
        faults = header_faults(self._options.kind, table.columns) if table.columns else []
        if faults:
            what = f"{table.name} cannot be sent as {self._options.kind.name}"
            raise InputError(what, "; ".join(faults), "Correct the header line")

    def _rows(self) -> Iterator[tuple[RunInput, Cells, ValidRow | InvalidRow]]:
        """Every row that is invalid or has to be sent; the others are only counted."""
        for name in self._options.inputs:
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
                    if row := self._examine(run_input, cells):
                        yield run_input, cells, row
                    if self._counts.read % RECORD_ROWS == 0:
                        self._record_outcomes()

    def _examine(self, run_input: RunInput, cells: Cells) -> ValidRow | InvalidRow | None:
        """Counts a row. Returns None if it need not be sent."""
        run_input.rows += 1
        self._counts.read += 1
        row = self._classifier.classify(cells)
        if isinstance(row, str):
            self._counts.count(row)
            return None
        if isinstance(row, InvalidRow):
            self._counts.invalid += 1
            self._report_faults(run_input, cells, row.faults)
        elif row.fingerprint in run_input.journal:
            self._counts.already += 1
            return None
        elif self._mode == "dry-run" and self._shown_requests < SHOWN_REQUESTS:
            self._show_request(row.signal)
        return row

    def _report_faults(self, run_input: RunInput, cells: Cells, faults: Sequence[RowFault]) -> None:
        self.summary.add_faults(run_input.table.name, faults)
        for fault in faults:
            self._view.show_fault(run_input.table.name, fault)
        if self._mode == "send":
            error = "; ".join(f"{fault.column}: {fault.what}" if fault.column else fault.what for fault in faults)
            run_input.fail(cells, error, " ".join(dict.fromkeys(fault.hint for fault in faults)))

    def _show_request(self, signal: BackfillSignal) -> None:
        self._shown_requests += 1
        endpoint = self._options.endpoint
        outcome = dx.request(signal, endpoint.form).preview(Outcome(signal.kind, dx.NAME, "skipped"), endpoint.base_url)
        if outcome.request:
            self._view.show_request(outcome.request)

    def _send(self) -> None:
        if not self._sender.start():
            why, hint = "this machine allows no more threads", "Raise the job's process limit"
            raise SettingsError("Nothing was sent", why, hint)
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
        sender = self._sender
        held_back: set[str] = set()
        for run_input, cells, row in self._rows():
            key = row.partition_key
            if isinstance(row, InvalidRow):
                if self._options.keeps_order and key:
                    held_back.add(key)
                continue
            while not sender.has_room(row.partition_key) and not sender.is_stopped:
                self._env.sleep(NAP)
                self._record_outcomes()
            if sender.is_stopped:
                self._counts.left += 1
                return
            sender.submit(Job(row, cells, run_input, key in held_back))

    def _finish_requests(self) -> None:
        """Waits briefly for the requests in progress and records their outcomes."""
        until = self._env.clock() + PARTING
        self._record_outcomes(sync=True)
        while self._sender.pending and self._env.clock() < until:
            self._env.sleep(NAP)
            self._record_outcomes()
        self._record_outcomes(sync=True)
        self._counts.left += self._sender.pending

    def _record_outcomes(self, *, sync: bool = False) -> None:
        """Records the outcomes of the rows that were sent since the last call."""
        try:
            for job, outcome in self._sender.collect():
                if outcome is None:
                    self._counts.left += 1
                elif outcome.status in ("sent", "duplicate"):
                    self._counts.count(outcome.status)
                    job.run_input.delivered.append(job.row.fingerprint)
                else:
                    self._counts.failed += 1
                    fault = RowFault(job.cells.number, "", outcome.error or "failed", outcome.reason or "")
                    self._report_faults(job.run_input, job.cells, (fault,))
        finally:
            for run_input in self._files.inputs:
                run_input.record()
        if sync or self._env.clock() > self._synced + SYNC_SECONDS:
            for run_input in self._files.inputs:
                run_input.journal.sync()
            self._synced = self._env.clock()
        self._show_progress()

    def _show_progress(self) -> None:
        if self._sender.outage is not self._outage:
            self._outage = self._sender.outage
            self._view.show_outage(self._options.endpoint.name, self._outage)
        read = sum(run_input.table.position for run_input in self._files.inputs)
        self._view.show_progress(self._counts, min(1.0, read / self._total_bytes) if self._total_bytes else None)

    def _close(self) -> None:
        self._classifier.close()
        error = self._files.close()
        self.summary.stopped = self.summary.stopped or error
        self.summary.files += [run_input.document() for run_input in self._files.inputs]
