"""Knows what each system still lacks before anything can be told to it. Does not know events, signals or hosts.

Not configured is a choice of a person, configured wrong is a fault: who reads a reason must see which of them it is.
"""

from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.model.plain_http import plain_http_refused
from cibeacon.settings import Settings
from cibeacon.settings.endpoint import endpoints


class _System(NamedTuple):
    """A system as a person configures it."""

    asking: tuple[str, ...]
    """Settings by which somebody shows that it is to be told."""
    unconfigured: str
    needed: Mapping[str, str]
    """Each setting without which nothing can be sent, and how to mend its absence."""


_SYSTEMS: Mapping[str, _System] = {
    "dx": _System(
        asking=("dx_url", "dx_token", "dx_api", "replace_services"),
        unconfigured="DX is not configured: set dx_url and the secret dx_token",
        needed={
            "dx_token": "DX's token is missing or empty: set the secret dx_token (variable DX_API_TOKEN)",
            "dx_url": "DX's address is missing: set dx_url to the instance name or https://INSTANCE.getdx.net",
        },
    ),
    "dci": _System(
        asking=(
            *(
                "dci_topic",
                "dci_job_id",
                "dci_components",
                "dci_latest_by",
                "dci_name",
                "dci_configuration",
                "dci_change_url",
            ),
            *("dci_tags", "dci_comment", "dci_files", "dci_key_values"),
        ),
        unconfigured="DCI is not configured: set dci_topic, dci_client_id and the secret dci_api_secret",
        needed={
            "dci_client_id": "DCI's client id is missing or empty: set dci_client_id (variable DCI_CLIENT_ID)",
            "dci_api_secret": "DCI's secret is missing or empty: set the secret dci_api_secret (variable DCI_API_SECRET)",
        },
    ),
    "flow": _System(
        asking=("flow_job_id", "flow_pipelines"),
        unconfigured="Instabase Flow is not configured: set flow_job_id, flow_pipelines, flow_url and the secret flow_token",
        needed={
            "flow_token": "Instabase's token is missing or empty: set the secret flow_token (variable CIBEACON_FLOW_TOKEN)",
            "flow_url": "Instabase's address is missing: set flow_url to its scheme and host, https://HOST",
        },
    ),
}


def asked_for(sink: str, settings: Settings) -> bool:
    """True when somebody set something about the system: whatever it lacks is then a fault."""
    return settings.given(*_SYSTEMS[sink].asking)


def why_unsendable(sink: str, settings: Settings, *groups: str, dry_run: bool) -> str | None:
    """Why nothing can be sent to a sink, as a sentence; None when it can be sent.

    `groups` are the settings groups in which a value that cannot be used would have to be guessed.
    """
    problem = next((problem.message for problem in settings.problems if problem.group in groups), None)
    fault = problem or unreachable(sink, settings, dry_run=dry_run)
    return f"{fault}." if fault else None


def unreachable(sink: str, settings: Settings, *, dry_run: bool = False) -> str | None:
    """What the settings lack before anything can be sent to a sink; None when they lack nothing.

    A dry run needs no credential, but an address that may carry one.
    """
    if unencrypted(sink, settings):
        address = endpoints(settings)[sink].base_url
        return f"{address} would carry the token unencrypted: use https, or set allow_http if the network is yours"
    system, group = _SYSTEMS[sink], getattr(settings, sink)
    missing = [hint for name, hint in system.needed.items() if not getattr(group, name)]
    if not missing or dry_run:
        return None
    return missing[0] if settings.given(*system.asking, *system.needed) else system.unconfigured


def unencrypted(sink: str, settings: Settings) -> bool:
    """True when the address alone is wrong: it needs no credential to be."""
    address = endpoints(settings)[sink].base_url
    return bool(address and not settings.core.allow_http and plain_http_refused(address))


def entrusted(sink: str, settings: Settings) -> bool:
    """True when the system's secret is here."""
    return bool(endpoints(settings)[sink].token)
