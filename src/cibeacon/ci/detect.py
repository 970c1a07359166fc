"""Finds the CI system and reads the run's context from it. Settings about the run take precedence.

Without a supported CI system (a laptop, any other system) the checkout describes the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.git.remote_url import parse_remote_url
from cibeacon.git.repository import Repository
from cibeacon.model import ci_systems
from cibeacon.model.context import UPSTREAM, Context, PullRequest
from cibeacon.model.report import Notice
from cibeacon.settings import Settings
from cibeacon.settings.general import Change


@cache
def named(name: str) -> CISystem:
    """The CI system of this name."""
    if name not in ci_systems.CI_SYSTEMS:
        from cibeacon.ci.mapped_system import OtherSystem  # supported CI systems do without it

        return OtherSystem(name)
    system: CISystem = import_module(f"cibeacon.ci.{name}").SYSTEM
    return system


def detect(environ: Mapping[str, str], name: str | None = None) -> CISystem:
    """The CI system of this name (setting `host`), else the one that the environment shows."""
    return named(name or next(iter(ci_systems.recognise(environ)), ci_systems.LOCAL))


def is_ci_job(environ: Mapping[str, str], name: str | None = None) -> bool:
    """Whether this is a job of a CI system: of one that is set (`host`), recognised, or shown by the variable CI."""
    return (name or ci_systems.LOCAL) != ci_systems.LOCAL or bool(ci_systems.recognise(environ) or environ.get("CI"))


def read_context(
    settings: Settings, environ: Mapping[str, str], repository: Repository
) -> tuple[Context, tuple[Notice, ...]]:
    """The run's context, and notices about how it was read."""
    notices: tuple[Notice, ...] = ()
    if not settings.core.host and len(several := ci_systems.recognise(environ)) > 1:
        titles = [named(name).title for name in several]
        text = f"the environment shows {' and '.join(titles)}; {titles[0]} is used (set host to choose)"
        notices = (Notice("info", text),)
    system = detect(environ, settings.core.host)
    context, more = system.read_with_notices(Variables(environ), repository)
    return context, (*notices, *more)


def is_on_gitlab(context: Context) -> bool:
    """Whether the repository is on GitLab, according to the CI system or the remote's URL."""
    return context.host == "gitlab" or (context.host != "github" and "gitlab" in (context.server or ""))


def apply_overrides(context: Context, settings: Settings) -> Context:
    """The context with the settings about the run applied."""
    change, pull_request = settings.change, context.pull_request
    url = parse_remote_url(change.repository)
    context = context._replace(
        server=context.server or (url.server if url else None),
        repository=(url.repository if url else change.repository) or context.repository,
        commit_sha=change.commit_sha or context.commit_sha,
        branch=settings.run.head_branch or context.branch,
        default_branch=change.default_branch or context.default_branch,
        run_id=change.run_id or context.run_id,
        run_attempt=change.run_attempt or context.run_attempt,
        job_id=(None if context.about_upstream else change.job_run_id) or context.job_id,
    )
    if change.pr_number and (pull_request is None or pull_request.number != change.pr_number):
        given = _given_pull_request(context, change, change.pr_number)
        if given.named:
            return context.with_pull_request(given)
        return context.with_pull_request(given)._replace(push=None, base_config=context.base_config or context.ci)
    if pull_request and change.pr_base and not pull_request.base_ref:
        return context.with_pull_request(pull_request._replace(base_ref=_branch(change.pr_base)))
    return context


def _given_pull_request(context: Context, change: Change, number: int) -> PullRequest:
    """The pull request of the settings: the run's own if its target branch is set, too."""
    if not change.pr_base:
        return PullRequest(number, id=change.github_pull_id, named=True)
    base = _branch(change.pr_base)
    return PullRequest(number, id=change.github_pull_id, base_ref=base, head_sha=context.commit_sha, fork=True)


def _branch(ref: str) -> str:
    return ref.removeprefix("refs/heads/")


def reported_run(context: Context, settings: Settings) -> Context:
    """The run to report: this one, or on GitLab another one whose id the setting `run_id` gives.

    Only the identity of another one is known.
    """
    reported = apply_overrides(context, settings)
    if reported.host != "gitlab" or reported.run_id == context.run_id:
        return reported
    return Context(
        host=reported.host,
        server=reported.server,
        repository=reported.repository,
        event=UPSTREAM,
        default_branch=reported.default_branch,
        run_id=reported.run_id,
        ci=reported.ci,
    )
