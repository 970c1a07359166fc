"""What a person wants exported, and who is asked for it: the clone, GitHub or GitLab. Writes the file.

The file is written a row at a time, so it holds whatever was known when the export was cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from fnmatch import fnmatchcase
from math import inf
from pathlib import Path
from typing import NamedTuple, TextIO

from cibeacon.ci import detect
from cibeacon.ci.forge_client import ForgeClient
from cibeacon.ci.github import GitHub
from cibeacon.ci.gitlab import GitLab
from cibeacon.ci.history import Mark
from cibeacon.export.rows import COLUMNS, Deployed, continued, written
from cibeacon.export.run import Row, deployment_rows, pull_service_rows
from cibeacon.export.services import teller
from cibeacon.export.source import Source, Totals, What, Window
from cibeacon.git.log import Log
from cibeacon.git.remote import split_remote_url
from cibeacon.model.context import Checkout, Context
from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.payload import iso
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import SettingsError
from cibeacon.runtime.interrupt_guard import uninterrupted
from cibeacon.runtime.paths import toplevel
from cibeacon.settings import Settings, load_settings

_GIT_SECONDS = 6 * 3600.0
TITLES: Mapping[str, str] = {"git": "git", "github": "GitHub", "gitlab": "GitLab"}


class Order(NamedTuple):
    """What is to be exported."""

    kind: str
    """`deployments` or `pull-services`."""
    window: Window
    source: str = "git"
    what: What = "tags"
    output: Path | None = None
    """None: standard output."""
    append: bool = False
    numbered: bool = False
    """Whether commits are believed where they name their pull request."""
    branch: str | None = None
    environment: str | None = None
    tags: str = "*"


def exported(env: Environment, flags: Mapping[str, str], order: Order, totals: Totals) -> None:
    """Writes the rows. Raises `CibeaconError`; what was written by then stays, and `totals` counts it."""
    settings = load_settings(flags, env.environ, {})
    _possible(order, settings)
    deadline = Deadline(_GIT_SECONDS, env.clock, env.sleep, env.clock())
    root = toplevel(env.cwd)
    with ExitStack() as held:
        log = Log(root, env.environ, deadline) if (root / ".git").exists() else None
        revision, server, repository = _place(log, settings, order)
        whole = log if log and not log.shallow() else None
        told = teller(settings, root, log, revision, deadline, gitlab=_on_gitlab(order, settings, env, log))
        source = _source(env, settings, order, held, log, whole, revision, server, repository)
        columns = COLUMNS[order.kind]
        last = _last(order, columns)
        if order.kind == "pull-services":
            rows = pull_service_rows(source, told, order.window, repository, last, totals)
        else:
            common = Deployed(repository, order.what, order.environment, TITLES[order.source])
            rows = deployment_rows(
                source, told, order.window, order.what, common, last, totals, lambda mark: _wanted(order, mark)
            )
        stream = held.enter_context(order.output.open("a", encoding="utf-8", newline="")) if order.output else env.out
        _write(stream, rows, None if order.output else columns)


def _possible(order: Order, settings: Settings) -> None:
    """Raises `SettingsError` for what cannot be exported at all."""
    wrong = next((each.message for each in settings.problems if each.group in ("core", "change", "forge")), None)
    if wrong:
        raise SettingsError("Nothing was exported", wrong, "Mend the setting.")
    since, until = order.window
    if since >= until:
        raise SettingsError(
            "Nothing was exported",
            f"--from {iso(since)} is not before --to {iso(until)}",
            "Exchange the two; a day as --to counts whole.",
        )
    if order.source == "git" and order.kind == "pull-services" and not order.numbered:
        raise SettingsError(
            "git does not know the numbers of pull requests",
            "only the messages of commits may name them, and anybody can write a message",
            "Give --source github or gitlab, or believe the messages with --pr-from-messages.",
        )
    known: Mapping[str, tuple[str, ...]] = {"git": ("tags", "merges")}
    possible = known.get(order.source, ("deployments", "releases", "tags"))
    if order.kind == "deployments" and order.what not in possible:
        raise SettingsError(
            f"{TITLES[order.source]} knows no {order.what}",
            f"it knows {' and '.join(possible)}",
            "Give another --of, or another --source.",
        )
    if order.append and not order.output:
        raise SettingsError("Standard output cannot be continued", "it is no file", "Give --output with --append.")
    if order.output and not order.append and order.output.exists():
        raise SettingsError(
            f"{order.output} is there already", "it would be lost", "Give --append to continue it, or another name."
        )


def _place(log: Log | None, settings: Settings, order: Order) -> tuple[str | None, str | None, str]:
    """The branch in the clone, the server and the repository's full name."""
    checkout = log.checkout() if log else Checkout()
    server, repository = split_remote_url(checkout.remote_url)
    repository = settings.change.repository or repository
    if not repository:
        raise SettingsError(
            "The repository has no name", "its remote origin names none", "Give --repository owner/name."
        )
    branch = order.branch or checkout.default_branch
    choices = (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}", order.branch or "HEAD")
    revision = next((found for name in choices if log and (found := log.commit(name))), None)
    if order.branch and revision is None and log:
        raise SettingsError(f"There is no branch {order.branch}", "the clone does not know it", "Fetch it first.")
    return revision, server, repository


