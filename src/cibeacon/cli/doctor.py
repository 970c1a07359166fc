"""`cibeacon doctor`: shows each problem of the setup and how to fix it. Exits 1 if something cannot work."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from cibeacon.checks import CheckResult
from cibeacon.checks.table import IDS, matching
from cibeacon.cli.flags import flags, given
from cibeacon.cli.help_page import verb
from cibeacon.cli.jq_output import show
from cibeacon.cli.output import GRACE, answer
from cibeacon.doctor import SECONDS, Diagnosis, diagnose
from cibeacon.model.error_ids import check_link
from cibeacon.runtime import Environment
from cibeacon.runtime.safe_text import Redactor, clipped
from cibeacon.settings import SINK_GROUPS, all_options, secret_values

_WIDTH = 400
_SETTING = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
"""A setting's name in a sentence, with an underscore: others are also words of English."""
_SIGNS = {"ok": "✓", "warn": "!", "fail": "✗", "not-checked": "–"}
_WORDS = {"ok": "ok", "warn": "with a warning", "fail": "failed", "not-checked": "not checked"}


_COMMON = (
    "dx_url",
    "services",
    "deploy_services",
    "dci_topic",
    "config",
    "host",
    "timeout",
    "strict",
    "format",
    "verbose",
)


@verb("doctor", examples=("cibeacon doctor --offline", "cibeacon doctor --only dx --only settings"), common=_COMMON)
@click.option(
    "--only", multiple=True, metavar="ID", help="Run only this check, or all whose id starts with ID. Repeatable."
)
@click.option(
    "--skip", multiple=True, metavar="ID", help="Skip this check, or all whose id starts with ID. Repeatable."
)
@click.option("--offline", is_flag=True, help="Do not connect to any server.")
@flags("core", "output", "change", "deploy", "run", "forge", *SINK_GROUPS, "dataops")
@click.pass_obj
def command(env: Environment, /, only: tuple[str, ...], skip: tuple[str, ...], offline: bool, **arguments: Any) -> int:
    """Check what a report needs: settings, CI system, checkout, service map, spool, network and credentials.

    Takes the flags of `cibeacon report` and `cibeacon dataops`. Sends and changes nothing. Prints each problem and how to
    fix it; with --verbose also the checks that passed. Exits 1 if something cannot work, with --strict also for a warning.
    """
    wanted, skipped = _ids(only) if only else set(IDS), _ids(skip)
    clean = Redactor(secret_values(env.environ))
    env.alarm(SECONDS + GRACE, 1)
    diagnosis = diagnose(env, given(arguments), wanted - skipped, skipped, offline=offline)
    code = diagnosis.exit_code
    env.closing(code)
    if diagnosis.settings.as_json:
        return show(diagnosis.document(), diagnosis.settings, env, clean, failed=code > 0) or code
    lines = _lines(diagnosis, env.environ)
    text = "".join(f"{clipped(clean(line), _WIDTH)}\n" for line in lines)
    return answer(env, diagnosis.settings, text, code) or code


def _ids(names: tuple[str, ...]) -> set[str]:
    """The ids that these names stand for. Raises `UsageError` for an unknown name."""
    ids, unknown = matching(name.strip() for text in names for name in text.split(",") if name.strip())
    if unknown:
        raise click.UsageError(f"There is no check {unknown[0]!r}. The checks are {', '.join(IDS)}.")
    return ids


def _lines(diagnosis: Diagnosis, environ: Mapping[str, str]) -> Iterator[str]:
    """The number of checks in each state, then the problems, or with `verbose` all results."""
    counts = diagnosis.counts
    more = " (--verbose shows all)" if counts["not-checked"] and not diagnosis.settings.output.verbose else ""
    summary = ", ".join(f"{count} {_WORDS[state]}" for state, count in counts.items() if count)
    yield f"{summary or 'nothing was checked'}{more}"
    for result in diagnosis.results:
        if result.state in ("warn", "fail") or diagnosis.settings.output.verbose:
            yield from _finding(result)
    yield from _how_to_set(diagnosis.results, environ)


def _how_to_set(results: Iterable[CheckResult], environ: Mapping[str, str]) -> Iterator[str]:
    """How to set the first setting that a problem names, unless the problem says it."""
    options = {option.name: option for group in all_options().values() for option in group}
    texts = (f"{result.message} {result.hint}" for result in results if result.state in ("warn", "fail"))
    named = ((options[word], text) for text in texts for word in _SETTING.findall(text) if word in options)
    for option, text in named:
        variable = option.also[0] if option.also else option.variable
        if variable not in text:
            in_action = option.input_variable in environ  # the runner passes every input, empty ones too
            yield f"To set {option.name}, use the {'input' if in_action else 'variable'} {option.name if in_action else variable}."
            return


def _finding(result: CheckResult) -> Iterator[str]:
    source = f" ({result.source})" if result.source else ""
    yield f"{_SIGNS[result.state]} {result.id}: {result.message}{source}"
    if result.hint:
        yield f"  {result.hint}"
    if result.state in ("warn", "fail"):
        yield f"  {check_link(result.id)}"
