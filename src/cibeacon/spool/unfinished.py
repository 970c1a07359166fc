"""Knows the record of a command whose end nobody may live to report, and who may send it. Does not know the command.

The process that reports the command keeps the record locked, and the kernel lets go of the lock when that process is dead.
Only the machine that wrote the record can see that: in a folder or an artifact of another one it proves nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from cibeacon.model.spool_record import Record

TYPE = "Unfinished"
CLOSED = "The command's end was never reported, since cibeacon was killed; when it ended is not known."
UNSEEN = "A dry run does not look whether the command still runs."
ELSEWHERE = "Only the machine that ran the command knows whether it still runs: replay it there."


def unfinished_mark(signal: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Marks a record as one that is only true if its writer is dead; `signal` is what its sink keeps."""
    return {"type": TYPE, "boot": _boot(), "node": os.uname().nodename, "signal": signal}


def without_mark(record: Record) -> Record:
    """The record as its sink knows it."""
    held = (record.signal or {}).get("signal")
    return record._replace(signal=held if isinstance(held, dict) else None) if is_unfinished(record) else record


def is_unfinished(record: Record) -> bool:
    """Whether a record is such a one."""
    return (record.signal or {}).get("type") == TYPE


def is_from_here(record: Record) -> bool:
    """Whether this machine wrote the record, in any container of it; or before it was started again."""
    mark, boot = record.signal or {}, _boot()
    return (bool(boot) and mark.get("boot") == boot) or mark.get("node") == os.uname().nodename


def _boot() -> str:
    """Linux's id of this start of the machine (https://man7.org/linux/man-pages/man4/random.4.html); empty elsewhere."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 - no file of ours
            return file.read().strip()
    except OSError:
        return ""