def _on_gitlab(order: Order, settings: Settings, env: Environment, log: Log | None) -> bool:
    """Whether GitLab is where the repository lives: as whoever tells the history, else as the clone says."""
    if order.source != "git" or log is None:
        return order.source == GitLab.name
    return detect.is_on_gitlab(detect.read_context(settings, env.environ, log)[0])


def _source(
    env: Environment,
    settings: Settings,
    order: Order,
    held: ExitStack,
    log: Log | None,
    whole: Log | None,
    revision: str | None,
    server: str | None,
    repository: str,
) -> Source:
    if order.source == "git":
        from cibeacon.export.git_history import GitSource

        if log is None or revision is None:
            raise SettingsError(
                "There is no history here", "this is no clone, or an empty one", "Run inside a clone, or give --source."
            )
        default = log.checkout().default_branch
        squashed = order.branch is None or default in (None, order.branch)
        return GitSource(log, revision, numbered=order.numbered, squashed=squashed, server=server)
    from cibeacon.export.forge_history import Host, HostSource

    unlimited = Deadline(inf, env.clock, env.sleep, env.clock())  # each question has a limit of its own
    context = Context(host=order.source, server=server, repository=repository, event=None)
    forge = ForgeClient.of(context, settings, env.environ, unlimited)
    url = _address(forge, env.environ, server)
    if not forge.credential:
        raise SettingsError(
            f"{TITLES[order.source]} cannot be asked",
            "there is no token",
            f"Set {order.source.upper()}_TOKEN in the environment.",
        )
    if plain_http_refused(url) and not settings.core.allow_http:
        raise SettingsError(f"{url} was not asked", "the token would travel unencrypted", "Use https.")
    access = (url, forge.credential, repository, unlimited, settings.core.timeout)
    host: Host
    if order.source == GitHub.name:
        from cibeacon.ci.github_history import GitHubHistory

        host = held.enter_context(closing(GitHubHistory(*access)))
    else:
        from cibeacon.ci.gitlab_history import GitLabHistory

        host = held.enter_context(closing(GitLabHistory(*access)))
    return HostSource(host, whole)


def _address(forge: ForgeClient, environ: Mapping[str, str], server: str | None) -> str:
    """The API's address: as the CI host says, else on the server that the clone came from."""
    said = ("GITHUB_API_URL",) if forge.host == GitHub.name else ("CI_API_V4_URL", "CI_SERVER_URL")
    if any(environ.get(name) for name in said) or server in (None, "github.com"):
        return forge.url or "https://gitlab.com"
    return f"https://{server}/api/v3" if forge.host == GitHub.name else f"https://{server}"


def _wanted(order: Order, mark: Mark) -> bool:
    if mark.environment is not None:
        return order.environment is None or mark.environment == order.environment
    return mark.name is None or fnmatchcase(mark.name, order.tags)


def _last(order: Order, columns: Row) -> dict[str, str] | None:
    """The last row of the file, which then ends with it."""
    return continued(order.output, columns) if order.output else None


def _write(stream: TextIO, rows: Iterator[Row], heading: Row | None) -> None:
    if heading:
        stream.write(written([heading]))
    for row in rows:
        with uninterrupted():
            stream.write(written([row]))
    stream.flush()
