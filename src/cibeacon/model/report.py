"""The report of one command: context, changes, outcomes, notices. Text, JSON, summary and exit code come from it.

Only this file decides what the outcomes of signals mean for the whole run. `skipped` is a choice (not requested, or against
the host's policy), never a failure. The table of exit codes is in docs/reference.md.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, Self, TypeAlias

from cibeacon.model.changes import Changes
from cibeacon.model.context import Context
from cibeacon.model.error_ids import help_link, id_of_error

OutcomeStatus: TypeAlias = Literal["sent", "duplicate", "skipped", "spooled", "failed", "invalid", "dry-run"]
ReportStatus: TypeAlias = Literal["sent", "partial", "failed", "skipped", "dry-run"]

TROUBLE: frozenset[OutcomeStatus] = frozenset({"failed", "invalid", "spooled"})
"""Outcomes with which a strict run exits 1."""


class ShownRequest(NamedTuple):
    """A request as shown to users: without headers."""

    method: str
    url: str
    body: Any


class Outcome(NamedTuple):
    """What happened to one signal at one sink."""

    kind: str
    sink: str
    status: OutcomeStatus
    reason: str | None = None
    subject: str = ""
    """What the signal is about, for the log, such as the services or the pipeline's name."""
    method: str | None = None
    """The vendor's name of the request."""
    key: str | None = None
    """The signal's idempotency key."""
    reference_id: str | None = None
    attempts: int = 0
    http_status: int | None = None
    error: str | None = None
    request: ShownRequest | None = None
    outputs: Mapping[str, str] | None = None
    """Values for later steps by output name."""
    retryable: bool = False
    """The sink may accept the same bytes later, so the signal is spooled."""
    maybe_delivered: bool = False
    """An attempt may still have succeeded: its response was lost, or was a server error."""
    sink_error_id: str | None = None
    """The id of an error that only this sink has."""

    @property
    def error_id(self) -> str | None:
        """The heading in docs/troubleshooting.md that explains why the signal was not delivered; None if it was."""
        if self.status not in TROUBLE:
            return None
        if self.status == "invalid":
            return "command-invalid" if self.kind == "command" else "signal-invalid"
        if self.error or self.request:
            return self.sink_error_id or id_of_error(self.sink, self.error or "", self.http_status)
        return "services-unknown" if (self.reason or "").startswith("services unknown") else "not-determined"

    def document(self) -> dict[str, Any]:
        """The JSON form; every key is always present."""
        request, name = self.request, self.error_id
        return {
            "kind": self.kind,
            "sink": self.sink,
            "method": self.method,
            "key": self.key,
            "outcome": self.status,
            "reason": self.reason,
            "attempts": self.attempts,
            "http_status": self.http_status,
            "error": self.error,
            "request": {"method": request.method, "url": request.url, "body": request.body} if request else None,
            "help": help_link(name) if name else None,
        }


def signal_names(outcomes: Iterable[Outcome]) -> list[str]:
    """The name of each outcome's signal: its kind, and in brackets the sink if several receive that kind."""
    outcomes = list(outcomes)
    sinks = {outcome.kind: {one.sink for one in outcomes if one.kind == outcome.kind} for outcome in outcomes}
    return [f"{one.kind} ({one.sink})" if len(sinks[one.kind]) > 1 else one.kind for one in outcomes]


