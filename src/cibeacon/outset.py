"""Finds out what a run is about, in the order in which nobody waits: the context, then git to compare, then all else.

Sends nothing to any sink. What cannot be found out becomes a notice, a problem or an `Unknown`: the report goes on with
what is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

from cibeacon import detect
from cibeacon.changes import Changes, Landing, Unknown, headstart
from cibeacon.configuration import configfile
from cibeacon.context import Context
from cibeacon.errors import interruption
from cibeacon.git.repository import Repository, toplevel
from cibeacon.process.budget import Budget
from cibeacon.process.sections import interruptible
from cibeacon.process.world import World
from cibeacon.settings import Settings
from cibeacon.survey import Survey, by_name, templates
from cibeacon.telling.report import Notice


def survey(
    world: World,
    flags: Mapping[str, str],
    settings: Settings,
    *,
    acts: bool = False,
    paths: Sequence[str] | None = None,
) -> Survey:
    """Everything about the run. `settings` are those of flags and environment, before the repository has its say.

    `acts`: the verb works outside CI too, unless told to rehearse. `paths` are changed paths that somebody else worked
    out; git is not asked then.
    """
    budget = Budget(settings.core.timeout, world.clock, world.sleep, world.started)
    looking = budget.share(0.5)
    with closing(Repository(toplevel(world.cwd), world.environ, looking)) as repository:
        compares = world.stage != "post" and paths is None and repository.exists
        _set_to_work(repository, settings, world.environ, compares=compares)
        context, notices = detect.context(settings, world.environ, repository)
        rehearsed = _rehearsed(settings, context, acts=acts)
        notices = (*notices, *_unknown_ci(settings, context, acts=acts))
        found = Survey(settings, context, rehearsed, budget, notices=notices)
        try:
            with interruptible():
                if compares and _may_be_drawn(settings, repository, elsewhere=context.base_config):
                    headstart.begin(detect.as_told(context, settings), settings.change, repository)
                from cibeacon.search import Site, searched  # most of our code, which git need not wait for

                return searched(found, Site(repository, world.environ, flags, world.stage, looking, paths, not acts))
        except KeyboardInterrupt as stop:
            return _cut_short(found, interruption(stop))


def _set_to_work(repository: Repository, settings: Settings, environ: Mapping[str, str], *, compares: bool) -> None:
    """Lets git begin what it can before anything is known of the run, and imports most of our code meanwhile."""
    change, asks_git = settings.change, detect.asks_git(settings, environ)
    if asks_git:
        repository.expect("HEAD", *filter(None, (change.base, change.head)))
    if compares and change.base and change.head and _may_be_drawn(settings, repository):
        headstart.between(change.base, change.head, repository)
    if asks_git:
        repository.begin_checkout()
        import cibeacon.search  # noqa: F401 - it takes as long as git does


def _may_be_drawn(settings: Settings, repository: Repository, *, elsewhere: bool = False) -> bool:
    """Whether there seems to be a service map, here or `elsewhere`: without one nothing need be compared."""
    if settings.change.services:
        return bool(templates(settings))
    return elsewhere or configfile.is_on_disk(repository.root, settings.core.config)


def _cut_short(found: Survey, why: str) -> Survey:
    """What was known already, which is enough for some signals to be kept."""
    unknown = Changes("unknown", unknown=Unknown(why, "Run the job again, or give services."))
    landing = Landing(word="failed", reason=f"not asked which pull request it belongs to: {why}")
    return found._replace(
        changes=by_name(found.settings) or unknown,
        landing=landing if found.context.push else Landing(),
        interrupted=why,
    )


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
