"""Knows where a repository's objects can be fetched, and as whom. Does not fetch; the CI host's variables are its source.

A clone's own configuration never is: a pull request cannot write it, but any earlier step of the job can.
"""

import re
from binascii import b2a_base64
from typing import NamedTuple
from urllib.parse import urlsplit

from cibeacon.model.parsers import plain_http_refused

_PATH = r"(?a)[\w.+-]+(/[\w.+-]+)+"
_SCP = r"(?:[^@/\s]+@)?(?P<host>[^:/\s]{2,}):(?P<path>[^\s]+)"
_SERVER = r"(?a)https?://[\w.:\[\]~/%-]+"


class Remote(NamedTuple):
    """A repository behind git's smart HTTP, and the credential that opens it."""

    url: str
    user: str | None = None
    secret: str | None = None
    """None: without a credential, which public repositories allow."""
    access: str = ""
    """What a person does where the server refuses."""

    @property
    def origin(self) -> str:
        """Scheme, host and port: the only place that the credential goes to."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/"

    @property
    def authorization(self) -> str | None:
        """The header that signs a request."""
        if not self.secret:
            return None
        pair = b2a_base64(f"{self.user}:{self.secret}".encode(), newline=False).decode("ascii")
        return f"Authorization: Basic {pair}"


def forge_remote(
    server: str | None, repository: str | None, user: str | None, secret: str | None, access: str, *, allow_http: bool
) -> Remote | None:
    """The remote of a repository on a forge; None when either is unknown or odd, or the way there is not encrypted."""
    if not server or not repository or not re.fullmatch(_SERVER, server) or not re.fullmatch(_PATH, repository):
        return None
    url = f"{server.rstrip('/')}/{repository}.git"  # GitLab redirects without the ending, and no redirect is followed
    if ".." in repository or (plain_http_refused(url) and not allow_http):
        return None
    return Remote(url, user, secret, access)


def split_remote_url(url: str | None) -> tuple[str | None, str | None]:
    """(server, repository) of a git remote, in any of git's spellings; a path on disk names neither."""
    if not url:
        return None, None
    if "://" in url:
        try:
            parts = urlsplit(url)
        except ValueError:
            return None, None
        host, path = parts.hostname, parts.path
    elif match := re.fullmatch(_SCP, url):
        host, path = match["host"], match["path"]
    else:
        return None, None
    repository = path.strip("/").removesuffix(".git")
    return (host, repository) if host and repository else (None, None)
