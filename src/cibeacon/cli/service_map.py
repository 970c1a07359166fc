"""`cibeacon services list`, `which` and `check`: show and check the service map. They exit 2 if it is not valid."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.help_page import verb
from cibeacon.cli.jq_output import show
from cibeacon.cli.output import GRACE, answer, say
from cibeacon.cli.tables import align, counted
from cibeacon.runtime import Environment
from cibeacon.runtime.errors import OutOfTime, interruption
from cibeacon.runtime.safe_text import Redactor, clipped
from cibeacon.runtime.shutdown import interruptible
from cibeacon.service_lint import Inspection, Located, inspect_map
from cibeacon.services.lint import Listed, Which
from cibeacon.settings import load_settings, secret_values

FAULTY = 2
"""Exit code for a map that must be corrected."""
_WIDTH = 400
_FLAGS = ("config", "format", "jq", "services", "timeout")


@verb("list", examples=("cibeacon services list", "cibeacon services list --services 'apps/{service}/' --format json"))
@flags("core", "output", "change", only=_FLAGS)
@click.pass_obj
def list_services(env: Environment, /, **arguments: str | bool | None) -> int:
    """List all services with their folders and the rule that found each."""
    inspection = inspect(env, given(arguments))
    document = {"services": [service.document() for service in inspection.services]}
    lines = service_lines(inspection.services) or ["No services found."]
    return _show(env, given(arguments), inspection, document, lines)


def service_lines(services: Iterable[Listed]) -> list[str]:
    """A line for each service: its folders, the rule that found it, and the services it uses."""
    rows = [
        (
            service.name,
            " ".join(service.roots) or _patterns(service),
            service.rule,
            service.uses and f"uses: {', '.join(service.uses)}",
        )
        for service in services
    ]
    return align([[cell or "" for cell in row] for row in rows])


def _patterns(service: Listed) -> str:
    """The patterns of a service without a folder of its own."""
    patterns = ["** (the whole repository)" if text == "**" else text for text in service.patterns]
    return " ".join(patterns) or "-"


@verb("which", examples=("cibeacon services which go.mod", "cibeacon services which apps/web/index.ts libs/ui/"))
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@flags("core", "output", "change", only=_FLAGS)
@click.pass_obj
def which_service(env: Environment, /, paths: tuple[str, ...], **arguments: str | bool | None) -> int:
    """Show which service owns each PATH, by which rule, and which other services watch it."""
    inspection = inspect(env, given(arguments))
    owners = [inspection.which(_from_the_top(env, inspection, path)) for path in paths]
    lines = align([[which.path, _describe(which)] for which in owners])
    return _show(env, given(arguments), inspection, {"paths": [which.document() for which in owners]}, lines)


@verb("check", examples=("cibeacon services check", "cibeacon services check --config ci/services.yml"))
@flags("core", "output", "change", only=_FLAGS)
@click.pass_obj
def check_map(env: Environment, /, **arguments: str | bool | None) -> int:
    """List every problem in the configuration file with its line, and every pattern in it that matches nothing.

    Exits 2 if something must be corrected.
    """
    inspection = inspect(env, given(arguments), against_files=True)
    services, findings = inspection.services, inspection.findings
    summary = f"{counted(len(services), 'service')}, {counted(len(findings), 'problem')}"
    document = {"services": len(services), "findings": [finding.document() for finding in findings]}
    lines = [*map(str, findings), f"{inspection.name or 'No configuration file'}: {summary}"]
    shown = inspection._replace(findings=())
    return _show(env, given(arguments), shown, document, lines, faulty=inspection.faulty)


def inspect(env: Environment, flags: Mapping[str, str], **more: Any) -> Inspection:
    """The inspected map; if it cannot be read in time, an inspection with that finding."""
    env.alarm(load_settings(flags, env.environ, {}).core.timeout + GRACE, FAULTY)
    try:
        with interruptible():
            return inspect_map(env, flags, **more)
    except OutOfTime as stop:
        hint = "Set a larger timeout, or simplify the map."
        text = f"The service map could not be read: {interruption(stop)}. {hint}"
        return Inspection("", env.cwd, findings=(Located("", 0, "fault", text),))


def _describe(which: Which) -> str:
    if which.ignored:
        return "ignored"
    rule = f" ({which.rule})" if which.rule else ""
    owner = (", ".join(which.owners) or "no service") + rule
    watchers = f"; watched by {', '.join(which.watchers)}" if which.watchers else ""
    return f"{owner}{watchers}{'; global: changes every service' if which.everywhere else ''}"


def _from_the_top(env: Environment, inspection: Inspection, path: str) -> str:
    """The path as in git. A folder keeps its slash and means its content."""
    absolute = os.path.normpath(env.cwd / path)
    relative = os.path.relpath(absolute, inspection.root).replace(os.sep, "/")
    return f"{relative}/" if path.endswith("/") or os.path.isdir(absolute) else relative  # noqa: PTH112 - any text


def _show(
    env: Environment,
    flags: Mapping[str, str],
    inspection: Inspection,
    document: Mapping[str, Any],
    lines: list[str],
    *,
    faulty: bool = False,
) -> int:
    """Prints the result and returns the exit code. A fault of the map is a result, too."""
    clean, settings = Redactor(secret_values(env.environ)), load_settings(flags, env.environ, {})
    lines = (
        [] if inspection.faulty and inspection.service_map is None else lines
    )  # no result is better than a wrong one
    faulty = faulty or inspection.faulty
    text, findings = (
        "".join(f"{clipped(clean(line.rstrip()), _WIDTH)}\n" for line in part)
        for part in (lines, map(str, inspection.findings))
    )
    versioned = {"version": 1, **document}
    code = show(versioned, settings, env, clean, failed=faulty) if settings.as_json else answer(env, settings, text)
    say(env, findings, to_stderr=True)
    return FAULTY if faulty else code
