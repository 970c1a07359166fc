"""Compares the two commits of a run and names the services between them. Every doubt becomes an `Unknown`."""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.changes import Changes, Span, Unknown
from cibeacon.context import Context
from cibeacon.errors import CheckoutError
from cibeacon.git import Repository
from cibeacon.services.service_map import PLACEHOLDER, ServiceMap
from cibeacon.settings import Change
from cibeacon.span import missing, span

NO_REPOSITORY = Unknown("there is no git repository here", "check out before this step (actions/checkout)")


def named(services: tuple[str, ...]) -> Changes | None:
    """The services that a person named, as if they had been found."""
    if any(PLACEHOLDER in name for name in services):
        return None
    names = tuple(sorted(services))
    why = dict.fromkeys(names, "named in the setting services")
    return Changes("ok", names, why, how="given by the setting services") if names else None


def between_commits(context: Context, change: Change, drawn: ServiceMap, repository: Repository) -> Changes:
    """The services that changed between the two commits that the event, or a person, names."""
    try:
        found = span(context, repository, change.base, change.head)
        return _compared(found, drawn, repository) if isinstance(found, Span) else Changes("unknown", unknown=found)
    except CheckoutError as error:
        return Changes("unknown", unknown=Unknown(f"{error.what} ({error.why})", error.fix))


def owned(drawn: ServiceMap, paths: Sequence[str], between: Span | None, how: str) -> Changes:
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
    )


def _compared(between: Span, drawn: ServiceMap, repository: Repository) -> Changes:
    try:
        paths = repository.paths(between.base, between.head)
    except CheckoutError:
        absent = missing(between, repository)
        if absent is None:
            raise
        return Changes("unknown", base=between.base, head=between.head, how=between.how, unknown=absent)
    return owned(drawn, paths, between, between.how)
