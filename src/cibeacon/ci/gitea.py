"""Knows a run on Gitea Actions: GitHub's variables and events, with Gitea's values. Does not call an API.

Differences: https://docs.gitea.com/usage/actions/comparison. Payloads: https://docs.gitea.com/usage/webhooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.github import GitHub, read_run
from cibeacon.git import Remote, forge_remote
from cibeacon.model.context import Context
from cibeacon.model.payload import at, commit, seconds, server, string
from cibeacon.model.report import CIOutput, Report, ReportTexts
from cibeacon.runtime import Environment
from cibeacon.settings.general import ForgeTokens

_ACCESS = "Set github_token to a token that can read the repository"


class Gitea(GitHub):
    """Gitea Actions."""

    name = "gitea"
    title = "Gitea Actions"

    def read_event(self, env: Variables, event: Mapping[str, Any]) -> Context:
        """The run as variables and event describe it. The URL of a run has its number in the repository."""
        context = read_run(env, event)
        url, repository = _server_url(env), context.repository
        number = env.number("GITHUB_RUN_NUMBER")
        context = context._replace(
            host=self.name,
            server=server(url),
            run_url=f"{url}/{repository}/actions/runs/{number}" if url and repository and number else None,
            push=_as_created(context, event).push,
            commit_sha=context.commit_sha or (context.checkout_sha if context.event == "pull_request" else None),
        )
        if pull_request := context.pull_request:
            diff_base = commit(at(event, "pull_request", "merge_base"))
            context = context._replace(pull_request=pull_request._replace(id=None, diff_base_sha=diff_base))
        return _about_upstream(context, event) if context.about_upstream else context

    def remotes(self, env: Variables, tokens: ForgeTokens, *, allow_http: bool = False) -> tuple[Remote, ...]:
        """The base repository on the server itself."""
        url, repository = _server_url(env), env.get("GITHUB_REPOSITORY")
        remote = forge_remote(url, repository, "x-access-token", tokens.git_token, _ACCESS, allow_http=allow_http)
        return (remote,) if remote else ()

    def spool_folder(self, env: Variables) -> str | None:
        """A folder in the checkout: the runner's temporary one is not shared with actions in a container."""
        folder = _shared_folder(env.environ)
        return f"{folder}/spool" if folder else None

    def output(self, report: Report, environment: Environment, texts: ReportTexts) -> CIOutput:
        """Annotations, the step summary and the step's outputs."""
        from cibeacon.ci import github_output

        environ = environment.environ
        return github_output.render(report, environ, _shared_folder(environ), environment.token, texts)


def _server_url(env: Variables) -> str | None:
    """The server's URL, which ends with a slash in some versions."""
    return (env.url("GITHUB_SERVER_URL") or "").rstrip("/") or None


def _shared_folder(environ: Mapping[str, str]) -> str:
    """A folder that other steps of the job can read; empty if the runner sets none."""
    folder = environ.get("GITHUB_WORKSPACE")
    return f"{folder}/.cibeacon" if folder else ""


def _as_created(context: Context, event: Mapping[str, Any]) -> Context:
    """The context with a push that shows whether the branch is new: the payload then has git's all-zero id."""
    before = string(event, "before") or ""
    if context.push is None or not before or before.strip("0"):
        return context
    return context._replace(push=context.push._replace(created=True))


def _about_upstream(context: Context, event: Mapping[str, Any]) -> Context:
    """The context of a `workflow_run` event, with Gitea's keys for the run's workflow, page, start and end."""
    run = at(event, "workflow_run")
    ended = seconds(at(run, "completed_at")) if context.status else None
    return context._replace(
        pipeline=string(run, "name") or (string(run, "path") or "").partition("@")[0].rpartition("/")[2] or None,
        run_url=string(run, "html_url"),
        started_at=seconds(at(run, "started_at")) or context.started_at,
        finished_at=ended or context.finished_at,
    )


SYSTEM = Gitea()
