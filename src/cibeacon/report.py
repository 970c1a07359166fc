"""The record of one command: everything that was found, sent and noticed. The text, JSON and summary all come from it."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Self

from cibeacon import outcome
from cibeacon.changes import Changes
from cibeacon.context import Context
from cibeacon.outcome import Outcome

VERSION = 1
"""Version of the JSON document."""


class Notice(NamedTuple):
    """Something to know that belongs to no signal. A `trouble` makes a strict run exit 1; a `remark` never does."""

    weight: Literal["remark", "trouble"]
    text: str


class Report(NamedTuple):
    """What one command found and did."""

    context: Context | None
    changes: Changes | None = None
    outcomes: tuple[Outcome, ...] = ()
    notices: tuple[Notice, ...] = ()
    strict: bool = False
    rehearsed: bool = False
    host_title: str = ""

    @property
    def troubled(self) -> bool:
        """True when something outside the signals went wrong."""
        return any(notice.weight == "trouble" for notice in self.notices)

    @property
    def status(self) -> outcome.Status:
        """One word for the whole."""
        return outcome.status(self.outcomes, rehearsed=self.rehearsed, trouble=self.troubled)

    @property
    def exit_code(self) -> int:
        """0, unless strict and something went wrong."""
        return outcome.exit_code(self.outcomes, strict=self.strict, rehearsed=self.rehearsed, trouble=self.troubled)

    @property
    def reference_ids(self) -> tuple[str, ...]:
        """The ids under which deployments were announced."""
        told = [row for row in self.outcomes if row.kind == "deployment" and row.word in ("sent", "duplicate")]
        return tuple(row.reference_id for row in told if row.reference_id)

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
        return self._replace(outcomes=outcomes, notices=notices)

    def document(self) -> dict[str, Any]:
        """The JSON document; every key is always present."""
        return {
            "version": VERSION,
            "status": self.status,
            "context": self.context.document() if self.context else None,
            "changes": self.changes.document() if self.changes else None,
            "signals": [row.document() for row in self.outcomes],
            "notices": [{"weight": notice.weight, "text": notice.text} for notice in self.notices],
        }
