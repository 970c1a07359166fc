"""Shows a report: text or JSON on stdout, the host's own words, the files. The only place that prints and writes.

Every word goes through the redactor on its way out. What cannot be written is said and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cibeacon import logtext
from cibeacon.app import broken, stopped
from cibeacon.budget import Budget
from cibeacon.errors import SettingsError
from cibeacon.hosts import github, github_speech, gitlab, gitlab_speech
from cibeacon.options import Origin
from cibeacon.redact import Redactor
from cibeacon.report import Notice, Report
from cibeacon.sanitise import block, clipped, json_text
from cibeacon.settings import Settings, secret_values, settle
from cibeacon.speech import Speech, Writing
from cibeacon.survey import Survey
from cibeacon.world import World

_GRACE = 1.0
"""Seconds that a program has when the budget is spent; the process ends within two."""

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
    except KeyboardInterrupt:
        report = stopped(world, flags)
    except Exception as error:
        report = broken(error, world, flags)
    report = report.cleaned(redactor)
    settings = settle(flags, world.environ, {})
    as_json = settings.output.format == "json" or settings.given("jq")
    report, filtered = _filtered(report, settings, world, redactor)
    speech = _speech(report, world)
    text = [*logtext.origins(origins), *lines(report), *speech.lines]
    for writing in speech.writings:  # before the log: nobody may be listening there any more
        _write(world, redactor, writing)
    _print(world, redactor, text, to_stderr=as_json)
    if filtered is not None:
        _print(world, redactor, filtered, to_stderr=False)
    elif as_json:
        _print(world, str, [json_text(redactor.within(report.document()), indent=2)], to_stderr=False)
    return report


def _filtered(report: Report, settings: Settings, world: World, redactor: Redactor) -> tuple[Report, list[str] | None]:
    """What the setting `jq` makes of the document. A program that fails costs a warning, and the document is shown whole."""
    if settings.output.jq is None:
        return report, None
    from cibeacon import reshape  # 5 ms that only a program costs

    left = Budget(settings.core.timeout, world.clock, world.sleep, world.started).remaining()
    seconds = min(reshape.SECONDS, left + _GRACE)
    try:
        results = reshape.run(
            settings.output.jq, redactor.within(report.document()), seconds=seconds, environ=world.environ
        )
    except (SettingsError, KeyboardInterrupt) as error:
        why = str(error) or "it was interrupted."
        notice = Notice("remark", redactor(f"warning: jq was not applied: {why}"))
        return report._replace(notices=(*report.notices, notice)), None
    return report, [block(each) if isinstance(each, str) else json_text(each, compact=True) for each in results]


def _speech(report: Report, world: World) -> Speech:
    """What the host wants said where; a report without a context speaks to the host that the environment shows."""
    name = report.context.host if report.context else None
    if name == github.NAME or (name is None and github.here(world.environ)):
        return github_speech.speak(report, world.environ, world.token)
    if name == gitlab.NAME or (name is None and gitlab.here(world.environ)):
        return gitlab_speech.speak(report, world.environ, world.stage)
    return Speech()


def _print(world: World, clean: Callable[[str], str], lines: list[str], *, to_stderr: bool) -> None:
    stream = world.err if to_stderr else world.out
    try:
        stream.write(clean("".join(f"{line}\n" for line in lines)))
        stream.flush()
    except (OSError, ValueError):  # closed, full, or nobody reads: that costs no build
        return


def _write(world: World, redactor: Redactor, writing: Writing) -> None:
    path = Path(writing.path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if writing.append else "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(redactor(writing.text))
    except OSError as error:
        _print(world, redactor, [clipped(f"! {path.name} was not written: {error}", 300)], to_stderr=True)
