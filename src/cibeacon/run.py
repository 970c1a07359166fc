"""What was found out about a run, as one frozen value: settings, context, configuration, services. Knows no way to find it."""

from typing import NamedTuple, Self

from cibeacon.ci import detect
from cibeacon.ci.ci_system import CISystem
from cibeacon.model.changes import Changes, PushedPRs, Unknown, named
from cibeacon.model.context import Context
from cibeacon.model.report import Notice
from cibeacon.runtime.deadline import Deadline
from cibeacon.services.template import PLACEHOLDER
from cibeacon.settings import Settings

_UNSEEN = Changes("unknown", unknown=Unknown("nobody has looked which services changed"))
_UNASKED = PushedPRs(status="failed", reason="not asked which pull request it belongs to")


class Run(NamedTuple):
    """What was found out about a run."""

    settings: Settings
    context: Context
    dry_run: bool
    deadline: Deadline
    landing: PushedPRs = PushedPRs()
    changes: Changes | None = None
    parts: tuple[Changes, ...] = ()
    """Those of each pull request of the landing, where they are not those of the run."""
    map_fault: str | None = None
    """Why the service map cannot be trusted."""
    unmapped: Unknown | None = None
    """Why nobody looked for changed services, where nobody did."""
    notices: tuple[Notice, ...] = ()
    interrupted: str | None = None
    """Why the looking stopped early, where it did: nothing is to be sent any more."""

    def unlooked(self) -> Self:
        """What is known before anybody looks: enough for some signals to be kept."""
        landing = _UNASKED if self.context.push and self.context.on_default_branch else PushedPRs()
        return self._replace(changes=by_name(self.settings) or _UNSEEN, landing=landing)

    def cut_short(self, why: str) -> Self:
        """What was found before the looking stopped early; the rest is unknown for that reason."""
        unseen = Unknown(why, "Run the job again, or give services.")
        return self._replace(
            changes=Changes("unknown", unknown=unseen) if self.changes is _UNSEEN else self.changes,
            landing=self.landing._replace(reason=f"{_UNASKED.reason}: {why}")
            if self.landing is _UNASKED
            else self.landing,
            interrupted=why,
        )

    @property
    def host(self) -> CISystem:
        """The host that the run is on."""
        return detect.detect({}, self.context.host)

    @property
    def about(self) -> Context:
        """The context, with the pull request that a push merged where it was one alone."""
        merged = self.landing.pull_requests
        return self.context.with_pull_request(merged[0]) if len(merged) == 1 else self.context


def templates(settings: Settings) -> tuple[str, ...]:
    """The setting `services` where it says how services are found, instead of which ones changed."""
    services = settings.change.services
    return services if any(PLACEHOLDER in name for name in services) else ()


def by_name(settings: Settings) -> Changes | None:
    """The changed services as somebody named them, who then needs no look at the repository."""
    if not settings.given("services") or templates(settings):
        return None
    if any(each.option == "services" for each in settings.problems):
        return Changes("unknown", unknown=Unknown("the setting services cannot be used"))
    return named(settings.change.services)
