"""Where a sink's requests go, and the credential that signs them. Sends nothing, and shows no credential."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from cibeacon.model.parsers import plain_http_refused


class Endpoint(NamedTuple):
    """Where a sink's requests go, and the credential that signs them. What is not set is empty."""

    base_url: str
    token: str
    form: str = ""
    """What a sink must know besides the signal: the form of the API to speak, a path, or what there it is about."""
    client_id: str = ""
    """Whose token it is, where a signature names its owner."""
    headers: Mapping[str, str] = {}
    """What goes along with every request besides the credential."""
    certificate: str | None = None
    """Path of a client certificate with its key."""
    open: bool = False
    """True where the server asks for no credential, and none is set: plain http shows none."""
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
