"""Knows how GitHub Actions describes a run: variables and event payload. Does not call GitHub's API or write files.

Variables: https://docs.github.com/actions/reference/workflows-and-actions/variables. Events:
https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.git import Remote, forge_remote
from cibeacon.git.repository import Repository
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.model.payload import at, commit, number, seconds, server, string
from cibeacon.model.report import CIOutput, Notice, Report, ReportTexts
from cibeacon.runtime import Environment
from cibeacon.runtime.errors import EventError, guarded
from cibeacon.settings.general import ForgeTokens

_WITHOUT_SECRETS = frozenset({"pull_request", "pull_request_review", "pull_request_review_comment"})
_WITH_SECRETS = frozenset({"pull_request_target", "workflow_run"})
_PULL_REQUESTS = _WITHOUT_SECRETS | {"pull_request_target"}
_BY_WRITERS = frozenset({
    *("push", "schedule", "workflow_dispatch", "repository_dispatch", "release", "create", "delete"),
    *("merge_group", "deployment", "deployment_status", "pull_request"),
})  # fmt: skip
"""Events that only users with write access can cause, or that get no secrets. Anyone may cause any other event."""
_DEPENDABOT = "dependabot[bot]"
_LARGEST_EVENT = 8 << 20
_ACCESS = "Give the job's token read access to the repository's contents (contents: read)"


class GitHub(CISystem):
    """GitHub Actions."""

    name = "github"
    title = "GitHub Actions"
    deepen = "check out with the whole history (fetch-depth: 0)"
    check_out = "check out before this step (actions/checkout)"
    in_stages = True

    def read(self, env: Variables) -> Context:
        """The run, including its event. Raises `EventError`."""
        return self.read_event(env, load_event(env.environ))

    def read_event(self, env: Variables, event: Mapping[str, Any]) -> Context:
        """The run as variables and event describe it. The event may be empty or lack any key."""
        return read_run(env, event)

    def event(self, env: Variables) -> Mapping[str, Any]:
        """The payload, from the runner's file."""
        return load_event(env.environ)

    def read_with_notices(self, env: Variables, repository: Repository) -> tuple[Context, tuple[Notice, ...]]:
        """The run; without its event if that cannot be used."""
        del repository

        def without_event(reason: str) -> tuple[Context, tuple[Notice, ...]]:
            return self.read_event(env, {}), (Notice("error", f"{reason}.", "event-cannot-be-read"),)

        return guarded(lambda: (self.read(env), ()), without_event)

    def remotes(self, env: Variables, tokens: ForgeTokens, *, allow_http: bool = False) -> tuple[Remote, ...]:
        """The base repository, which also holds the commits of a fork's pull request."""
        server_url, repository, token = env.get("GITHUB_SERVER_URL"), env.get("GITHUB_REPOSITORY"), tokens.github_token
        remote = forge_remote(server_url, repository, "x-access-token", token, _ACCESS, allow_http=allow_http)
        return (remote,) if remote else ()

    def spool_folder(self, env: Variables) -> str | None:
        """The runner's folder for the job: later steps can read it and upload it."""
        folder = env.get("RUNNER_TEMP")
        return f"{folder}/cibeacon/spool" if folder else None

    def output(self, report: Report, environment: Environment, texts: ReportTexts) -> CIOutput:
        """Annotations, the step summary and the step's outputs."""
        from cibeacon.ci import github_output

        environ = environment.environ
        folder = environ.get("RUNNER_TEMP")
        return github_output.render(report, environ, f"{folder}/cibeacon" if folder else "", environment.token, texts)


