"""Exports history as a file: opens the clone, the forge and the service map, and writes the rows.

It writes one row at a time, so an interrupted export leaves all rows up to that point in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from cibeacon.ci import detect
from cibeacon.ci.forge_client import ForgeClient
from cibeacon.ci.github import GitHub
from cibeacon.ci.gitlab import GitLab
from cibeacon.export.options import TITLES, ExportOptions, ExportTotals
from cibeacon.export.rows import COLUMNS, continue_file, to_csv
from cibeacon.export.run import deployment_rows, pull_services_rows
from cibeacon.export.service_history import open_service_history
from cibeacon.git.log import CommitLog
from cibeacon.git.remote_url import parse_remote_url, split_remote_url
from cibeacon.model.context import Checkout, Context
from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.payload import iso
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SettingsError
from cibeacon.runtime.paths import toplevel
from cibeacon.runtime.shutdown import uninterrupted
from cibeacon.settings import Settings, load_settings

if TYPE_CHECKING:
    from cibeacon.ci.github_history import GitHubHistory
    from cibeacon.ci.gitlab_history import GitLabHistory
    from cibeacon.export.run import History

_GIT_SECONDS = 6 * 3600.0


class ExportedRepository(NamedTuple):
    """The repository whose history is exported."""

    name: str
    """Its full name."""
    log: CommitLog | None
    """The clone, if there is one."""
    revision: str | None
    """The branch in the clone."""
    server: str | None
    """The server that it was cloned from."""


def export(env: Environment, flags: Mapping[str, str], options: ExportOptions, totals: ExportTotals) -> None:
    """Writes the rows. Raises `CibeaconError`; the rows written so far remain, and `totals` counts them."""
    settings = load_settings(flags, env.environ, {})
    _check(options, settings)
    deadline = Deadline(_GIT_SECONDS, env.clock, env.sleep, env.clock())
    root = toplevel(env.cwd)
    with ExitStack() as stack:
        log = CommitLog(root, env.environ, deadline) if (root / ".git").exists() else None
        repository = _repository(log, settings, options)
        options = options._replace(repository=repository.name)
        gitlab = _is_on_gitlab(options, settings, env, log)
        services = open_service_history(settings, root, log, repository.revision, deadline, gitlab=gitlab)
        history = _open_history(env, settings, options, repository, stack)
        columns = COLUMNS[options.kind]
        last = continue_file(options.output, columns) if options.output else None
        make_rows = pull_services_rows if options.kind == "pull-services" else deployment_rows
        stream = env.out
        if options.output:
            stream = stack.enter_context(options.output.open("a", encoding="utf-8", newline=""))
        else:
            stream.write(to_csv(columns))
        for row in make_rows(history, services, options, last, totals):
            with uninterrupted():
                stream.write(to_csv(row))
        stream.flush()


def _check(options: ExportOptions, settings: Settings) -> None:
    """Raises `SettingsError` for options that allow no export."""
    groups = ("core", "change", "forge")
    fault = next((problem.message for problem in settings.problems if problem.group in groups), None)
    if fault:
        raise SettingsError("Nothing was exported", fault, "")
    since, until = options.window
    if since >= until:
        reason = f"--from {iso(since)} is not before --to {iso(until)}"
        raise SettingsError("Nothing was exported", reason, "Swap the two; a day given as --to is included.")
    if options.source == "git" and options.kind == "pull-services" and not options.pr_from_messages:
        raise SettingsError(
            "git does not record pull request numbers",
            "they appear only in commit messages, which anyone can write",
            "Use --source github or gitlab, or --pr-from-messages to trust the messages.",
        )
    known = ("tags", "merges") if options.source == "git" else ("deployments", "releases", "tags")
    if options.kind == "deployments" and options.of not in known:
        reason = f"it has {' and '.join(known)}"
        raise SettingsError(f"{options.title} has no {options.of}", reason, "Choose another --of or --source.")
    if options.append and not options.output:
        raise SettingsError("Standard output cannot be appended to", "it is not a file", "Use --output with --append.")
    if options.output and not options.append and options.output.exists():
        hint = "Use --append to continue it, or choose another name."
        raise SettingsError(f"{options.output} was not written", "it already exists", hint)


def _repository(log: CommitLog | None, settings: Settings, options: ExportOptions) -> ExportedRepository:
    checkout = log.checkout() if log else Checkout()
    server, name = split_remote_url(checkout.remote_url)
    given, url = settings.change.repository, parse_remote_url(settings.change.repository)
    server, name = (url.server, url.repository) if url else (server, given or name)
    if not name:
        raise SettingsError(
            "The repository's name is unknown", "its remote origin does not give one", "Set --repository owner/name."
        )
    branch = options.branch or checkout.default_branch
    refs = (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}", options.branch or "HEAD")
    revision = next((commit for ref in refs if log and (commit := log.commit(ref))), None)
    if options.branch and revision is None and log:
        raise SettingsError(f"There is no branch {options.branch}", "the clone does not have it", "Fetch it first.")
    return ExportedRepository(name, log, revision, server)


def _is_on_gitlab(options: ExportOptions, settings: Settings, env: Environment, log: CommitLog | None) -> bool:
    """Whether the repository is on GitLab, according to the source or the clone."""
    if options.source != "git" or log is None:
        return options.source == GitLab.name
    return detect.is_on_gitlab(detect.read_context(settings, env.environ, log)[0])


def _open_history(
    env: Environment, settings: Settings, options: ExportOptions, repository: ExportedRepository, stack: ExitStack
) -> History:
    """The history of the source; what it opens is closed with the stack."""
    log = repository.log
    if options.source == "git":
        from cibeacon.export.git_history import GitHistory

        if log is None or repository.revision is None:
            hint = "Run cibeacon inside a clone, or use --source github or gitlab."
            raise SettingsError("There is no history here", "this is not a clone, or it is empty", hint)
        is_default = options.branch is None or log.checkout().default_branch in (None, options.branch)
        return GitHistory(log, repository.revision, options, believes_squashed=is_default, server=repository.server)
    from cibeacon.export.forge_history import ForgeHistory

    api = stack.enter_context(closing(_open_api(env, settings, options, repository)))
    return ForgeHistory(api, log if log and not log.shallow() else None, options)


def _open_api(
    env: Environment, settings: Settings, options: ExportOptions, repository: ExportedRepository
) -> GitHubHistory | GitLabHistory:
    unlimited = Deadline(inf, env.clock, env.sleep, env.clock())  # each request has its own limit
    context = Context(host=options.source, server=repository.server, repository=repository.name, event=None)
    forge = ForgeClient.of(context, settings, env.environ, unlimited)
    url = _api_url(forge, env.environ, repository.server)
    if not forge.credential:
        hint = f"Set {options.source.upper()}_TOKEN in the environment."
        raise SettingsError(f"The history cannot be read from {TITLES[options.source]}", "there is no token", hint)
    if plain_http_refused(url) and not settings.core.allow_http:
        raise SettingsError(f"No request was sent to {url}", "the token would be sent unencrypted", "Use https.")
    access = (url, forge.credential, repository.name, unlimited, settings.core.timeout)
    if options.source == GitHub.name:
        from cibeacon.ci.github_history import GitHubHistory

        return GitHubHistory(*access)
    from cibeacon.ci.gitlab_history import GitLabHistory

    return GitLabHistory(*access)


def _api_url(forge: ForgeClient, environ: Mapping[str, str], server: str | None) -> str:
    """The API's URL: the one that the CI system gives, else the one of the server that the clone came from."""
    variables = ("GITHUB_API_URL",) if forge.host == GitHub.name else ("CI_API_V4_URL", "CI_SERVER_URL")
    if any(environ.get(name) for name in variables) or server in (None, "github.com"):
        return forge.url or "https://gitlab.com"
    return f"https://{server}/api/v3" if forge.host == GitHub.name else f"https://{server}"
