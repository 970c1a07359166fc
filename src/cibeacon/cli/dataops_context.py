"""How the verbs of `dataops` speak: settings in, lines, outputs, one JSON document and an exit code out. Drives nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from cibeacon.ci import github_output, gitlab_output
from cibeacon.ci.detect import detect
from cibeacon.cli.flags import given
from cibeacon.cli.jq_output import filtered
from cibeacon.cli.report_view import kept, opened, unbroken
from cibeacon.dataops import access as places
from cibeacon.dataops.access import PIPELINE_FILE, Access
from cibeacon.dataops.errors import Fault, usage
from cibeacon.dataops.exit_codes import ENDINGS, ResultStatus
from cibeacon.dataops.token_scopes import Wish, missing
from cibeacon.reporting.host_output import Writing
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import OutOfTime
from cibeacon.runtime.sanitize import clipped, command_data, command_property, json_text
from cibeacon.settings import load_settings
from cibeacon.settings.dataops import Dataops

_WIDTH = 400
_GRACE = 1.0
TAIL = 10.0
"""Seconds beyond the deadline of a wait in which the last look must be done, and again to cancel."""
_ADDRESS = re.compile(r"https?://[^/\s]+\S*")
_IN_ADDRESSES = ":/?#[]@!&'()*+,;=%~"


class Stage:
    """One run of a verb: what it was told, and where it speaks."""

    def __init__(self, env: Environment, told: Mapping[str, str]) -> None:
        self.env, self.settings = env, load_settings(told, env.environ, {})
        self.ci_system = detect(env.environ).name
        self.as_json = self.settings.as_json
        self.clean = opened(env)
        self.notices: list[str] = []
        self.unheard = False
        """Nobody reads what is printed any more."""
        self.unanswered = 0
        """The exit code that a document without an answer makes of a 0."""
        self._results: dict[str, str] = {}

    @property
    def access(self) -> Access:
        """The project and its tokens. Raises `Fault`, also for a setting that cannot be used."""
        wrong = [each.message for each in self.settings.problems if each.group in ("core", "dataops", "output")]
        if wrong:
            raise usage("Nothing was asked or started", "; ".join(wrong), "Mend the setting")
        told = self.settings.dataops
        url = places.server(told.dataops_url, allow_http=self.settings.core.allow_http)
        if not told.dataops_project:
            raise usage(
                "Nothing was asked or started", "no project is named", "Set dataops_project to its number or path"
            )
        return Access(
            url,
            told.dataops_project,
            told.dataops_token or "",
            told.dataops_trigger_token or "",
            places.job_token(url, self.env.environ),
        )

    def allowed(self, wish: Wish) -> Access:
        """The same, for those who need this much. Raises `Fault`."""
        access = self.access
        if fault := missing(access, wish):
            raise fault
        return access

    @property
    def variables(self) -> dict[str, str]:
        """Variables of a pipeline, the one for its file included."""
        file = self.settings.dataops.dataops_pipeline_file
        return {**({PIPELINE_FILE: file} if file else {}), **self.settings.dataops.dataops_variables}

    @property
    def left(self) -> float:
        """Seconds that there are for a verb that does not wait."""
        return self.settings.core.timeout - (self.env.clock() - self.env.started)

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be sent."""
        return bool(self.settings.core.dry_run)

    # What it says -------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A line of ours."""
        self.lines([clipped(self.clean(text), _WIDTH)])

    def note(self, text: str) -> None:
        """A line to remember: it is in the document, too."""
        self.notices.append(clipped(self.clean(text), _WIDTH))
        self.say(f"! {text}")

    def lines(self, lines: Iterable[str], *, result: bool = False) -> None:
        """Lines that are safe already. A `result` is what was asked for, and stays on stdout."""
        stream = self.env.err if self.as_json and not result else self.env.out
        try:
            for line in lines:
                stream.write(f"{line}\n")
            stream.flush()
        except (OSError, ValueError):  # closed, full, or nobody reads: that stops no pipeline
            self.unheard = True

    def foreign(self, lines: Iterable[str], prefix: str = "") -> None:
        """Lines of somebody's log. A runner is told to obey none of them, beside their being harmless already."""
        if self.ci_system != "github":
            return self.lines(f"{prefix}{line}" for line in lines)
        found = iter(lines)
        first = next(found, None)
        if first is None:
            return None
        word = self.env.token()
        self.lines([f"::stop-commands::{word}"])
        try:
            self.lines([f"{prefix}{first}"])
            self.lines(f"{prefix}{line}" for line in found)
        finally:
            self.lines([f"::{word}::"])
        return None

    def results(self, **values: str) -> None:
        """Outputs, at once."""
        self._results |= {name: clipped(self.clean(value), 1000) for name, value in values.items()}
        environ = self.env.environ
        writings: Sequence[Writing] = ()
        if self.ci_system == "github":
            writings = github_output.results(values, environ, self.env.token)
        elif self.ci_system == "gitlab":
            writings = gitlab_output.results(self._results, environ)
        kept(self.env, self.clean, writings)

    def summary(self, text: str) -> None:
        """Markdown for the page of the run."""
        path = self.env.environ.get("GITHUB_STEP_SUMMARY", "")
        if path and self.ci_system == "github":
            kept(self.env, self.clean, (Writing(path, text, append=True),))

    def document(self, found: Mapping[str, Any]) -> None:
        """The JSON document, where one was asked for."""
        if self.as_json:
            whole = self.clean.within({"version": 1, **found, "notices": self.notices})
            answer = filtered(whole, self.settings, self.env.environ, failed=found["exit_code"] > 0)
            self.unanswered = answer.exit_code
            if answer.fault:
                self.say(f"! {answer.fault}")
            self.lines(answer.text.splitlines(), result=True)

    def preview(self, *requests: tuple[str, str, Any]) -> int:
        """Shows requests instead of sending them; tokens are holes."""
        self.lines(
            line
            for method, url, body in requests
            for line in _request(method, self.clean(url), self.clean.within(body))
        )
        shown = [{"method": method, "url": url, "body": body} for method, url, body in requests]
        self.document({"status": "dry-run", "exit_code": 0, "requests": shown})
        return 0

    def ended(self, status: ResultStatus, why: str, found: Mapping[str, Any] | None = None) -> int:
        """Says how it ended: line, annotation, document. The exit code."""
        code = ENDINGS[status].code
        self.env.closing(code)
        self.say(f"result      {status}{f': {why}' if why else ''}{f' (exit {code})' if code else ''}")
        if code and self.ci_system == "github":
            title, text = (
                command_property(f"cibeacon: dataops {status}"),
                command_data(self.clean(why or ENDINGS[status].meaning)),
            )
            self.lines([f"::error title={title}::{text}"])
        self.document({"status": status, "exit_code": code, "reason": why or None, **(found or {})})
        return code


