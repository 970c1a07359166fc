"""Opens the files of a run: each input with its journal and its file of failed rows, and decides where they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cibeacon.backfill.columns import Kind
from cibeacon.backfill.failed_rows import FailedRows, name_beside
from cibeacon.backfill.input_table import STDIN, Cells, InputTable
from cibeacon.backfill.journal import SUFFIX, FileJournal, Journal, read_journal
from cibeacon.backfill.options import BackfillOptions
from cibeacon.runtime.errors import CibeaconError
from cibeacon.spool import is_address

OFF = "off"


class RunInput:
    """One input with its journal and its file of failed rows."""

    def __init__(self, table: InputTable, kind: Kind, journal: Journal, failed_rows: FailedRows) -> None:
        self.table, self.journal, self.failed_rows = table, journal, failed_rows
        self.rows = 0
        self.delivered: list[bytes] = []
        """Fingerprints of rows that the journal does not have yet."""
        self._failed = 0
        self._columns = table.columns or tuple(kind.columns)

    def fail(self, cells: Cells, error: str, advice: str) -> None:
        """Writes a row that was not sent. Raises `FailedRowsError`."""
        raw = cells.raw or [cells.by_name.get(name, "") for name in self._columns]
        self.failed_rows.add(self._columns, raw, error, advice)
        self._failed += 1

    def record(self) -> None:
        """Writes the rows that were delivered into the journal. Raises `JournalError`."""
        if self.delivered:
            self.journal.add(self.delivered)
            self.delivered.clear()

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.table.name,
            "rows": self.rows,
            "journal": self.journal.location,
            "failures": str(self.failed_rows.path) if self._failed else None,
        }


class RunFiles:
    """All inputs of a run; inputs with the same journal or file of failed rows share it.

    Args:
        token: makes a word for names that no other process uses.
    """

    def __init__(self, options: BackfillOptions, cwd: Path, token: Callable[[], str]) -> None:
        self._options, self._kind, self._cwd, self._token = options, options.kind, cwd, token
        self._share = options.shard.suffix if options.shard else ""
        self._journals: dict[Path, Journal] = {}
        self._failed_rows: dict[Path, FailedRows] = {}
        self.inputs: list[RunInput] = []

    def open(self, name: str, table: InputTable) -> RunInput:
        """Opens an input's journal. Raises `JournalError` and `SpoolError`."""
        run_input = RunInput(table, self._kind, self._journal_of(name), self._failed_rows_of(name, table))
        self.inputs.append(run_input)
        return run_input

    def close(self) -> str | None:
        """Completes all files. Returns what went wrong."""
        errors: list[str] = []
        journals, failed_rows = self._journals.values(), self._failed_rows.values()
        for complete in (*(journal.sync for journal in journals), *(file.close for file in failed_rows)):
            try:
                complete()
            except CibeaconError as error:
                errors.append(str(error))
        for journal in journals:
            journal.close()
        return " ".join(errors) or None

    def _journal_of(self, name: str) -> Journal:
        location = self._options.journal or (OFF if name == STDIN else f"{name}{self._share}{SUFFIX}")
        if self._options.mode == "check":
            location = OFF
        path = self._cwd / location  # however an input is spelled
        if path not in self._journals:
            self._journals[path] = self._open_journal(location)
        return self._journals[path]

    def _open_journal(self, location: str) -> Journal:
        if location == OFF:
            return Journal()
        writes = self._options.mode == "send"
        if is_address(location):
            from cibeacon.backfill.object_input import BucketJournal  # few are in a bucket

            return BucketJournal(location, self._token(), writes=writes)
        return FileJournal(self._cwd / location) if writes else read_journal(self._cwd / location)

    def _failed_rows_of(self, name: str, table: InputTable) -> FailedRows:
        if self._options.failures:
            path, columns = self._cwd / self._options.failures, tuple(self._kind.columns)
        else:
            beside = "stdin" if name == STDIN else name.rpartition("/")[2] if is_address(name) else name
            path = (self._cwd / beside).with_name(name_beside(Path(beside).name, self._share))
            columns = table.columns or tuple(self._kind.columns)
        return self._failed_rows.setdefault(path, FailedRows(path, columns))
