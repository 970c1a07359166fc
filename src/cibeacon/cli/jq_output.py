"""The JSON document, or what the program of `--jq` makes of it. Knows no verb, and no document.

A script takes what stands on stdout for its answer, so there is none where the program fails.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.cli.output import answer, say
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import SettingsError
from cibeacon.runtime.redact import Redactor
from cibeacon.runtime.sanitize import block, clipped, json_text
from cibeacon.settings import Settings

_WIDTH = 500


class Filtered(NamedTuple):
    """What stdout gets: lines, or nothing and the reason."""

    text: str
    fault: str | None = None
    exit_code: int = 0
    """What the verb exits with if it has no other code than 0."""


def filtered(
    document: Any, settings: Settings, environ: Mapping[str, str], *, failed: bool, most: float = math.inf
) -> Filtered:
    """What is printed of a document, which must be free of secrets; `most` is how many seconds a program may take.

    Where the verb `failed`, null is no answer.
    """
    if not settings.given("jq"):
        return Filtered(f"{json_text(document, indent=2)}\n")
    try:
        results = _results(document, settings, environ, most)
    except (SettingsError, KeyboardInterrupt) as error:
        fault = f"jq was not applied: {str(error) or 'it was interrupted.'}"
    else:
        if not (failed and results and all(each is None for each in results)):
            lines = (block(each) if isinstance(each, str) else json_text(each, compact=True) for each in results)
            return Filtered("".join(f"{line}\n" for line in lines))
        fault = "jq found only null, since the command failed: nothing is printed."
    from cibeacon.ci.detect import is_ci_job  # half of the host modules, which few of these verbs need

    return Filtered("", fault, int(settings.output.strict or not is_ci_job(environ, settings.core.host)))


def show(document: Any, settings: Settings, env: Environment, clean: Redactor, *, failed: bool) -> int:
    """Prints what there is to print, and a warning for what is not; the exit code of a verb that has no other than 0."""
    found = filtered(clean.within(document), settings, env.environ, failed=failed)
    code = answer(env, settings, clean(found.text) if settings.given("jq") else found.text, found.exit_code)
    if found.fault:
        say(env, f"{clipped(clean(f'warning: {found.fault}'), _WIDTH)}\n", to_stderr=True)
    return code


def _results(document: Any, settings: Settings, environ: Mapping[str, str], most: float) -> list[Any]:
    """Every result of the program. Raises `SettingsError`."""
    program = settings.output.jq
    if program is None:
        raise SettingsError("", next(each.message for each in settings.problems if each.option == "jq"), "")
    from cibeacon.jq import jq_filter  # 5 ms that only a program costs

    return jq_filter.run(program, document, seconds=min(jq_filter.SECONDS, most), environ=environ)
