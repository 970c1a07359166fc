"""The options for DX: its URLs and tokens, deployments, pipeline runs and workflow runs."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.model import identifiers, parsers, status_words
from cibeacon.model.request import Endpoint
from cibeacon.settings.options import Requirements, option

PUBLIC_WEB_API = "https://api.getdx.com"
"""The host in the documentation of DX's Web API. Some accounts have their own host."""
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


class Deploy(NamedTuple):
    """Deployments"""

    deploy_services: tuple[str, ...] = option(
        identifiers.names,
        (),
        "Services that this run deploys: a list of names, or changed for the changed services. Turns the deployment signal on.",
        shown_default="none",
        in_repository=True,
    )
    deployed_at: int | None = option(
        parsers.timestamp,
        None,
        "Time of the deployment: Unix seconds, Unix milliseconds or ISO 8601.",
        shown_default="now",
    )
    environment: str | None = option(
        parsers.text, None, "Environment to which the run deploys, such as production.", in_repository=True
    )
    deploy_success: bool | None = option(
        parsers.boolean,
        None,
        "Whether the deployment succeeded. If set, cibeacon reports the deployment whatever the job's status.",
        flag=True,
    )
    attribution: str = option(
        parsers.Choice("commit", "repository"),
        "commit",
        "How DX finds the deployed pull requests: commit sends the commit; repository sends no commit, and DX counts all pull "
        "requests that are not yet deployed.",
        shown_default="commit",
    )
    integration_branch: str | None = option(
        parsers.text, None, "Branch that pull requests are merged into before they reach the release branch."
    )
    merge_commit_shas: tuple[str, ...] = option(
        parsers.shas, (), "Merge commits that this deployment contains, instead of a single commit."
    )
    reference_id: str | None = option(
        parsers.text,
        None,
        "Unique id of the deployment. With several services, cibeacon appends :SERVICE.",
        shown_default="derived from the run, so that DX recognises a repeat",
    )
    source_name: str | None = option(
        parsers.text,
        None,
        "Name of the system that deploys.",
        shown_default="the name of the CI system",
        in_repository=True,
    )
    metadata: Mapping[str, Any] | None = option(
        parsers.metadata, None, "JSON object to store with the deployment.", in_repository=True
    )
    metadata_jq: str | None = option(
        parsers.program,
        None,
        "jq program that computes metadata from {event, context, services}. Keys in metadata override its result.",
    )


class RunOptions(NamedTuple):
    """Pipeline runs"""

    pipeline_name: str | None = option(
        parsers.text,
        None,
        "Name of the pipeline.",
        shown_default="the name of the workflow or pipeline",
        in_repository=True,
    )
    pipeline_source: str | None = option(
        parsers.text, None, "Name of the system that runs the pipeline.", shown_default="the name of the CI system"
    )
    status: str | None = option(
        status_words.word,
        None,
        "Status to report: success, failure, cancelled, running, error or unknown, or the CI system's own word. Use error if "
        "the infrastructure failed, not the code; DX shows it as a failure, DCI as an error.",
        shown_default="the job's status, or running",
    )
    last_step: bool = option(
        parsers.boolean,
        False,
        "This is the last step of the run, so the status so far is final. Needed on Azure Pipelines, Bamboo, Drone, Woodpecker, "
        "Harness and CodeBuild; no effect elsewhere.",
        shown_default="false",
        flag=True,
    )
    job_status: str | None = option(
        status_words.word,
        None,
        "Status of the job, as the CI system names it.",
        shown_default="from the CI system",
        expression="${{ job.status }}",
    )
    started_at: int | None = option(
        parsers.timestamp, None, "Start time of the run.", shown_default="from the CI system, or now"
    )
    finished_at: int | None = option(
        parsers.timestamp, None, "End time of the run; sent only with a final status.", shown_default="now"
    )
    head_branch: str | None = option(
        parsers.text, None, "Branch that the run is for.", shown_default="from the CI system"
    )
    github_username: str | None = option(
        parsers.text, None, "GitHub user who started the run.", shown_default="from the CI system"
    )
    gitlab_username: str | None = option(
        parsers.text, None, "GitLab user who started the run.", shown_default="from the CI system"
    )
    email: str | None = option(parsers.text, None, "Email address of the user who started the run.")
    send_email: bool = option(
        parsers.boolean,
        False,
        "Send the email address that the CI system provides. It is personal data.",
        shown_default="false",
        flag=True,
    )


