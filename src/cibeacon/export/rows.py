"""Makes the rows of an export, and finds where to continue an incomplete file. Uses neither git nor a forge.

The columns are the fields of the API call, so a file passes `backfill --check` and can be sent unchanged.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import IO, TypeAlias

from cibeacon.ci.history import Mark
from cibeacon.export.options import ExportOptions
from cibeacon.model import parsers
from cibeacon.model.payload import iso
from cibeacon.model.signals import reference
from cibeacon.runtime.errors import SettingsError

ExportRow: TypeAlias = tuple[str, ...]
COLUMNS: Mapping[str, ExportRow] = {
    "pull-services": ("repository", "pull_number", "services"),
    "deployments": (
        *("reference_id", "deployed_at", "service", "repository", "commit_sha", "environment", "success"),
        *("source_name", "source_url", "metadata"),
    ),
}
"""By kind: the fields that history provides. The others have no column."""
_LONGEST_SHA = 40
"""Digits of a commit id that DX accepts; a longer id is abbreviated."""
LARGEST_ROW = 1 << 20
"""Longest row in bytes of a file to continue."""


def pull_services_row(options: ExportOptions, number: int, services: Iterable[str]) -> ExportRow:
    """The row of a merged pull request."""
    return options.repository, str(number), json.dumps(sorted(services))


def reference_id(options: ExportOptions, mark: Mark, service: str) -> str:
    """The id of a deployment: the same in every export, so that sending twice changes nothing."""
    environment = mark.environment or options.environment or ""
    return reference("history", options.repository, service, environment, options.of, mark.ident)


def deployment_row(options: ExportOptions, mark: Mark, service: str) -> ExportRow:
    """The row of one deployed service."""
    return (
        reference_id(options, mark, service),
        iso(mark.when),
        service,
        options.repository,
        (mark.sha or "")[:_LONGEST_SHA],
        mark.environment or options.environment or "",
        "" if mark.success is None else json.dumps(mark.success),
        options.title,
        _link(mark.url),
        json.dumps({"name": mark.name}) if mark.name else "",
    )


def to_csv(row: ExportRow) -> str:
    """A row as CSV (RFC 4180, with plain line ends)."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()


def continue_file(path: Path, columns: ExportRow) -> dict[str, str] | None:
    """Prepares a file for more rows: writes the header of an empty file, and removes an incomplete row at the end.

    Returns the last complete row by column, or None. Raises `SettingsError` for a file that is not from an export.
    """
    try:
        with path.open("r+b") as file:
            header, last, end = None, None, 0
            for record in _records(file):
                end += len(record)
                last = next(csv.reader(StringIO(record.decode("utf-8"), newline="")), [])
                header = last if header is None else header
            if header is not None and tuple(header) != columns:
                raise ValueError("its columns are different")
            if last is not None and len(last) != len(columns):
                raise ValueError("a row has a different number of cells")
            file.truncate(end)
            file.seek(0, os.SEEK_END)
            if end == 0:
                file.write(to_csv(columns).encode("ascii"))
    except FileNotFoundError:
        path.write_text(to_csv(columns), encoding="ascii")
        return None
    except (OSError, ValueError, csv.Error) as error:
        hint = "Use a file that the same export began, or a new one."
        raise SettingsError(f"{path} cannot be continued", str(error), hint) from error
    return dict(zip(columns, last, strict=True)) if last is not None and last is not header else None


def _link(url: str | None) -> str:
    """A web URL; any other text from a forge is left out."""
    try:
        return parsers.link(url) if url else ""
    except ValueError:
        return ""


def _records(file: IO[bytes]) -> Iterator[bytes]:
    """Every complete record: one that ends with a line end outside quotes."""
    record = b""
    for line in file:
        record += line
        if record.count(b'"') % 2 == 0 and record.endswith(b"\n"):
            yield record
            record = b""
        elif len(record) > LARGEST_ROW:
            raise ValueError("it has a row that is too long for an export")
