"""Shows what a system answered: lines for people, or the JSON document and what a program makes of it. Knows no system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from cibeacon.cli.jq_output import show
from cibeacon.cli.output import answer, say
from cibeacon.model.request import Dialogue
from cibeacon.runtime.deadline import Budget
from cibeacon.runtime.environment import World
from cibeacon.runtime.redact import Redactor
from cibeacon.runtime.sanitize import clipped
from cibeacon.settings import secret_values, settle
from cibeacon.sink_query import Answer, lookup
from cibeacon.sinks.dci_query import Found

_GRACE = 1.0
_WIDTH = 500
Look: TypeAlias = Callable[[World, Answer], Iterator[str]]


def shown(
    world: World,
    told: Mapping[str, str],
    name: str,
    read: Callable[[Found], Dialogue],
    look: Look,
    sink: str = "dci",
) -> int:
    """Asks a system, prints the answer, and returns the exit code; `name` is that of the rows."""
    settings = settle(told, world.environ, {})
    budget = Budget(settings.core.timeout, world.clock, world.sleep, world.started)
    world.alarm(budget.remaining() + _GRACE, 1)
    found = lookup(world, told, name, read, sink)
    redactor = Redactor(secret_values(world.environ))
    world.closing(found.exit_code)
    unanswered = 0
    if settings.as_json:
        unanswered = show(found.document(), settings, world, redactor, failed=found.fault is not None)
    elif found.outcome.word == "sent":
        unanswered = answer(world, settings, redactor("".join(look(world, found))))
    request = found.outcome.request
    if found.outcome.word == "rehearsed" and request:
        say(world, redactor(clipped(f"dry run: {request.method} {request.url}", _WIDTH)) + "\n", to_stderr=True)
    if found.fault:
        say(world, clipped(redactor(f"✗ {found.fault}"), _WIDTH) + "\n", to_stderr=True)
    return found.exit_code or unanswered
