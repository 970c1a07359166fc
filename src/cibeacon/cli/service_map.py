"""`cibeacon services list`, `which` and `check`: the service map itself. They exit 2 where it cannot be used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.jq_output import show
from cibeacon.cli.output import GRACE, answer, say
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import OutOfTime, interruption
from cibeacon.runtime.interrupt_guard import interruptible
from cibeacon.runtime.redact import Redactor
from cibeacon.runtime.sanitize import clipped
from cibeacon.service_lint import Inspection, Located, inspected
from cibeacon.services.lint import Which
from cibeacon.settings import load_settings, secret_values

FAULTY = 2
"""Exit code for a map that must be mended."""
_WIDTH = 400
_TAKEN = ("config", "format", "jq", "services", "timeout")


@click.command("list")
@flags("core", "output", "change", only=_TAKEN)
@click.pass_obj
def list_services(env: Environment, /, **arguments: str | bool | None) -> int:
    """Show every service with its folders and the rule that makes it one."""
    found = _inspected(env, given(arguments))
    document = {"services": [each.document() for each in found.services]}
    widths = [max((len(text) for text in column), default=0) for column in _columns(found)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in _rows(found)]
    return _shown(env, given(arguments), found, document, lines or ["No service is found."])


@click.command("which")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@flags("core", "output", "change", only=_TAKEN)
@click.pass_obj
def which_service(env: Environment, /, paths: tuple[str, ...], **arguments: str | bool | None) -> int:
    """Show which service owns each path, by which rule, and who else watches it."""
    found = _inspected(env, given(arguments))
    answers = [found.which(_from_the_top(env, found, path)) for path in paths]
    lines = [f"{answer.path}  {_words(answer)}" for answer in answers]
    return _shown(env, given(arguments), found, {"paths": [each.document() for each in answers]}, lines)


@click.command("check")
@flags("core", "output", "change", only=_TAKEN)
@click.pass_obj
def check_map(env: Environment, /, **arguments: str | bool | None) -> int:
    """List every fault of the configuration file with its line, and what in it leads nowhere in the repository."""
    found = _inspected(env, given(arguments), against_files=True)
    counts = ", ".join((_counted(len(found.services), "service"), _counted(len(found.findings), "finding")))
    good = f"{found.name or 'No configuration file'}: {counts}"
    document = {"services": len(found.services), "findings": [each.document() for each in found.findings]}
    lines = [str(each) for each in found.findings]
    return _shown(env, given(arguments), found._replace(findings=()), document, [*lines, good], faulty=found.faulty)


def _inspected(env: Environment, told: Mapping[str, str], *, against_files: bool = False) -> Inspection:
    """The map; where it cannot be read in time, a finding that says so."""
    env.alarm(load_settings(told, env.environ, {}).core.timeout + GRACE, FAULTY)
    try:
        with interruptible():
            return inspected(env, told, against_files=against_files)
    except OutOfTime as stop:
        hint = "Give a larger timeout, or write a smaller map."
        text = f"The service map could not be read: {interruption(stop)}. {hint}"
        return Inspection("", env.cwd, findings=(Located("", 0, "fault", text),))


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _columns(found: Inspection) -> Iterable[tuple[str, ...]]:
    return zip(*_rows(found), strict=True)


def _rows(found: Inspection) -> list[tuple[str, str, str, str]]:
    return [
        (each.name, " ".join(each.roots) or "-", each.rule, f"uses: {', '.join(each.uses)}" if each.uses else "")
        for each in found.services
    ]


def _words(answer: Which) -> str:
    if answer.ignored:
        return "ignored"
    rule = f" ({answer.rule})" if answer.rule else ""
    owner = (", ".join(answer.owners) or "no service's") + rule
    watchers = f"; watched by {', '.join(answer.watchers)}" if answer.watchers else ""
    return f"{owner}{watchers}{'; global: it changes every service' if answer.everywhere else ''}"


def _from_the_top(env: Environment, found: Inspection, path: str) -> str:
    """The path as git has it. A folder keeps its slash, and stands for what is in it."""
    whole = os.path.normpath(env.cwd / path)
    relative = os.path.relpath(whole, found.root).replace(os.sep, "/")
    return f"{relative}/" if path.endswith("/") or os.path.isdir(whole) else relative  # noqa: PTH112 - any text


def _shown(
    env: Environment,
    told: Mapping[str, str],
    found: Inspection,
    document: Mapping[str, Any],
    lines: list[str],
    *,
    faulty: bool = False,
) -> int:
    """Prints an answer and returns the exit code. A fault of the map is an answer, too."""
    redactor = Redactor(secret_values(env.environ))
    faults = any(each.weight == "fault" for each in found.findings)
    lines = [] if faults and found.service_map is None else lines  # no answer is better than a wrong one
    settings = load_settings(told, env.environ, {})
    faulty = faulty or faults
    said, findings = (
        "".join(f"{clipped(redactor(line.rstrip()), _WIDTH)}\n" for line in each)
        for each in (lines, map(str, found.findings))
    )
    if settings.as_json:
        unanswered = show({"version": 1, **document}, settings, env, redactor, failed=faulty)
    else:
        unanswered = answer(env, settings, said)
    say(env, findings, to_stderr=True)
    return FAULTY if faulty else unanswered
