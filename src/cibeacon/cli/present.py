"""Shows a report: text or JSON on stdout, the host's own words, the files. The only place that prints and writes.

Every word goes through the redactor on its way out. What cannot be written is said and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cibeacon import logtext
from cibeacon.app import broken
from cibeacon.hosts import github, github_speech, gitlab, gitlab_speech
from cibeacon.options import Origin
from cibeacon.redact import Redactor
from cibeacon.report import Report
from cibeacon.sanitise import clipped, json_text
from cibeacon.settings import secret_values, settle
from cibeacon.speech import Speech, Writing
from cibeacon.survey import Survey
from cibeacon.world import World

Lines = Callable[[Report], tuple[str, ...]]
Work = Callable[[], tuple[Report, Survey]]


def present(world: World, flags: Mapping[str, str], work: Work, lines: Lines = logtext.lines) -> Report:
    """Does the work of a verb behind the firebreak, shows what came of it, and returns it."""
    redactor = Redactor(secret_values(world.environ))
    if world.stage == "main":
        for writing in github_speech.state({"started_at": str(world.began)}, world.environ, world.token):
            _write(world, redactor, writing)  # before anything is sent: what comes later may be interrupted
    origins: Mapping[str, Origin] = {}
    try:
        report, found = work()
        origins = found.settings.origins if found.settings.output.verbose else {}
    except Exception as error:
        report = broken(error, world, flags)
    report = report.cleaned(redactor)
    as_json = settle(flags, world.environ, {}).output.format == "json"
    speech = _speech(report, world)
    text = [*logtext.origins(origins), *lines(report), *speech.lines]
    _print(world, redactor, text, to_stderr=as_json)
    if as_json:
        world.out.write(redactor(json_text(report.document(), indent=2)) + "\n")
    for writing in speech.writings:
        _write(world, redactor, writing)
    return report


def _speech(report: Report, world: World) -> Speech:
    """What the host wants said where; a report without a context speaks to the host that the environment shows."""
    name = report.context.host if report.context else None
    if name == github.NAME or (name is None and github.here(world.environ)):
        return github_speech.speak(report, world.environ, world.token)
    if name == gitlab.NAME or (name is None and gitlab.here(world.environ)):
        return gitlab_speech.speak(report, world.environ, world.stage)
    return Speech()


def _print(world: World, redactor: Redactor, lines: list[str], *, to_stderr: bool) -> None:
    stream = world.err if to_stderr else world.out
    try:
        stream.write(redactor("".join(f"{line}\n" for line in lines)))
        stream.flush()
    except BrokenPipeError:
        return


def _write(world: World, redactor: Redactor, writing: Writing) -> None:
    path = Path(writing.path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if writing.append else "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(redactor(writing.text))
    except OSError as error:
        _print(world, redactor, [clipped(f"! {path.name} was not written: {error}", 300)], to_stderr=True)
