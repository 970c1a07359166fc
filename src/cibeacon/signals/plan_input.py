"""Everything that the plan of a run depends on, as one frozen value. Knows no rule."""

from pathlib import Path
from typing import NamedTuple

from cibeacon.model.changes import Changes, MergedPR
from cibeacon.model.context import Context
from cibeacon.model.outcome import OutcomeStatus
from cibeacon.runtime.environment import Stage
from cibeacon.settings import Settings


class NotPlanned(Exception):
    """A signal, or a kind of signal, that is not sent: its status, and why."""

    def __init__(self, status: OutcomeStatus, reason: str, subject: str = "") -> None:
        self.status, self.reason, self.subject = status, reason, subject


class File(NamedTuple):
    """A file to send, with its name at DCI."""

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
    """Those of the whole run. None when they were not worked out, since there is no service map."""
    map_fault: str | None = None
    """Why the service map cannot be trusted."""
    merged_prs: tuple[MergedPR, ...] = ()
    """The pull requests that a push merged, as the host's API says, the first to land first."""
    unknown_prs: tuple[OutcomeStatus, str] | None = None
    """Why no such pull request is known, or not every one: `skipped` or `failed`, and the reason."""
    files: tuple[File, ...] = ()
    """Those to send at the end of the job."""

    def is_named(self, kind: str) -> bool:
        """True when the setting `signals` names this kind."""
        return kind in self.settings.core.signals

    @property
    def has_run_id(self) -> bool:
        """False where every run at one commit would be the same run: a CI system that is not known, and no run_id."""
        return self.context.host != "local" or self.settings.given("run_id")

    @property
    def has_repository(self) -> bool:
        """False where runs of two repositories with one id would be the same run: a checkout without a remote."""
        return self.context.host != "local" or self.context.repository is not None
