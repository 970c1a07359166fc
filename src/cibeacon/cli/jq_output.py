"""Prints the JSON document, or the result of the `--jq` program. Does not know any verb or document.

If the program fails, nothing is printed on stdout, because a script would take it for the result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.cli.output import answer, say
from cibeacon.runtime import Environment
from cibeacon.runtime.errors import SettingsError
from cibeacon.runtime.safe_text import Redactor, block, clipped, json_text
from cibeacon.settings import Settings

_WIDTH = 500


class Filtered(NamedTuple):
    """The text for stdout; without one, the reason."""

    text: str
    fault: str | None = None
    exit_code: int = 0
    """Exit code of the verb if it would otherwise be 0."""


def filtered(
    document: Any, settings: Settings, environ: Mapping[str, str], *, failed: bool, most: float = math.inf
) -> Filtered:
    """The text to print for a document without secrets. A program may take `most` seconds.

    If the verb `failed`, a result of only null counts as no result.
    """
    if not settings.given("jq"):
        return Filtered(f"{json_text(document, indent=2)}\n")
    try:
        results = _results(document, settings, environ, most)
    except (SettingsError, KeyboardInterrupt) as error:
        fault = f"jq was not applied: {str(error) or 'cibeacon was interrupted.'}"
    else:
        if not failed or any(result is not None for result in results) or not results:
            lines = (block(one) if isinstance(one, str) else json_text(one, compact=True) for one in results)
            return Filtered("".join(f"{line}\n" for line in lines))
        fault = "jq returned only null because the command failed; nothing is printed."
    from cibeacon.ci.detect import is_ci_job  # loads half of the host modules, which few of these verbs need

    return Filtered("", fault, int(settings.output.strict or not is_ci_job(environ, settings.core.host)))


def show(document: Any, settings: Settings, env: Environment, clean: Redactor, *, failed: bool) -> int:
    """Prints a document, or a warning if there is nothing to print. Returns the verb's exit code if it has no other."""
    result = filtered(clean.within(document), settings, env.environ, failed=failed)
    code = answer(env, settings, clean(result.text) if settings.given("jq") else result.text, result.exit_code)
    if result.fault:
        say(env, f"{clipped(clean(f'warning: {result.fault}'), _WIDTH)}\n", to_stderr=True)
    return code


def _results(document: Any, settings: Settings, environ: Mapping[str, str], most: float) -> list[Any]:
    """All results of the program. Raises `SettingsError`."""
    program = settings.output.jq
    if program is None:
        raise SettingsError("", next(problem.message for problem in settings.problems if problem.option == "jq"), "")
    from cibeacon.jq import jq_filter  # takes 5 ms to import

    return jq_filter.run(program, document, seconds=min(jq_filter.SECONDS, most), environ=environ)
