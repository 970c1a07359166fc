"""Looks where a survey began: configuration, pull requests, service map, changes. Asks git first, then the host.

It brings most of our code along, and is imported once git has begun to compare.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from cibeacon.changes import diff, pr_changes, repository_config
from cibeacon.changes.diff_fallback import Fallback, Source
from cibeacon.changes.repository_config import RepositoryConfig
from cibeacon.ci import detect
from cibeacon.ci.ci_system import Variables
from cibeacon.ci.forge_client import ForgeClient
from cibeacon.git.repository import Repository
from cibeacon.model.changes import Changes, PushedPRs, Unknown
from cibeacon.model.report import Notice
from cibeacon.run import Run, by_name, templates
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Stage
from cibeacon.runtime.errors import guarded
from cibeacon.services import tree_contents
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import load_settings

if TYPE_CHECKING:
    from cibeacon.services.discovery import Side

_ANOTHERS = Unknown("the run is about another pipeline, whose changes nobody looks at", "leave run_id out")


class Site(NamedTuple):
    """Where a run's answers are looked for, and for how long."""

    repository: Repository
    environ: Mapping[str, str]
    flags: Mapping[str, str]
    stage: Stage
    deadline: Deadline
    """The part of the time that may go by before anything is sent."""
    paths: Sequence[str] | None
    """Changed paths that somebody else worked out."""
    reports: bool
    """False where nothing is sent, whatever is found."""


def searched(found: Run, site: Site) -> Generator[Run, None, None]:
    """The survey as it grows, part by part. A part that fails is unknown with its reason, and the others go on."""
    ladder = None if found.dry_run else _ladder(found, site)
    if ladder is None:
        yield from _parts(found, site, site.repository)
        return
    with closing(ladder):
        yield from _parts(found, site, ladder)


def _ladder(found: Run, site: Site) -> Source | None:
    """What goes on where the checkout ends; None where the host names no place to fetch from."""
    forge, name = found.settings.forge, found.context.host
    token = {"github": forge.github_token, "gitlab": forge.gitlab_token}.get(name)
    remotes = found.host.remotes(Variables(site.environ), token, allow_http=found.settings.core.allow_http)
    if not remotes:
        return None
    from cibeacon.git.fetching_repository import Ladder

    return Ladder(site.repository if site.repository.exists else None, remotes, site.environ, site.deadline)


def _parts(found: Run, site: Site, source: Source) -> Iterator[Run]:
    """The configuration first, which may say more of the rest; then what the push merged; then the services."""
    context, given = found.context, found.settings.core.config
    config = guarded(lambda: repository_config.find(given, context, source, site.repository), repository_config.unread)
    found = _configured(found, config, site)
    settings = found.settings
    if not context.closes and site.stage == "post" and "changed" not in settings.deploy.deploy_services:
        yield found._replace(changes=None, landing=PushedPRs())
        return
    yield found
    forge = ForgeClient.of(context, settings, site.environ, site.deadline)
    if context.closes:
        context, said = forge.closed_pipeline(context, dry_run=found.dry_run)
        seen = found._replace(context=context, changes=None, landing=PushedPRs(), unmapped=_ANOTHERS)
        yield seen._replace(notices=(*found.notices, *said))
        return
    history = Fallback(source, forge if forge.credential and not found.dry_run else None)
    found = found._replace(landing=_landed(found, forge, history))
    if site.reports and site.stage != "post":
        found = guarded(lambda: _looked_up(found, history), lambda why: _unasked(found, f"{why}."))
    yield found
    yield guarded(lambda: _with_changes(found, config, site, history), lambda why: _unseen(found, why))


def _configured(found: Run, config: RepositoryConfig, site: Site) -> Run:
    """The survey with what the repository says."""
    chosen = config.read.report
    settings = load_settings(site.flags, site.environ, chosen) if chosen else found.settings
    settings = settings._replace(problems=(*settings.problems, *config.problems))
    return found._replace(settings=settings, notices=(*found.notices, *config.notices))


def _landed(found: Run, forge: ForgeClient, history: Fallback) -> PushedPRs:
    if not found.context.push:
        return PushedPRs()
    from cibeacon.changes.pushed_prs import landing

    return guarded(
        lambda: landing(found.context, found.settings, forge, history, dry_run=found.dry_run),
        lambda why: _unasked(found, why).landing,
    )


