"""Knows a run on a laptop, or on a CI system that has no file here yet. The checkout describes it, and settings may."""

from collections.abc import Callable
from typing import NamedTuple

from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.git.remote import split_remote_url
from cibeacon.model.context import Checkout, Context
from cibeacon.model.payload import commit
from cibeacon.model.report import Notice
from cibeacon.runtime.errors import CheckoutError


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
