"""The story of `services`, and the first half of `report`: identifies the run and its changed services. Sends nothing to a sink.

Whatever cannot be determined becomes a notice, a problem or an `Unknown`, and the story goes on with what is known.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

from cibeacon.changes import FallbackHistory, Source, diff, repository_config
from cibeacon.changes.repository_config import RepositoryConfig
from cibeacon.changes.service_changes import Question, ServiceChanges, find_service_changes
from cibeacon.ci import detect
from cibeacon.ci.ci_system import Variables
from cibeacon.ci.forge_client import ForgeClient
from cibeacon.git.repository import Repository
from cibeacon.model.changes import Changes, PushedPRs, Unknown
from cibeacon.model.context import Context, PullRequest
from cibeacon.model.report import Notice, Report
from cibeacon.run import Run, is_previewed, named_services
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HalfTime, guarded, interruption
from cibeacon.runtime.paths import toplevel
from cibeacon.runtime.shutdown import interruptible
from cibeacon.services import config_file, templates
from cibeacon.settings import Settings, load_settings
from cibeacon.settings.general import wants
from cibeacon.settings.options import Problem

UNKNOWN = 3
"""Exit code for unknown services if `on_unknown` is `fail`."""
_DECISIVE = {
    "named": ("services",),
    "paths": ("config", "services"),
    "git": ("config", "services", "base", "head", "pr_number"),
}
"""Settings whose invalid values make the changed services unknown, by the way in which the services are found."""
_GRACE = 0.2
"""Extra seconds for git and the host's API, which have the same deadline, to report by themselves what took so long."""
_OTHER_PIPELINE = Unknown("the run is about another pipeline, so its changes are not determined", "leave run_id out")
_UNKNOWN_CI = Notice(
    "info",
    "warning: this CI system is not known, so this is a dry run; to report, set host to a name for it (any word) and run_id to "
    "the run's id",
)


class Search(NamedTuple):
    """Where to look for everything about a run."""

    env: Environment
    flags: Mapping[str, str]
    repository: Repository
    deadline: Deadline
    """The deadline for everything before the first signal is sent."""
    paths: Sequence[str] | None = None
    """Changed paths from another tool; git is then not asked."""
    sends: bool = False


def changed_services(
    env: Environment, flags: Mapping[str, str], settings: Settings, paths: Sequence[str] | None = None
) -> tuple[Report, Settings]:
    """Determines which services changed, and sends nothing. `paths` replace asking git."""
    with identify(env, flags, settings, paths=paths) as (run, search):
        run = explore(run, search)
    notices = [*run.notices, *stop_notices(run), *map(problem_notice, run.settings.problems)]
    way = "named" if named_services(run.settings) else "git" if paths is None else "paths"
    if unknown := _why_unknown(run, _DECISIVE[way]):
        run = run._replace(changes=Changes("unknown", unknown=unknown))
        if str(unknown) not in {notice.text for notice in notices}:
            notices.append(Notice("error", str(unknown), "services-unknown"))
    report = Report(
        run.about,
        run.changes,
        notices=tuple(dict.fromkeys(notices)),
        strict=run.settings.output.strict,
        host_title=run.host.title,
        verb="services",
        unknown_code=_unknown_code(settings),
    )
    return report, run.settings


def blank_report(settings: Settings) -> Report:
    """The report on changed services before anything was determined."""
    unknown = Changes("unknown", unknown=Unknown("changed services were not determined"))
    return Report(None, unknown, strict=settings.output.strict, verb="services", unknown_code=_unknown_code(settings))


def _unknown_code(settings: Settings) -> int:
    """The exit code for unknown services. A misspelt `on_unknown` counts as `fail`: otherwise tests might be skipped unnoticed."""
    misspelt = any(problem.option == "on_unknown" for problem in settings.problems)
    return UNKNOWN if misspelt or settings.change.on_unknown == "fail" else 0


