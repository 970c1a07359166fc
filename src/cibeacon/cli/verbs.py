"""What the verbs of a pipeline do and exit with. Does not know how their flags were read, or that click exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cibeacon import app
from cibeacon.cli.report_view import present
from cibeacon.reporting import text_report
from cibeacon.runtime.environment import Environment
from cibeacon.settings import load_settings

UNKNOWN = app.UNKNOWN


def report(env: Environment, told: Mapping[str, str]) -> int:
    """`cibeacon report` with the flags that were given."""
    settings = load_settings(told, env.environ, {})
    return present(env, settings, lambda: app.report(env, told, settings)).exit_code


def services(env: Environment, told: Mapping[str, str], paths: Sequence[str] | None = None) -> int:
    """`cibeacon services` with the flags that were given; `paths` are changed paths that another tool worked out."""
    settings = load_settings(told, env.environ, {})
    blank = app.unlooked(settings)
    return present(
        env, settings, lambda: app.changed_services(env, told, settings, paths), text_report.services, blank
    ).exit_code
