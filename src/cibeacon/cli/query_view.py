"""Shows the result of a query: text, or the JSON document and what a jq program makes of it. Does not know any sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from cibeacon.cli.jq_output import show
from cibeacon.cli.output import answer, say
from cibeacon.model.request import Exchange
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.safe_text import Redactor, clipped
from cibeacon.settings import load_settings, secret_values
from cibeacon.sink_query import QueryResult, run_query
from cibeacon.sinks.dci_query import SinkRows

_GRACE = 1.0
_WIDTH = 500
QueryLines: TypeAlias = Callable[[Environment, QueryResult], Iterator[str]]
"""The text for people: parts that end with a line break."""


def show_query(
    env: Environment,
    flags: Mapping[str, str],
    name: str,
    read: Callable[[SinkRows], Exchange],
    lines: QueryLines,
    sink: str = "dci",
) -> int:
    """Queries a sink, prints the result and returns the exit code; `name` is the key of the rows in the document."""
    settings, clean = load_settings(flags, env.environ, {}), Redactor(secret_values(env.environ))
    env.alarm(Deadline(settings.core.timeout, env.clock, env.sleep, env.started).remaining() + _GRACE, 1)
    result = run_query(env, flags, name, read, sink)
    env.closing(result.exit_code)
    status, request = result.outcome.status, result.outcome.request
    code = 0
    if settings.as_json:
        code = show(result.document(), settings, env, clean, failed=result.fault is not None)
    elif status == "sent":
        code = answer(env, settings, clean("".join(lines(env, result))))
    if status == "dry-run" and request:
        say(env, f"{clean(clipped(f'dry run: {request.method} {request.url}', _WIDTH))}\n", to_stderr=True)
    if result.fault:
        text = clipped(clean(f"✗ {result.fault}"), _WIDTH)
        say(env, f"{text}\n  {result.help}\n", to_stderr=True)
    return result.exit_code or code