def _why_unknown(run: Run, decisive: Sequence[str]) -> Unknown | None:
    """What must be corrected before the changed services can be determined."""
    problem = next((problem for problem in run.settings.problems if problem.option in decisive), None)
    if problem:
        return Unknown(f"{problem.message}.")
    if run.map_fault:
        return Unknown(run.map_fault)
    return None if run.changes else run.no_map


def stop_notices(run: Run) -> tuple[Notice, ...]:
    """The notice about a run that was interrupted before everything about it was known."""
    return (
        (Notice("error", f"Reading the run was cut short: {run.interrupted}.", "cut-short"),) if run.interrupted else ()
    )


def problem_notice(problem: Problem) -> Notice:
    """The notice about a value that cannot be used, if no signal reports it. An invalid output setting is not an error."""
    return Notice("info" if problem.group == "output" else "error", f"{problem.message}.", "setting-cannot-be-used")


@contextmanager
def identify(
    env: Environment,
    flags: Mapping[str, str],
    settings: Settings,
    *,
    paths: Sequence[str] | None = None,
    sends: bool = False,
) -> Iterator[tuple[Run, Search]]:
    """The run's context, and where to look for the rest. `settings` come only from `flags` and the environment.

    `sends`: outside CI the verb is a dry run, unless the user sets `dry_run`.
    """
    deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
    half = deadline.share(0.5)
    with closing(Repository(toplevel(env.cwd), env.environ, half)) as repository:
        repository.expect(*filter(None, (settings.change.base, settings.change.head)))
        context, notices = detect.read_context(settings, env.environ, repository)
        unasked = sends and is_previewed(context, settings)
        dry_run = unasked or bool(settings.core.dry_run)
        notices = (*notices, _UNKNOWN_CI) if unasked and context.ci else notices
        run = Run(settings, detect.reported_run(context, settings), dry_run, deadline, notices=notices)
        yield run.before_search(), Search(env, flags, repository, half, paths, sends)


def explore(run: Run, search: Search) -> Run:
    """Everything about the run. After an interruption: what was known by then; the rest is unknown for that reason."""
    if run.interrupted:
        return run.cut_short(run.interrupted)
    search.env.halftime(search.deadline.remaining() + _GRACE)
    try:
        with interruptible(), closing(_look_for_all(run, search)) as growing:
            for run in growing:  # noqa: B007 - each one knows more
                pass
        return run
    except HalfTime as stop:
        return run.cut_short(interruption(stop))._replace(interrupted=None)
    except KeyboardInterrupt as stop:
        return run.cut_short(interruption(stop))
    finally:
        search.env.halftime(None)


def _look_for_all(run: Run, search: Search) -> Generator[Run, None, None]:
    """Reads the configuration first, which may contain settings for the rest; then what the push merged; then the services.

    A part that fails is unknown with its reason, and the others continue.
    """
    guarded(lambda: _begin_comparison(run, search), lambda _: None)
    clone, context = search.repository, run.context
    with closing(_source(run, search)) as source:
        config = guarded(
            lambda: repository_config.load(run.settings.core.config, context, source, clone), repository_config.unread
        )
        run = _configure(run, config, search)
        if not context.closes and search.env.stage == "post" and "changed" not in run.settings.deploy.deploy_services:
            yield run._replace(changes=None, pushed=PushedPRs())
            return
        yield run
        forge = ForgeClient.of(context, run.settings, search.env.environ, search.deadline)
        if context.closes:
            yield _follow_pipeline(run, forge)
            return
        history = FallbackHistory(source, forge if forge.credential and not run.dry_run else None)
        run = _find_pull_requests(run, forge, history, search)
        yield run
        yield _find_services(run, config, history, search)


