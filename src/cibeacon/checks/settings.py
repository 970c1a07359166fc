"""Checks the settings alone: values, names of variables, dry run, sinks. Reads no file and opens no connection."""

from __future__ import annotations

import sys

from cibeacon import __version__
from cibeacon.checks import Answer, View, fail, ok, warn
from cibeacon.settings import GROUPS, SINK_GROUPS, all_options
from cibeacon.settings.options import misspelt

SECRETS = frozenset(option.name for group in all_options().values() for option in group if option.secret)


def version(view: View) -> Answer:
    """Which version this is, and the ref of the action in the workflow."""
    python = ".".join(map(str, sys.version_info[:3]))
    named = view.env.environ.get("GITHUB_ACTION_REF")
    return ok(f"cibeacon {__version__} on Python {python}{f', as the action at {named}' if named else ''}")


def values(view: View) -> Answer:
    """Whether every value is valid. Secrets and the configuration file have their own checks."""
    problems = [problem for problem in view.settings.problems if problem.option not in (*SECRETS, "config")]
    if not problems:
        given = sum(origin.given for origin in view.settings.origins.values())
        return ok(f"{given} {'setting is' if given == 1 else 'settings are'} set; every value is valid")
    more = ", ".join(problem.option for problem in problems[1:])
    message = problems[0].message + (f"; also {more}" if more else "")
    judge = warn if all(problem.group == "output" for problem in problems) else fail
    return judge(message, "Correct the value; docs/reference.md lists what each setting accepts.")


def names(view: View) -> Answer:
    """Whether a variable that begins with `CIBEACON_` is misspelled."""
    slips = list(misspelt(view.env.environ, view.settings.origins))
    if not slips:
        return ok("no variable is misspelled")
    slip, _, meant = slips[0].partition(". ")
    more = f" (and {len(slips) - 1} more)" if len(slips) > 1 else ""
    return warn(slip + more, f"{meant} Rename it.")


def dry_run(view: View) -> Answer:
    """Whether a report sends anything."""
    origin, value = view.settings.origins["dry_run"], view.settings.core.dry_run
    if value and view.context.ci:
        return warn("dry_run is set, so a report sends nothing", "Remove dry_run to send signals.", origin.source)
    if value:
        return ok("dry_run is set: a report shows what it would send", source=origin.source)
    if value is None and not view.context.ci:
        return ok("outside CI, cibeacon report is a dry run; use --no-dry-run to send")
    return ok("a report sends its signals", source=origin.source if origin.given else "")


def sinks(view: View) -> Answer:
    """Whether a sink is configured."""
    wanted = [view.targets[name].title for name in SINK_GROUPS if name in view.targets and view.targets[name].wanted]
    if wanted:
        return ok(f"configured: {', '.join(wanted)}")
    enabled_by = {name: view.settings.requirements(name) for name in SINK_GROUPS}
    enabled = [(GROUPS[name].__doc__, (*needs.wanted_by, *needs.required)[0]) for name, needs in enabled_by.items()]
    hint = f"Set one of these: {', '.join(f'{setting} for {title}' for title, setting in enabled)}."
    return warn("no system is configured, so a report sends nothing", hint)
