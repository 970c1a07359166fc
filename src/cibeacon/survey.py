"""Finds out what a run is about: settings, context, configuration, services. Sends nothing to any sink.

What cannot be found out becomes a notice, a problem or an `Unknown`: the report goes on with what is known.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from cibeacon import comparison, configfile, detect, following, landing, reckoning, repoconfig, trees
from cibeacon.asking import Forge
from cibeacon.budget import Budget
from cibeacon.changes import Changes, Unknown
from cibeacon.context import Context
from cibeacon.errors import interruption
from cibeacon.fallback import Fallback
from cibeacon.git import Repository, toplevel
from cibeacon.ladder import Ladder
from cibeacon.landing import Landing
from cibeacon.report import Notice
from cibeacon.sections import interruptible
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Settings, settle
from cibeacon.situation import Landed
from cibeacon.world import World


class Survey(NamedTuple):
    """What was found out about a run."""

    settings: Settings
    context: Context
    rehearsed: bool
    budget: Budget
    landing: Landing = Landing()
    changes: Changes | None = None
    parts: tuple[Changes, ...] = ()
    """Those of each pull request of the landing, where they are not those of the run."""
    map_fault: str | None = None
    """Why the service map cannot be trusted."""
    notices: tuple[Notice, ...] = ()
    interrupted: str | None = None
    """Why the looking stopped early, where it did: nothing is to be sent any more."""

    @property
    def host(self) -> detect.Host:
        """The host that the run is on."""
        return detect.HOSTS[self.context.host]

    @property
    def landed(self) -> tuple[Landed, ...]:
        """The pull requests that a push merged, with their changes."""
        return reckoning.landed(self.landing, self.changes, self.parts)

    @property
    def about(self) -> Context:
        """The context, with the pull request that a push merged where it was one alone."""
        merged = self.landing.pull_requests
        return self.context.with_pull_request(merged[0]) if len(merged) == 1 else self.context


class _Ground(NamedTuple):
    """Where a run's changes are looked for."""

    root: Path
    local: Repository
    source: Repository | Ladder
    paths: Sequence[str] | None
    """Changed paths that somebody else worked out."""
    history: Fallback
    forge: Forge | None = None
    """The host's API, where there is one to ask."""
    each: bool = True
    """Whether anybody wants to know of each pull request of a push."""

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
        held.callback(repository.close)
        ladder = None if rehearsed else _ladder(found, root, repository, world.environ, looking)
        if ladder:
            held.callback(ladder.close)
        try:
            source = ladder or repository
            ground = _Ground(root, repository, source, paths, Fallback(source, None), each=world.stage != "post")
            with interruptible():
                return _surveyed(found, ground, world, flags, looking)
        except KeyboardInterrupt as stop:
            return _cut_short(found, interruption(stop))


def _cut_short(found: Survey, why: str) -> Survey:
    """What was known already, which is enough for some signals to be kept."""
    unknown = Changes("unknown", unknown=Unknown(why, "Run the job again, or give services."))
    changes = _by_name(found.settings) or unknown
    landed = Landing(word="failed", reason=f"not asked which pull request it belongs to: {why}")
    return found._replace(changes=changes, landing=landed if found.context.push else Landing(), interrupted=why)


def _by_name(settings: Settings) -> Changes | None:
    """The changed services as somebody named them, who then needs no look at the repository."""
    return comparison.named(settings.change.services) if settings.given("services") else None


def _surveyed(found: Survey, ground: _Ground, world: World, flags: Mapping[str, str], looking: Budget) -> Survey:
    if world.stage != "post" and ground.paths is None:
        _give_a_head_start(found, ground)
    config = repoconfig.find(found.settings.core.config, found.context, ground.source, ground.root)
    settings = settle(flags, world.environ, config.read.report or {})
    settings = settings._replace(problems=(*settings.problems, *config.problems))
    context = detect.as_told(found.context, settings)
    another = following.names_another(found.context, context)
    found = found._replace(settings=settings, context=context, notices=(*found.notices, *config.notices))
    if not another and world.stage == "post" and "changed" not in settings.deploy.deploy_services:
        return found
    forge = Forge.of(context, settings, world.environ, looking)
    if another:
        context, said = following.followed(context, forge, rehearsed=found.rehearsed)
        return found._replace(context=context, notices=(*found.notices, *said))
    if forge.credential and not found.rehearsed:
        ground = ground._replace(forge=forge, history=Fallback(ground.source, forge))
    landed = landing.landing(context, settings, forge, ground.history, rehearsed=found.rehearsed)
    return _with_changes(found._replace(landing=landed), config, ground)


def _give_a_head_start(found: Survey, ground: _Ground) -> None:
    """Where a map may be drawn, git compares while we read it."""
    change, core = found.settings.change, found.settings.core
    if change.services:
        drawn = comparison.named(change.services) is None
    else:
        drawn = found.context.base_config or configfile.is_in_folder(ground.root, core.config)
    if drawn and (ground.root / ".git").exists():
        comparison.begin(detect.as_told(found.context, found.settings), change, ground.local)


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
    if by_name := _by_name(found.settings):
        return found._replace(changes=by_name)
    drawn, map_fault = repoconfig.service_map(change.services, config)
    if map_fault:
        return found._replace(map_fault=map_fault)
    if config.unknown and ground.paths is None:
        return found._replace(changes=ground.told(Changes("unknown", unknown=config.unknown)))
    if drawn is None:
        return found
    drawn = _asking(drawn, found, ground)
    changes, parts = _between(found, drawn, ground)
    return found._replace(changes=changes, parts=parts, notices=(*found.notices, *_strays(changes, drawn)))


def _between(found: Survey, drawn: ServiceMap, ground: _Ground) -> tuple[Changes, tuple[Changes, ...]]:
    """As given; else worked out, for the run and for each pull request of a push."""
    if ground.paths is not None:
        return comparison.given(drawn, ground.paths, ground.source), ()
    about = (found.context, found.settings.change, drawn)
    searched = reckoning.Ground(*about, ground.source, ground.history, ground.forge, ground.told)
    return reckoning.reckoned(searched, found.landing, each=ground.each)


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
