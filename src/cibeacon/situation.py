"""Everything that the plan of a run depends on, as one frozen value. Knows no rule."""

from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.changes import Changes
from cibeacon.context import Context, PullRequest
from cibeacon.outcome import Word
from cibeacon.settings import Settings
from cibeacon.world import Stage


class Situation(NamedTuple):
    """Everything the plan depends on."""

    context: Context
    settings: Settings
    stage: Stage
    now: int
    rehearsed: bool
    host_title: str
    final_words: Mapping[str, str]
    """The host's final statuses as ours."""
    changes: Changes | None = None
    """None when they were not worked out: no service map is drawn."""
    map_fault: str | None = None
    """Why the service map cannot be trusted."""
    landed: PullRequest | None = None
    """The pull request that a push merged, found by asking the host."""
    unlanded: tuple[Word, str] | None = None
    """Why no such pull request is known: `skipped` or `failed`, and the reason."""

    def asked_by_name(self, kind: str) -> bool:
        """True when a person named this signal."""
        return kind in self.settings.core.signals
