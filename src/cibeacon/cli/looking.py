"""Shows what a system answered: lines for people, or the JSON document and what a program makes of it. Knows no system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from cibeacon.call import Dialogue
from cibeacon.cli.filtered import show
from cibeacon.lookup import Answer, lookup
from cibeacon.process.budget import Budget
from cibeacon.process.world import World
from cibeacon.redact import Redactor
from cibeacon.sanitise import clipped
from cibeacon.settings import secret_values, settle
from cibeacon.sinks.dci_reading import Found

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
    answer = lookup(world, told, name, read, sink)
    redactor = Redactor(secret_values(world.environ))
    world.closing(answer.exit_code)
    unanswered = 0
    if settings.as_json:
        unanswered = show(answer.document(), settings, world, redactor, failed=answer.fault is not None)
    elif answer.outcome.word == "sent":
        world.out.write(redactor("".join(look(world, answer))))
    request = answer.outcome.request
    if answer.outcome.word == "rehearsed" and request:
        world.err.write(redactor(clipped(f"dry run: {request.method} {request.url}", _WIDTH)) + "\n")
    if answer.fault:
        world.err.write(clipped(redactor(f"✗ {answer.fault}"), _WIDTH) + "\n")
    return answer.exit_code or unanswered
