"""The files of a run: each input with its journal and its failed rows, where they lie and when they are closed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cibeacon.backfill.columns import Kind
from cibeacon.backfill.failures import Failures, name_beside
from cibeacon.backfill.journal import SUFFIX as TOLD
from cibeacon.backfill.journal import Journal
from cibeacon.backfill.reading import STDIN, Cells, Table
from cibeacon.backfill.shard import Shard
from cibeacon.runtime.errors import CibeaconError, SettingsError
from cibeacon.spool.file_store import is_address

if TYPE_CHECKING:
    from cibeacon.backfill.object_input import BucketJournal

Mode: TypeAlias = Literal["send", "dry-run", "check"]
OFF = "off"
_STDIN_NAME = "stdin"


class Source:
    """One input with what belongs to it."""

    def __init__(
        self, table: Table, kind: Kind, journal: Journal | BucketJournal, failures: Failures, mode: Mode
    ) -> None:
        self.name, self.table, self.journal, self.failures = table.name, table, journal, failures
        self.rows = 0
        self.told: list[bytes] = []
        """Addresses that are to be written down."""
        self._names = table.columns or tuple(column.name for column in kind.columns)
        self._sends = mode == "send"
        self._failed = 0

    def fail(self, cells: Cells, error: str, advice: str) -> None:
        """A row was not told. Raises `FailuresError`."""
        values = cells.whole or [cells.cells.get(name, "") for name in self._names]
        self.failures.add(self._names, values, error, advice)
        self._failed += 1

    def written(self) -> None:
        """What was told is in the journal. Raises `JournalError`."""
        if self.told:
            self.journal.add(self.told)
            self.told.clear()

    def close(self, *, whole: bool) -> str | None:
        """Closes all of it; what went wrong."""
        troubles = []
        for done in (self.journal.sync, partial(self.failures.close, whole=whole)) if self._sends else ():
            try:
                done()
            except CibeaconError as error:
                troubles.append(str(error))
        self.journal.close()
        return " ".join(troubles) or None

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.name,
            "rows": self.rows,
            "journal": str(self.journal.path) if self.journal.path and self._sends else None,
            "failures": str(self.failures.path) if self._failed else None,
            "kept": str(self.failures.kept) if self.failures.kept else None,
        }


class Desk:
    """Where everything of a run lies.

    Args:
        journal: a path for all inputs, `off`, or None: beside each of them.
        files: the names of all inputs.
        failures: a path for all, or None. Those of an input in a bucket lie in the working folder.
        token: a fresh word for names that no other process uses.
    """

    def __init__(
        self,
        kind: Kind,
        cwd: Path,
        files: Sequence[str],
        shard: Shard | None,
        journal: str | None,
        failures: str | None,
        mode: Mode,
        token: Callable[[], str],
    ) -> None:
        self._kind, self._cwd, self._files, self._shard, self._mode = kind, cwd, files, shard, mode
        self._journal, self._failures, self._token = journal, failures, token
        self.sources: list[Source] = []

    def opened(self, name: str, table: Table) -> Source:
        """An input. Raises `JournalError`, and `SettingsError` where one file would be two things."""
        failures = self._failures_of(name, table)
        source = Source(table, self._kind, self._journal_of(name), failures, self._mode)
        self.sources.append(source)
        return source

    def _journal_of(self, name: str) -> Journal | BucketJournal:
        far = self._journal or f"{name}{self._share}{TOLD}"
        if is_address(far) and self._mode != "check":
            from cibeacon.backfill.object_input import BucketJournal  # few have one there

            there = (each.journal for each in self.sources if isinstance(each.journal, BucketJournal))
            known = next((each for each in there if each.path == far), None)
            return known or BucketJournal(far, self._token(), writes=self._mode == "send")
        path = None
        if self._journal != OFF and self._mode != "check":
            path = self._cwd / self._journal if self._journal else self._told_beside(name)
        near = (each.journal for each in self.sources if isinstance(each.journal, Journal))
        same = next((each for each in near if path and each.path == path), None)
        return same or Journal(path, writes=self._mode == "send")

    def _failures_of(self, name: str, table: Table) -> Failures:
        source = self._cwd / (_STDIN_NAME if name == STDIN else _place(name))
        path = self._cwd / self._failures if self._failures else source.with_name(name_beside(source.name, self._share))
        if name != STDIN and path == self._cwd / name:
            raise SettingsError("Nothing was sent", f"{name} is also where failed rows go", "Change --failures")
        same = next((each.failures for each in self.sources if each.failures.path == path), None)
        own = table.columns if not self._failures else ()
        return same or Failures(path, own or tuple(column.name for column in self._kind.columns), self._owner(name))

    def _owner(self, name: str) -> str | None:
        """Whose rows a file of failed rows has; None where they may be nowhere else."""
        names = self._files if self._failures else (name,)
        return None if STDIN in names else json.dumps([self._kind.name, self._share, *names])

    def _told_beside(self, name: str) -> Path | None:
        path = self._cwd / _place(name)
        return None if name == STDIN else path.with_name(f"{path.name}{self._share}{TOLD}")

    @property
    def _share(self) -> str:
        return self._shard.suffix if self._shard else ""


def _place(name: str) -> str:
    """Beside an input; what belongs to one in a bucket lies in the working folder."""
    return name.rpartition("/")[2] if is_address(name) else name
