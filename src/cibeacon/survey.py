"""Finds out what a run is about: settings, context, configuration, services. Sends nothing to any sink.

What cannot be found out becomes a notice, a problem or an `Unknown`: the report goes on with what is known.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from cibeacon import comparison, detect, landing, repoconfig, trees
from cibeacon.asking import Forge
from cibeacon.budget import Budget
from cibeacon.changes import Changes, Unknown
from cibeacon.context import Context
from cibeacon.errors import HostError
from cibeacon.git import Repository, toplevel
from cibeacon.ladder import Ladder
from cibeacon.landing import Landing
from cibeacon.report import Notice
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Settings, settle
from cibeacon.world import World


class Survey(NamedTuple):
    """What was found out about a run."""

    settings: Settings
    context: Context
    rehearsed: bool
    budget: Budget
    landing: Landing = Landing()
    changes: Changes | None = None
    map_fault: str | None = None
    """Why the service map cannot be trusted."""
    notices: tuple[Notice, ...] = ()

    @property
    def host(self) -> detect.Host:
        """The host that the run is on."""
        return detect.HOSTS[self.context.host]


class _Ground(NamedTuple):
    """Where a run's changes are looked for."""

    root: Path
    source: Repository | Ladder
    paths: Sequence[str] | None
    """Changed paths that somebody else worked out."""
    forge: Forge | None = None
    """The host's API, where there is one to ask."""

    def told(self, changes: Changes) -> Changes:
        """The changes; where they are unknown, with the plainest reason first."""
        plain = repoconfig.NO_REPOSITORY.why
        if changes.unknown is None or changes.unknown.why == plain or (self.root / ".git").exists():
            return changes
        why = f"{plain}, and {changes.unknown.why}"
        return changes._replace(unknown=changes.unknown._replace(why=why))


def survey(world: World, flags: Mapping[str, str], *, acts: bool = False, paths: Sequence[str] | None = None) -> Survey:
    """Everything about the run. `acts`: the verb works outside CI too, unless told to rehearse.

    `paths` are changed paths that somebody else worked out; git is not asked then.
    """
    settings = settle(flags, world.environ, {})
    budget = Budget(settings.core.timeout, world.clock, world.sleep, world.started)
    looking = budget.share(0.5)
    root = toplevel(world.cwd)
    repository = Repository(root, world.environ, looking)
    context, notices = detect.context(settings, world.environ, repository)
    rehearsed = _rehearsed(settings, context, acts=acts)
    found = Survey(settings, context, rehearsed, budget, notices=(*notices, *_unknown_ci(settings, context, acts=acts)))
    with ExitStack() as held:
        ladder = None if rehearsed else _ladder(found, root, repository, world.environ, looking)
        if ladder:
            held.callback(ladder.close)
        return _surveyed(found, _Ground(root, ladder or repository, paths), world, flags, looking)


def _surveyed(found: Survey, ground: _Ground, world: World, flags: Mapping[str, str], looking: Budget) -> Survey:
    config = repoconfig.find(found.settings.core.config, found.context, ground.source, ground.root)
    settings = settle(flags, world.environ, config.read.report or {})
    settings = settings._replace(problems=(*settings.problems, *config.problems))
    context = detect.as_told(found.context, settings)
    found = found._replace(settings=settings, context=context, notices=(*found.notices, *config.notices))
    if world.stage == "post" and "changed" not in settings.deploy.deploy_services:
        return found
    forge = Forge.of(context, settings, world.environ, looking)
    landed = landing.landing(context, settings, forge, rehearsed=found.rehearsed)
    if forge.credential and not found.rehearsed:
        ground = ground._replace(forge=forge)
    return _with_changes(found._replace(landing=landed), config, ground)


def _ladder(
    found: Survey, root: Path, repository: Repository, environ: Mapping[str, str], budget: Budget
) -> Ladder | None:
    """What goes on where the checkout ends; None where the host names no place to fetch from."""
    forge, name = found.settings.forge, found.context.host
    token = {"github": forge.github_token, "gitlab": forge.gitlab_token}.get(name)
    remotes = found.host.remotes(environ, token, allow_http=found.settings.core.allow_http)
    local = repository if (root / ".git").exists() else None
    return Ladder(local, remotes, environ, budget) if remotes else None


def _with_changes(found: Survey, config: repoconfig.RepositoryConfig, ground: _Ground) -> Survey:
    change = found.settings.change
    by_name = comparison.named(change.services) if found.settings.given("services") else None
    if by_name:
        return found._replace(changes=by_name)
    drawn, map_fault = repoconfig.service_map(change.services, config)
    if map_fault:
        return found._replace(map_fault=map_fault)
    if config.unknown and ground.paths is None:
        return found._replace(changes=ground.told(Changes("unknown", unknown=config.unknown)))
    if drawn is None:
        return found
    drawn = _asking(drawn, found, ground)
    changes = _between(found, drawn, ground)
    return found._replace(changes=changes, notices=(*found.notices, *_strays(changes, drawn)))


def _between(found: Survey, drawn: ServiceMap, ground: _Ground) -> Changes:
    """As given; else by git; of a pull request that git cannot reach, by the host's own list of its files, if that is whole."""
    if ground.paths is not None:
        return comparison.given(drawn, ground.paths, ground.source)
    change, forge, context = found.settings.change, ground.forge, found.context
    if landed := found.landing.pull_request:
        context = context.with_pull_request(landed)
    told = bool(change.base or change.head)
    pull_request = context.pull_request
    try:
        if forge and pull_request and not told and not (pull_request.merged or pull_request.head_sha):
            context = context.with_pull_request(forge.pull_request(pull_request.number))
        changes = ground.told(comparison.between_commits(context, change, drawn, ground.source))
        listable = pull_request and not told and not (drawn.rules.discover or drawn.rules.everywhere)
        if changes.status != "unknown" or not forge or not pull_request or not listable:
            return changes
        listed = comparison.given(drawn, forge.changed_files(pull_request.number), ground.source)
        return listed._replace(how="the pull request's files, as the host's API lists them")
    except HostError as error:
        return Changes("unknown", unknown=Unknown(f"{error.what} ({error.why})", error.fix))


def _asking(drawn: ServiceMap, found: Survey, ground: _Ground) -> ServiceMap:
    """The map with what its rules may ask. Where the configuration is the base's, so is every file that it names."""
    pull_request = found.context.pull_request
    base = pull_request.base_sha if found.context.base_config and pull_request else None
    if base is None:
        return trees.asking(drawn, found.budget, trees.checked_out(ground.root))
    return trees.asking(drawn, found.budget, lambda path: ground.source.text(base, path), "base")


def _strays(changes: Changes, drawn: ServiceMap) -> tuple[Notice, ...]:
    said = comparison.strays(changes, drawn)
    return (Notice("trouble" if drawn.rules.unmatched == "error" else "remark", said),) if said else ()


def _rehearsed(settings: Settings, context: Context, *, acts: bool) -> bool:
    """As told; else only what runs outside a CI system that we know, and only for verbs that do so by themselves."""
    if settings.core.dry_run is not None:
        return settings.core.dry_run
    return context.host == "local" and not acts


def _unknown_ci(settings: Settings, context: Context, *, acts: bool) -> tuple[Notice, ...]:
    if context.host != "local" or not context.ci or acts or settings.core.dry_run is not None:
        return ()
    return (
        Notice("remark", "warning: this CI system is not known, so this is a dry run: set dry_run to false to send"),
    )
