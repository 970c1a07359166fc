"""Lists the signals in a spool folder for the sandbox's page. Does not change the folder or know the page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from cibeacon.runtime import Environment, paths
from cibeacon.settings import SIGNAL_KINDS
from cibeacon.spool import MOST, Spool
from cibeacon.spool.spool_reader import SpoolReader
from cibeacon.spool.spooled_signal import SpooledSignal, newest_of_each_key
from cibeacon.spool.unfinished import is_unfinished

_SHOWN = 500
"""Most signals in a listing."""
_Attempts: TypeAlias = Mapping[tuple[str, str, str], Sequence[Mapping[str, Any]]]
_UNFINISHED = "its command is still running"


class SpoolListing:
    """The signals in `folder`, read again when one of its files changes."""

    def __init__(self, env: Environment, folder: Path) -> None:
        self._env, self._folder = env, folder
        self._seen: object = None
        self._signals: list[SpooledSignal] = []
        self._problems: list[str] = []

    def document(self, requests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The folder, `problems` in reading it, how many signals are `waiting`, and the first 500 `signals`.

        A signal has key, kind, sink, subject, method, path, `created_at` in Unix seconds, `size` in bytes, how many of
        the ledger's `requests` were `attempts` to send it, and `reason`: the response to the last attempt.
        """
        self._read()
        attempts: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for request in requests if self._signals else ():
            attempts.setdefault(_identity(request["method"], request["path"], request["body"]), []).append(request)
        return {
            "folder": str(self._folder),
            "problems": self._problems,
            "waiting": len(self._signals),
            "signals": [_describe(signal, attempts) for signal in self._signals[:_SHOWN]],
        }

    def _read(self) -> None:
        state = _state(self._folder)
        if state != self._seen:
            self._seen = state
            reader = SpoolReader(self._folder.parent, None, resolve=lambda path: paths.resolve_trusted(self._env, path))
            reader.add_spool(Spool(self._folder, str))
            self._problems = reader.problems
            self._signals = newest_of_each_key(reader.entries, SIGNAL_KINDS)


def _state(folder: Path) -> object:
    """Something that changes when a file of the folder does."""
    try:
        with os.scandir(folder) as entries:
            files = [(entry.name, entry.stat(follow_symlinks=False)) for entry in islice(entries, MOST)]
    except OSError as error:
        return error.errno
    return {(name, stat.st_size, stat.st_mtime_ns) for name, stat in files}


def _describe(signal: SpooledSignal, attempts: _Attempts) -> dict[str, Any]:
    record = signal.newest.record
    tried = attempts.get(_identity(record.method, record.path, record.body), ())
    return {
        "key": record.key,
        "kind": record.kind,
        "sink": record.sink,
        "subject": record.subject,
        "method": record.method,
        "path": record.path,
        "created_at": record.created_at,
        "size": len(signal.newest.line),
        "attempts": len(tried),
        "reason": _UNFINISHED if is_unfinished(record) else _answer(tried[-1]) if tried else None,
    }


def _answer(request: Mapping[str, Any]) -> str:
    if fault := request.get("fault"):
        return f"on order: {fault}"
    return ": ".join(str(part) for part in (request["status"], request["error"], request["message"]) if part)


def _identity(method: str, path: str, body: object) -> tuple[str, str, str]:
    return method, path, json.dumps(body, sort_keys=True)
