"""The options of what is sent to DX: deployments, pipeline runs, and where DX is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.model import identifiers, parsers, status_words
from cibeacon.model.endpoint import Endpoint
from cibeacon.settings.options import Requirements, option


class Deploy(NamedTuple):
    """Deployments"""

    deploy_services: tuple[str, ...] = option(
        identifiers.names,
        (),
        "Services that this run deploys: names, or the word changed. Turns the deployment signal on.",
        shown_default="none",
        in_repository=True,
    )
    deployed_at: int | None = option(
        parsers.timestamp, None, "When it was deployed: Unix seconds, milliseconds, or ISO 8601.", shown_default="now"
    )
    environment: str | None = option(
        parsers.text, None, "Environment deployed to, such as production.", in_repository=True
    )
    deploy_success: bool | None = option(
        parsers.boolean,
        None,
        "Whether the deployment worked. When set, the deployment is announced whatever the job's status.",
        flag=True,
    )
    attribution: str = option(
        parsers.choice("commit", "repository"),
        "commit",
        "commit sends the SHA; repository sends none, and DX attributes all pull requests not yet deployed.",
        shown_default="commit",
    )
    integration_branch: str | None = option(
        parsers.text, None, "Branch that changes are integrated on before the release branch."
    )
    merge_commit_shas: tuple[str, ...] = option(
        parsers.shas, (), "Merge commits that this deployment ships, instead of one commit."
    )
    reference_id: str | None = option(
        parsers.text,
        None,
        "Unique id of the deployment. With several services, :<service> is appended.",
        shown_default="made from the run, so that repeats are recognised",
    )
    source_name: str | None = option(
        parsers.text, None, "Name of the system that deploys.", shown_default="the CI host's name", in_repository=True
    )
    metadata: Mapping[str, Any] | None = option(
        parsers.metadata, None, "JSON object to keep with the deployment.", in_repository=True
    )
    metadata_jq: str | None = option(
        parsers.program,
        None,
        "jq program that makes such an object from {event, context, services}; what metadata holds wins, key by key.",
    )


class RunOptions(NamedTuple):
    """Pipeline runs"""

    pipeline_name: str | None = option(
        parsers.text,
        None,
        "Name of the pipeline.",
        shown_default="the workflow's or pipeline's name",
        in_repository=True,
    )
    pipeline_source: str | None = option(
        parsers.text, None, "System that runs the pipeline.", shown_default="GitHub Actions or GitLab CI"
    )
    status: str | None = option(
        status_words.word,
        None,
        "Status to report: success, failure, cancelled, running, error or unknown, or the CI system's own word for it. "
        "error means that the infrastructure failed, not the code: DCI distinguishes it, DX shows a failure.",
        shown_default="the job's status, or running",
    )
    last_step: bool = option(
        parsers.boolean,
        False,
        "This step is the last of the run: where the CI system only says how the run went so far (Azure Pipelines, Bamboo, Drone, "
        "Woodpecker, Harness, CodeBuild), that is how it ended. Elsewhere it changes nothing.",
        shown_default="false",
        flag=True,
    )
    job_status: str | None = option(
        status_words.word,
        None,
        "The job's status, in the CI host's own word.",
        shown_default="from the CI host",
        expression="${{ job.status }}",
    )
    started_at: int | None = option(
        parsers.timestamp, None, "When the run started.", shown_default="from the CI host, or now"
    )
    finished_at: int | None = option(
        parsers.timestamp, None, "When the run ended; sent with a final status only.", shown_default="now"
    )
    head_branch: str | None = option(
        parsers.text, None, "Branch that the run is for.", shown_default="from the CI host"
    )
    github_username: str | None = option(
        parsers.text, None, "GitHub user who started the run.", shown_default="from the CI host"
    )
    gitlab_username: str | None = option(
        parsers.text, None, "GitLab user who started the run.", shown_default="from the CI host"
    )
    email: str | None = option(parsers.text, None, "Email address of the user who started the run.")
    send_email: bool = option(
        parsers.boolean,
        False,
        "Send the email address that the CI host knows. It is personal data.",
        shown_default="false",
        flag=True,
    )


class Dx(NamedTuple):
    """DX"""

    dx_url: str | None = option(
        parsers.dx_url, None, "DX's base URL, or the instance name: acme stands for https://acme.getdx.net."
    )
    dx_token: str | None = option(
        parsers.token,
        None,
        "Data Cloud API key of DX. A Web API token, which DX has too, does not work here.",
        secret=True,
        also=("DX_API_TOKEN",),
    )
    dx_api: str = option(
        parsers.choice("classic", "current"),
        "classic",
        "Which form of the DX API to speak: classic, or current, which sends services as objects and ISO times and calls "
        "the upsert methods.",
        shown_default="classic",
    )
    replace_services: bool | None = option(
        parsers.boolean,
        None,
        "Replace the services that DX has for the pull request, instead of adding to them.",
        flag=True,
    )

    @property
    def requirements(self) -> Requirements:
        """What must be set before anything can be sent."""
        return Requirements(
            wanted_by=("dx_url", "dx_token", "dx_api", "replace_services"),
            not_configured="DX is not configured: set dx_url and the secret dx_token",
            required={
                "dx_token": "DX's token is missing or empty: set the secret dx_token (variable DX_API_TOKEN)",
                "dx_url": "DX's address is missing: set dx_url to the instance name or https://INSTANCE.getdx.net",
            },
        )

    @property
    def endpoint(self) -> Endpoint:
        """Where DX is, and in which form of its API it is addressed."""
        return Endpoint(self.dx_url or "", self.dx_token or "", self.dx_api)
