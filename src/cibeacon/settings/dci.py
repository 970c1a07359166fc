"""The options of what is sent to DCI: the job, its files, and where DCI is. The names are those of DCI's own tools."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from cibeacon import __version__
from cibeacon.model import identifiers, parsers
from cibeacon.model.endpoint import Endpoint
from cibeacon.settings.options import Origin, Problem, Requirements, option

PUBLIC = "https://api.distributed-ci.io"
"""The control server that everybody uses."""


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
        "Which component of a type is the latest: the last one created, or the last one released.",
        shown_default="released for types in dci_components; without dci_components DCI chooses the last one created",
    )
    dci_job_id: str | None = option(
        identifiers.job_id,
        None,
        "Id of an existing DCI job to continue; env reads it from the variable DCI_JOB_ID.",
        shown_default="the job that an earlier step of this run created",
    )
    dci_name: str | None = option(
        parsers.text,
        None,
        "Name of the job. DCI compares results with earlier jobs of the same name.",
        shown_default="the names of pipeline and job, with matrix values",
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
        "Tags of the job. cibeacon adds one of its own to find the job again.",
        shown_default="none",
    )
    dci_comment: str | None = option(
        parsers.text, None, "Comment on the job and its states.", shown_default="for states the URL of the run"
    )
    dci_files: tuple[str, ...] = option(
        parsers.text_list,
        (),
        "Files to upload when the job has ended, as globs such as reports/**/*.xml. JUnit reports are recognised.",
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
        "Seconds that uploading all files may take, in addition to timeout.",
        shown_default="300",
    )
    dci_redact: bool = option(
        parsers.boolean,
        False,
        "Mask tokens in text files before uploading: GitHub tokens, ids and secrets of remote CIs, pull secrets.",
        shown_default="false",
        flag=True,
        also=("DCI_REDACT",),
    )
    dci_redact_patterns: tuple[str, ...] = option(
        parsers.regexes,
        (),
        "Regular expressions of what to mask instead, separated by colons; write a colon as \\x3a.",
        shown_default="the tokens above",
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
        """What must be set before anything can be sent."""
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
        """Where DCI is, and which remote CI signs. DCI shows the version of the client with the job."""
        headers = {"Client-Version": f"cibeacon_{__version__}"}
        return Endpoint(self.dci_url, self.dci_api_secret or "", client_id=self.dci_client_id or "", headers=headers)

    def completed(self, environ: Mapping[str, str], origins: Mapping[str, Origin]) -> tuple[Self, tuple[Problem, ...]]:
        """Reads the job's id from the variable that other tools fill as well, only where the setting asks for it."""
        if self.dci_job_id != identifiers.ENV:
            return self, ()
        variable = identifiers.ENV_JOB
        job_id = environ.get(variable, "").strip().lower()
        if identifiers.is_uuid(job_id):
            return self._replace(dci_job_id=job_id), ()
        message = (
            f"dci_job_id is {identifiers.ENV}, and the variable {variable} {'is no UUID' if job_id else 'is not set'}"
        )
        return self._replace(dci_job_id=None), (Problem("dci", "dci_job_id", message),)
