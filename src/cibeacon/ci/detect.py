"""Finds the CI host and reads the run's context from it. What a person said of the run wins over what the host says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from cibeacon.ci import github, gitlab, other_systems
from cibeacon.git.remote import Remote
from cibeacon.git.repository import Repository
from cibeacon.model.context import UPSTREAM, Context, PullRequest
from cibeacon.model.report import Notice
from cibeacon.runtime.errors import CheckoutError, EventError, guarded
from cibeacon.settings import Settings


class Host(Protocol):
    """What every host module offers besides its `read`."""

    NAME: str
    TITLE: str

    def remotes(self, environ: Mapping[str, str], token: str | None, *, allow_http: bool = False) -> tuple[Remote, ...]:
        """Where the repository's objects can be fetched, the likeliest place first."""
        ...

    def spool_folder(self, environ: Mapping[str, str]) -> str | None:
        """Where signals are kept that could not leave, unless a person says otherwise; None where nothing lasts."""
        ...


_HOSTS: tuple[Host, ...] = (github, gitlab, other_systems)
HOSTS: Mapping[str, Host] = {host.NAME: host for host in _HOSTS}
"""Every host, in the order of detection: a GitHub runner can run inside a GitLab job, and then speaks for itself."""

Found = tuple[Context, tuple[Notice, ...]]


def context(settings: Settings, environ: Mapping[str, str], repository: Repository) -> Found:
    """The run's context, and what is worth knowing about how it was found."""
    name, notices = (settings.core.host, ()) if settings.core.host else detected(environ)
    if name == github.NAME:
        found, more = _from_github(environ)
    elif name == gitlab.NAME:
        found, more = gitlab.read(environ), ()
    else:
        found, more = _from_checkout(environ, repository)
    return found, (*notices, *more)


def asks_git(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether the context will be asked of git, since no CI host tells."""
    return (settings.core.host or detected(environ)[0]) == other_systems.NAME


def detected(environ: Mapping[str, str]) -> tuple[str, tuple[Notice, ...]]:
    """The name of the host that the environment shows."""
    if not github.here(environ):
        return (gitlab.NAME if gitlab.here(environ) else other_systems.NAME), ()
    both = "the environment shows GitHub Actions and GitLab CI; GitHub is taken (set host to choose)"
    return github.NAME, (Notice("info", both),) if gitlab.here(environ) else ()


def on_gitlab(context: Context) -> bool:
    """Whether GitLab is where the repository lives, as far as the host or the address says so."""
    return context.host == gitlab.NAME or (context.host == other_systems.NAME and "gitlab" in (context.server or ""))


def in_ci(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether this is a CI job, of a host that is known or of any other."""
    return (settings.core.host or detected(environ)[0]) != other_systems.NAME or bool(environ.get("CI"))


def as_told(found: Context, settings: Settings) -> Context:
    """The context with what a person said of it."""
    change, known = settings.change, found.pull_request
    told = found._replace(
        repository=change.repository or found.repository,
        commit_sha=change.commit_sha or found.commit_sha,
        branch=settings.run.head_branch or found.branch,
        run_id=change.run_id or found.run_id,
        job_id=(None if found.about_upstream else change.job_run_id) or found.job_id,
    )
    if change.pr_number and (known is None or known.number != change.pr_number):
        return told.with_pull_request(PullRequest(change.pr_number, id=change.github_pull_id, named=True))
    return told


def about(found: Context, settings: Settings) -> Context:
    """The run that is told of: the one that we are in, or on GitLab another one that a person named by its id.

    Of that one nothing is known but who it is.
    """
    told = as_told(found, settings)
    if told.host != gitlab.NAME or told.run_id == found.run_id:
        return told
    return Context(
        host=told.host,
        server=told.server,
        repository=told.repository,
        event=UPSTREAM,
        default_branch=told.default_branch,
        run_id=told.run_id,
        ci=told.ci,
    )


def _from_github(environ: Mapping[str, str]) -> Found:
    event: Mapping[str, Any] = {}
    notices: tuple[Notice, ...] = ()
    try:
        event = github.load_event(environ)
    except EventError as error:
        notices = (Notice("error", str(error)),)
    return guarded(
        lambda: (github.read(environ, event), notices),
        lambda why: (github.read(environ, {}), (Notice("error", f"GitHub's event payload is not used: {why}."),)),
    )


def _from_checkout(environ: Mapping[str, str], repository: Repository) -> Found:
    try:
        return other_systems.read(environ, repository.checkout()), ()
    except CheckoutError as error:
        return other_systems.read(environ, other_systems.NO_CHECKOUT), (Notice("info", str(error)),)
