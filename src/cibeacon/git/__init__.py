"""The checkout, read by git as a child process, and scratch repositories for commits that the checkout lacks.

The package and the CI systems share what is in this module: where a repository's objects can be fetched, and with which
credential; how people name commits (https://git-scm.com/docs/gitrevisions): by id, from HEAD, by branch or tag; and which
tags form a series. A remote comes from the CI host's variables, never from the clone's own configuration: a pull request
cannot change that, but any earlier step of the job can. It does not read a repository.
"""

import os
import re
from binascii import b2a_base64
from typing import NamedTuple
from urllib.parse import urlsplit

from cibeacon.model.parsers import plain_http_refused

_PATH = r"(?a)[\w.+-]+(/[\w.+-]+)+"
_URL = r"(?a)https?://[\w.:\[\]-]+(/[\w.+~%-]+)+"
_SERVER = r"(?a)https?://[\w.:\[\]~/%-]+"


class Remote(NamedTuple):
    """A repository that git reaches over smart HTTP, and the credential for it."""

    url: str
    user: str | None = None
    secret: str | None = None
    """None: without a credential, which works for public repositories."""
    access: str = ""
    """What the user can do if the server refuses."""

    @property
    def origin(self) -> str:
        """Scheme, host and port: the credential goes nowhere else."""
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
    """The remote of a repository on a forge; None if either is unknown or malformed, or if the connection is not encrypted."""
    if not server or not repository or not re.fullmatch(_SERVER, server) or not re.fullmatch(_PATH, repository):
        return None
    url = (
        f"{server.rstrip('/')}/{repository}.git"  # GitLab redirects without the suffix, and redirects are not followed
    )
    return Remote(url, user, secret, access) if may_fetch(url, allow_http=allow_http) else None


def may_fetch(url: str, *, allow_http: bool) -> bool:
    """Whether git may fetch from this URL: it is an ordinary one, and is encrypted or plain http is allowed."""
    ordinary = re.fullmatch(_URL, url) is not None and ".." not in url
    return ordinary and (allow_http or not plain_http_refused(url))


BRANCH = "refs/heads/"
TRACKING = "refs/remotes/"
OWN = r"(?s)(HEAD|@|(?P<id>[0-9a-f]{7,64}))(?:[~^].*|@\{.*)?"
"""A revision relative to the checked-out commit or to an `id`, unless a ref has such a name."""
_NAMED = (
    r"(?![-+]|(?:HEAD|@)(?:[~^]|$))(?P<name>[^\x00-\x20\x7f~^:?*\[\\{]{1,250})"
    r"(?P<back>(?:[~^][0-9]{0,9}|\^\{(?:commit)?\})*)"
)
_TRACKED = r"(?:(?:refs/)?remotes/)?origin/(?=.)"


class ServerRef(NamedTuple):
    """A branch or tag on the server, and how far back from it (`~2`)."""

    name: str
    back: str
    needs_history: bool
    """Whether its history is needed, too."""

    @property
    def title(self) -> str:
        """The ref as people write it."""
        return f"{self.name.removeprefix(BRANCH)}{self.back}"


def server_ref(revision: str) -> ServerRef | None:
    """The server's ref that a revision names; None if only a checkout can resolve it."""
    match = re.fullmatch(_NAMED, revision)
    if not match or ".." in revision:
        return None
    tracked, name, back = re.match(_TRACKED, match["name"]), match["name"], match["back"]
    needs_history = bool(back) or name.startswith((BRANCH, TRACKING))
    return ServerRef(f"{BRANCH}{name[tracked.end() :]}" if tracked else name, back, needs_history)


def is_readable(revision: str) -> bool:
    """Whether git can read it as a line of input: untrusted JSON may contain text that cannot be encoded."""
    try:
        os.fsencode(revision)
    except UnicodeEncodeError:
        return False
    return bool(revision) and not revision.startswith("-") and "\n" not in revision and "\0" not in revision


_NUMBERS = r"v?\d+(?:\.\d+)*"
_VERSION = rf"{_NUMBERS}(?:[.+_-].*)?"
_TAGS = (
    f"(?P<name>){_VERSION}",
    rf"(?P<name>.+)[/@]{_NUMBERS}(?:[.+_-][^/@]*)?",  # a name may contain a version: api-v2-gateway@1.3.0
    f"(?P<name>.+?)[/@_-]{_VERSION}",
    rf"(?P<name>.*?)\.?{_VERSION}",  # a name may end in a digit: oauth2-v1
)


def tag_series(tag: str) -> str:
    """The part of a tag before its version: `payments` for `payments/v1.2.0`, empty for `v1.2.0`.

    A tag is compared with the previous tag of its series.
    """
    match = next((match for form in _TAGS if (match := re.fullmatch(form, tag, re.ASCII | re.DOTALL))), None)
    return match["name"] if match else ""
