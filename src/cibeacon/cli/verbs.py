"""What the verbs of a pipeline do and exit with. Does not know how their flags were read, or that click exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cibeacon import app
from cibeacon.cli.report_view import present
from cibeacon.reporting import text_report
from cibeacon.runtime.environment import World
from cibeacon.settings import settle

UNKNOWN = app.UNKNOWN


def report(world: World, told: Mapping[str, str]) -> int:
    """`cibeacon report` with the flags that were given."""
    settings = settle(told, world.environ, {})
    return present(world, settings, lambda: app.report(world, told, settings)).exit_code


def services(world: World, told: Mapping[str, str], paths: Sequence[str] | None = None) -> int:
    """`cibeacon services` with the flags that were given; `paths` are changed paths that another tool worked out."""
    settings = settle(told, world.environ, {})
    blank = app.unlooked(settings)
    return present(
        world, settings, lambda: app.changed_services(world, told, settings, paths), text_report.services, blank
    ).exit_code
