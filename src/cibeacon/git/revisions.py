"""Knows how people write a commit: by its id, from HEAD, or by the name of a branch or tag. Asks no repository.

https://git-scm.com/docs/gitrevisions
"""

import os
import re
from typing import NamedTuple

BRANCH = "refs/heads/"
TRACKING = "refs/remotes/"
OWN = re.compile(r"(HEAD|@|(?P<id>[0-9a-f]{7,64}))(?:[~^].*|@\{.*)?", re.DOTALL)
"""What begins at the commit that is checked out, or at an `id`; unless a ref goes by such a name."""
_NAMED = re.compile(
    r"(?![-+]|(?:HEAD|@)(?:[~^]|$))(?P<name>[^\x00-\x20\x7f~^:?*\[\\{]{1,250})"
    r"(?P<back>(?:[~^][0-9]{0,9}|\^\{(?:commit)?\})*)"
)
_TRACKED = re.compile(r"(?:(?:refs/)?remotes/)?origin/(?=.)")


class HostRef(NamedTuple):
    """A branch or tag of the host, and how far back from it in its history (`~2`)."""

    name: str
    back: str
    historical: bool
    """Whether its history will be asked for, too."""

    @property
    def title(self) -> str:
        """As people write it."""
        return f"{self.name.removeprefix(BRANCH)}{self.back}"


def of_host(revision: str) -> HostRef | None:
    """The ref of the host that a revision is about; None where only a checkout can tell what it means."""
    found = _NAMED.fullmatch(revision)
    if not found or ".." in revision:
        return None
    tracked, name, back = _TRACKED.match(found["name"]), found["name"], found["back"]
    historical = bool(back) or name.startswith((BRANCH, TRACKING))
    return HostRef(f"{BRANCH}{name[tracked.end() :]}" if tracked else name, back, historical)


def is_line(revision: str) -> bool:
    """Whether git could read it as one: a stranger's JSON may hold what has no bytes."""
    try:
        os.fsencode(revision)
    except UnicodeEncodeError:
        return False
    return bool(revision) and not revision.startswith("-") and "\n" not in revision and "\0" not in revision
