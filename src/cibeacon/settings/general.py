"""The options that do not belong to one sink: what cibeacon does, prints and reads, and which run it reports."""

from typing import Any, NamedTuple, Self

from cibeacon.model import ci_systems, identifiers, parsers
from cibeacon.settings.options import option

SIGNAL_KINDS = ("pull-services", "deployment", "pipeline-run", "dci", "flow")
"""Every kind of signal, in sending order."""


def wants(signals: tuple[str, ...], kind: str) -> bool:
    """Whether the setting `signals` selects a kind of signal, by name or with `auto`."""
    return ("auto" in signals or kind in signals) and f"-{kind}" not in signals


class Core(NamedTuple):
    """General"""

    signals: tuple[str, ...] = option(
        parsers.selection("auto", *SIGNAL_KINDS),
        ("auto",),
        "Signals to send: auto, or a list of pull-services, deployment, pipeline-run, dci and flow. auto,-pipeline-run "
        "leaves one out. A signal that you list counts as invalid if its settings are missing.",
        shown_default="auto",
        in_repository=True,
    )
    dry_run: bool | None = option(
        parsers.boolean,
        None,
        "Show every request with its exact body instead of sending it. A dry run opens no connection and needs no token.",
        shown_default="false; true for cibeacon report outside a known CI system",
        flag=True,
    )
    timeout: float = option(
        parsers.duration, 30.0, "Seconds allowed for the whole command, including retries.", shown_default="30"
    )
    spool: str | None = option(
        parsers.text,
        None,
        "Folder or bucket (s3://bucket/prefix) for signals that could not be sent; cibeacon replay sends them later. Use off "
        "to store nothing.",
        shown_default="cibeacon/spool in the runner's temporary folder on GitHub, .cibeacon/spool in the project folder "
        "on GitLab, cibeacon/spool in the user's state folder elsewhere",
    )
    config: str | None = option(
        parsers.text,
        None,
        "Path of the configuration file, relative to the top of the checkout.",
        shown_default=".cibeacon.yml, .cibeacon.json or .cibeacon.toml",
    )
    host: str | None = option(
        ci_systems.host,
        None,
        f"CI system, if cibeacon does not detect it: {', '.join(sorted(ci_systems.CI_SYSTEMS))} or local. Any other word names "
        "a CI system that cibeacon does not know; describe its run with settings such as run_id.",
        shown_default="detected",
    )
    allow_http: bool = option(
        parsers.boolean,
        False,
        "Allow plain http to other machines. Tokens are then sent unencrypted.",
        shown_default="false",
        flag=True,
    )


class Output(NamedTuple):
    """Output and exit code"""

    strict: bool = option(
        parsers.boolean,
        False,
        "Exit 1 if a signal failed, was invalid or is still in the spool, or if the log has a line that starts with an "
        "exclamation mark. Without it, the exit code is 0.",
        shown_default="false",
        flag=True,
    )
    format: str = option(
        parsers.Choice("text", "json"),
        "text",
        "Format of stdout: text, or json for one JSON document (the text then goes to stderr).",
        shown_default="text",
    )
    jq: str | None = option(
        parsers.program,
        None,
        "jq program to apply to the JSON document. Strings are printed without quotes, other values as one line of JSON. "
        "Implies format json.",
    )
    verbose: bool = option(
        parsers.boolean,
        False,
        "Also show where each setting comes from.",
        shown_default="false",
        flag=True,
    )


