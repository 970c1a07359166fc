"""The report of one command: context, changes, outcomes, notices. Its text, JSON and summary all come from it."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Self

from cibeacon.model.changes import Changes
from cibeacon.model.context import Context
from cibeacon.model.outcome import Outcome, ReportStatus, exit_code, report_status

MOST_REASONS = 5
"""Services of a report that are shown with their reason; the rest is only counted."""
VERSION = 1
"""Version of the JSON document."""
_DCI = "https://api.distributed-ci.io/"


class Notice(NamedTuple):
    """Something to know that belongs to no signal. An `error` makes a strict run exit 1; an `info` never does."""

    weight: Literal["info", "error"]
    text: str


class Report(NamedTuple):
    """What one command found and did."""

    context: Context | None
    changes: Changes | None = None
    outcomes: tuple[Outcome, ...] = ()
    notices: tuple[Notice, ...] = ()
    strict: bool = False
    dry_run: bool = False
    host_title: str = ""
    verb: str = "report"
    """The command; the files that it leaves behind are named after it."""
    unknown_code: int = 0
    """Exit code where the changed services are unknown and the caller needs them."""
    least_code: int = 0
    """Exit code where it would be 0 and what was asked for could not be printed."""

    @property
    def troubled(self) -> bool:
        """True when something outside the signals went wrong."""
        return any(notice.weight == "error" for notice in self.notices)

    @property
    def status(self) -> ReportStatus:
        """The status of the whole run."""
        return report_status(self.outcomes, dry_run=self.dry_run, trouble=self.troubled)

    @property
    def exit_code(self) -> int:
        """0, unless strict and something went wrong, or the services had to be known."""
        if self.unknown_code and (self.changes is None or self.changes.status == "unknown"):
            return self.unknown_code
        code = exit_code(self.outcomes, strict=self.strict, dry_run=self.dry_run, trouble=self.troubled)
        return code or self.least_code

    @property
    def asides(self) -> tuple[Notice, ...]:
        """The notices beside the one that says why the services are unknown, which is shown elsewhere."""
        shown = str(self.changes.unknown) if self.changes and self.changes.unknown else None
        return tuple(notice for notice in self.notices if notice.text != shown)

    @property
    def reference_ids(self) -> tuple[str, ...]:
        """The ids under which deployments were announced."""
        return tuple(
            outcome.reference_id
            for outcome in self.outcomes
            if outcome.kind == "deployment" and outcome.status in ("sent", "duplicate") and outcome.reference_id
        )

    @property
    def dci_job_id(self) -> str | None:
        """The job of DCI that this is, once it is known."""
        job_ids = ((outcome.outputs or {}).get("dci_job_id") for outcome in self.outcomes)
        return next(filter(None, job_ids), None)

    @property
    def dci_job_page(self) -> str | None:
        """Its page for people, which only the public server has."""
        is_public = any(outcome.request and outcome.request.url.startswith(_DCI) for outcome in self.outcomes)
        return (
            f"https://www.distributed-ci.io/jobs/{self.dci_job_id}/jobStates" if is_public and self.dci_job_id else None
        )

    def cleaned(self, clean: Callable[[str], str]) -> Self:
        """The report with every text that came from outside passed through `clean`, before anything is clipped."""
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
