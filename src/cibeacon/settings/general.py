"""The options that every system shares: what cibeacon does, prints and reads, and which run it reports."""

from typing import Any, NamedTuple, Self

from cibeacon.model import ci_systems, identifiers, parsers
from cibeacon.settings.options import option

SIGNAL_KINDS = ("pull-services", "deployment", "pipeline-run", "dci", "flow")
"""Every kind of signal, in sending order."""


def wants(signals: tuple[str, ...], kind: str) -> bool:
    """Whether the setting `signals` asks for a kind of signal, by name or as one of all."""
    return ("auto" in signals or kind in signals) and f"-{kind}" not in signals


class Core(NamedTuple):
    """What it does"""

    signals: tuple[str, ...] = option(
        parsers.selection("auto", *SIGNAL_KINDS),
        ("auto",),
        "Which signals to send: auto, or a list of pull-services, deployment, pipeline-run, dci, flow; "
        "auto,-pipeline-run is auto without one of them. "
        "A signal that is named here but cannot be sent for want of settings counts as invalid.",
        shown_default="auto",
        in_repository=True,
    )
    dry_run: bool | None = option(
        parsers.boolean,
        None,
        "Show every request with its exact body and send nothing; no connection is opened and no token is needed.",
        shown_default="false, but true for cibeacon report outside the CI systems that it knows",
        flag=True,
    )
    timeout: float = option(
        parsers.duration, 30.0, "Seconds that everything together may take, retries included.", shown_default="30"
    )
    spool: str | None = option(
        parsers.text,
        None,
        "Folder, or bucket such as s3://bucket/prefix, for signals that could not be sent; cibeacon replay sends them. "
        "off keeps none.",
        shown_default="on GitHub cibeacon/spool in the runner's temp folder, on GitLab .cibeacon/spool in the "
        "project's folder, elsewhere cibeacon/spool in the folder for user state",
    )
    config: str | None = option(
        parsers.text,
        None,
        "Path of the repository configuration, relative to the top of the checkout.",
        shown_default=".cibeacon.yml, .cibeacon.json or .cibeacon.toml",
    )
    host: str | None = option(
        ci_systems.host,
        None,
        f"Which CI system this is: {', '.join(sorted(ci_systems.CI_SYSTEMS))} or local; any other word names one that "
        "cibeacon does not know, of which settings such as run_id say the rest. Set it where it is not detected.",
        shown_default="detected",
    )
    allow_http: bool = option(
        parsers.boolean,
        False,
        "Allow plain http to hosts other than this machine. The token then travels unencrypted.",
        shown_default="false",
        flag=True,
    )


class Output(NamedTuple):
    """What it prints and exits with"""

    strict: bool = option(
        parsers.boolean,
        False,
        "Exit 1 when any signal failed, was invalid or is still in the spool, or the log has a line with an exclamation mark. "
        "Otherwise the exit code is always 0.",
        shown_default="false",
        flag=True,
    )
    format: str = option(
        parsers.choice("text", "json"),
        "text",
        "What stdout holds: text for people, or json: one JSON document (the text then goes to stderr).",
        shown_default="text",
    )
    jq: str | None = option(
        parsers.program,
        None,
        "jq program that filters the JSON document: text is printed as it is, everything else as JSON on one line. "
        "Implies the format json.",
    )
    verbose: bool = option(
        parsers.boolean,
        False,
        "Also show where each setting came from.",
        shown_default="false",
        flag=True,
    )


