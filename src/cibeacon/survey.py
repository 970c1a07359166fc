"""Finds out what a run is about: settings, context, configuration, services. Sends nothing to any sink.

What cannot be found out becomes a notice, a problem or an `Unknown`: the report goes on with what is known.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cibeacon import comparison, detect, landing, repoconfig
from cibeacon.budget import Budget
from cibeacon.changes import Changes
from cibeacon.context import Context
from cibeacon.git import Repository, toplevel
from cibeacon.landing import Landing
from cibeacon.report import Notice
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
    config = repoconfig.find(settings.core.config, context, repository, root)
    settings = settle(flags, world.environ, config.read.report or {})
    settings = settings._replace(problems=(*settings.problems, *config.problems))
    context = detect.as_told(context, settings)
    rehearsed = _rehearsed(settings, context, acts=acts)
    notices = (*notices, *config.notices, *_unknown_ci(settings, context, acts=acts))
    found = Survey(settings, context, rehearsed, budget, notices=notices)
    if world.stage == "post" and "changed" not in settings.deploy.deploy_services:
        return found
    landed = landing.landing(context, settings, world.environ, looking, rehearsed=rehearsed)
    return _with_changes(found._replace(landing=landed), config, repository, root, paths)


def _with_changes(
    found: Survey,
    config: repoconfig.RepositoryConfig,
    repository: Repository,
    root: Path,
    paths: Sequence[str] | None,
) -> Survey:
    change = found.settings.change
    if by_name := comparison.named(change.services):
        return found._replace(changes=by_name)
    drawn, map_fault = repoconfig.service_map(change.services, config)
    if map_fault:
        return found._replace(map_fault=map_fault)
    unknown = config.unknown or (None if (root / ".git").exists() or paths else comparison.NO_REPOSITORY)
    if unknown:
        return found._replace(changes=Changes("unknown", unknown=unknown))
    if drawn is None:
        return found
    if paths is not None:
        return found._replace(changes=comparison.owned(drawn, paths, None, "files as given"))
    landed = found.landing.pull_request
    context = found.context.with_pull_request(landed) if landed else found.context
    return found._replace(changes=comparison.between_commits(context, change, drawn, repository))


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
