"""The options for DCI: its URL and credentials, the job, and the files of the job. DCI's own tools use the same names."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from cibeacon import __version__
from cibeacon.model import identifiers, parsers
from cibeacon.model.request import Endpoint
from cibeacon.settings.options import Origin, Problem, Requirements, option

PUBLIC = "https://api.distributed-ci.io"
"""The public control server."""


class Dci(NamedTuple):
    """DCI"""

    dci_topic: str | None = option(
        parsers.text, None, "Topic of the job, by name or id. Turns this CI job into a DCI job."
    )
    dci_components: tuple[str, ...] = option(
        parsers.text_list,
        (),
        "Components of the job: ids, type=name, or a type for its latest component (see dci_latest_by).",
        shown_default="the latest component of each type of the topic",
    )
    dci_latest_by: str | None = option(
        parsers.Choice("created", "released"),
        None,
        "Which component of a type counts as the latest: the last one created, or the last one released.",
        shown_default="released for types in dci_components; without dci_components, DCI picks the last one created",
    )
    dci_job_id: str | None = option(
        identifiers.job_id,
        None,
        "Id of an existing DCI job to continue. Use env to read it from the variable DCI_JOB_ID.",
        shown_default="the job that an earlier step of this run created",
    )
    dci_name: str | None = option(
        parsers.text,
        None,
        "Name of the job. DCI compares results with earlier jobs of the same name.",
        shown_default="the names of the pipeline and the job, with matrix values",
    )
    dci_configuration: str | None = option(
        parsers.text, None, "Configuration under test, such as a scenario or the hardware."
    )
    dci_change_url: str | None = option(
        parsers.link,
        None,
        "URL of the change under test. Do not use the URL of the run: DCI compares only jobs with the same URL.",
        shown_default="the page of the pull request or merge request",
    )
    dci_tags: tuple[str, ...] = option(
        parsers.text_list,
        (),
        "Tags of the job. cibeacon adds one more, to find the job again.",
        shown_default="none",
    )
    dci_comment: str | None = option(
        parsers.text, None, "Comment on the job and its states.", shown_default="the URL of the run, on states only"
    )
    dci_files: tuple[str, ...] = option(
        parsers.text_list,
        (),
        "Files to upload when the job ends, as globs such as reports/**/*.xml. cibeacon recognises JUnit reports.",
        shown_default="none",
    )
    dci_key_values: Mapping[str, float] = option(
        identifiers.key_values,
        {},
        "Numbers to store with the job when it ends, such as coverage=81.5,tests=1200.",
        shown_default="none",
    )
    dci_upload_timeout: float = option(
        parsers.duration,
        300.0,
        "Seconds allowed for uploading all files, in addition to timeout.",
        shown_default="300",
    )
    dci_redact: bool = option(
        parsers.boolean,
        False,
        "Mask secrets in text files before uploading them: GitHub tokens, ids and secrets of remote CIs, pull secrets.",
        shown_default="false",
        flag=True,
        also=("DCI_REDACT",),
    )
    dci_redact_patterns: tuple[str, ...] = option(
        parsers.regexes,
        (),
        "Regular expressions, separated by colons, for the text to mask instead of the default secrets. Write a literal colon as \\x3a.",
        shown_default="the secrets listed for dci_redact",
        also=("DCI_REDACT_PATTERNS",),
    )
    dci_url: str = option(
        parsers.dci_url, PUBLIC, "URL of the DCI control server.", shown_default=PUBLIC, also=("DCI_CS_URL",)
    )
    dci_client_id: str | None = option(
        identifiers.client_id,
        None,
        "Client id of the remote CI: remoteci/UUID, or only the UUID.",
        also=("DCI_CLIENT_ID",),
    )
    dci_api_secret: str | None = option(
        parsers.token, None, "API secret of the remote CI.", secret=True, also=("DCI_API_SECRET",)
    )

    @property
    def requirements(self) -> Requirements:
        """The settings that are needed before anything can be sent."""
        return Requirements(
            wanted_by=(
                *("dci_topic", "dci_job_id", "dci_components", "dci_latest_by", "dci_name", "dci_configuration"),
                *("dci_change_url", "dci_tags", "dci_comment", "dci_files", "dci_key_values"),
            ),
            not_configured="DCI is not configured: set dci_topic, dci_client_id and the secret dci_api_secret",
            required={
                "dci_client_id": "DCI's client id is missing or empty: set dci_client_id (variable DCI_CLIENT_ID)",
                "dci_api_secret": "DCI's secret is missing or empty: set the secret dci_api_secret (variable DCI_API_SECRET)",
            },
        )

    @property
    def endpoint(self) -> Endpoint:
        """DCI's URL and the remote CI's credentials. DCI shows the client version with the job."""
        headers = {"Client-Version": f"cibeacon_{__version__}"}
        return Endpoint(self.dci_url, self.dci_api_secret or "", client_id=self.dci_client_id or "", headers=headers)

    def completed(self, environ: Mapping[str, str], origins: Mapping[str, Origin]) -> tuple[Self, tuple[Problem, ...]]:
        """Reads the job id from its variable if the setting is `env`: other tools set that variable, too."""
        if self.dci_job_id != identifiers.ENV:
            return self, ()
        variable = identifiers.ENV_JOB
        job_id = environ.get(variable, "").strip().lower()
        if identifiers.is_uuid(job_id):
            return self._replace(dci_job_id=job_id), ()
        message = f"dci_job_id is {identifiers.ENV}, and the variable {variable} {'is not a UUID' if job_id else 'is not set'}"
        return self._replace(dci_job_id=None), (Problem("dci", "dci_job_id", message),)
