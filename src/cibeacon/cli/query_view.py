"""Shows what a system answered: lines for people, or the JSON document and what a program makes of it. Knows no system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from cibeacon.cli.jq_output import show
from cibeacon.cli.output import answer, say
from cibeacon.model.request import Exchange
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.redact import Redactor
from cibeacon.runtime.sanitize import clipped
from cibeacon.settings import load_settings, secret_values
from cibeacon.sink_query import Answer, lookup
from cibeacon.sinks.dci_query import Found

_GRACE = 1.0
_WIDTH = 500
Look: TypeAlias = Callable[[Environment, Answer], Iterator[str]]


def shown(
    env: Environment,
    told: Mapping[str, str],
    name: str,
    read: Callable[[Found], Exchange],
    look: Look,
    sink: str = "dci",
) -> int:
    """Asks a system, prints the answer, and returns the exit code; `name` is that of the rows."""
    settings = load_settings(told, env.environ, {})
    deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
    env.alarm(deadline.remaining() + _GRACE, 1)
    found = lookup(env, told, name, read, sink)
    redactor = Redactor(secret_values(env.environ))
    env.closing(found.exit_code)
    unanswered = 0
    if settings.as_json:
        unanswered = show(found.document(), settings, env, redactor, failed=found.fault is not None)
    elif found.outcome.status == "sent":
        unanswered = answer(env, settings, redactor("".join(look(env, found))))
    request = found.outcome.request
    if found.outcome.status == "dry-run" and request:
        say(env, redactor(clipped(f"dry run: {request.method} {request.url}", _WIDTH)) + "\n", to_stderr=True)
    if found.fault:
        say(env, clipped(redactor(f"✗ {found.fault}"), _WIDTH) + "\n", to_stderr=True)
    return found.exit_code or unanswered
