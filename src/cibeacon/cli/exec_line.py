"""Parses the command line of `cibeacon exec` without click, so that the command starts before anything large is loaded.

Does not know how the command is run. click explains a line that cannot be parsed. An invalid value becomes a complaint,
because the command runs in any case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Flag(NamedTuple):
    """One flag of the verb."""

    name: str
    help: str
    metavar: str = ""
    """Placeholder for its value in the help; empty if it takes none."""


FLAGS = (
    Flag("--name", "Name of the run. Default: the name of the CI job, else of the program.", "TEXT"),
    Flag("--success-codes", "Exit codes to report as a success, such as 0,3. Default: 0.", "LIST"),
    Flag("--kill-after", "Seconds between asking the command to stop and killing it. Default: never.", "SECONDS"),
    Flag(
        "--group",
        "Run the command in its own process group and forward signals to all of it. It then cannot read from a terminal.",
    ),
    Flag("--leave-running", "Leave the command running if cibeacon itself is killed (SIGKILL)."),
    Flag("--hide-token", "Hide cibeacon's own secrets from the command."),
    Flag("--report-timeout", "Seconds that reporting may take after the command has ended. Default: 5.", "SECONDS"),
    Flag("--dry-run", "Show what would be sent; send nothing."),
    Flag("--no-dry-run", "Also send outside CI."),
    Flag("--quiet", "Print nothing."),
    Flag("--verbose", "Print on stderr what was reported."),
)
_BY_NAME: Mapping[str, Flag] = {flag.name: flag for flag in FLAGS}
_MEANINGS = {"LIST": "list of exit codes", "SECONDS": "number of seconds"}
REPORT_SECONDS = 5.0
TRACED_BY = ("CIBEACON_OTLP_ENDPOINT", "CIBEACON_INPUT_OTLP_ENDPOINT", "INPUT_OTLP_ENDPOINT", "PLUGIN_OTLP_ENDPOINT")
"""Variables of the setting that turns traces on. With one of them, the command waits for its trace context."""
TRACE_SECONDS = 2.0
"""Most seconds that it waits."""


class ExecLine(NamedTuple):
    """A parsed command line."""

    command: tuple[str, ...]
    name: str | None = None
    success_codes: tuple[int, ...] = (0,)
    kill_after: float | None = None
    group: bool = False
    leave_running: bool = False
    hide_token: bool = False
    report_timeout: float = REPORT_SECONDS
    quiet: bool = False
    settings: Mapping[str, str] = {}
    """Flags that are settings, by setting name."""
    complaints: tuple[str, ...] = ()
    """Values that were ignored, and why."""

    @property
    def program(self) -> str:
        """The name of the program, without its folder."""
        return self.command[0].rpartition("/")[2] or self.command[0]


def read(argv: Sequence[str]) -> ExecLine | None:
    """The parsed words after the verb; None if they cannot be parsed or ask for help."""
    if "--" not in argv:
        return None
    end = list(argv).index("--")
    command, words = tuple(argv[end + 1 :]), list(reversed(argv[:end]))
    given: dict[str, str] = {}
    while words:
        name, assigned, value = words.pop().partition("=")
        flag = _BY_NAME.get(name)
        if flag is None or (assigned and not flag.metavar) or (flag.metavar and not assigned and not words):
            return None
        given[name] = value if assigned or not flag.metavar else words.pop()
    return _line(command, given) if command else None


def _line(command: tuple[str, ...], given: Mapping[str, str]) -> ExecLine:
    values = {name: text.strip() for name, text in given.items()}
    codes, kill_after = _codes(values.get("--success-codes", "")), _seconds(values.get("--kill-after", ""))
    report_timeout = _seconds(values.get("--report-timeout", ""))
    unused = {"--success-codes": codes, "--kill-after": kill_after, "--report-timeout": report_timeout}
    return ExecLine(
        command,
        name=values.get("--name") or None,
        success_codes=codes or (0,),
        kill_after=kill_after,
        group="--group" in given,
        leave_running="--leave-running" in given,
        hide_token="--hide-token" in given,
        report_timeout=REPORT_SECONDS if report_timeout is None else report_timeout,
        quiet="--quiet" in given,
        settings={
            **({"dry_run": str("--dry-run" in given).lower()} if {"--dry-run", "--no-dry-run"} & given.keys() else {}),
            **({"verbose": "true"} if "--verbose" in given else {}),
        },
        complaints=tuple(
            f"{name} was ignored: {values[name][:40]!r} is not a {_MEANINGS[_BY_NAME[name].metavar]}"
            for name, value in unused.items()
            if value is None and values.get(name)
        ),
    )


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _codes(text: str) -> tuple[int, ...] | None:
    numbers = [part.strip() for part in text.split(",")]
    return tuple(map(int, numbers)) if all(part.isascii() and part.isdecimal() for part in numbers) else None


def secret_variables() -> tuple[str, ...]:
    """The variables that `--hide-token` hides from the command."""
    from cibeacon.settings import own_secret_variables  # importing it takes as long as everything else

    return own_secret_variables()
