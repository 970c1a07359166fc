"""Queries the system behind a sink, for people and for scripts. Does not report or write anything."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cibeacon.ci.detect import is_ci_job
from cibeacon.delivery.sender import open_client
from cibeacon.model.error_ids import help_link
from cibeacon.model.report import Outcome
from cibeacon.model.request import Exchange
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.settings import Settings, load_settings
from cibeacon.signals import why_unsendable
from cibeacon.sinks.dci_query import SinkRows

ONE = ("identity", "job")
"""Queries whose result is one row."""


class QueryResult(NamedTuple):
    """The rows that a system returned, or why there are none."""

    name: str
    rows: tuple[Mapping[str, Any], ...]
    total: int | None
    """How many rows exist."""
    outcome: Outcome
    settings: Settings
    in_ci: bool

    @property
    def fault(self) -> str | None:
        """What went wrong, in sentences."""
        outcome = self.outcome
        if outcome.status in ("sent", "dry-run"):
            return None
        return ": ".join(part for part in (outcome.error, outcome.reason) if part)

    @property
    def help(self) -> str | None:
        """The page that explains the fault."""
        if not self.fault:
            return None
        return help_link(
            "setting-cannot-be-used" if self.outcome.status == "invalid" else self.outcome.error_id or "not-sent"
        )

    @property
    def exit_code(self) -> int:
        """1 for a fault outside CI or in a strict build."""
        return int(self.fault is not None and (not self.in_ci or self.settings.output.strict))

    def document(self) -> dict[str, Any]:
        """The JSON form; every key is always present."""
        status = {"sent": "ok", "dry-run": "dry-run"}.get(self.outcome.status, "failed")
        head = {"version": 1, "status": status, "error": self.fault, "help": self.help}
        if self.name in ONE:
            return {**head, self.name: self.rows[0] if self.rows else None}
        return {**head, "total": self.total, self.name: list(self.rows)}


def run_query(
    env: Environment, flags: Mapping[str, str], name: str, read: Callable[[SinkRows], Exchange], sink: str = "dci"
) -> QueryResult:
    """Runs one query: `name` is the key of its rows, `read` the exchange that collects them from `sink`."""
    settings = load_settings(flags, env.environ, {})
    outcome, rows = Outcome(kind=sink, sink=sink, status="invalid", subject=name), SinkRows()
    dry_run, known = bool(settings.core.dry_run), settings.endpoints
    if reason := why_unsendable(sink, settings, "core", sink, dry_run=dry_run, by_hand=True):
        outcome = outcome._replace(reason=reason)
    elif dry_run:
        outcome = next(read(rows)).preview(outcome, known[sink].base_url)
    else:
        deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
        with open_client(env, settings, known, deadline) as client:
            outcome = client.send(read(rows), outcome)
    total = len(rows.rows) if rows.total is None and outcome.status == "sent" else rows.total
    return QueryResult(name, tuple(rows.rows), total, outcome, settings, is_ci_job(env.environ, settings.core.host))
