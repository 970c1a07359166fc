"""Knows where each sink's calls go, in which form of its API, and as whom. Sends nothing, and shows no credential."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from cibeacon import __version__
from cibeacon.model.parsers import plain_http_refused
from cibeacon.settings import Settings

_CLIENT = {"Client-Version": f"cibeacon_{__version__}"}
"""DCI shows it with the job; its own tools call themselves so."""


class Endpoint(NamedTuple):
    """Where a sink's calls go, and the credential that signs them."""

    base_url: str
    token: str
    form: str = ""
    """The form of the API to speak, where a sink knows several: its name, or the path that tells it apart."""
    client_id: str = ""
    """Whose token it is, where a signature names its owner."""
    headers: Mapping[str, str] = {}
    """What goes along with every call besides the credential."""
    certificate: str | None = None
    """Path of a client certificate with its key."""
    certificate_setting: str = ""
    """The setting that names one, for a system that may ask for it."""

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.base_url).netloc

    @property
    def proxies(self) -> dict[str, str] | None:
        """None for those of the environment. What stays on this machine never goes through a proxy: it is plain http."""
        stays = self.base_url.startswith("http://") and not plain_http_refused(self.base_url)
        return {"http": "", "https": "", "all": ""} if stays else None


def endpoints(settings: Settings) -> Mapping[str, Endpoint]:
    """Every sink's endpoint. What is not set is empty: a rehearsal shows the hole, and nothing else gets that far."""
    dx, dci, flow = settings.dx, settings.dci, settings.flow
    return {
        "dx": Endpoint(dx.dx_url or "", dx.dx_token or "", dx.dx_api),
        "dci": Endpoint(dci.dci_url, dci.dci_api_secret or "", client_id=dci.dci_client_id or "", headers=_CLIENT),
        "flow": Endpoint(
            flow.flow_url or "",
            flow.flow_token or "",
            flow.flow_list_path,
            headers={"IB-Context": flow.flow_context} if flow.flow_context else {},
            certificate=flow.flow_client_cert,
            certificate_setting="flow_client_cert",
        ),
    }
