"""Lets git compare while everything else is imported, read and asked: it prints no path before it has found them all."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from cibeacon.changes.commit_range import History, span
from cibeacon.model.changes import CommitRange
from cibeacon.model.context import Context
from cibeacon.runtime.errors import CheckoutError
from cibeacon.settings import Change


class Clone(History, Protocol):
    """A repository on disk, which git can compare in while we do something else."""

    def commits(self, *revisions: str) -> tuple[str | None, ...]:
        """`commit` of each, at once."""
        ...

    def compare(self, base: str, head: str) -> None:
        """Begins what `paths` will ask for."""
        ...


def begin(context: Context, change: Change, clone: Clone) -> None:
    """Begins the comparison that the clone alone would choose. It may turn out to be another, or that there is none."""
    with suppress(CheckoutError):
        if change.base:
            clone.commits(change.base, change.head or context.checkout_sha or "HEAD")
        found = span(context, clone, change.base, change.head)
        if isinstance(found, CommitRange):
            clone.compare(found.base, found.head)
