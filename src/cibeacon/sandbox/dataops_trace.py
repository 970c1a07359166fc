"""Knows how DataOps.live hands out a job's log: whole, from a byte on, or not at all. Does not know what logs say.

https://docs.gitlab.com/api/jobs/#get-a-log-file; 206 and 416: https://www.rfc-editor.org/rfc/rfc9110#name-range-requests.
"""

from __future__ import annotations

import re

from cibeacon.sandbox.dataops_call import Asked
from cibeacon.sandbox.dataops_live import LiveJob
from cibeacon.sandbox.exchange import Answer, Pieces

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)
_KIND = "text/plain"


def trace(asked: Asked) -> Answer:
    """GET jobs/ID/trace: what there is of it so far."""
    one = asked.job()
    size = one.visible()
    match = _RANGE.fullmatch(str(asked.request.headers.get("Range", "")).strip())
    ranges = asked.state.account.ranges
    if match is None or ranges == "ignored" or (ranges == "archived" and one.finished_at is None):
        return _part(one, 200, 0, size)
    start, end = _bounds(match[1], match[2], size)
    if start >= end:
        return Answer(416, b"", _KIND, {"Content-Range": f"bytes */{size}"})
    return _part(one, 206, start, end, **{"Content-Range": f"bytes {start}-{end - 1}/{size}"})


def _part(one: LiveJob, status: int, start: int, end: int, **headers: str) -> Answer:
    return Answer(status, b"", _KIND, headers, Pieces(end - start, one.log.pieces(start, end)))


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The first byte and the one after the last; not in order when nothing of the range is there."""
    if not first:
        return (max(0, size - int(last)), size) if last else (0, 0)
    return int(first), min(size, int(last) + 1) if last else size
