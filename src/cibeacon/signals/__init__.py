"""Everything that decides which signals a run sends, as one frozen value; and which settings a sink still lacks.

No rules, events or CI systems here. A sink that is not configured is a choice, a wrong configuration is a fault: the reason
says which it is.
"""

from pathlib import Path
from typing import NamedTuple

from cibeacon.model.changes import Changes, MergedPR
from cibeacon.model.ci_systems import LOCAL
from cibeacon.model.context import Context
from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.report import OutcomeStatus
from cibeacon.runtime import Stage
from cibeacon.settings import Settings, all_options

_NAME_EVERYTHING = ("github", "gitlab")
"""CI systems that always give the repository and a run id."""


class NotPlanned(Exception):
    """A signal, or a kind of signal, that is not sent: its status and the reason."""

    def __init__(self, status: OutcomeStatus, reason: str, subject: str = "") -> None:
        self.status, self.reason, self.subject = status, reason, subject


class File(NamedTuple):
    """A file to send, with its name at DCI."""

    path: Path
    name: str
    mime: str
    size: int


class PlanInput(NamedTuple):
    """Everything that the plan depends on."""

    context: Context
    settings: Settings
    stage: Stage
    now: int
    dry_run: bool
    host_title: str
    in_stages: bool = False
    """True if one step has a stage before the job's other steps and one after them, with the same settings."""
    changes: Changes | None = None
    """The changes of the whole run. None if they were not determined because there is no service map."""
    map_fault: str | None = None
    """Why the service map cannot be trusted."""
    merged_prs: tuple[MergedPR, ...] = ()
    """The pull requests that a push merged, according to the host's API, in order of merging."""
    unknown_prs: tuple[OutcomeStatus, str] | None = None
    """Why some or all such pull requests are unknown: `skipped` or `failed`, and the reason."""
    files: tuple[File, ...] = ()
    """The files to send at the end of the job."""

    def is_named(self, kind: str) -> bool:
        """True if the setting `signals` lists this kind."""
        return kind in self.settings.core.signals

    @property
    def has_run_id(self) -> bool:
        """False if all runs of a commit would have one id: the CI system gives none, and run_id is not set."""
        has_id = self.context.run_id is not None or self.context.host in _NAME_EVERYTHING
        return self.settings.given("run_id") or (has_id and self.context.host != LOCAL)

    @property
    def has_repository(self) -> bool:
        """False if runs of two repositories could have one id: a checkout without a remote."""
        return self.context.host in _NAME_EVERYTHING or self.context.repository is not None


def is_wanted(sink: str, settings: Settings) -> bool:
    """True if a setting enables the sink: any missing setting is then a fault."""
    return settings.given(*settings.requirements(sink).wanted_by)


def has_credential(sink: str, settings: Settings) -> bool:
    """True if the sink's secret is set."""
    return bool(settings.endpoints[sink].token)


def why_unsendable(sink: str, settings: Settings, *groups: str, dry_run: bool, by_hand: bool = False) -> str | None:
    """Why nothing can be sent to a sink, as a sentence; None if signals can be sent.

    `groups` are the settings groups that must not contain an invalid value.
    """
    problem = next((problem.message for problem in settings.problems if problem.group in groups), None)
    reason = problem or unreachable(sink, settings, dry_run=dry_run, by_hand=by_hand)
    return f"{reason}." if reason else None


def unreachable(sink: str, settings: Settings, *, dry_run: bool = False, by_hand: bool = False) -> str | None:
    """What a sink's settings lack before anything can be sent, as a clause; None if they lack nothing.

    A dry run needs no credential, but a URL that would not expose one. `by_hand` is for a query or an import: it needs no
    settings of a signal, and people set variables.
    """
    if unencrypted(sink, settings):
        url = settings.endpoints[sink].base_url
        return f"{url} would carry the token unencrypted: use https, or set allow_http if you trust the network"
    requirements, group = settings.requirements(sink), getattr(settings, sink)
    missing = [hint for name, hint in requirements.required.items() if not getattr(group, name)]
    if not missing or dry_run:
        return None
    configured = settings.given(*requirements.wanted_by, *requirements.required)
    if configured or not by_hand:
        return missing[0] if configured else requirements.not_configured
    needed = (option for option in all_options()[sink] if option.name in requirements.required)
    variables = " and ".join((*option.also, option.variable)[0] for option in needed)
    return f"{requirements.not_configured.partition(':')[0]}. Set {variables}"


def unencrypted(sink: str, settings: Settings) -> bool:
    """True if the sink's URL would carry a credential unencrypted."""
    endpoint = settings.endpoints[sink]
    allowed = settings.core.allow_http or endpoint.open
    return bool(endpoint.base_url and not allowed and plain_http_refused(endpoint.base_url))