def load_event(environ: Mapping[str, str]) -> Mapping[str, Any]:
    """The event payload, from the runner's file. Raises `EventError`."""
    path = environ.get("GITHUB_EVENT_PATH")
    try:
        if not path:
            raise ValueError("GITHUB_EVENT_PATH is not set")
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_EVENT + 1)
        if len(content) > _LARGEST_EVENT:
            raise ValueError(f"it is over {_LARGEST_EVENT >> 20} MiB")
        event = json.loads(content)
        if not isinstance(event, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise EventError(
            "The event payload cannot be read",
            str(error),
            "Run cibeacon as a step of the workflow, or in a container with /github/workflow mounted.",
        ) from error
    return event


def read_run(env: Variables, event: Mapping[str, Any]) -> Context:
    """The run as variables and event describe it. The event may be empty or lack any key."""
    name = env.get("GITHUB_EVENT_NAME")
    pull_request = _pull_request(event)
    fork = pull_request.fork if pull_request else name in _PULL_REQUESTS
    dependabot = env.get("GITHUB_ACTOR") == _DEPENDABOT and name not in _WITH_SECRETS
    deleted = name == "push" and at(event, "deleted") is True
    built = None if deleted else env.sha("GITHUB_SHA")
    ref = env.get("GITHUB_REF")
    run_id, attempt = env.get("GITHUB_RUN_ID"), env.number("GITHUB_RUN_ATTEMPT")
    server_url = env.get("GITHUB_SERVER_URL") or "https://github.com"
    repository = env.get("GITHUB_REPOSITORY")
    context = Context(
        host=GitHub.name,
        server=server(server_url),
        repository=repository,
        event=name,
        action=string(event, "action"),
        commit_sha=_commit(name, event, pull_request, built),
        checkout_sha=built,
        ref=ref,
        branch=_branch(event, ref),
        default_branch=string(event, "repository", "default_branch"),
        pull_request=pull_request,
        push=_push(event) if name == "push" and event else None,
        merge_group=_merge_group(event) if name == "merge_group" else None,
        run_id=run_id,
        run_attempt=attempt,
        run_url=f"{server_url}/{repository}/actions/runs/{run_id}/attempts/{attempt or 1}" if run_id else None,
        pipeline=env.get("GITHUB_WORKFLOW"),
        job=env.get("GITHUB_JOB"),
        actor=env.get("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"),
        started_at=env.number("STATE_started_at"),
        dci_job_id=env.get("STATE_dci_job_id"),
        deployment_state=string(event, "deployment_status", "state"),
        ci=True,
        secrets_withheld=(fork and name in _WITHOUT_SECRETS) or dependabot,
        base_config=fork or (name is not None and name not in _BY_WRITERS),
    )
    return _about_upstream(context, event) if name == "workflow_run" else context


def _commit(
    name: str | None, event: Mapping[str, Any], pull_request: PullRequest | None, built: str | None
) -> str | None:
    """The authored commit. Without a payload a pull request's is unknown, since GITHUB_SHA is a test merge."""
    if pull_request:
        return pull_request.head_sha
    if name in ("pull_request", "pull_request_target"):
        return None
    named = string(event, "merge_group", "head_sha") or string(event, "deployment", "sha")
    return commit(named) or built


def _branch(event: Mapping[str, Any], ref: str | None) -> str | None:
    heads = "refs/heads/"
    if branch := string(event, "pull_request", "head", "ref"):
        return branch
    if queued := string(event, "merge_group", "head_ref"):
        return queued.removeprefix(heads)
    if ref:
        return ref.removeprefix(heads) if ref.startswith(heads) else None
    return string(event, "deployment", "ref")


def _pull_request(event: Mapping[str, Any]) -> PullRequest | None:
    """The payload's pull request. Its merge commit counts only after the merge: before, it is a test merge."""
    record = at(event, "pull_request")
    pr_number = number(at(record, "number")) or number(at(event, "number"))
    if not isinstance(record, dict) or pr_number is None:
        return None
    merged = at(record, "merged") is True
    return PullRequest(
        number=pr_number,
        id=number(at(record, "id")),
        merged=merged,
        closed=at(record, "state") == "closed",
        merge_commit_sha=commit(at(record, "merge_commit_sha")) if merged else None,
        base_ref=string(record, "base", "ref"),
        base_sha=commit(at(record, "base", "sha")),
        head_ref=string(record, "head", "ref"),
        head_sha=commit(at(record, "head", "sha")),
        commits=number(at(record, "commits")),
        fork=_from_fork(record),
        url=string(record, "html_url"),
    )


def _from_fork(pull_request: Mapping[str, Any]) -> bool:
    """Whether the head is in another repository, in a deleted one, or in one that the event does not give."""
    head = string(pull_request, "head", "repo", "full_name")
    return head is None or head != string(pull_request, "base", "repo", "full_name")


def _push(event: Mapping[str, Any]) -> Push:
    return Push(
        before=commit(at(event, "before")),
        after=commit(at(event, "after")),
        created=at(event, "created") is True,
        deleted=at(event, "deleted") is True,
        forced=at(event, "forced") is True,
        commits=_commits(event),
    )


def _commits(event: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of a push's commits: at most 2,048, including those of merged branches."""
    listed = at(event, "commits")
    named = [commit(at(entry, "id")) for entry in listed] if isinstance(listed, list) else []
    return tuple(sha for sha in named if sha)


def _merge_group(event: Mapping[str, Any]) -> Push:
    return Push(before=commit(at(event, "merge_group", "base_sha")), after=commit(at(event, "merge_group", "head_sha")))


def _about_upstream(context: Context, event: Mapping[str, Any]) -> Context:
    """The context of the run that a `workflow_run` event is about, by which the record of a lost runner gets closed."""
    run = at(event, "workflow_run")
    head_branch = string(run, "head_branch")
    return context._replace(
        commit_sha=commit(at(run, "head_sha")),
        ref=f"refs/heads/{head_branch}" if head_branch else None,
        branch=head_branch,
        run_id=str(at(run, "id")) if number(at(run, "id")) else context.run_id,
        run_attempt=number(at(run, "run_attempt")),
        run_url=string(run, "html_url") or context.run_url,
        pipeline=string(run, "name") or context.pipeline,
        job=None,
        actor=string(run, "triggering_actor", "login") or string(run, "actor", "login"),
        status=string(run, "conclusion"),
        started_at=seconds(at(run, "run_started_at")),
        finished_at=seconds(at(run, "updated_at")) if string(run, "conclusion") else None,
    )


SYSTEM = GitHub()
