"""How GitHub's and GitLab's runners read a log: what a line of ours makes them do. Written from the runners' grammar."""

from __future__ import annotations

import re
from typing import NamedTuple

REGISTERED = {
    "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher",
    "save-state", "set-env", "set-output", "stop-commands", "warning",
}  # fmt: skip
_SECTION = re.compile(r"section_(?:start|end):\d+:[A-Za-z0-9_.-]+(?:\[[^\]]*\])?\r\x1b\[0K")


class Command(NamedTuple):
    """A workflow command as the runner understands it."""

    name: str
    properties: dict[str, str]
    data: str


def commands(log: str) -> list[Command]:
    """Every command that GitHub's runner obeys in a log. It splits lines at a bare carriage return too."""
    read = [_command(line) or _old_command(line) for line in re.split(r"\r\n|\r|\n", log)]
    return [command for command in read if command and command.name.lower() in REGISTERED]


def kept(log: str) -> str:
    """What GitHub's runner leaves of a log: all but the lines that tell it what to mask."""
    return "\n".join(line for line in log.split("\n") if not _is_mask(line))


def masked(log: str) -> list[str]:
    """Every text that a log tells GitHub's runner to mask."""
    return [command.data for command in commands(log) if command.name == "add-mask"]


def _is_mask(line: str) -> bool:
    command = _command(line)
    return command is not None and command.name == "add-mask"


def assignments(file: str) -> list[tuple[str, str]]:
    """Names and values in a file of outputs or state, in order. Raises ValueError for what would fail the step."""
    found: list[tuple[str, str]] = []
    lines = iter(re.split(r"\r\n|\r|\n", file))
    for line in lines:
        if not line:
            continue
        name, equals, value = line.partition("=")
        if "<<" in name or not equals:
            name, heredoc, delimiter = line.partition("<<")
            if not heredoc or not delimiter:
                raise ValueError(line)
            rows: list[str] = []
            while (row := next(lines)) != delimiter:
                rows.append(row)
            value = "\n".join(rows)
        found.append((name, value))
    return found


def sections(log: str) -> list[str]:
    """Every marker that GitLab's job log takes for the start or end of a section."""
    return _SECTION.findall(log)


def _command(line: str) -> Command | None:
    """`::name key=value,…::data`, after white space; a byte order mark is swallowed by the stream."""
    trimmed = line.lstrip("\ufeff").lstrip()
    head, separator, data = trimmed[2:].partition("::")
    if not trimmed.startswith("::") or not separator:
        return None
    name, _, properties = head.partition(" ")
    return Command(name, _properties(properties.strip(), ",", PROPERTY), _unescaped(data, DATA))


def _old_command(line: str) -> Command | None:
    """`##[name key=value;…]data`, anywhere in the line."""
    _, found, rest = line.partition("##[")
    head, closed, data = rest.partition("]")
    if not found or not closed:
        return None
    name, _, properties = head.partition(" ")
    return Command(name, _properties(properties.strip(), ";", {}), data)


def _properties(text: str, separator: str, escapes: dict[str, str]) -> dict[str, str]:
    pairs = [pair.split("=", 1) for pair in text.split(separator) if "=" in pair]
    return {key: _unescaped(value, escapes) for key, value in pairs}


DATA = {"%0D": "\r", "%0A": "\n", "%25": "%"}
PROPERTY = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}


def _unescaped(text: str, escapes: dict[str, str]) -> str:
    for escape, character in escapes.items():
        text = text.replace(escape, character)
    return text
