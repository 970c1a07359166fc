"""Finds the CI system and reads the run's context from it. Settings about the run win over what the CI system says.

Without one that has a file here (a laptop, another CI system) the checkout describes the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.ci.github import GitHub
from cibeacon.ci.gitlab import GitLab
from cibeacon.git import split_remote_url
from cibeacon.git.repository import Repository
from cibeacon.model.context import UPSTREAM, Checkout, Context, PullRequest
from cibeacon.model.payload import commit
from cibeacon.model.report import Notice
from cibeacon.runtime.errors import CheckoutError
from cibeacon.settings import Settings


class _RunNumbers(NamedTuple):
    """The variables by which a CI system says which pipeline the number of a run belongs to."""

    proof: str
    """Set there, and nowhere else."""
    pipeline: tuple[str, ...] = ()
    """Its server or organisation, and its own name of the pipeline; empty where it counts the runs of a repository."""
    attempt: str = ""
    prefix: str = ""
    """How the proof's value begins, where other programs use a variable of that name."""


_NUMBERS = (
    _RunNumbers("HARNESS_EXECUTION_ID", ("HARNESS_ACCOUNT_ID", "HARNESS_PROJECT_ID", "HARNESS_PIPELINE_ID")),
    _RunNumbers("BUILDKITE", ("BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG")),
    _RunNumbers(
        "TF_BUILD", ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT", "BUILD_DEFINITIONNAME"), "SYSTEM_STAGEATTEMPT"
    ),
    _RunNumbers("BITBUCKET_BUILD_NUMBER", attempt="BITBUCKET_STEP_RUN_NUMBER"),
    _RunNumbers("TEAMCITY_VERSION", ("TEAMCITY_PROJECT_NAME", "TEAMCITY_BUILDCONF_NAME")),
    _RunNumbers("APPVEYOR", ("APPVEYOR_ACCOUNT_NAME", "APPVEYOR_PROJECT_SLUG")),
    _RunNumbers("bamboo_planKey", ("bamboo_planKey",)),
    _RunNumbers("GO_PIPELINE_COUNTER", ("GO_SERVER_URL", "GO_PIPELINE_NAME"), "GO_STAGE_COUNTER"),
    _RunNumbers("CF_BUILD_ID", ("CF_PIPELINE_NAME",)),
    _RunNumbers("BUILD_TAG", ("JENKINS_URL", "JOB_NAME"), prefix="jenkins-"),
)
"""CI systems that count the runs of every pipeline apart, or whose reruns keep their number."""


class OtherSystem(CISystem):
    """No CI system, or one that has no file here yet."""

    name = "local"
    title = "local"

    def matches(self, env: Variables) -> bool:
        """Everywhere."""
        del env
        return True

    def read(self, env: Variables) -> Context:
        """The run without a checkout."""
        return read_run(env, Checkout())

    def read_with_notices(self, env: Variables, checkout: Callable[[], Checkout]) -> tuple[Context, tuple[Notice, ...]]:
        """The run as the checkout shows it, where there is one."""
        try:
            return read_run(env, checkout()), ()
        except CheckoutError as error:
            return self.read(env), (Notice("info", str(error)),)

    def spool_folder(self, env: Variables) -> str | None:
        """The user's folder for state (XDG Base Directory Specification)."""
        home = env.get("HOME")
        state = env.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else None)
        return f"{state}/cibeacon/spool" if state else None


def read_run(env: Variables, checkout: Checkout) -> Context:
    """The run as the checkout shows it. `ci` is true where the environment says CI, of whatever make."""
    server, repository = split_remote_url(checkout.remote_url)
    head = commit(checkout.head)
    pipeline_id, attempt = _numbering(env)
    return Context(
        host=OtherSystem.name,
        server=server,
        repository=repository,
        event=None,
        commit_sha=head,
        checkout_sha=head,
        ref=f"refs/heads/{checkout.branch}" if checkout.branch else None,
        branch=checkout.branch,
        default_branch=checkout.default_branch,
        pipeline_id=pipeline_id,
        run_id=f"local-{head}" if head else "local",
        run_attempt=attempt,
        pipeline=repository,
        ci=env.is_true("CI"),
    )


def _numbering(env: Variables) -> tuple[str | None, int | None]:
    """Which pipeline the run's number belongs to (the server and the pipeline, as one text), and which attempt it is."""
    for system in _NUMBERS:
        if (proof := env.get(system.proof)) and proof.startswith(system.prefix):
            parts = (_without_user(env.get(name) or "") for name in system.pipeline)
            return "/".join(part for part in parts if part) or None, env.number(system.attempt)
    return None, None


def _without_user(text: str) -> str:
    """Any text; of a URL the part behind the scheme, user name and password."""
    return text.rpartition("://")[2].rpartition("@")[2].strip("/") if "://" in text else text


SYSTEMS: tuple[CISystem, ...] = (
    GitHub(),
    GitLab(),
    OtherSystem(),
)
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
