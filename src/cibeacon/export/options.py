"""What is to be exported, and what was found: so that an export is taken for no more than it is. Reads nothing."""

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
    """From the first second to just before the second one, in Unix seconds."""

    since: int
    until: int

    def holds(self, seconds: int) -> bool:
        """Whether a time lies in it."""
        return self.since <= seconds < self.until


class ExportOptions(NamedTuple):
    """What is to be exported."""

    kind: str
    """`deployments` or `pull-services`."""
    window: Window
    source: str = "git"
    of: DeploymentKind = "tags"
    """Part of every id, so that a tag and its release stay two."""
    output: Path | None = None
    """None: standard output."""
    append: bool = False
    pr_from_messages: bool = False
    """Whether commits are believed where they name their pull request."""
    branch: str | None = None
    environment: str | None = None
    """Of deployments that have one: which are exported; of others: where they went."""
    tags: str = "*"
    repository: str = ""
    """Its full name."""

    @property
    def title(self) -> str:
        """The name of the source."""
        return TITLES[self.source]

    def includes(self, mark: Mark) -> bool:
        """Whether a deployment is one of those that the flags name."""
        if mark.environment is not None:
            return self.environment is None or mark.environment == self.environment
        return mark.name is None or fnmatchcase(mark.name, self.tags)


@dataclass
class ExportTotals:
    """What was found in the window, and why some of it has no row."""

    entries: int = 0
    """Merges or deployments."""
    rows: int = 0
    continued: int = 0
    """Entries before the last row of the file that is continued."""
    unchanged: int = 0
    """Entries that changed no service."""
    unfinished: int = 0
    """Deployments that neither succeeded nor failed."""
    unnumbered: int = 0
    """Merges whose pull request is not known."""
    plain_commits: int = 0
    """Commits that are no merges and name no pull request: git does not say whether one is a squashed one."""
    ambiguous: int = 0
    """Commits that are no merges and name a pull request that another names, too."""
    foreign_tags: int = 0
    """Tags that are named after what never was a service."""
    foreign_series: list[str] = field(default_factory=list)
    """The names of the first few series of them."""
    unknown: int = 0
    """Entries whose services are unknown."""
    unknown_reasons: list[str] = field(default_factory=list)
    """Of the first few of them: which, and why."""

    def add_unknown(self, name: str, reason: str) -> None:
        """Counts an entry whose services are unknown."""
        self.unknown += 1
        if len(self.unknown_reasons) < _SHOWN:
            self.unknown_reasons.append(f"{name}: {reason}")

    def add_foreign_tag(self, series: str) -> None:
        """Counts a tag that is named after no service."""
        self.foreign_tags += 1
        if series not in self.foreign_series and len(self.foreign_series) < _SHOWN:
            self.foreign_series.append(series)
