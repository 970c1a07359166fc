"""Knows the form of a signal on a line of the spool, and whether to trust a line. Does not know files or sinks.

A line contains no host, header or secret: the settings of the sending process decide where it goes, and with which
credentials. A checksum shows whether a line was truncated or changed.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from cibeacon.model.parsers import DEEPEST, deeper
from cibeacon.model.report import Outcome
from cibeacon.model.request import Request

VERSION = 1
LARGEST = 1 << 20
"""Bytes of a line: vendors reject larger bodies."""


class Record(NamedTuple):
    """One signal to send later: the exact request, and the data for its outcome in the report."""

    key: str
    kind: str
    sink: str
    method: str
    path: str
    body: Mapping[str, Any] | None
    created_at: float
    """Unix seconds, to the millisecond: the newer of two records with one key wins."""
    subject: str = ""
    reference_id: str | None = None
    own_reference: bool = False
    """True if the user chose the reference id: then "already exists" is a conflict, not our own retry."""
    signal: Mapping[str, Any] | None = None
    """The whole signal, if it takes several requests: a replay starts from the first one and skips what was done."""

    @classmethod
    def of(
        cls,
        request: Request,
        outcome: Outcome,
        created_at: float,
        *,
        own_reference: bool = False,
        signal: Mapping[str, Any] | None = None,
    ) -> "Record":
        """The record of a signal and its main request."""
        return cls(
            key=outcome.key or "",
            kind=outcome.kind,
            sink=outcome.sink,
            method=request.method,
            path=request.path,
            body=request.body,
            created_at=round(created_at, 3),
            subject=outcome.subject,
            reference_id=outcome.reference_id,
            own_reference=own_reference,
            signal=signal,
        )

    @property
    def name(self) -> str:
        """The name of its file: one for each key, so that a newer record replaces an older one."""
        return file_name(self.key)

    def line(self) -> bytes:
        """The record as a line of ASCII JSON with a line break."""
        document = {"version": VERSION, **self._asdict()}
        return _to_json({**document, "checksum": _checksum(document)}) + b"\n"


def file_name(key: str) -> str:
    """The name of the file for the record with this key."""
    return f"{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}.ndjson"


class SpoolRecordError(ValueError):
    """The line is not a record; the text says why."""


class UnsupportedRecordVersion(SpoolRecordError):
    """A newer cibeacon wrote the line."""


def read(line: bytes) -> Record:
    """The record on a line. Raises `SpoolRecordError` if it cannot be trusted."""
    if len(line) > LARGEST:
        raise SpoolRecordError(f"it is over {LARGEST >> 20} MiB")
    try:
        document = json.loads(line, parse_constant=_reject_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise SpoolRecordError("it is not JSON, or only part of it") from error
    if not isinstance(document, dict):
        raise SpoolRecordError("it is not a JSON object")
    if deeper(document, DEEPEST + 2):  # metadata at its deepest, within a body within a record
        raise SpoolRecordError("it is nested too deeply")
    _check_version(document.get("version"))
    checksum = document.pop("checksum", None)
    if checksum is not None and checksum != _checksum(document):  # a hand-written record has none
        raise SpoolRecordError("its checksum does not match: it was changed, or only partly written")
    return _to_record(document)


def _reject_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    """A finite number: Python would write 1e999 as Infinity."""
    return number if math.isfinite(number := float(text)) else _reject_number(text)


def _check_version(version: object) -> None:
    if type(version) is not int or version < VERSION:
        raise SpoolRecordError("it has no valid version")
    if version > VERSION:
        raise UnsupportedRecordVersion("a newer cibeacon wrote it")


_REQUIRED: Mapping[str, tuple[type, ...]] = {
    "key": (str,),
    "kind": (str,),
    "sink": (str,),
    "method": (str,),
    "path": (str,),
    "body": (dict, type(None)),
    "created_at": (int, float),
}
_MORE: Mapping[str, tuple[type, ...]] = {
    "subject": (str,),
    "reference_id": (str, type(None)),
    "own_reference": (bool,),
    "signal": (dict, type(None)),
}
_LATEST = 253_402_300_799
"""The last second of the year 9999."""


def _to_record(document: dict[str, Any]) -> Record:
    known = {**_REQUIRED, **_MORE}
    fields = {name: value for name, value in document.items() if name in known}
    if not _REQUIRED.keys() <= fields.keys() or not all(isinstance(fields[name], known[name]) for name in fields):
        raise SpoolRecordError("its fields are not those of a spool record")
    if not fields["key"]:
        raise SpoolRecordError("it has no key to identify it")
    if isinstance(fields["created_at"], bool) or not 0 <= fields["created_at"] <= _LATEST:
        raise SpoolRecordError("created_at is not a time")
    return Record(**fields)


def _checksum(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(_to_json(document)).hexdigest()


def _to_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("ascii")
