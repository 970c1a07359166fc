"""The options for Instabase Flow: its URL and token, the job, and the pipelines that decide who reviews the job."""

from typing import NamedTuple

from cibeacon.model import identifiers, parsers
from cibeacon.model.request import Endpoint
from cibeacon.settings.options import Requirements, option

LISTING = "/api/v1/flow/pipeline"
"""The path at which Instabase lists pipelines, according to the heading in its documentation."""


class Flow(NamedTuple):
    """Instabase Flow"""

    flow_job_id: str | None = option(
        parsers.text, None, "Id of the Flow job to assign pipelines to. Turns the flow signal on."
    )
    flow_pipelines: tuple[str, ...] = option(
        parsers.text_list,
        (),
        "Flow pipelines to assign to the job, by name or id. They replace its current pipelines.",
        shown_default="none",
    )
    flow_url: str | None = option(
        identifiers.root, None, "URL of Instabase without a path, such as https://www.instabase.com."
    )
    flow_token: str | None = option(
        parsers.token, None, "Instabase access token, preferably of a service account.", secret=True
    )
    flow_context: str | None = option(
        identifiers.context,
        None,
        "Id of the organisation or user that the job belongs to (header IB-Context).",
        shown_default="the community account, chosen by Instabase",
    )
    flow_list_path: str = option(
        identifiers.path, LISTING, "API path at which your Instabase lists pipelines.", shown_default=LISTING
    )
    flow_client_cert: str | None = option(
        parsers.text,
        None,
        "Path of a PEM file with a client certificate and its key, if Instabase requires one.",
        shown_default="none",
    )

    @property
    def requirements(self) -> Requirements:
        """The settings that are needed before anything can be sent."""
        return Requirements(
            wanted_by=("flow_job_id", "flow_pipelines"),
            not_configured="Instabase Flow is not configured: set flow_job_id, flow_pipelines, flow_url and the secret flow_token",
            required={
                "flow_token": "Instabase's token is missing or empty: set the secret flow_token (variable CIBEACON_FLOW_TOKEN)",
                "flow_url": "Instabase's URL is missing: set flow_url to its scheme and host, https://HOST",
            },
        )

    @property
    def endpoint(self) -> Endpoint:
        """Instabase's URL and credentials."""
        return Endpoint(
            self.flow_url or "",
            self.flow_token or "",
            self.flow_list_path,
            headers={"IB-Context": self.flow_context} if self.flow_context else {},
            certificate=self.flow_client_cert,
            certificate_setting="flow_client_cert",
        )
