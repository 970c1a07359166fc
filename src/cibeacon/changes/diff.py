"""Compares the two commits of a run and names the services between them. Every doubt becomes an `Unknown`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Protocol

from cibeacon.changes.commit_range import History, missing, span
from cibeacon.model.changes import Changes, CommitRange, Unknown
from cibeacon.model.context import Context
from cibeacon.model.identifiers import SERVICE_NAMES
from cibeacon.runtime.errors import CheckoutError, CibeaconError
from cibeacon.services.schema_types import shown, unknown_service
from cibeacon.services.service_map import ServiceMap
from cibeacon.services.tree_contents import Source as Content
from cibeacon.services.tree_contents import settled
from cibeacon.settings import Change

_NOTHING_FOUND = Unknown(
    "the service map finds no service in the repository",
    "mend the rule, or name services; cibeacon services check shows what leads nowhere",
)


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
        if isinstance(found, CommitRange):
            return _compared(context, found, drawn, source)
    except CibeaconError as error:
        found = Unknown(f"{error.what} ({error.why})", error.hint)
        return Changes("unknown", unknown=found)
    return Changes("unknown", unknown=_with_trouble(found, source))


def owned(drawn: ServiceMap, paths: Iterable[str], between: CommitRange | None, how: str) -> Changes:
    """The services that own the paths. Unknown where one of them has no name to be told by, or the map has none at all."""
    found = drawn.assign(paths)
    unknown = _misnamed(found.misnamed)
    if not unknown and found.paths and not found.why and drawn.is_empty():
        unknown = _NOTHING_FOUND._replace(why=f"{_NOTHING_FOUND.why}; looked for: {drawn.sought or 'nothing'}")
    if unknown:
        found = found._replace(why={})
    return Changes(
        status="unknown" if unknown else "ok" if found.why else "none",
        unknown=unknown,
        services=tuple(found.why),
        why=found.why,
        base=between.base if between else None,
        head=between.head if between else None,
        how=how,
        changed_files=found.paths,
        unmatched=found.unmatched,
        unowned=found.unowned,
    )


def _misnamed(misnamed: Mapping[str, str]) -> Unknown | None:
    """Why the services are unknown where one that changed has a name that no service may have."""
    if not misnamed:
        return None
    name, reason = next(iter(misnamed.items()))
    return Unknown(
        f"{shown(name)} changed ({reason}) and is no service name; {SERVICE_NAMES}", "rename it, or ignore its folder"
    )


def given(drawn: ServiceMap, paths: Iterable[str], source: Source) -> Changes:
    """The services that own paths which somebody else worked out. What is discovered, is in the commit at hand."""
    try:
        return owned(settled(drawn, source, None, _here(drawn, source)), paths, None, "files as given")
    except CibeaconError as error:
        return Changes("unknown", unknown=Unknown(f"{error.what} ({error.why})", error.hint))


def _here(drawn: ServiceMap, source: Source) -> str | None:
    """The commit at hand. Templates find services in the paths alone, and there may be no repository to look into."""
    if drawn.rules.discover or drawn.rules.everywhere:
        return source.commit("HEAD")
    try:
        return source.commit("HEAD") if drawn.templates else None
    except CheckoutError:
        return None


def unknown_services(names: Iterable[str], changes: Changes, drawn: ServiceMap, source: Source) -> tuple[str, ...]:
    """A sentence about each name that the map has no service of; none where it cannot be told what it has."""
    absent = [name for name in names if name not in changes.services]
    try:
        if absent and (drawn.rules.discover or drawn.templates):
            ends = changes.base, changes.head or source.commit("HEAD")
            drawn = settled(drawn, source, *(end and source.commit(end) for end in ends))
        if not absent or drawn.rules.chosen or drawn.is_empty() or (drawn.templates and not drawn.rules.folders):
            return ()
        known = drawn.services()
        return tuple(unknown_service(name, sorted(known)) for name in absent if name not in known)
    except CibeaconError:
        return ()


def unowned(changes: Changes, drawn: ServiceMap) -> str | None:
    """What is to be said of changed files that belong to no service; None where the map says nothing of it."""
    if not changes.unmatched or drawn.rules.unmatched not in ("warn", "error"):
        return None
    more = changes.unmatched - len(changes.unowned)
    names = ", ".join(changes.unowned) + (f" and {more} more" if more else "")
    return (
        f"{changes.unmatched} changed file{'s belong' if changes.unmatched > 1 else ' belongs'} to no service: {names}"
    )


def _compared(context: Context, between: CommitRange, drawn: ServiceMap, source: Source) -> Changes:
    try:
        paths = source.paths(between.base, between.head)
        first = next(paths, None)  # which fetches both trees, where one is missing
        if first is not None:
            drawn = settled(drawn, source, between.base, between.head)
            paths = chain((first,), paths)
        found = owned(drawn, paths, between, between.how)
    except CheckoutError as error:
        absent = missing(context, between, source)
        unknown = _with_trouble(absent, source) if absent else Unknown(f"{error.what} ({error.why})", error.hint)
        return Changes("unknown", base=between.base, head=between.head, how=between.how, unknown=unknown)
    return found._replace(how=f"{between.how}, fetched") if source.fetched else found


def _with_trouble(unknown: Unknown, source: Source) -> Unknown:
    """The reason, and why fetching did not help."""
    if source.trouble is None:
        return unknown
    return unknown._replace(
        why=f"{unknown.why}: {source.trouble.what} ({source.trouble.why})", hint=source.trouble.hint or unknown.hint
    )
