"""Where a sink's requests go, and their credential. Sends nothing, and shows no credential."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from cibeacon.model.parsers import plain_http_refused


class Endpoint(NamedTuple):
    """Where a sink's requests go, and their credential. Values that are not set are empty."""

    base_url: str
    token: str
    form: str = ""
    """What a sink needs besides the signal: the form of the API, a path, or the id of an object."""
    client_id: str = ""
    """The owner of the token, for signatures that contain it."""
    headers: Mapping[str, str] = {}
    """Headers of every request besides the credential."""
    certificate: str | None = None
    """Path of a client certificate with its key."""
    open: bool = False
    """True if the server requires no credential and none is set: plain http then exposes none."""
    certificate_setting: str = ""
    """The setting for the certificate, for a system that may require one."""

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.base_url).netloc

    @property
    def proxies(self) -> dict[str, str] | None:
        """None means those of the environment. Plain http to this machine never uses a proxy."""
        stays = self.base_url.startswith("http://") and not plain_http_refused(self.base_url)
        return {"http": "", "https": "", "all": ""} if stays else None
