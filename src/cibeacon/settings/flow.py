"""The options of which reviewers see the documents of a job of Instabase Flow, and where Instabase is."""

from typing import NamedTuple

from cibeacon.model import identifiers, parsers
from cibeacon.settings.options import option

LISTING = "/api/v1/flow/pipeline"
"""Where Instabase lists pipelines, by the heading of its documents."""


class Flow(NamedTuple):
    """Instabase Flow"""

    flow_job_id: str | None = option(
        parsers.text, None, "Id of the Flow job whose pipelines are set. Turns the flow signal on."
    )
    flow_pipelines: tuple[str, ...] = option(
        parsers.text_list,
        (),
        "Flow pipelines that the job shall have, by name or id; they replace those that it has.",
        shown_default="none",
    )
    flow_url: str | None = option(
        identifiers.root, None, "Instabase's address: scheme and host alone, such as https://www.instabase.com."
    )
    flow_token: str | None = option(
        parsers.token, None, "Access token of Instabase, best a service account's.", secret=True
    )
    flow_context: str | None = option(
        identifiers.context,
        None,
        "Id of the organisation or user that the job belongs to (header IB-Context).",
        shown_default="Instabase's own choice: the community account",
    )
    flow_list_path: str = option(
        identifiers.path, LISTING, "Path under which this Instabase lists pipelines.", shown_default=LISTING
    )
    flow_client_cert: str | None = option(
        parsers.text,
        None,
        "Path of a PEM file with a client certificate and its key, where Instabase asks for one.",
        shown_default="none",
    )