class Dx(NamedTuple):
    """DX"""

    dx_url: str | None = option(
        parsers.dx_url,
        None,
        "URL of your DX (getdx.com) instance, or its name: acme stands for https://acme.getdx.net.",
    )
    dx_token: str | None = option(
        parsers.token,
        None,
        "Data Cloud API key of DX. A Web API token does not work.",
        secret=True,
        also=("DX_API_TOKEN",),
    )
    dx_api: str = option(
        parsers.Choice("classic", "current"),
        "classic",
        "Version of the DX API: classic, or current with the upsert methods, services as objects and ISO 8601 times.",
        shown_default="classic",
    )
    replace_services: bool | None = option(
        parsers.boolean,
        None,
        "Replace the services that DX has for the pull request instead of adding to them.",
        flag=True,
    )

    @property
    def requirements(self) -> Requirements:
        """The settings that are needed before anything can be sent."""
        return Requirements(
            wanted_by=("dx_url", "dx_token", "dx_api", "replace_services"),
            not_configured="DX is not configured: set dx_url and the secret dx_token",
            required={
                "dx_token": "DX's token is missing or empty: set the secret dx_token (variable DX_API_TOKEN)",
                "dx_url": "DX's URL is missing: set dx_url to the instance name or https://INSTANCE.getdx.net",
            },
        )

    @property
    def endpoint(self) -> Endpoint:
        """DX's URL and token, and the version of its API."""
        return Endpoint(self.dx_url or "", self.dx_token or "", self.dx_api)


def workflow_run(given: str) -> str:
    """The id that DX gave to a workflow run: twelve letters and digits, according to its documentation."""
    if not _RUN_ID.fullmatch(given):
        raise ValueError("is not the id of a workflow run (letters and digits); send {{run.id}} in DX's request")
    return given


class DxWorkflow(NamedTuple):
    """DX workflow API"""

    dx_workflow_run: str | None = option(
        workflow_run,
        None,
        "Id of the DX self-service workflow run that started this run ({{run.id}} in DX's request). The pipeline-run signal "
        "then sends messages, the link and the final status to it.",
    )
    dx_workflow_message: str | None = option(
        parsers.text,
        None,
        "Text to add to the last message of the workflow run, such as a version. DX renders it as Markdown.",
        shown_default="none",
    )
    dx_workflow_url: str = option(
        parsers.url,
        PUBLIC_WEB_API,
        "URL of DX's Web API, if your account has its own.",
        shown_default=PUBLIC_WEB_API,
    )
    dx_workflow_token: str | None = option(
        parsers.token,
        None,
        "Web API token of DX with the scopes workflowRuns:writeEvents and workflows:read. A Data Cloud API key does not "
        "work.",
        secret=True,
    )

    @property
    def requirements(self) -> Requirements:
        """The settings that are needed before anything can be sent. A replayed signal contains its workflow run's id."""
        return Requirements(
            wanted_by=("dx_workflow_run",),
            not_configured="DX workflow runs are not configured: set dx_workflow_run and the secret dx_workflow_token",
            required={
                "dx_workflow_token": "the token for DX workflow runs is missing or empty: set the secret "
                "dx_workflow_token (variable CIBEACON_DX_WORKFLOW_TOKEN)",
            },
        )

    @property
    def endpoint(self) -> Endpoint:
        """The Web API's URL and token. The form is the id of the workflow run, with the user's text on a second line."""
        form = f"{self.dx_workflow_run or ''}\n{self.dx_workflow_message or ''}"
        return Endpoint(self.dx_workflow_url, self.dx_workflow_token or "", form)