class Change(NamedTuple):
    """Run, commit and services"""

    repository: str | None = option(
        parsers.text,
        None,
        "Full name of the repository, such as acme/shop, or its URL.",
        shown_default="from the CI system",
    )
    commit_sha: str | None = option(
        parsers.sha, None, "Commit that the run is for: 7 to 40 hexadecimal digits.", shown_default="from the CI system"
    )
    pr_number: int | None = option(
        parsers.integer,
        None,
        "Number of the pull request (on GitLab the merge request's IID).",
        shown_default="from the CI system",
    )
    pr_merged: bool = option(
        parsers.boolean,
        False,
        "The pull request in pr_number or github_pull_id is merged. Needed only if cibeacon cannot use the host's API; a pull "
        "request that the host reports as open still counts as open.",
        shown_default="false",
        flag=True,
    )
    github_pull_id: int | None = option(
        parsers.integer, None, "GitHub's database id of the pull request.", shown_default="from the CI system"
    )
    base: str | None = option(
        parsers.text, None, "Commit or ref to compare from.", shown_default="determined from the event"
    )
    head: str | None = option(
        parsers.text, None, "Commit or ref to compare to.", shown_default="determined from the event"
    )
    services: tuple[str, ...] = option(
        identifiers.services,
        (),
        "Folder templates such as services/{service}/, if there is no configuration file; or the names of the changed "
        "services, if you know them.",
        shown_default="determined from git and the configuration file",
    )
    on_unknown: str = option(
        parsers.Choice("skip", "fail"),
        "skip",
        "Exit code of cibeacon services if the changed services are unknown: 0 with skip, 3 with fail.",
        shown_default="skip",
    )
    run_id: str | None = option(
        parsers.text,
        None,
        "Id of the run, for a CI system that cibeacon does not know. On GitLab: id of another pipeline of the project; cibeacon "
        "reports the final status of that pipeline instead (needs gitlab_token).",
        shown_default="from the CI system",
    )
    run_attempt: int | None = option(
        parsers.integer, None, "Attempt of the run, counted from 1.", shown_default="from the CI system"
    )
    default_branch: str | None = option(
        parsers.text, None, "Default branch of the repository.", shown_default="from the CI system or the checkout"
    )
    pr_base: str | None = option(
        parsers.text,
        None,
        "Target branch of the pull request in pr_number, for a CI system that does not provide it. The run then counts as a "
        "run of that pull request.",
        shown_default="from the CI system",
    )
    run_scope: str = option(
        parsers.Choice("workflow", "job"),
        "workflow",
        "What a pipeline run in DX represents: the whole workflow (pipeline), or this job.",
        shown_default="workflow",
        in_repository=True,
    )
    matrix: Any = option(
        parsers.json_value,
        None,
        "Matrix values of the job as JSON. They keep the runs of a matrix apart.",
        expression="${{ toJSON(matrix) }}",
    )
    job_run_id: str | None = option(
        parsers.text,
        None,
        "The CI system's id of this job. It keeps the runs of a matrix and of reusable workflows apart.",
        shown_default="from the CI system",
        expression="${{ job.check_run_id }}",
    )
    source_url: str | None = option(
        parsers.link, None, "Link to show with the run.", shown_default="the page of the run"
    )
    traceparent: str | None = option(
        identifiers.traceparent,
        None,
        "W3C trace context of whatever started the run: the run's trace becomes part of it. An invalid value is ignored.",
        also=("TRACEPARENT",),
    )


_OF_GITHUB = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")
"""Prefixes of GitHub's tokens."""


class ForgeTokens(NamedTuple):
    """GitHub, GitLab and other forges"""

    github_token: str | None = option(
        parsers.token,
        None,
        "Token to ask GitHub which pull request a push merged. Needs contents: read and pull-requests: read.",
        secret=True,
        shared=True,
        also=("GITHUB_TOKEN",),
        expression="${{ github.token }}",
    )
    gitlab_token: str | None = option(
        parsers.token,
        None,
        "Token with read_api to ask GitLab which merge request a push merged. Without it, the job token is used.",
        secret=True,
        shared=True,
        also=("GITLAB_TOKEN",),
    )
    git_url: str | None = option(
        parsers.url,
        None,
        "Server that hosts the repository, such as https://git.example.com, if the CI system does not host it. Not needed "
        "for github.com and gitlab.com. cibeacon sends it git_token, and also github_token or gitlab_token if that is the "
        "only token set or if the server's name contains github or gitlab.",
    )
    git_token: str | None = option(
        parsers.token,
        None,
        "Token to fetch missing commits from git_url.",
        secret=True,
    )

    def for_own_server(self) -> Self:
        """The tokens on a CI system whose `GITHUB_TOKEN` is for its own server: git uses it there, and GitHub gets no token.

        Such a job may also get a token for GitHub, for actions that download from there. Its prefix shows which it is.
        """
        own = None if (self.github_token or "").startswith(_OF_GITHUB) else self.github_token
        return self._replace(github_token=None, git_url=None, git_token=own)


class Step(NamedTuple):
    """GitHub action step"""

    command: tuple[str, ...] = option(
        parsers.command,
        ("report",),
        "cibeacon command that the step runs, with its flags, such as: services --on-unknown fail. Quotes work as in a "
        "shell, but no shell is involved. Only report also runs after the job has ended.",
        shown_default="report",
    )
