"""Knows a run on TeamCity, mostly from two property files that the agent writes for each build. Does not know git, except
that Azure Repos merges a pull request into its target.

https://www.jetbrains.com/help/teamcity/predefined-build-parameters.html
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cibeacon.ci.checked_out import complete
from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.git.repository import Repository
from cibeacon.model.context import Context, PullRequest
from cibeacon.model.report import Notice
from cibeacon.runtime import paths
from cibeacon.runtime.errors import CheckoutError

_LARGEST = 4 << 20
"""The most bytes that are read of a property file."""
_FILES = ("TEAMCITY_BUILD_PROPERTIES_FILE", "teamcity.configuration.properties.file")
"""The variable that points to the first file, and the property in it that points to the second."""
_PROPERTY = re.compile(r"\s*((?:\\.|[^\\=:\s])+)\s*[=:]?\s*(.*)")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_NO_USER = "n/a"
_PULL_REQUEST_REF = re.compile(r"refs/(?:pull|merge-requests|pull-requests)/([1-9][0-9]{0,17})/(?:head|from|merge)")
_MERGE_REF = re.compile(r"refs/pull/[0-9]+/merge")


class TeamCity(CISystem):
    """TeamCity."""

    name = "teamcity"
    title = "TeamCity"
    deepen = "clone the whole history (no shallow clone: the parameter teamcity.git.shallowClone=false)"
    check_out = "check out on the agent (VCS checkout mode: Always checkout files on agent)"

    def read(self, env: Variables) -> Context:
        """The run as the variables and the build's properties describe it."""
        env = _with_properties(env)
        url, ref, sha = _repository_url(env), _ref(env), _commit(env)
        pull_request = _pull_request(env, ref, sha)
        is_tag = ref is not None and ref.startswith("refs/tags/")
        branch = pull_request.head_ref if pull_request else None if is_tag else _branch(env, ref)
        server = env.address("teamcity.serverUrl") or env.server("BUILD_URL")
        name = env.join("TEAMCITY_PROJECT_NAME", "TEAMCITY_BUILDCONF_NAME", by=" / ")
        is_default = env.is_true("teamcity.build.branch.is_default") and not pull_request
        actor = env.text("teamcity.build.triggeredBy.username")
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=url.repository if url else None,
            commit_sha=pull_request.head_sha if pull_request else sha,
            checkout_sha=sha,
            ref=ref,
            branch=branch,
            default_branch=branch if is_default else Variables(_of_root(env, "branch")).ref("branch"),
            pull_request=pull_request,
            push=None if pull_request or is_tag else push(None, sha),
            pipeline_id="/".join(filter(None, (server, env.text("teamcity.buildType.id") or name))) or None,
            run_id=env.text("teamcity.build.id", "BUILD_NUMBER"),
            run_url=env.url("BUILD_URL") or _page(env),
            pipeline=name or env.text("teamcity.buildType.id"),
            actor=None if actor == _NO_USER else actor,
            ci=True,
            base_config=pull_request is not None,
        )

    def read_with_notices(self, env: Variables, repository: Repository) -> tuple[Context, tuple[Notice, ...]]:
        """The run, completed by the checkout: the second parent of a merge ref's commit is the pull request's head."""
        context = self.read(env)
        if context.pull_request and context.pull_request.head_sha is None:
            head = _second_parent(context.checkout_sha, repository)
            context = context.with_pull_request(context.pull_request._replace(head_sha=head))
        return complete(context, repository)

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The URL of the VCS root."""
        return _repository_url(_with_properties(env))


def _with_properties(env: Variables) -> Variables:
    """The variables and the build's properties. These include passwords, so read only properties with known names."""
    values = dict(env.environ)
    for name in _FILES:
        values |= _properties(values.get(name, ""))
    return Variables(values)


def _properties(name: str) -> dict[str, str]:
    """The content of a file of Java properties; empty if it cannot be read."""
    if not name:
        return {}
    try:
        path = Path(os.path.realpath(os.path.dirname(name))) / os.path.basename(name)  # noqa: PTH119, PTH120
        with os.fdopen(paths.open_regular(path), "rb") as file:
            text = file.read(_LARGEST).decode("latin-1")
    except (OSError, ValueError):
        return {}
    lines = (line for line in text.split("\n") if line.lstrip()[:1] not in ("#", "!"))
    matches = (match for line in lines if (match := _PROPERTY.fullmatch(line.rstrip("\r"))))
    return {_unescaped(match[1]): _unescaped(match[2]) for match in matches}


def _unescaped(text: str) -> str:
    """Text without Java's escapes; a character outside the first plane is a pair of escapes."""
    plain = _ESCAPE.sub(lambda match: _character(match[1]), text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: str) -> str:
    return chr(int(escape[1:], 16)) if len(escape) == 5 else _CONTROLS.get(escape, escape)


def _only(env: Variables, first: str, last: str = "") -> str | None:
    """The value of the properties `first…last`, if all of them have the same."""
    values = {value for name, value in env.environ.items() if name.startswith(first) and name.endswith(last) and value}
    return values.pop() if len(values) == 1 else None


def _of_root(env: Variables, what: str) -> dict[str, str]:
    """A setting of the VCS root, if there is exactly one root."""
    value = env.text(f"vcsroot.{what}") or _only(env, "vcsroot.", f".{what}")
    return {what: value} if value else {}


def _repository_url(env: Variables) -> RemoteUrl | None:
    return Variables(_of_root(env, "url")).repository("url")


def _commit(env: Variables) -> str | None:
    """The commit that is built, if there is exactly one VCS root."""
    several = {"sha": _only(env, "BUILD_VCS_NUMBER_") or ""}
    return env.commit("BUILD_VCS_NUMBER") or Variables(several).commit("sha")


def _ref(env: Variables) -> str | None:
    """The full ref that is built. TeamCity's own name of a branch depends on the branch specification."""
    ref = _only(env, "teamcity.build.vcs.branch.")
    return ref if ref and ref.startswith("refs/") else None


def _branch(env: Variables, ref: str | None) -> str | None:
    name = env.ref("teamcity.build.branch")
    return ref.removeprefix("refs/heads/") if ref else None if name == "<default>" else name


def _page(env: Variables) -> str | None:
    """The build's page, if no variable has it."""
    server, id_ = env.url("teamcity.serverUrl"), env.number("teamcity.build.id")
    return f"{server.rstrip('/')}/viewLog.html?buildId={id_}" if server and id_ else None


def _pull_request(env: Variables, ref: str | None, sha: str | None) -> PullRequest | None:
    """The open pull request. TeamCity does not say which repository its branch is in, so it counts as a fork's."""
    match = _PULL_REQUEST_REF.fullmatch(ref or "")
    number = env.number("teamcity.pullRequest.number") or (int(match[1]) if match else None)
    if number is None:
        return None
    return PullRequest(
        number,
        base_ref=env.ref("teamcity.pullRequest.target.branch"),
        head_ref=env.ref("teamcity.pullRequest.source.branch"),
        head_sha=None if _MERGE_REF.fullmatch(ref or "") else sha,
        fork=True,
        url=env.url("teamcity.pullRequest.url"),
    )


def _second_parent(sha: str | None, repository: Repository) -> str | None:
    try:
        parents = (repository.parents(sha) if sha else None) or ()
    except CheckoutError:
        return None
    return parents[1] if len(parents) == 2 else None


SYSTEM = TeamCity()