class Change(NamedTuple):
    """Which run, commit and services this is about"""

    repository: str | None = option(
        parsers.text,
        None,
        "Full name of the repository, such as acme/shop, or its URL.",
        shown_default="from the CI host",
    )
    commit_sha: str | None = option(
        parsers.sha, None, "Commit that was built or deployed, 7 to 40 hex digits.", shown_default="from the CI host"
    )
    pr_number: int | None = option(
        parsers.integer, None, "Number of the pull request (merge request iid).", shown_default="from the CI host"
    )
    pr_merged: bool = option(
        parsers.boolean,
        False,
        "The pull request that pr_number or github_pull_id names is merged. Needed where the CI host cannot be asked; "
        "one that it calls open stays open.",
        shown_default="false",
        flag=True,
    )
    github_pull_id: int | None = option(
        parsers.integer, None, "GitHub's database id of the pull request.", shown_default="from the CI host"
    )
    base: str | None = option(
        parsers.text, None, "Commit or ref to compare from, taken as it is.", shown_default="worked out from the event"
    )
    head: str | None = option(
        parsers.text, None, "Commit or ref to compare to, taken as it is.", shown_default="worked out from the event"
    )
    services: tuple[str, ...] = option(
        identifiers.services,
        (),
        "The changed services by name, instead of working them out; or, without a configuration file, "
        "directory templates such as services/{service}/.",
        shown_default="worked out from git and the repository configuration",
    )
    on_unknown: str = option(
        parsers.choice("skip", "fail"),
        "skip",
        "What the services command does when it cannot know: skip exits 0, fail exits 3.",
        shown_default="skip",
    )
    run_id: str | None = option(
        parsers.text,
        None,
        "Id of the run, on a CI system that cibeacon does not know; on GitLab also another pipeline of the project, "
        "whose final status is then reported instead (needs gitlab_token).",
        shown_default="from the CI host",
    )
    run_attempt: int | None = option(
        parsers.integer, None, "Which attempt of the run this is, counted from 1.", shown_default="from the CI host"
    )
    default_branch: str | None = option(
        parsers.text, None, "Default branch of the repository.", shown_default="from the CI host, or the checkout"
    )
    pr_base: str | None = option(
        parsers.text,
        None,
        "Branch that the pull request pr_number is to be merged into, on a CI system that does not say it. "
        "The run is then one of that pull request.",
        shown_default="from the CI host",
    )
    run_scope: str = option(
        parsers.choice("workflow", "job"),
        "workflow",
        "What one pipeline run record stands for: the whole workflow (pipeline), or this job.",
        shown_default="workflow",
        in_repository=True,
    )
    matrix: Any = option(
        parsers.json_value,
        None,
        "The job's matrix values as JSON; they keep the records of matrix legs apart.",
        expression="${{ toJSON(matrix) }}",
    )
    job_run_id: str | None = option(
        parsers.text,
        None,
        "The CI host's own id of this job's run; it keeps the records of matrix legs and of called workflows apart.",
        shown_default="from the CI host",
        expression="${{ job.check_run_id }}",
    )
    source_url: str | None = option(
        parsers.link, None, "Link that the record shows to people.", shown_default="the page of the run"
    )


_OF_GITHUB = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")
"""Beginnings of GitHub's tokens."""


class ForgeTokens(NamedTuple):
    """GitHub, GitLab and other forges"""

    github_token: str | None = option(
        parsers.token,
        None,
        "Token to ask GitHub which pull request a push belongs to. Needs contents: read and pull-requests: read.",
        secret=True,
        also=("GITHUB_TOKEN",),
        expression="${{ github.token }}",
    )
    gitlab_token: str | None = option(
        parsers.token,
        None,
        "Token to ask GitLab which merge request a push belongs to (read_api). Without one the job token is used.",
        secret=True,
        also=("GITLAB_TOKEN",),
    )
    git_url: str | None = option(
        parsers.url,
        None,
        "Server of the repository, such as https://git.example.com, on a CI system that is no forge itself. git_token is "
        "sent there; github_token or gitlab_token too, if it is the only token given, or the server's name contains github "
        "or gitlab. github.com and gitlab.com need no setting.",
    )
    git_token: str | None = option(
        parsers.token,
        None,
        "Token to fetch missing commits from git_url with, on a CI system that is no forge itself.",
        secret=True,
    )

    def for_own_server(self) -> Self:
        """The tokens on a CI system whose `GITHUB_TOKEN` is for its own server: git has it there, and GitHub gets none.

        Jobs are given one of GitHub's, too, for actions that download from there: it is known by how it begins.
        """
        own = None if (self.github_token or "").startswith(_OF_GITHUB) else self.github_token
        return self._replace(github_token=None, git_url=None, git_token=own)


class Step(NamedTuple):
    """The step of the GitHub action"""

    command: tuple[str, ...] = option(
        parsers.command,
        ("report",),
        "Command of cibeacon that the step runs, with its flags, such as: services --on-unknown fail. "
        "Quotes hold words together as in a shell, but no shell reads it. Only report has something to do after the job.",
        shown_default="report",
    )
