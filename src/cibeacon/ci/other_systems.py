"""Knows a run outside GitHub and GitLab: a laptop, or a CI system without a reader of its own. Asks only git.

Everything that no one says can be given as a setting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from cibeacon.git.remote import Remote
from cibeacon.model.context import Checkout, Context
from cibeacon.model.payload import commit, number

NAME = "local"
TITLE = "local"
NO_CHECKOUT = Checkout(None, None, None, None)
_SCP = r"(?:[^@/\s]+@)?(?P<host>[^:/\s]{2,}):(?P<path>[^\s]+)"


class _Numbers(NamedTuple):
    """The variables by which a CI system says whose number the number of a run is."""

    proof: str
    pipeline: tuple[str, ...] = ()
    """Its server or organisation, and its own name of the pipeline; none where it counts the runs of a repository."""
    attempt: str = ""
    begins: str = ""
    """How the proof's value begins, where others may have a variable of that name."""


_NUMBERS = (
    _Numbers("HARNESS_EXECUTION_ID", ("HARNESS_ACCOUNT_ID", "HARNESS_PROJECT_ID", "HARNESS_PIPELINE_ID")),
    _Numbers("BUILDKITE", ("BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG")),
    _Numbers("TF_BUILD", ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT", "BUILD_DEFINITIONNAME"), "SYSTEM_STAGEATTEMPT"),
    _Numbers("BITBUCKET_BUILD_NUMBER", attempt="BITBUCKET_STEP_RUN_NUMBER"),
    _Numbers("TEAMCITY_VERSION", ("TEAMCITY_PROJECT_NAME", "TEAMCITY_BUILDCONF_NAME")),
    _Numbers("APPVEYOR", ("APPVEYOR_ACCOUNT_NAME", "APPVEYOR_PROJECT_SLUG")),
    _Numbers("bamboo_planKey", ("bamboo_planKey",)),
    _Numbers("GO_PIPELINE_COUNTER", ("GO_SERVER_URL", "GO_PIPELINE_NAME"), "GO_STAGE_COUNTER"),
    _Numbers("CF_BUILD_ID", ("CF_PIPELINE_NAME",)),
    _Numbers("BUILD_TAG", ("JENKINS_URL", "JOB_NAME"), begins="jenkins-"),
)
"""CI systems that count the runs of each pipeline, or whose reruns keep their number."""


def remote(url: str | None) -> tuple[str | None, str | None]:
    """(server, repository) of a git remote, in any of git's spellings; a path on disk names neither."""
    if not url:
        return None, None
    if "://" in url:
        try:
            parts = urlsplit(url)
        except ValueError:
            return None, None
        host, path = parts.hostname, parts.path
    elif match := re.fullmatch(_SCP, url):
        host, path = match["host"], match["path"]
    else:
        return None, None
    repository = path.strip("/").removesuffix(".git")
    return (host, repository) if host and repository else (None, None)


def remotes(environ: Mapping[str, str], token: str | None, *, allow_http: bool = False) -> tuple[Remote, ...]:
    """Nowhere: no host vouches for a place, and a person at a laptop fetches as they please."""
    del environ, token, allow_http
    return ()


def spool_folder(environ: Mapping[str, str]) -> str | None:
    """The user's folder for state (XDG Base Directory Specification)."""
    state = environ.get("XDG_STATE_HOME") or (f"{environ['HOME']}/.local/state" if environ.get("HOME") else None)
    return f"{state}/cibeacon/spool" if state else None


def _numbering(environ: Mapping[str, str]) -> tuple[str | None, int | None]:
    """Whose number the run's is (the server and the pipeline, as one text), and which attempt this is."""
    for each in _NUMBERS:
        if (proof := environ.get(each.proof)) and proof.startswith(each.begins):
            parts = (_without_user(environ.get(name, "")) for name in each.pipeline)
            return "/".join(part for part in parts if part) or None, number(environ.get(each.attempt))
    return None, None


def _without_user(text: str) -> str:
    """Any text; of an address what stands after the scheme, user name and password."""
    return text.rpartition("://")[2].rpartition("@")[2].strip("/") if "://" in text else text


def read(environ: Mapping[str, str], checkout: Checkout) -> Context:
    """The run as the checkout shows it. `ci` is true where the environment says CI, of whatever make."""
    server, repository = remote(checkout.remote_url)
    head = commit(checkout.head)
    pipeline_id, attempt = _numbering(environ)
    return Context(
        host=NAME,
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
        ci=environ.get("CI", "").lower() in ("true", "1", "yes"),
    )