def _unasked(found: Run, why: str) -> Run:
    return found._replace(landing=PushedPRs(status="failed", reason=why))


def _unseen(found: Run, why: str) -> Run:
    return found._replace(changes=Changes("unknown", unknown=Unknown(why)))


def _looked_up(found: Run, history: Fallback) -> Run:
    """The run with what the host says of the pull request that a person named: its number is no proof of a merge."""
    named, wanted = found.context.pull_request, {"auto", "pull-services"}.intersection(found.settings.core.signals)
    if named is None or not named.named or not wanted:
        return found
    return found._replace(context=found.context.with_pull_request(history.pull_request(named.number) or named))


def _with_changes(found: Run, config: RepositoryConfig, site: Site, history: Fallback) -> Run:
    if as_named := by_name(found.settings):
        return found._replace(changes=as_named)
    drawn, map_fault = repository_config.service_map(found.settings.change.services, config)
    if map_fault:
        return found._replace(changes=None, map_fault=map_fault)
    if config.unknown and site.paths is None and (drawn is None or config.fault):
        return found._replace(changes=_plainly(site, Changes("unknown", unknown=config.unknown)))
    if drawn is None:
        return found._replace(changes=None, unmapped=config.unmapped)
    if said := repository_config.unused(templates(found.settings), config):
        found = found._replace(notices=(*found.notices, Notice("info", said)))
    drawn = _asking(drawn, found, config, site, history.source)
    changes, parts = _between(found, drawn, site, history)
    more = (*_strays(changes, drawn), *_unknown_services(found, changes, drawn, history.source))
    return found._replace(changes=changes, parts=parts, notices=(*found.notices, *more))


def _between(found: Run, drawn: ServiceMap, site: Site, history: Fallback) -> tuple[Changes, tuple[Changes, ...]]:
    """As given; else worked out, for the run and for each pull request of a push."""
    if site.paths is not None:
        return diff.given(drawn, site.paths, history.source), ()
    about = (found.context, found.settings.change, drawn, history)
    ground = pr_changes.Ground(*about, lambda changes: _plainly(site, changes))
    return pr_changes.reckoned(ground, found.landing, each=site.stage != "post")


def _plainly(site: Site, changes: Changes) -> Changes:
    """The changes; where they are unknown, with the plainest reason first."""
    plain = repository_config.NO_REPOSITORY
    if changes.unknown is None or changes.unknown.why.startswith(plain) or site.repository.exists:
        return changes
    why = f"{plain}, and {changes.unknown.why}"
    return changes._replace(unknown=changes.unknown._replace(why=why))


def _asking(drawn: ServiceMap, found: Run, config: RepositoryConfig, site: Site, source: Source) -> ServiceMap:
    """The map with what its rules may ask. Where the configuration is a commit's, so is every file that it names."""
    commit, on_gitlab = config.commit, detect.is_on_gitlab(found.context)
    if not found.context.base_config and (commit is None or not site.repository.exists):
        return tree_contents.asking(
            drawn, found.deadline, tree_contents.checked_out(site.repository.root), gitlab=on_gitlab
        )
    sides: tuple[Side, ...] = ("base",) if found.context.base_config else ()
    return tree_contents.asking(
        drawn, found.deadline, lambda path: source.text(commit, path) if commit else None, *sides, gitlab=on_gitlab
    )


def _unknown_services(found: Run, changes: Changes, drawn: ServiceMap, source: Source) -> tuple[Notice, ...]:
    """What is to be said of services that are deployed and that the map does not know: it may be behind, or the name off."""
    names = (name for name in found.settings.deploy.deploy_services if name != "changed")
    said = diff.unknown_services(names, changes, drawn, source)
    return tuple(Notice("info", f"warning: deploy_services: {text}") for text in said)


def _strays(changes: Changes, drawn: ServiceMap) -> tuple[Notice, ...]:
    said = diff.unowned(changes, drawn)
    return (Notice("error" if drawn.rules.unmatched == "error" else "info", said),) if said else ()
