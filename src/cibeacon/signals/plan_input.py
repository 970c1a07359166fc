"""Everything that the plan of a run depends on, as one frozen value. Knows no rule."""

from pathlib import Path
from typing import NamedTuple

from cibeacon.model.changes import Changes, MergedPR
from cibeacon.model.context import Context
from cibeacon.model.outcome import OutcomeStatus
from cibeacon.runtime.environment import Stage
from cibeacon.settings import Settings


class NotPlanned(Exception):
    """A signal, or a kind of signal, that does not go: how it ends, and why."""

    def __init__(self, status: OutcomeStatus, reason: str, subject: str = "") -> None:
        self.status, self.reason, self.subject = status, reason, subject


class File(NamedTuple):
    """A file that is to be sent, found and named."""

    path: Path
    name: str
    mime: str
    size: int


class PlanInput(NamedTuple):
    """Everything the plan depends on."""

    context: Context
    settings: Settings
    stage: Stage
    now: int
    dry_run: bool
    host_title: str
    changes: Changes | None = None
    """Those of the whole run. None when they were not worked out: no service map is drawn."""
    map_fault: str | None = None
    """Why the service map cannot be trusted."""
    landed: tuple[MergedPR, ...] = ()
    """The pull requests that a push merged, found by asking the host; the one that landed first stands first."""
    unlanded: tuple[OutcomeStatus, str] | None = None
    """Why no such pull request is known, or not every one: `skipped` or `failed`, and the reason."""

    files: tuple[File, ...] = ()
    """Those that go along with the end of the job."""

    def asked_by_name(self, kind: str) -> bool:
        """True when a person named this signal."""
        return kind in self.settings.core.signals

    @property
    def numbered(self) -> bool:
        """False where every run at one commit would be the same run: a CI system that is not known, and no run_id."""
        return self.context.host != "local" or self.settings.given("run_id")

    @property
    def placed(self) -> bool:
        """False where runs of two repositories with one id would be the same run: a checkout without a remote."""
        return self.context.host != "local" or self.context.repository is not None
