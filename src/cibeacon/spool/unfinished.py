"""Knows the record for a command whose end may never be reported, and who may send it. Does not know the command.

The process that reports the command keeps the record locked, and the kernel releases the lock when that process dies. Only
the machine that wrote the record can see this: on another machine an unlocked record proves nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from cibeacon.model.spool_record import Record

TYPE = "Unfinished"
CLOSED = "cibeacon was killed before it could report the command's end, so the end time is unknown."
UNSEEN = "A dry run does not check whether the command is still running."
ELSEWHERE = "Only the machine that ran the command can check whether it is still running. Replay it there."


def unfinished_mark(signal: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Marks a record as valid only if its writer is dead; `signal` is the sink's own part."""
    return {"type": TYPE, "boot": _boot(), "node": os.uname().nodename, "signal": signal}


def without_mark(record: Record) -> Record:
    """The record without the mark, as its sink expects it."""
    held = (record.signal or {}).get("signal")
    return record._replace(signal=held if isinstance(held, dict) else None) if is_unfinished(record) else record


def is_unfinished(record: Record) -> bool:
    """Whether a record has the mark."""
    return (record.signal or {}).get("type") == TYPE


def is_from_here(record: Record) -> bool:
    """Whether this machine wrote the record, in any container, or before a restart."""
    mark, boot = record.signal or {}, _boot()
    return (bool(boot) and mark.get("boot") == boot) or mark.get("node") == os.uname().nodename


def _boot() -> str:
    """Linux's id of the current boot (https://man7.org/linux/man-pages/man4/random.4.html); empty elsewhere."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 - no file of ours
            return file.read().strip()
    except OSError:
        return ""
