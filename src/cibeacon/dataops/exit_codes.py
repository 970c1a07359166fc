"""Knows how driving a pipeline can end, and the exit code of each ending. Does not know how an ending is found out."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

ResultStatus: TypeAlias = Literal["success", "failed", "canceled", "skipped", "manual", "timed-out", "lost", "refused"]


class Ending(NamedTuple):
    """One way to end."""

    code: int
    meaning: str


ENDINGS: Mapping[ResultStatus, Ending] = {
    "success": Ending(0, "The pipeline succeeded, or what was asked for was done."),
    "failed": Ending(10, "The pipeline failed, or a downstream pipeline whose failure is not allowed."),
    "canceled": Ending(11, "The pipeline was canceled, or waiting for it was interrupted by a signal."),
    "skipped": Ending(12, "The pipeline was skipped: no job of it runs."),
    "manual": Ending(13, "The pipeline waits for somebody to start a manual job."),
    "timed-out": Ending(14, "The pipeline was not over in time, or did not start in time."),
    "lost": Ending(15, "The server could not be reached for too long, or it is not known what became of a request."),
    "refused": Ending(16, "A token is missing or not good enough, or something that was asked for cannot be right."),
}
"""Every ending; docs/dataops.md shows this table."""
