"""Knows how a failure is told: what happened, why, and what to do next. Does not know who tells it or what it costs.

Every error of ours is a `CibeaconError`. The edges translate foreign exceptions into one at their door; nothing above
an edge names a library's exception.
"""

from __future__ import annotations


class CibeaconError(Exception):
    """A failure as a paragraph: `what` happened, `why`, and the `fix` a person can try next."""

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(what, why, fix)
        self.what, self.why, self.fix = what, why, fix

    def __str__(self) -> str:
        return " ".join(f"{part.rstrip('.')}." for part in (self.what, self.why, self.fix) if part)


class SettingsError(CibeaconError):
    """What we were told cannot be used."""


class EventError(CibeaconError):
    """The host's event payload is missing or unreadable."""


class CheckoutError(CibeaconError):
    """git cannot answer: no repository, no git, a commit that is not here."""


class ServiceMapError(CibeaconError):
    """The repository's configuration file cannot be used."""


class HostError(CibeaconError):
    """GitHub or GitLab did not answer a question."""


class SpoolError(CibeaconError):
    """Signals cannot be kept for later, or not be read back."""


class ScrubError(CibeaconError):
    """A file cannot be cleared of secrets, so it does not leave."""


class OutOfTime(KeyboardInterrupt):
    """The time for everything is over: work is interrupted as a person would interrupt it."""


def interruption(stop: KeyboardInterrupt) -> str:
    """Why work was interrupted, as a clause."""
    return "the time was used up (setting timeout)" if isinstance(stop, OutOfTime) else "cibeacon was interrupted"
