"""The one declaration of every option: name, syntax, default, help, secrecy. Does not know surfaces or the process.

`scripts/render` writes the action inputs, the GitLab inputs and docs/reference.md from it; the command line is
generated from it. Edges and sinks never see a group: they take the values they need.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon import values
from cibeacon.options import Option, Origin, Problem, Sources, declared, option, resolve

SIGNAL_KINDS = ("pull-services", "deployment", "pipeline-run")
"""Every kind of signal, in sending order."""


class Core(NamedTuple):
    """What it does"""

    signals: tuple[str, ...] = option(
        values.choices("auto", *SIGNAL_KINDS),
        ("auto",),
        "Which signals to send: auto, or a list of pull-services, deployment, pipeline-run. "
        "A signal that is named here but cannot be sent for want of settings counts as invalid.",
        shown_default="auto",
        in_repository=True,
    )
    dry_run: bool | None = option(
        values.boolean,
        None,
        "Show every request with its exact body and send nothing; no connection is opened and no token is needed.",
        shown_default="false in GitHub Actions and GitLab CI, true elsewhere",
        flag=True,
    )
    timeout: float = option(
        values.duration, 30.0, "Seconds that everything together may take, retries included.", shown_default="30"
    )
    config: str | None = option(
        values.text,
        None,
        "Path of the repository configuration, relative to the top of the checkout.",
        shown_default=".cibeacon.yml, .cibeacon.json or .cibeacon.toml",
    )
    host: str | None = option(
        values.choice("github", "gitlab", "local"),
        None,
        "Which CI host this is, when the environment does not tell.",
        shown_default="detected",
    )
    allow_http: bool = option(
        values.boolean,
        False,
        "Allow plain http to hosts other than this machine. The token then travels unencrypted.",
        shown_default="false",
        flag=True,
    )


class Output(NamedTuple):
    """What it prints and exits with"""

    strict: bool = option(
        values.boolean,
        False,
        "Exit 1 when any signal failed or was invalid. Otherwise the exit code is always 0.",
        shown_default="false",
        flag=True,
    )
    format: str = option(
        values.choice("text", "json"),
        "text",
        "What stdout holds: text for people, or one JSON document (the text then goes to stderr).",
        shown_default="text",
    )
    jq: str | None = option(
        values.program,
        None,
        "jq program that filters the JSON document: text is printed as it is, everything else as JSON on one line. "
        "Implies the format json.",
    )
    verbose: bool = option(
        values.boolean,
        False,
        "Also show where each setting came from.",
        shown_default="false",
        flag=True,
    )


class Change(NamedTuple):
    """Which run, commit and services this is about"""

    repository: str | None = option(
        values.text, None, "Full name of the repository, such as acme/shop.", shown_default="from the CI host"
    )
    commit_sha: str | None = option(
        values.sha, None, "Commit that was built or deployed, 7 to 40 hex digits.", shown_default="from the CI host"
    )
    pr_number: int | None = option(
        values.integer, None, "Number of the pull request (merge request iid).", shown_default="from the CI host"
    )
    github_pull_id: int | None = option(
        values.integer, None, "GitHub's database id of the pull request.", shown_default="from the CI host"
    )
    base: str | None = option(
        values.text, None, "Commit or ref to compare from, taken as it is.", shown_default="worked out from the event"
    )
    head: str | None = option(
        values.text, None, "Commit or ref to compare to, taken as it is.", shown_default="worked out from the event"
    )
    services: tuple[str, ...] = option(
        values.words,
        (),
        "The changed services by name, instead of working them out; or, without a configuration file, "
        "directory templates such as services/{service}/.",
        shown_default="worked out from git and the repository configuration",
    )
    on_unknown: str = option(
        values.choice("skip", "fail"),
        "skip",
        "What the services command does when it cannot know: skip exits 0, fail exits 3.",
        shown_default="skip",
    )
    run_id: str | None = option(
        values.text,
        None,
        "Id of the run, on a CI system that cibeacon does not know.",
        shown_default="from the CI host",
    )
    run_scope: str = option(
        values.choice("workflow", "job"),
        "workflow",
        "What one pipeline run record stands for: the whole workflow (pipeline), or this job.",
        shown_default="workflow",
        in_repository=True,
    )
    matrix: Any = option(
        values.json_value,
        None,
        "The job's matrix values as JSON; they keep the records of matrix legs apart.",
        expression="${{ toJSON(matrix) }}",
    )
    source_url: str | None = option(
        values.link, None, "Link that the record shows to people.", shown_default="the page of the run"
    )


class Deploy(NamedTuple):
    """Deployments"""

    deploy_services: tuple[str, ...] = option(
        values.words,
        (),
        "Services that this run deploys: names, or the word changed. Turns the deployment signal on.",
        shown_default="none",
        in_repository=True,
    )
    deployed_at: int | None = option(
        values.moment, None, "When it was deployed: Unix seconds, milliseconds, or ISO 8601.", shown_default="now"
    )
    environment: str | None = option(
        values.text, None, "Environment deployed to, such as production.", in_repository=True
    )
    deploy_success: bool | None = option(
        values.boolean,
        None,
        "Whether the deployment worked. When set, the deployment is announced whatever the job's status.",
        flag=True,
    )
    attribution: str = option(
        values.choice("commit", "repository"),
        "commit",
        "commit sends the SHA; repository sends none, and DX attributes all pull requests not yet deployed.",
        shown_default="commit",
    )
    integration_branch: str | None = option(
        values.text, None, "Branch that changes are integrated on before the release branch."
    )
    merge_commit_shas: tuple[str, ...] = option(
        values.shas, (), "Merge commits that this deployment ships, instead of one commit."
    )
    reference_id: str | None = option(
        values.text,
        None,
        "Unique id of the deployment. With several services, :<service> is appended.",
        shown_default="made from the run, so that repeats are recognised",
    )
    source_name: str | None = option(
        values.text, None, "Name of the system that deploys.", shown_default="the CI host's name", in_repository=True
    )
    metadata: Mapping[str, Any] | None = option(
        values.metadata, None, "JSON object to keep with the deployment.", in_repository=True
    )
    metadata_jq: str | None = option(
        values.program,
        None,
        "jq program that makes such an object from {event, context, services}; what metadata holds wins, key by key.",
    )


class Run(NamedTuple):
    """Pipeline runs"""

    pipeline_name: str | None = option(
        values.text,
        None,
        "Name of the pipeline.",
        shown_default="the workflow's or pipeline's name",
        in_repository=True,
    )
    pipeline_source: str | None = option(
        values.text, None, "System that runs the pipeline.", shown_default="GitHub Actions or GitLab CI"
    )
    status: str | None = option(
        values.choice("running", "success", "failure", "cancelled", "unknown"),
        None,
        "Status to report.",
        shown_default="the job's status, or running",
    )
    job_status: str | None = option(
        values.choice("success", "failure", "cancelled", "failed", "canceled", "running"),
        None,
        "The job's status as the CI host words it.",
        shown_default="from the CI host",
        expression="${{ job.status }}",
    )
    started_at: int | None = option(
        values.moment, None, "When the run started.", shown_default="from the CI host, or now"
    )
    finished_at: int | None = option(
        values.moment, None, "When the run ended; sent with a final status only.", shown_default="now"
    )
    head_branch: str | None = option(values.text, None, "Branch that the run is for.", shown_default="from the CI host")
    github_username: str | None = option(
        values.text, None, "GitHub user who started the run.", shown_default="from the CI host"
    )
    gitlab_username: str | None = option(
        values.text, None, "GitLab user who started the run.", shown_default="from the CI host"
    )
    email: str | None = option(values.text, None, "Email address of the user who started the run.")
    send_email: bool = option(
        values.boolean,
        False,
        "Send the email address that the CI host knows. It is personal data.",
        shown_default="false",
        flag=True,
    )


class Dx(NamedTuple):
    """DX"""

    dx_url: str | None = option(
        values.dx_url, None, "DX's base URL, or the instance name: acme stands for https://acme.getdx.net."
    )
    dx_token: str | None = option(values.token, None, "DX API token.", secret=True, also=("DX_API_TOKEN",))
    dx_api: str = option(
        values.choice("classic", "current"),
        "classic",
        "Which form of the DX API to speak. current sends services as objects and ISO times, and calls the upsert methods.",
        shown_default="classic",
    )
    replace_services: bool | None = option(
        values.boolean,
        None,
        "Replace the services that DX has for the pull request, instead of adding to them.",
        flag=True,
    )


class Forge(NamedTuple):
    """GitHub and GitLab"""

    github_token: str | None = option(
        values.token,
        None,
        "Token to ask GitHub which pull request a push belongs to. Needs contents: read and pull-requests: read.",
        secret=True,
        also=("GITHUB_TOKEN",),
        expression="${{ github.token }}",
    )
    gitlab_token: str | None = option(
        values.token,
        None,
        "Token to ask GitLab which merge request a push belongs to (read_api). Without one the job token is used.",
        secret=True,
        also=("GITLAB_TOKEN",),
    )


GROUPS: Mapping[str, type] = {
    "core": Core,
    "output": Output,
    "change": Change,
    "deploy": Deploy,
    "run": Run,
    "dx": Dx,
    "forge": Forge,
}


class Settings(NamedTuple):
    """Every value, where it came from, and what could not be used."""

    core: Core
    output: Output
    change: Change
    deploy: Deploy
    run: Run
    dx: Dx
    forge: Forge
    origins: Mapping[str, Origin]
    problems: tuple[Problem, ...]

    def given(self, *names: str) -> bool:
        """True when anybody gave one of these options, by whatever source."""
        return any(self.origins[name].given for name in names)


def all_options() -> dict[str, tuple[Option, ...]]:
    """Every option by group, in the order of declaration."""
    return {name: tuple(declared(group)) for name, group in GROUPS.items()}


def settle(flags: Mapping[str, str], environ: Mapping[str, str], repository: Mapping[str, Any]) -> Settings:
    """Settings from the command line, the environment and the `report:` part of the repository configuration."""
    sources = Sources(flags, environ, repository)
    groups: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    problems: tuple[Problem, ...] = ()
    for name, group in GROUPS.items():
        groups[name], found, wrong = resolve(group, name, sources)
        origins |= found
        problems += wrong
    problems += _contradictions(groups["deploy"], origins)
    return Settings(**groups, origins=origins, problems=problems)


def _contradictions(deploy: Deploy, origins: Mapping[str, Origin]) -> tuple[Problem, ...]:
    """Settings that cannot both be meant."""
    if not deploy.merge_commit_shas:
        return ()
    if origins["commit_sha"].given:
        return (Problem("deploy", "merge_commit_shas", "Give either commit_sha or merge_commit_shas, not both"),)
    if deploy.attribution == "repository":
        said = "attribution repository sends no commit, but merge_commit_shas names some: give one of them"
        return (Problem("deploy", "attribution", said),)
    return ()


def secret_values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The text of every secret in the environment, whatever would win: all of it must be masked."""
    secrets = [each for group in all_options().values() for each in group if each.secret]
    names = [name for each in secrets for name in (each.input_variable, each.variable, *each.also)]
    return tuple(environ[name] for name in (*names, "CI_JOB_TOKEN") if environ.get(name, "").strip())
