"""Compares the two commits of a run and finds the services that changed. Every doubt becomes an `Unknown`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import chain

from cibeacon.changes import History, Source
from cibeacon.changes.commit_range import deepen, find_commit_range, missing
from cibeacon.git.repository import Repository
from cibeacon.model.changes import Changes, CommitRange, Unknown, as_clause
from cibeacon.model.context import Context
from cibeacon.model.identifiers import SERVICE_NAMES
from cibeacon.runtime.errors import CheckoutError, CibeaconError
from cibeacon.services import shown, unknown_service
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Change

_NO_SERVICE = Unknown(
    "the service map finds no service in the repository",
    "correct the rules, or list services by name; cibeacon services check shows the rules that match nothing",
)


def begin_comparison(context: Context, change: Change, clone: Repository) -> None:
    """Starts the comparison that the clone alone suggests. A different one may be needed later, or none."""
    with suppress(CheckoutError):
        if change.base:
            clone.commits(change.base, change.head or context.checkout_sha or "HEAD")
        between = find_commit_range(context, clone, change.base, change.head)
        if isinstance(between, CommitRange):
            clone.compare(between.base, between.head)


def between_commits(
    context: Context, change: Change, service_map: ServiceMap, source: Source, history: History | None = None
) -> Changes:
    """The services that changed between the two commits that the event or the user names.

    `history` may know more commits than `source`. If the two commits are known but cannot be compared, the result names them.
    """
    try:
        between = find_commit_range(context, history or source, change.base, change.head)
        if isinstance(between, CommitRange):
            return _compare(context, between, service_map, source)
    except CibeaconError as error:
        return _unknown(error)
    return Changes("unknown", unknown=_with_trouble(between, source))


def _unknown(error: CibeaconError) -> Changes:
    return Changes("unknown", unknown=Unknown(f"{error.what} ({error.why})", error.hint))


def owned(service_map: ServiceMap, paths: Iterable[str], between: CommitRange | None, how: str) -> Changes:
    """The services that own the paths. Unknown if one of them has no valid name, or if the map finds no service at all."""
    owners = service_map.assign(paths)
    unknown = _misnamed(owners.misnamed)
    if not unknown and owners.paths and not owners.why and service_map.is_empty():
        unknown = _NO_SERVICE._replace(why=f"{_NO_SERVICE.why}; looked for: {service_map.searched or 'nothing'}")
    if unknown:
        owners = owners._replace(why={})
    return Changes(
        status="unknown" if unknown else "ok" if owners.why else "none",
        unknown=unknown,
        services=tuple(owners.why),
        why=owners.why,
        base=between.base if between else None,
        head=between.head if between else None,
        how=how,
        changed_files=owners.paths,
        unmatched=owners.unmatched,
        unowned=owners.unowned,
    )


def _discovered(service_map: ServiceMap, source: Source, base: str | None, head: str | None) -> ServiceMap:
    """The map with the services that its rules find in the trees of two commits."""
    if not service_map.rules.discover and not service_map.templates:
        return service_map
    from cibeacon.services.discovery import discover_services  # a map of plain folders has nothing to discover

    return discover_services(service_map, source, base, head)


def _misnamed(misnamed: Mapping[str, str]) -> Unknown | None:
    """Why the services are unknown if a changed one has an invalid name."""
    if not misnamed:
        return None
    name, reason = next(iter(misnamed.items()))
    return Unknown(
        f"{shown(name)} changed ({reason}) and is not a valid service name; {SERVICE_NAMES}",
        "rename it, or ignore its folder",
    )


def given(service_map: ServiceMap, paths: Iterable[str], source: Source) -> Changes:
    """The services that own paths from another tool. Discovery looks at the checked-out commit."""
    try:
        return owned(_discovered(service_map, source, None, _head(service_map, source)), paths, None, "files as given")
    except CibeaconError as error:
        return _unknown(error)


def _head(service_map: ServiceMap, source: Source) -> str | None:
    """The checked-out commit. Templates find services in the paths alone, so they may do without a repository."""
    if service_map.rules.discover or service_map.rules.everywhere:
        return source.commit("HEAD")
    try:
        return source.commit("HEAD") if service_map.templates else None
    except CheckoutError:
        return None


def unknown_services(
    names: Iterable[str], changes: Changes, service_map: ServiceMap, source: Source
) -> tuple[str, ...]:
    """A sentence for each name that is not a service of the map; empty if the services are unknown."""
    absent = [name for name in names if name not in changes.services]
    try:
        if absent and (service_map.rules.discover or service_map.templates):
            ends = changes.base, changes.head or source.commit("HEAD")
            service_map = _discovered(service_map, source, *(end and source.commit(end) for end in ends))
        if (
            not absent
            or service_map.rules.choose
            or service_map.is_empty()
            or (service_map.templates and not service_map.rules.list_folders)
        ):
            return ()
        known = service_map.services()
        return tuple(unknown_service(name, sorted(known)) for name in absent if name not in known)
    except CibeaconError:
        return ()


def unowned(changes: Changes, service_map: ServiceMap) -> str | None:
    """A sentence about changed files that belong to no service; None unless `unmatched` is `warn` or `error`."""
    if not changes.unmatched or service_map.rules.unmatched not in ("warn", "error"):
        return None
    more = changes.unmatched - len(changes.unowned)
    names = ", ".join(changes.unowned) + (f" and {more} more" if more else "")
    return (
        f"{changes.unmatched} changed file{'s belong' if changes.unmatched > 1 else ' belongs'} to no service: {names}"
    )


def _compare(context: Context, between: CommitRange, service_map: ServiceMap, source: Source) -> Changes:
    try:
        paths = source.paths(between.base, between.head)
        first = next(paths, None)  # fetches both trees if one is missing
        if first is not None:
            service_map = _discovered(service_map, source, between.base, between.head)
            paths = chain((first,), paths)
        changes = owned(service_map, paths, between, between.how)
    except CheckoutError as error:
        absent = missing(context, between, source)
        hint = _either(deepen(context), error.hint) if error is source.fetch_error else error.hint
        unknown = _with_trouble(absent, source) if absent else Unknown(f"{error.what} ({error.why})", hint)
        return Changes("unknown", base=between.base, head=between.head, how=between.how, unknown=unknown)
    return changes._replace(how=f"{between.how}, fetched") if source.fetched else changes


def _with_trouble(unknown: Unknown, source: Source) -> Unknown:
    """The reason, and why fetching did not help."""
    if source.fetch_error is None:
        return unknown
    return unknown._replace(
        why=f"{unknown.why}: {source.fetch_error.what} ({source.fetch_error.why})",
        hint=_either(unknown.hint, source.fetch_error.hint),
    )


def _either(*hints: str) -> str:
    """Two alternative hints as one."""
    return ", or ".join(as_clause(hint) for hint in hints if hint)
