"""Knows how people name commits: by id, from HEAD, by branch or tag, and which tags are a series. Asks no repository.

https://git-scm.com/docs/gitrevisions
"""

import os
import re
from typing import NamedTuple

BRANCH = "refs/heads/"
TRACKING = "refs/remotes/"
OWN = re.compile(r"(HEAD|@|(?P<id>[0-9a-f]{7,64}))(?:[~^].*|@\{.*)?", re.DOTALL)
"""A revision from the commit that is checked out, or from an `id`; unless a ref has such a name."""
_NAMED = re.compile(
    r"(?![-+]|(?:HEAD|@)(?:[~^]|$))(?P<name>[^\x00-\x20\x7f~^:?*\[\\{]{1,250})"
    r"(?P<back>(?:[~^][0-9]{0,9}|\^\{(?:commit)?\})*)"
)
_TRACKED = re.compile(r"(?:(?:refs/)?remotes/)?origin/(?=.)")


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
    """The ref of the server that a revision names; None where only a checkout can tell what it means."""
    match = _NAMED.fullmatch(revision)
    if not match or ".." in revision:
        return None
    tracked, name, back = _TRACKED.match(match["name"]), match["name"], match["back"]
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
_TAGS = tuple(
    re.compile(form, re.ASCII | re.DOTALL)
    for form in (
        f"(?P<name>){_VERSION}",
        rf"(?P<name>.+)[/@]{_NUMBERS}(?:[.+_-][^/@]*)?",  # a name may hold a version: api-v2-gateway@1.3.0
        f"(?P<name>.+?)[/@_-]{_VERSION}",
        rf"(?P<name>.*?)\.?{_VERSION}",  # a name may end in a digit: oauth2-v1
    )
)


def tag_series(tag: str) -> str:
    """What stands before the version in a tag: `payments` of `payments/v1.2.0`, nothing of `v1.2.0`.

    A tag is compared with the one before it in its series.
    """
    match = next((match for form in _TAGS if (match := form.fullmatch(tag))), None)
    return match["name"] if match else ""
