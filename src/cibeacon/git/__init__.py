"""The checkout: git as a child process, a scratch repository where it ends, and the way between the two.

Here stands what its files and the CI systems share: where a repository's objects can be fetched, and as whom; and how
people name commits (https://git-scm.com/docs/gitrevisions): by id, from HEAD, by branch or tag, and which tags are a
series. The CI host's variables are the source of a remote, never a clone's own configuration: a pull request cannot write
it, but any earlier step of the job can. Asks no repository.
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
    return Remote(url, user, secret, access) if may_fetch(url, allow_http=allow_http) else None


def may_fetch(url: str, *, allow_http: bool) -> bool:
    """Whether git may be sent there: the URL is an ordinary one, and the way is encrypted or plain http is allowed."""
    ordinary = re.fullmatch(_URL, url) is not None and ".." not in url
    return ordinary and (allow_http or not plain_http_refused(url))


BRANCH = "refs/heads/"
TRACKING = "refs/remotes/"
OWN = r"(?s)(HEAD|@|(?P<id>[0-9a-f]{7,64}))(?:[~^].*|@\{.*)?"
"""A revision from the commit that is checked out, or from an `id`; unless a ref has such a name."""
_NAMED = (
    r"(?![-+]|(?:HEAD|@)(?:[~^]|$))(?P<name>[^\x00-\x20\x7f~^:?*\[\\{]{1,250})"
    r"(?P<back>(?:[~^][0-9]{0,9}|\^\{(?:commit)?\})*)"
)
_TRACKED = r"(?:(?:refs/)?remotes/)?origin/(?=.)"


class ServerRef(NamedTuple):
    """A branch or tag of the server, and how far back from it in its history (`~2`)."""

    name: str
    back: str
    needs_history: bool
    """Whether its history is needed, too."""

    @property
    def title(self) -> str:
        """As people write it."""
        return f"{self.name.removeprefix(BRANCH)}{self.back}"


def server_ref(revision: str) -> ServerRef | None:
    """The ref of the server that a revision names; None where only a checkout knows what it means."""
    match = re.fullmatch(_NAMED, revision)
    if not match or ".." in revision:
        return None
    tracked, name, back = re.match(_TRACKED, match["name"]), match["name"], match["back"]
    needs_history = bool(back) or name.startswith((BRANCH, TRACKING))
    return ServerRef(f"{BRANCH}{name[tracked.end() :]}" if tracked else name, back, needs_history)


def is_readable(revision: str) -> bool:
    """Whether git could read it as a line of its input: a stranger's JSON may hold text that has no bytes."""
    try:
        os.fsencode(revision)
    except UnicodeEncodeError:
        return False
    return bool(revision) and not revision.startswith("-") and "\n" not in revision and "\0" not in revision


_NUMBERS = r"v?\d+(?:\.\d+)*"
_VERSION = rf"{_NUMBERS}(?:[.+_-].*)?"
_TAGS = (
    f"(?P<name>){_VERSION}",
    rf"(?P<name>.+)[/@]{_NUMBERS}(?:[.+_-][^/@]*)?",  # a name may hold a version: api-v2-gateway@1.3.0
    f"(?P<name>.+?)[/@_-]{_VERSION}",
    rf"(?P<name>.*?)\.?{_VERSION}",  # a name may end in a digit: oauth2-v1
)


def tag_series(tag: str) -> str:
    """What stands before the version in a tag: `payments` of `payments/v1.2.0`, nothing of `v1.2.0`.

    A tag is compared with the one before it in its series.
    """
    match = next((match for form in _TAGS if (match := re.fullmatch(form, tag, re.ASCII | re.DOTALL))), None)
    return match["name"] if match else ""