def with_short_repeats(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The outcomes, where a later kind of signal with the same error at the same sink only refers to the first."""
    first, shortened = dict[tuple[str | None, ...], str](), list[Outcome]()
    for outcome in outcomes:
        kind = first.setdefault((outcome.sink, outcome.status, outcome.error, outcome.reason), outcome.kind)
        repeats = outcome.error and outcome.reason and kind != outcome.kind
        shortened.append(outcome._replace(error=None, reason=f"the same error as {kind}") if repeats else outcome)
    return shortened


def report_status(outcomes: Iterable[Outcome], *, dry_run: bool, trouble: bool = False) -> ReportStatus:
    """The status of the whole run. `trouble` means a problem that belongs to no signal."""
    statuses = {outcome.status for outcome in outcomes}
    counted = statuses - {"skipped"}
    if dry_run:
        return "dry-run"
    if not counted:
        return "failed" if trouble and not statuses else "skipped"
    if counted <= {"sent", "duplicate"}:
        return "sent"
    return "partial" if counted & {"sent", "duplicate"} else "failed"


def exit_code(outcomes: Iterable[Outcome], *, strict: bool, dry_run: bool, trouble: bool = False) -> int:
    """0, or 1 for a strict run with any problem. A dry run fails only for invalid signals."""
    if not strict:
        return 0
    counted = {"invalid"} if dry_run else TROUBLE
    return int((trouble and not dry_run) or any(outcome.status in counted for outcome in outcomes))


MOST_REASONS = 5
"""Services that are shown with their reason; the rest are only counted."""
VERSION = 1
"""Version of the JSON document."""
_DCI = "https://api.distributed-ci.io/"


class Notice(NamedTuple):
    """A message that belongs to no signal. With an `error`, a strict run exits 1; with an `info` it does not."""

    weight: Literal["info", "error"]
    text: str
    error_id: str = ""
    """Of an error: one of `error_ids.NOTICE_IDS`."""


class Report(NamedTuple):
    """The result of one command."""

    context: Context | None
    changes: Changes | None = None
    outcomes: tuple[Outcome, ...] = ()
    notices: tuple[Notice, ...] = ()
    strict: bool = False
    dry_run: bool = False
    host_title: str = ""
    verb: str = "report"
    """The command, after which its files are named."""
    unknown_code: int = 0
    """Exit code if the changed services are unknown and the caller needs them."""
    least_code: int = 0
    """Exit code instead of 0 if the requested output could not be printed."""
    in_ci: bool = True
    """Whether there is a build that continues after a failed report."""

    @property
    def troubled(self) -> bool:
        """True if something other than a signal went wrong."""
        return any(notice.weight == "error" for notice in self.notices)

    @property
    def status(self) -> ReportStatus:
        """The status of the whole run."""
        return report_status(self.outcomes, dry_run=self.dry_run, trouble=self.troubled)

    @property
    def exit_code(self) -> int:
        """0, unless something went wrong and strict is set, or required services are unknown."""
        if self.unknown_code and (self.changes is None or self.changes.status == "unknown"):
            return self.unknown_code
        code = exit_code(self.outcomes, strict=self.strict, dry_run=self.dry_run, trouble=self.troubled)
        return code or self.least_code

    @property
    def asides(self) -> tuple[Notice, ...]:
        """The notices, except for the reason why the services are unknown, which is shown elsewhere."""
        unknown = self.changes.unknown if self.changes else None
        if unknown is None:
            return self.notices
        shown, why = str(unknown).lower(), f"{unknown.why.lower()}: "
        texts = [(each, each.text.lower()) for each in self.notices]
        return tuple(
            each for each, text in texts if not shown.startswith(_first_sentence(text)) and not text.startswith(why)
        )

    @property
    def reference_ids(self) -> tuple[str, ...]:
        """The ids of the deployments that were sent."""
        return tuple(
            outcome.reference_id
            for outcome in self.outcomes
            if outcome.kind == "deployment" and outcome.status in ("sent", "duplicate") and outcome.reference_id
        )

    @property
    def dci_job_id(self) -> str | None:
        """The id of the DCI job, if known."""
        job_ids = ((outcome.outputs or {}).get("dci_job_id") for outcome in self.outcomes)
        return next(filter(None, job_ids), None)

    @property
    def dci_job_page(self) -> str | None:
        """Its web page, which only the public server has."""
        is_public = any(outcome.request and outcome.request.url.startswith(_DCI) for outcome in self.outcomes)
        return (
            f"https://www.distributed-ci.io/jobs/{self.dci_job_id}/jobStates" if is_public and self.dci_job_id else None
        )

    def cleaned(self, clean: Callable[[str], str]) -> Self:
        """The report with every external text passed through `clean`, before anything is shortened."""
        outcomes = tuple(
            outcome._replace(
                reason=outcome.reason and clean(outcome.reason),
                error=outcome.error and clean(outcome.error),
                subject=clean(outcome.subject),
            )
            for outcome in self.outcomes
        )
        notices = tuple(notice._replace(text=clean(notice.text)) for notice in self.notices)
        context = self.context and _cleaned(self.context, clean)._replace(host=self.context.host)
        changes = self.changes and _cleaned(self.changes, clean)._replace(status=self.changes.status)
        return self._replace(outcomes=outcomes, notices=notices, context=context, changes=changes)

    def document(self) -> dict[str, Any]:
        """The JSON document; every key is always present."""
        return {
            "version": VERSION,
            "status": self.status,
            "context": self.context.document() if self.context else None,
            "changes": self.changes.document() if self.changes else None,
            "signals": [outcome.document() for outcome in self.outcomes],
            "notices": [{"weight": notice.weight, "text": notice.text} for notice in self.notices],
            **({"dci_job_id": self.dci_job_id} if self.verb == "dci" else {}),
        }


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """The value with every text in it passed through `clean`."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(name): _cleaned(part, clean) for name, part in value.items()}
    if isinstance(value, tuple):
        parts = [_cleaned(part, clean) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


Link: TypeAlias = tuple[str, str]
"""A label and its URL."""


class OutputFile(NamedTuple):
    """Text for one file."""

    path: str
    text: str
    append: bool = False


class CIOutput(NamedTuple):
    """Lines for the log (the CI system's own commands), and files."""

    lines: tuple[str, ...] = ()
    files: tuple[OutputFile, ...] = ()


class ReportTexts(NamedTuple):
    """Functions for the texts of a report that are the same on every CI system."""

    outputs: Callable[[Report, str], Mapping[str, str]]
    """From a report and the path of its JSON file to the outputs for later steps, by name."""
    summary: Callable[[Report, Iterable[Link]], str]
    """From a report and what to link in it to Markdown."""


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")
