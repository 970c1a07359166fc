"""Finds the CI system and reads the run's context from it. Settings about the run win over what the CI system says."""

from __future__ import annotations

from collections.abc import Mapping

from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.ci.github import GitHub
from cibeacon.ci.gitlab import GitLab
from cibeacon.ci.other_systems import OtherSystem
from cibeacon.git.repository import Repository
from cibeacon.model.context import UPSTREAM, Context, PullRequest
from cibeacon.model.report import Notice
from cibeacon.settings import Settings

SYSTEMS: tuple[CISystem, ...] = (GitHub(), GitLab(), OtherSystem())
"""Every CI system, in the order of detection: a GitHub runner can run inside a GitLab job, and then speaks for itself.

The last one matches everywhere.
"""


def matching(environ: Mapping[str, str]) -> list[CISystem]:
    """The CI systems that recognise the environment, the one that counts first."""
    return [system for system in SYSTEMS if system.matches(Variables(environ))]


def detect(environ: Mapping[str, str], name: str | None = None) -> CISystem:
    """The CI system of that name (setting `host`), else the one that the environment shows."""
    return next((system for system in SYSTEMS if system.name == name), None) or matching(environ)[0]


def is_ci_job(environ: Mapping[str, str], name: str | None = None) -> bool:
    """Whether this is a job of a CI system that is named (setting `host`) or known, or of any other."""
    return detect(environ, name).name != OtherSystem.name or bool(environ.get("CI"))


def read_context(
    settings: Settings, environ: Mapping[str, str], repository: Repository
) -> tuple[Context, tuple[Notice, ...]]:
    """The run's context, and what the user should know about how it was read."""
    notices: tuple[Notice, ...] = ()
    if not settings.core.host and len(several := matching(environ)[:-1]) > 1:
        titles = " and ".join(system.title for system in several)
        notices = (Notice("info", f"the environment shows {titles}; {several[0].title} is taken (set host to choose)"),)
    system = detect(environ, settings.core.host)
    context, more = system.read_with_notices(Variables(environ), repository.checkout)
    return context, (*notices, *more)


def is_on_gitlab(context: Context) -> bool:
    """Whether GitLab is where the repository lives, as far as the CI system or the remote's URL says so."""
    return context.host == GitLab.name or (context.host == OtherSystem.name and "gitlab" in (context.server or ""))


def apply_overrides(context: Context, settings: Settings) -> Context:
    """The context with what the settings say about the run."""
    change, pull_request = settings.change, context.pull_request
    context = context._replace(
        repository=change.repository or context.repository,
        commit_sha=change.commit_sha or context.commit_sha,
        branch=settings.run.head_branch or context.branch,
        run_id=change.run_id or context.run_id,
        job_id=(None if context.about_upstream else change.job_run_id) or context.job_id,
    )
    if change.pr_number and (pull_request is None or pull_request.number != change.pr_number):
        return context.with_pull_request(PullRequest(change.pr_number, id=change.github_pull_id, named=True))
    return context


def reported_run(context: Context, settings: Settings) -> Context:
    """The run to report: this one, or on GitLab another one that the setting `run_id` names.

    Of another one only its identity is known.
    """
    reported = apply_overrides(context, settings)
    if reported.host != GitLab.name or reported.run_id == context.run_id:
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
