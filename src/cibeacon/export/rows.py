"""Knows the rows of an export: what stands in which column, and where a file that was cut off goes on. Asks nobody.

The columns are the fields of the API call, so a file goes through `backfill --check` and is sent as it is.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import IO, NamedTuple

from cibeacon.ci.history import Mark
from cibeacon.model import parsers
from cibeacon.model.payload import iso
from cibeacon.model.signals import reference
from cibeacon.runtime.errors import SettingsError

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "pull-services": ("repository", "pull_number", "services"),
    "deployments": (
        "reference_id",
        "deployed_at",
        "service",
        "repository",
        "commit_sha",
        "environment",
        "success",
        "source_name",
        "source_url",
        "metadata",
    ),
}
"""By kind: the fields that history can tell. The others are left out: an empty column says no more."""
_LONGEST_SHA = 40
"""Digits of a commit id that DX takes; of a longer one the beginning names it."""
LARGEST_ROW = 1 << 20
"""Characters of a row that is looked for at the end of a file."""


class Deployed(NamedTuple):
    """What the rows of an export of deployments have in common."""

    repository: str
    what: str
    """What counts as a deployment: part of every id, so that a tag and its release stay two."""
    environment: str | None = None
    """Where it went, when the history does not say."""
    source_name: str = ""


def reference_id(common: Deployed, mark: Mark, service: str) -> str:
    """The id of a deployment: the same in every export, so that sending twice changes nothing."""
    where = mark.environment or common.environment or ""
    return reference("history", common.repository, service, where, common.what, mark.ident)


def deployment(common: Deployed, mark: Mark, service: str) -> tuple[str, ...]:
    """The row of one service that was deployed."""
    return (
        reference_id(common, mark, service),
        iso(mark.when),
        service,
        common.repository,
        (mark.sha or "")[:_LONGEST_SHA],
        mark.environment or common.environment or "",
        "" if mark.success is None else "true" if mark.success else "false",
        common.source_name,
        _link(mark.url),
        json.dumps({"name": mark.name}) if mark.name else "",
    )


def _link(url: str | None) -> str:
    """A web address; what else a host calls one is left out."""
    try:
        return parsers.link(url) if url else ""
    except ValueError:
        return ""


def pull_services(repository: str, number: int, services: Iterable[str]) -> tuple[str, ...]:
    """The row of a merged pull request."""
    return repository, str(number), json.dumps(sorted(services))


def written(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows as CSV (RFC 4180, with plain line ends)."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def continued(path: Path, columns: tuple[str, ...]) -> dict[str, str] | None:
    """The last whole row of a file that an export began, by column; what was cut off behind it is taken away.

    None where there is no row yet: a file that is new or empty gets its heading. Raises `SettingsError` for a file that
    is not ours.
    """
    try:
        with path.open("r+b") as file:
            heading, last, end = None, None, 0
            for record in _records(file):
                end += len(record)
                cells = next(csv.reader(StringIO(record.decode("utf-8"), newline="")), [])
                heading, last = (cells, None) if heading is None else (heading, cells)
            if heading is not None and tuple(heading) != columns:
                raise _foreign(path, "its columns are others")
            if last is not None and len(last) != len(columns):
                raise _foreign(path, "a row has another number of cells")
            file.truncate(end)
            file.seek(0, os.SEEK_END)
            if end == 0:
                file.write(written([columns]).encode("ascii"))
    except FileNotFoundError:
        path.write_text(written([columns]), encoding="ascii")
        return None
    except (OSError, ValueError, csv.Error) as error:
        raise _foreign(path, str(error)) from error
    return dict(zip(columns, last, strict=True)) if last is not None else None


def _records(file: IO[bytes]) -> Iterator[bytes]:
    """Every whole record: it ends with a line end that stands in no quotes."""
    record = b""
    for line in file:
        record += line
        if record.count(b'"') % 2 == 0 and record.endswith(b"\n"):
            yield record
            record = b""
        elif len(record) > LARGEST_ROW:
            raise ValueError("it holds a row that no export wrote")


def _foreign(path: Path, why: str) -> SettingsError:
    return SettingsError(f"{path} cannot be continued", why, "Name a file that this very export began, or a new one.")