def _begin_comparison(run: Run, search: Search) -> None:
    """Lets git compare while the map is read. Without a map there is nothing to compare."""
    settings, context, clone = run.settings, run.context, search.repository
    if search.env.stage == "post" or search.paths is not None or not clone.exists:
        return
    services = settings.change.services
    if services and not templates(services):
        return
    if services or context.base_config or config_file.is_on_disk(clone.root, settings.core.config):
        diff.begin_comparison(context, settings.change, clone)


def _source(run: Run, search: Search) -> Source:
    """The repository; or, if the host names a place to fetch from, one that fetches what the checkout lacks."""
    env, allow_http = Variables(search.env.environ), run.settings.core.allow_http
    remotes = () if run.dry_run else run.host.remotes(env, run.settings.forge, allow_http=allow_http)
    if not remotes:
        return search.repository
    from cibeacon.git.fetching_repository import FetchingRepository

    clone = search.repository if search.repository.exists else None
    return FetchingRepository(clone, remotes, search.env.environ, search.deadline)


def _configure(run: Run, config: RepositoryConfig, search: Search) -> Run:
    """The run with the settings and notices of the repository's configuration."""
    chosen = config.read.report
    settings = load_settings(search.flags, search.env.environ, chosen) if chosen else run.settings
    settings = settings._replace(problems=(*settings.problems, *config.problems))
    return run._replace(settings=settings, notices=(*run.notices, *config.notices))


def _follow_pipeline(run: Run, forge: ForgeClient) -> Run:
    """The pipeline whose id the user set, as its host knows it."""
    context, notices = forge.closed_pipeline(run.context, dry_run=run.dry_run)
    run = run._replace(context=context, changes=None, pushed=PushedPRs(), no_map=_OTHER_PIPELINE)
    return run._replace(notices=(*run.notices, *notices))


def _find_pull_requests(run: Run, forge: ForgeClient, history: FallbackHistory, search: Search) -> Run:
    """The run with the pull requests that its push merged, and with the host's answer about one that the user named."""
    if run.context.push and run.context.on_default_branch:
        from cibeacon.changes.pushed_prs import find_pushed_prs  # only a push to the default branch merges

        by_id = run.settings.given("github_pull_id")
        pushed = guarded(
            lambda: PushedPRs() if by_id else find_pushed_prs(run.context, forge, history, dry_run=run.dry_run),
            _not_looked_up,
        )
    else:
        pushed = PushedPRs()
    run = run._replace(pushed=pushed)
    asked, wanted = run.context.pull_request, wants(run.settings.core.signals, "pull-services")
    if not search.sends or search.env.stage == "post" or asked is None or not wanted:
        return run
    if not asked.named and not asked.merge_unknown:
        return run
    return guarded(
        lambda: run._replace(context=_with_looked_up(run.context, asked, history)),
        lambda reason: run._replace(pushed=_not_looked_up(f"{reason}.")),
    )


def _with_looked_up(context: Context, asked: PullRequest, history: FallbackHistory) -> Context:
    """The run with its pull request as the forge knows it, if the forge can be asked."""
    answer = history.pull_request(asked.number)
    return context.with_pull_request(answer._replace(named=asked.named)) if answer else context


def _not_looked_up(reason: str) -> PushedPRs:
    return PushedPRs(status="failed", reason=reason)


def _find_services(run: Run, config: RepositoryConfig, history: FallbackHistory, search: Search) -> Run:
    """The run with its changed services."""
    if named := named_services(run.settings):
        return run._replace(changes=named)
    question = Question(
        run.context,
        run.settings.change,
        config,
        search.repository,
        history,
        run.deadline,
        run.pushed,
        search.paths,
        run.settings.deploy.deploy_services,
        each_pull_request=search.env.stage != "post",
    )
    services = guarded(
        lambda: find_service_changes(question),
        lambda reason: ServiceChanges(Changes("unknown", unknown=Unknown(reason))),
    )
    return run._replace(
        changes=services.changes,
        pr_changes=services.pr_changes,
        map_fault=services.map_fault,
        no_map=services.no_map,
        notices=(*run.notices, *services.notices),
    )
