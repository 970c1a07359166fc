"""The record of one command: everything that was found, sent and noticed. The text, JSON and summary all come from it."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Self

from cibeacon.model import outcome
from cibeacon.model.changes import Changes
from cibeacon.model.context import Context
from cibeacon.model.outcome import Outcome

MOST_REASONS = 5
"""Services of a report that are shown with their reason; the rest is only counted."""
VERSION = 1
"""Version of the JSON document."""
_DCI = "https://api.distributed-ci.io/"


class Notice(NamedTuple):
    """Something to know that belongs to no signal. A `trouble` makes a strict run exit 1; a `remark` never does."""

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
    """What was asked for; the files that it leaves behind are named after it."""
    unknown_code: int = 0
    """Exit code where it is not known which services changed and the caller cannot do without."""
    least_code: int = 0
    """Exit code of a run that has no other than 0: where what was asked for is not printed."""

    @property
    def troubled(self) -> bool:
        """True when something outside the signals went wrong."""
        return any(notice.weight == "error" for notice in self.notices)

    @property
    def status(self) -> outcome.ReportStatus:
        """One word for the whole."""
        return outcome.report_status(self.outcomes, dry_run=self.dry_run, trouble=self.troubled)

    @property
    def exit_code(self) -> int:
        """0, unless strict and something went wrong, or the services had to be known."""
        if self.unknown_code and (self.changes is None or self.changes.status == "unknown"):
            return self.unknown_code
        code = outcome.exit_code(self.outcomes, strict=self.strict, dry_run=self.dry_run, trouble=self.troubled)
        return code or self.least_code

    @property
    def asides(self) -> tuple[Notice, ...]:
        """The notices that say more than why the services are unknown, for those who are told that already."""
        told = str(self.changes.unknown) if self.changes and self.changes.unknown else None
        return tuple(notice for notice in self.notices if notice.text != told)

    @property
    def reference_ids(self) -> tuple[str, ...]:
        """The ids under which deployments were announced."""
        told = [row for row in self.outcomes if row.kind == "deployment" and row.status in ("sent", "duplicate")]
        return tuple(row.reference_id for row in told if row.reference_id)

    @property
    def dci_job_id(self) -> str | None:
        """The job of DCI that this is, once it is known."""
        told = (row.outputs for row in self.outcomes if row.outputs)
        return next((outputs["dci_job_id"] for outputs in told if "dci_job_id" in outputs), None)

    @property
    def dci_job_page(self) -> str | None:
        """Its page for people, which only the public server has."""
        told = any(row.request and row.request.url.startswith(_DCI) for row in self.outcomes)
        return f"https://www.distributed-ci.io/jobs/{self.dci_job_id}/jobStates" if told and self.dci_job_id else None

    def cleaned(self, clean: Callable[[str], str]) -> Self:
        """The report with every text of others passed through `clean`, before anything is clipped."""
        outcomes = tuple(
            row._replace(
                reason=row.reason and clean(row.reason),
                error=row.error and clean(row.error),
                subject=clean(row.subject),
            )
            for row in self.outcomes
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
            "signals": [row.document() for row in self.outcomes],
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