def run(
    env: Environment,
    told: Mapping[str, str],
    work: Callable[[Stage], int],
    waits: Callable[[Dataops], object] = lambda _: False,
) -> int:
    """A verb from its flags to its exit code. One that `waits` has that time as well: the alarm is set once."""
    return unbroken(env, lambda: _run(Stage(env, told), work, waits=waits), ENDINGS["lost"].code)


def _run(stage: Stage, work: Callable[[Stage], int], *, waits: Callable[[Dataops], object]) -> int:
    longer = stage.settings.dataops.dataops_wait_timeout + 2 * TAIL if waits(stage.settings.dataops) else 0.0
    stage.env.alarm(max(stage.left, 0.0) + longer + _GRACE, ENDINGS["timed-out"].code)
    try:
        return work(stage) or stage.unanswered
    except Fault as fault:
        return stage.ended("refused" if fault.refused else "lost", str(fault))
    except KeyboardInterrupt as stop:
        if isinstance(stop, OutOfTime):
            return stage.ended("timed-out", "The time was used up (setting timeout).")
        return stage.ended("canceled", "cibeacon was interrupted.")


def worded(arguments: Mapping[str, Any], extra: Iterable[str]) -> dict[str, str]:
    """The flags as text; variables that were given one by one stand in for the setting."""
    told = given(arguments)
    if added := list(extra):
        told["dataops_variables"] = _variables(added)
    return told


def _variables(added: Sequence[str]) -> str:
    """As JSON: a value may hold line breaks and equals signs, a commit message both. What is no variable the setting refuses."""
    if wrong := [each for each in added if "=" not in each]:
        return f"--var {wrong[0]}"
    parted = (each.partition("=") for each in added)
    return json.dumps({name.strip(): value for name, _, value in parted})


def link(url: str) -> str:
    """A web address as a value that no shell and no host reads more into; empty for anything else."""
    return quote(url, safe=_IN_ADDRESSES) if _ADDRESS.fullmatch(url) else ""


def _request(method: str, url: str, body: Any) -> Iterable[str]:
    yield clipped(f"{method} {url}", _WIDTH)
    if body is not None:
        yield json_text(body)
