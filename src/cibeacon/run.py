"""What is known about a run, as one frozen value: settings, context, services. Does not know how it was determined."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from cibeacon.ci import detect
from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.model.changes import Changes, PushedPRs, Unknown, given_services
from cibeacon.model.ci_systems import LOCAL
from cibeacon.model.context import Context
from cibeacon.model.report import Notice
from cibeacon.runtime.deadline import Deadline
from cibeacon.services import templates
from cibeacon.settings import Settings

_NOT_LOOKED_FOR = Changes("unknown", unknown=Unknown("changed services were not determined"))
_NOT_ASKED = PushedPRs(status="failed", reason="its pull request was not looked up")


class Run(NamedTuple):
    """What is known about a run."""

    settings: Settings
    context: Context
    dry_run: bool
    deadline: Deadline
    pushed: PushedPRs = PushedPRs()
    changes: Changes | None = None
    pr_changes: tuple[Changes, ...] = ()
    """The changes of each pull request in the push, if they differ from the run's."""
    map_fault: str | None = None
    """Why the service map cannot be trusted."""
    no_map: Unknown | None = None
    """Why changed services were not determined."""
    notices: tuple[Notice, ...] = ()
    interrupted: str | None = None
    """Why the run ends early; nothing more is sent."""

    def before_search(self) -> Self:
        """What is known before the search: enough to write some signals to the spool."""
        pushed = _NOT_ASKED if self.context.push and self.context.on_default_branch else PushedPRs()
        return self._replace(changes=named_services(self.settings) or _NOT_LOOKED_FOR, pushed=pushed)

    def cut_short(self, reason: str) -> Self:
        """What is known when the search stops early; everything else is unknown for this reason."""
        changes, pushed = self.changes, self.pushed
        if changes is _NOT_LOOKED_FOR:
            changes = Changes("unknown", unknown=Unknown(reason, "Run the job again, or set services."))
        if pushed is _NOT_ASKED:
            pushed = pushed._replace(reason=f"{pushed.reason}: {reason}")
        return self._replace(changes=changes, pushed=pushed, interrupted=reason)

    @property
    def host(self) -> CISystem:
        """The host that the run is on."""
        return detect.detect({}, self.context.host)

    def spool_folder(self, environ: Mapping[str, str]) -> str | None:
        """The CI system's default spool folder; None if no folder persists."""
        return self.host.spool_folder(Variables(environ))

    @property
    def about(self) -> Context:
        """The context, with the merged pull request if the push merged exactly one."""
        merged = self.pushed.pull_requests
        return self.context.with_pull_request(merged[0]) if len(merged) == 1 else self.context


def is_previewed(context: Context, settings: Settings) -> bool:
    """Whether the run is a dry run by default: no CI system was recognised or named."""
    return context.host == LOCAL and settings.core.dry_run is None and not settings.given("host")


def named_services(settings: Settings) -> Changes | None:
    """The changed services as the user gave them, without looking at the repository."""
    if not settings.given("services") or templates(settings.change.services):
        return None
    if any(problem.option == "services" for problem in settings.problems):
        return Changes("unknown", unknown=Unknown("the setting services cannot be used"))
    return given_services(settings.change.services)
