"""The options and the totals of an export; the totals show what is missing from it. Reads nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from cibeacon.ci.history import Mark

DeploymentKind: TypeAlias = Literal["deployments", "releases", "tags", "merges"]
"""What counts as a deployment."""
TITLES = {"git": "git", "github": "GitHub", "gitlab": "GitLab"}
_SHOWN = 5


class Window(NamedTuple):
    """From `since` to just before `until`, in Unix seconds."""

    since: int
    until: int

    def holds(self, seconds: int) -> bool:
        """Whether a time is in it."""
        return self.since <= seconds < self.until


class ExportOptions(NamedTuple):
    """The options of an export."""

    kind: str
    """`deployments` or `pull-services`."""
    window: Window
    source: str = "git"
    of: DeploymentKind = "tags"
    """Part of every id, so that a tag and its release have different ids."""
    output: Path | None = None
    """None: standard output."""
    append: bool = False
    pr_from_messages: bool = False
    """Whether to trust pull request numbers in commit messages."""
    branch: str | None = None
    environment: str | None = None
    """For deployments with an environment: which to export; for others: the environment to write."""
    tags: str = "*"
    repository: str = ""
    """Its full name."""

    @property
    def title(self) -> str:
        """The name of the source."""
        return TITLES[self.source]

    def includes(self, mark: Mark) -> bool:
        """Whether the options select a deployment."""
        if mark.environment is not None:
            return self.environment is None or mark.environment == self.environment
        return mark.name is None or fnmatchcase(mark.name, self.tags)


@dataclass
class ExportTotals:
    """Number of entries in the window, and why some of them have no row."""

    entries: int = 0
    """Merges or deployments."""
    rows: int = 0
    continued: int = 0
    """Entries before the last row of a continued file."""
    unchanged: int = 0
    """Entries that changed no service."""
    unfinished: int = 0
    """Deployments that neither succeeded nor failed."""
    unnumbered: int = 0
    """Merges whose pull request is unknown."""
    plain_commits: int = 0
    """Commits that are not merges and have no pull request number; git does not record whether one is a squashed one."""
    ambiguous: int = 0
    """Commits that are not merges and have the same pull request number as another commit."""
    foreign_tags: int = 0
    """Tags named after something that never was a service."""
    foreign_series: list[str] = field(default_factory=list)
    """The first few series of these tags."""
    unknown: int = 0
    """Entries whose services are unknown."""
    unknown_reasons: list[str] = field(default_factory=list)
    """The first few of them with their reasons."""

    def add_unknown(self, name: str, reason: str) -> None:
        """Counts an entry whose services are unknown."""
        self.unknown += 1
        if len(self.unknown_reasons) < _SHOWN:
            self.unknown_reasons.append(f"{name}: {reason}")

    def add_foreign_tag(self, series: str) -> None:
        """Counts a tag that is not named after a service."""
        self.foreign_tags += 1
        if series not in self.foreign_series and len(self.foreign_series) < _SHOWN:
            self.foreign_series.append(series)
