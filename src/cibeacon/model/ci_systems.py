"""Knows the CI systems by name, and which variables identify each. Does not know their other variables.

A proof is one or more conditions that all hold: `NAME` (set, and not to a false word), `NAME=value` in any case, or
`NAME=prefix*`. No proof relies on a name that several systems use. Each system's file in `ci/` has the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LOCAL = "local"
"""The name outside any CI system."""
CI_SYSTEMS: Mapping[str, tuple[str, ...]] = {
    "forgejo": ("FORGEJO_ACTIONS=true",),
    "gitea": ("GITEA_ACTIONS=true",),
    "github": ("GITHUB_ACTIONS=true",),
    "gitlab": ("GITLAB_CI=true", "CI_PIPELINE_ID CI_PROJECT_PATH"),
    "harness": ("HARNESS_BUILD_ID", "HARNESS_EXECUTION_ID"),
    "buildkite": ("BUILDKITE=true",),
    "circleci": ("CIRCLECI=true",),
    "azure": ("TF_BUILD=true",),
    "bitbucket": ("BITBUCKET_BUILD_NUMBER BITBUCKET_REPO_FULL_NAME",),
    "codebuild": ("CODEBUILD_BUILD_ARN",),
    "teamcity": ("TEAMCITY_VERSION",),
    "travis": ("TRAVIS=true",),
    "appveyor": ("APPVEYOR=true",),
    "cirrus": ("CIRRUS_CI=true",),
    "semaphore": ("SEMAPHORE=true",),
    "bamboo": ("bamboo_buildResultKey", "bamboo_planKey"),
    "gocd": ("GO_PIPELINE_COUNTER GO_SERVER_URL",),
    "codefresh": ("CF_BUILD_ID",),
    "woodpecker": ("CI=woodpecker", "CI_SYSTEM_NAME=woodpecker"),
    "drone": ("DRONE=true", "CI=drone"),
    "argo": ("ARGO_WORKFLOW_NAME",),
    "jenkins": ("JENKINS_URL BUILD_TAG=jenkins-*", "BUILD_TAG=jenkins-* JOB_NAME"),
    "cloudbuild": ("BUILDER_OUTPUT",),
    "tekton": (),
}
"""Name → its proofs, in order of detection: a system that sets another one's variables comes before it.

Tekton sets no variables: the setting `host` selects it.
"""
DX_CONNECTORS = frozenset({
    "github", "gitlab", "circleci", "buildkite", "jenkins", "azure", "harness", "bitbucket",
})  # fmt: skip
"""CI systems with a DX connector, which can read their runs (https://docs.getdx.com/connectors/)."""
ACTIONS = frozenset({"github", "gitea", "forgejo"})
"""CI systems with GitHub's events, whose runner understands GitHub's actions and workflow commands."""
OWN_GITHUB_TOKEN = ACTIONS - {"github"}
"""CI systems whose GITHUB_TOKEN is for their own server: it is never sent to GitHub."""
_IMITATED: Mapping[str, tuple[str, ...]] = {"forgejo": ("gitea", "github"), "gitea": ("github",), "harness": ("drone",)}
"""Systems that set the variables of others, which are then ignored."""
_FALSE = frozenset({"false", "0", "no", "off"})
_OTHER = r"[a-z0-9][a-z0-9_.-]{0,39}"
_NEAR = 0.75


def recognise(environ: Mapping[str, str]) -> list[str]:
    """The CI systems that the environment proves, the decisive one first."""
    names = [
        name
        for name, proofs in CI_SYSTEMS.items()
        if any(all(_holds(condition, environ) for condition in proof.split()) for proof in proofs)
    ]
    imitated = {other for name in names for other in _IMITATED.get(name, ())}
    return [name for name in names if name not in imitated]


def _holds(condition: str, environ: Mapping[str, str]) -> bool:
    name, _, wanted = condition.partition("=")
    value = environ.get(name, "").lower()
    if not wanted:
        return bool(value) and value not in _FALSE
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def host(given: str) -> str:
    """A CI system by name; any other word is a system that cibeacon does not know."""
    name = given.lower()
    if name == LOCAL or name in CI_SYSTEMS:
        return name
    from difflib import get_close_matches  # only another name needs it

    if near := get_close_matches(name[:40], (*CI_SYSTEMS, LOCAL), 1, _NEAR):
        raise ValueError(f"is not a CI system that cibeacon knows; did you mean {near[0]}?")
    if not re.fullmatch(_OTHER, name):
        raise ValueError("is not a name of a CI system: letters, digits, dots and dashes, at most 40")
    return name
