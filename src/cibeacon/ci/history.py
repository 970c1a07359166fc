"""Knows past merges and deployments, and reads a pull request's number from a commit message. Asks no forge and no git.

An entry is short and omits what the commit changed, so that a long history fits into memory.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple


class PastMerge(NamedTuple):
    """A merged pull request (merge request)."""

    number: int
    sha: str | None
    """The commit that landed; None if the forge gives none."""
    seconds: int
    """When it was merged, Unix seconds."""
    squashed: bool = False
    """Whether the forge says that this single commit contains the whole change."""
    base: str | None = None
    """The commit to compare it with, if the source knows it."""


class Mark(NamedTuple):
    """Something that counts as a deployment."""

    ident: str
    """Unique in its source: the host's id, a tag, a commit."""
    sha: str | None
    seconds: int
    """When it was made, Unix seconds: decides whether it is in the window."""
    family: str = ""
    """Marks of one family are compared with each other: the environment, or the beginning of a tag."""
    environment: str | None = None
    name: str | None = None
    """The tag or release, for people."""
    url: str | None = None
    success: bool | None = None
    deployed_at: int | None = None
    """Unix seconds; None means when it was made."""
    base: str | None = None
    """The commit to compare it with, if that is not a deployment."""

    @property
    def when(self) -> int:
        """When it was deployed."""
        return self.seconds if self.deployed_at is None else self.deployed_at


_GITHUB = re.compile(r"Merge pull request #([1-9]\d{0,8}) from \S")
_GITLAB = re.compile(r"^See merge request (?:[\w./-]*)!([1-9]\d{0,8})\s*$", re.MULTILINE)


def number_in(message: str) -> int | None:
    """The number of the pull request in the message of a merge commit, as GitHub or GitLab writes it."""
    if match := _GITHUB.match(message):
        return int(match[1])
    numbers = _GITLAB.findall(message)
    return int(numbers[-1]) if numbers else None


_SQUASHED = {
    "github": re.compile(r".*\S +\(#([1-9]\d{0,8})\)"),
    "gitlab": re.compile(r".*\nSee merge request (?:[\w./-]*)!([1-9]\d{0,8})", re.DOTALL),
    "bitbucket": re.compile(r".*\S +\(pull request #([1-9]\d{0,8})\)"),
    "bitbucket server": re.compile(r"Pull request #([1-9]\d{0,8}): .*"),
    "azure": re.compile(r"Merged PR ([1-9]\d{0,8}): .*"),
}
"""The line of each forge in the commit of a pull request, also a squashed one: GitLab's is the last, others' the first."""
_SERVERS = {"github": "github", "gitlab": "gitlab", "bitbucket": "bitbucket", "azure": "azure", "visualstudio": "azure"}


def squashed_number(message: str, server: str | None = None) -> int | None:
    """The number of the pull request in the message of a commit, which need not be a merge.

    On a known forge's server only that forge's form counts: on GitLab `(#7)` is an issue.
    """
    host = next((host for part, host in _SERVERS.items() if server and part in server), "")
    for name, form in _SQUASHED.items():
        text = message if name == "gitlab" else message.partition("\n")[0]
        if name.startswith(host) and (match := form.fullmatch(text.rstrip())):
            return int(match[1])
    return None


def earlier(marks: Sequence[Mark]) -> list[int | None]:
    """For each mark the index of the previous one of its family; None for the first."""
    last: dict[str, int] = {}
    indexes: list[int | None] = []
    for index, mark in enumerate(marks):
        indexes.append(last.get(mark.family))
        last[mark.family] = index
    return indexes
