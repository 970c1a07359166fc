"""Compares the two commits of a run and names the services between them. Every doubt becomes an `Unknown`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol

from cibeacon.changes import Changes, Span, Unknown
from cibeacon.changes.span import History, missing, span
from cibeacon.context import Context
from cibeacon.errors import CheckoutError, CibeaconError
from cibeacon.git.trees import Source as Content
from cibeacon.git.trees import settled
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Change


class Source(History, Content, Protocol):
    """A repository, or a ladder that goes on where the checkout ends."""

    fetched: bool
    """True when anything had to be fetched."""
    trouble: CheckoutError | None
    """Why the last fetch brought nothing."""

    def paths(self, base: str, head: str) -> Iterator[str]:
        """Every path that differs between two commits' trees."""
        ...


def between_commits(
    context: Context, change: Change, drawn: ServiceMap, source: Source, history: History | None = None
) -> Changes:
    """The services that changed between the two commits that the event, or a person, names.

    `history` may know more of the commits than `source`. Where the two are known and cannot be compared, they are named.
    """
    try:
        found = span(context, history or source, change.base, change.head)
        if isinstance(found, Span):
            return _compared(context, found, drawn, source)
    except CibeaconError as error:
        found = Unknown(f"{error.what} ({error.why})", error.fix)
        return Changes("unknown", unknown=found)
    return Changes("unknown", unknown=_with_trouble(found, source))


def owned(drawn: ServiceMap, paths: Iterable[str], between: Span | None, how: str) -> Changes:
    """The services that own the paths."""
    found = drawn.assign(paths)
    return Changes(
        status="ok" if found.why else "none",
        services=tuple(found.why),
        why=found.why,
        base=between.base if between else None,
        head=between.head if between else None,
        how=how,
        changed_files=found.paths,
        unmatched=found.unmatched,
        strays=found.strays,
    )


def given(drawn: ServiceMap, paths: Iterable[str], source: Source) -> Changes:
    """The services that own paths which somebody else worked out. What is discovered, is in the commit at hand."""
    try:
        head = source.commit("HEAD") if drawn.rules.discover or drawn.rules.everywhere else None
        return owned(settled(drawn, source, None, head), paths, None, "files as given")
    except CibeaconError as error:
        return Changes("unknown", unknown=Unknown(f"{error.what} ({error.why})", error.fix))


def strays(changes: Changes, drawn: ServiceMap) -> str | None:
    """What is to be said of changed files that belong to no service; None where the map says nothing of it."""
    if not changes.unmatched or drawn.rules.unmatched not in ("warn", "error"):
        return None
    more = changes.unmatched - len(changes.strays)
    names = ", ".join(changes.strays) + (f" and {more} more" if more else "")
    return (
        f"{changes.unmatched} changed file{'s belong' if changes.unmatched > 1 else ' belongs'} to no service: {names}"
    )


def _compared(context: Context, between: Span, drawn: ServiceMap, source: Source) -> Changes:
    try:
        paths = source.paths(between.base, between.head)
        first = next(paths, None)  # which fetches both trees, where one is missing
        if first is not None:
            drawn = settled(drawn, source, between.base, between.head)
            paths = chain((first,), paths)
        found = owned(drawn, paths, between, between.how)
    except CheckoutError as error:
        absent = missing(context, between, source)
        unknown = _with_trouble(absent, source) if absent else Unknown(f"{error.what} ({error.why})", error.fix)
        return Changes("unknown", base=between.base, head=between.head, how=between.how, unknown=unknown)
    return found._replace(how=f"{between.how}, fetched") if source.fetched else found


def _with_trouble(unknown: Unknown, source: Source) -> Unknown:
    """The reason, and why fetching did not help."""
    if source.trouble is None:
        return unknown
    return unknown._replace(
        why=f"{unknown.why}: {source.trouble.what} ({source.trouble.why})", fix=source.trouble.fix or unknown.fix
    )
