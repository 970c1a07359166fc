"""Asks a system what it has, for people who look and for scripts. Tells nothing, and writes nothing."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cibeacon.ci.detect import is_ci_job
from cibeacon.delivery.deliver import hired, preview
from cibeacon.model.outcome import Outcome
from cibeacon.model.request import Exchange
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.settings import Settings, load_settings
from cibeacon.signals.requirements import unreachable
from cibeacon.sinks.dci_query import SinkRows

ONE = ("identity", "job")
"""Questions that have one row for an answer."""


class Answer(NamedTuple):
    """What a system answered: rows of a list, or why there are none."""

    name: str
    rows: tuple[Mapping[str, Any], ...]
    total: int | None
    """How many there are."""
    outcome: Outcome
    settings: Settings
    in_ci: bool

    @property
    def fault(self) -> str | None:
        """What went wrong, as a paragraph."""
        row = self.outcome
        return ": ".join(part for part in (row.error, row.reason) if part) if row.status not in _FINE else None

    @property
    def exit_code(self) -> int:
        """1 where it went wrong and that matters: to a person, and to a build that says so."""
        return int(self.fault is not None and (not self.in_ci or self.settings.output.strict))

    def document(self) -> dict[str, Any]:
        """The JSON form; every key is always present."""
        status = {"sent": "ok", "dry-run": "dry-run"}.get(self.outcome.status, "failed")
        head = {"version": 1, "status": status, "error": self.fault}
        if self.name in ONE:
            return {**head, self.name: self.rows[0] if self.rows else None}
        return {**head, "total": self.total, self.name: list(self.rows)}


_FINE = ("sent", "dry-run")


def lookup(
    env: Environment, flags: Mapping[str, str], name: str, read: Callable[[SinkRows], Exchange], sink: str = "dci"
) -> Answer:
    """The answer to one question; `name` is that of the rows, `read` the dialogue that finds them at `sink`."""
    settings = load_settings(flags, env.environ, {})
    row = Outcome(kind=sink, sink=sink, status="invalid", subject=name)
    found = SinkRows()
    dry_run = bool(settings.core.dry_run)
    fault = _fault(settings, sink, dry_run=dry_run)
    if fault:
        row = row._replace(reason=f"{fault}.")
    elif dry_run:
        row = preview(settings).send(read(found), row)
    else:
        deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
        with hired(env, settings, deadline, (sink,)) as client:
            row = client.send(read(found), row)
    total = len(found.rows) if found.total is None and row.status == "sent" else found.total
    return Answer(name, tuple(found.rows), total, row, settings, is_ci_job(env.environ, settings.core.host))


def _fault(settings: Settings, sink: str, *, dry_run: bool) -> str | None:
    """Why nobody can be asked; a value that cannot be used would have to be guessed."""
    bad = next((problem.message for problem in settings.problems if problem.group in ("core", sink)), None)
    return bad or (None if dry_run else unreachable(sink, settings))
