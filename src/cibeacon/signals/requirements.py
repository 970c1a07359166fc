"""Knows what each sink still lacks before anything can be sent to it. Does not know events, signals or CI systems.

A sink that is not configured is a choice, one that is configured wrong is a fault: the reason says which of them it is.
"""

from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.model.parsers import plain_http_refused
from cibeacon.settings import Settings
from cibeacon.settings.endpoint import endpoints


class _Requirements(NamedTuple):
    """What a sink needs."""

    wanted_by: tuple[str, ...]
    """Settings by which people show that they want signals sent to it."""
    not_configured: str
    required: Mapping[str, str]
    """Each setting without which nothing can be sent, and what to do where it is missing."""


_SINKS: Mapping[str, _Requirements] = {
    "dx": _Requirements(
        wanted_by=("dx_url", "dx_token", "dx_api", "replace_services"),
        not_configured="DX is not configured: set dx_url and the secret dx_token",
        required={
            "dx_token": "DX's token is missing or empty: set the secret dx_token (variable DX_API_TOKEN)",
            "dx_url": "DX's address is missing: set dx_url to the instance name or https://INSTANCE.getdx.net",
        },
    ),
    "dci": _Requirements(
        wanted_by=(
            *("dci_topic", "dci_job_id", "dci_components", "dci_latest_by", "dci_name", "dci_configuration"),
            *("dci_change_url", "dci_tags", "dci_comment", "dci_files", "dci_key_values"),
        ),
        not_configured="DCI is not configured: set dci_topic, dci_client_id and the secret dci_api_secret",
        required={
            "dci_client_id": "DCI's client id is missing or empty: set dci_client_id (variable DCI_CLIENT_ID)",
            "dci_api_secret": "DCI's secret is missing or empty: set the secret dci_api_secret (variable DCI_API_SECRET)",
        },
    ),
    "flow": _Requirements(
        wanted_by=("flow_job_id", "flow_pipelines"),
        not_configured="Instabase Flow is not configured: set flow_job_id, flow_pipelines, flow_url and the secret flow_token",
        required={
            "flow_token": "Instabase's token is missing or empty: set the secret flow_token (variable CIBEACON_FLOW_TOKEN)",
            "flow_url": "Instabase's address is missing: set flow_url to its scheme and host, https://HOST",
        },
    ),
}


def is_wanted(sink: str, settings: Settings) -> bool:
    """True when a setting asks for the sink: whatever it lacks is then a fault."""
    return settings.given(*_SINKS[sink].wanted_by)


def has_credential(sink: str, settings: Settings) -> bool:
    """True when the sink's secret is here."""
    return bool(endpoints(settings)[sink].token)


def why_unsendable(sink: str, settings: Settings, *groups: str, dry_run: bool) -> str | None:
    """Why nothing can be sent to a sink, as a sentence; None when it can be sent.

    `groups` are the settings groups in which a value that cannot be used would have to be guessed.
    """
    problem = next((problem.message for problem in settings.problems if problem.group in groups), None)
    reason = problem or unreachable(sink, settings, dry_run=dry_run)
    return f"{reason}." if reason else None


def unreachable(sink: str, settings: Settings, *, dry_run: bool = False) -> str | None:
    """What a sink's settings lack before anything can be sent to it, as a clause; None when they lack nothing.

    A dry run needs no credential, but a URL that would not carry one in the clear.
    """
    if unencrypted(sink, settings):
        url = endpoints(settings)[sink].base_url
        return f"{url} would carry the token unencrypted: use https, or set allow_http if the network is yours"
    requirements, group = _SINKS[sink], getattr(settings, sink)
    missing = [hint for name, hint in requirements.required.items() if not getattr(group, name)]
    if not missing or dry_run:
        return None
    configured = settings.given(*requirements.wanted_by, *requirements.required)
    return missing[0] if configured else requirements.not_configured


def unencrypted(sink: str, settings: Settings) -> bool:
    """True when the sink's URL would carry a credential in the clear."""
    url = endpoints(settings)[sink].base_url
    return bool(url and not settings.core.allow_http and plain_http_refused(url))
