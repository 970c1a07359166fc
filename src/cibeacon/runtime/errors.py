"""Knows the parts of an error: what happened, why, and what to do. Does not know how it is shown or what it leads to.

Every error of our own is a `CibeaconError`. The modules that use a library translate its exceptions into one; no other
module mentions a library's exception.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_Done = TypeVar("_Done")


class CibeaconError(Exception):
    """An error as a paragraph: `what` happened, `why` as a clause, and a `hint` what to do."""

    def __init__(self, what: str, why: str, hint: str) -> None:
        super().__init__(what, why, hint)
        self.what, self.why, self.hint = what, why, hint

    def __str__(self) -> str:
        happened = ": ".join(part.rstrip(".") for part in (self.what, self.why) if part)
        return " ".join(f"{part.rstrip('.')}." for part in (happened, self.hint) if part)


class SettingsError(CibeaconError):
    """A setting has a value that cannot be used."""


class EventError(CibeaconError):
    """The CI system's event payload is missing or unreadable."""


class CheckoutError(CibeaconError):
    """git cannot answer: no repository, no git, a commit that is not in the checkout."""


class ServiceMapError(CibeaconError):
    """The repository's configuration file cannot be used."""


class HostError(CibeaconError):
    """GitHub or GitLab did not answer a request; `status` is the HTTP status if it rejected the request."""

    def __init__(self, what: str, why: str, hint: str, *, status: int | None = None) -> None:
        super().__init__(what, why, hint)
        self.status = status


class SpoolError(CibeaconError):
    """Signals cannot be spooled, or spooled signals cannot be read."""


class RedactionError(CibeaconError):
    """A file cannot be redacted, so it is not sent."""


class OutOfTime(KeyboardInterrupt):
    """The time for the whole run is over: work is interrupted as by Ctrl-C."""


class HalfTime(OutOfTime):
    """The part of the time that is for reading the run is over: the rest is for sending."""


def interruption(stop: KeyboardInterrupt) -> str:
    """Why work was interrupted, as a clause."""
    if isinstance(stop, HalfTime):
        return "half of the time was used up (setting timeout)"
    return "the time ran out (setting timeout)" if isinstance(stop, OutOfTime) else "cibeacon was interrupted"


def guarded(work: Callable[[], _Done], otherwise: Callable[[str], _Done]) -> _Done:
    """The result of `work`; if it fails, that of `otherwise`, which gets the reason: a sentence without its full stop.

    It contains unexpected failures, so that one part's does not end the whole run.
    """
    try:
        return work()
    except Exception as error:
        return otherwise(_reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, CibeaconError):
        return str(error).rstrip(".")
    if isinstance(error, MemoryError):
        return "the job does not have enough memory; give it more"
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_qualname} line {place.tb_lineno}" if place else "an unknown place"
    what = type(error).__name__ + (f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else "")
    return f"cibeacon failed because of a bug: {what} in {where}. Please report this line"
