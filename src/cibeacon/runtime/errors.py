"""Knows what a failure consists of: what happened, why, and what to do next. Does not know who shows it or what it costs.

Every error of ours is a `CibeaconError`. The edges translate foreign exceptions into one at their door; nothing above
an edge names a library's exception.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_Done = TypeVar("_Done")


class CibeaconError(Exception):
    """A failure as a paragraph: `what` happened, `why` as a clause, and the `hint` a person can try next."""

    def __init__(self, what: str, why: str, hint: str) -> None:
        super().__init__(what, why, hint)
        self.what, self.why, self.hint = what, why, hint

    def __str__(self) -> str:
        happened = ": ".join(part.rstrip(".") for part in (self.what, self.why) if part)
        return " ".join(f"{part.rstrip('.')}." for part in (happened, self.hint) if part)


class SettingsError(CibeaconError):
    """A value that a person gave cannot be used."""


class EventError(CibeaconError):
    """The host's event payload is missing or unreadable."""


class CheckoutError(CibeaconError):
    """git cannot answer: no repository, no git, a commit that is not here."""


class ServiceMapError(CibeaconError):
    """The repository's configuration file cannot be used."""


class HostError(CibeaconError):
    """GitHub or GitLab did not answer a question; `status` is that of its refusal, where there was one."""

    def __init__(self, what: str, why: str, hint: str, *, status: int | None = None) -> None:
        super().__init__(what, why, hint)
        self.status = status


class SpoolError(CibeaconError):
    """Signals cannot be kept for later, or not be read back."""


class RedactionError(CibeaconError):
    """A file cannot be redacted, so it does not leave."""


class OutOfTime(KeyboardInterrupt):
    """The time for everything is over: work is interrupted as a person would interrupt it."""


class HalfTime(OutOfTime):
    """The part of the time in which a run may be looked at is over: the rest is for sending."""


def interruption(stop: KeyboardInterrupt) -> str:
    """Why work was interrupted, as a clause."""
    if isinstance(stop, HalfTime):
        return "half of the time was used up before they were found (setting timeout)"
    return "the time was used up (setting timeout)" if isinstance(stop, OutOfTime) else "cibeacon was interrupted"


def guarded(work: Callable[[], _Done], otherwise: Callable[[str], _Done]) -> _Done:
    """What the work comes to; where it fails, what `otherwise` makes of the reason, a sentence without its full stop.

    It keeps a failure of one part from being the failure of all; what is expected is translated at an edge's door.
    """
    try:
        return work()
    except Exception as error:
        return otherwise(_reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, CibeaconError):
        return str(error).rstrip(".")
    if isinstance(error, MemoryError):
        return "there is not enough memory for it; give the job more"
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_qualname} line {place.tb_lineno}" if place else "an unknown place"
    what = type(error).__name__ + (f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else "")
    return f"cibeacon failed unexpectedly; this is our fault: {what} in {where}. Please report this line"
