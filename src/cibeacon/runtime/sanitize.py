"""Knows how untrusted text is made harmless for every mouth of ours: log, annotation, table, dotenv. Does not know secrets.

Branch names, file names, pull request titles, API replies and git's stderr are written by strangers. The grammars they
could abuse: GitHub's workflow commands (`::cmd::` at the start of a line, `##[cmd]` anywhere), GitLab's section markers
and the carriage return that hides a line.
"""

from __future__ import annotations

import json
import re
from typing import Any

_CONTROL = r"[\x00-\x1f\x7f-\x9f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
"""What hides or turns text around. None of it counts as printable, which is found out faster than this is compiled."""
_MARKUP = r"(?i)[|`<>\[\]*_\\~&#@!$]|:(?=//)|(?<=www)\."
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _SHORT.get(character) or (f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}")


def line(text: object) -> str:
    """One line for a log: control characters made visible, no workflow command left that a runner would obey."""
    given = str(text)
    visible = (given if given.isprintable() else re.sub(_CONTROL, _escape, given)).replace("##[", "# #[")
    return f"\\{visible}" if visible.lstrip().startswith("::") else visible


def block(text: str) -> str:
    """`line` for text of several lines: line breaks and tabs stay, since whoever printed them meant them."""
    return "\n".join("\t".join(line(part) for part in row.split("\t")) for row in text.split("\n"))


def clipped(text: object, limit: int) -> str:
    """`line`, at most `limit` characters long, with an ellipsis where it was cut."""
    safe = line(text)
    return safe if len(safe) <= limit else f"{safe[: limit - 1]}…"


def json_text(value: Any, indent: int | None = None, *, compact: bool = False) -> str:
    """JSON for a log: ASCII, and with the one marker that a runner obeys inside a line spelled as an escape."""
    separators = (",", ":") if compact else None
    return json.dumps(value, indent=indent, separators=separators).replace("##[", "\\u0023#[")


def cell(text: object, limit: int = 300) -> str:
    """Text for a cell of a Markdown table: no pipe, backtick, tag, link or emphasis takes effect, and no bare address."""
    return re.sub(_MARKUP, lambda match: f"&#{ord(match[0])};", clipped(text, limit).strip())


def escaped(text: str) -> str:
    """Text as the data of a GitHub workflow command, whole: the runner turns it back into exactly this."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_data(text: object, limit: int = 4000) -> str:
    """The message of a GitHub workflow command. The runner keeps 4,096 characters of it."""
    return clipped(text, limit).replace("%", "%25")


def command_property(text: object) -> str:
    """A property (`title=`) of a GitHub workflow command."""
    return command_data(text, 200).replace(":", "%3A").replace(",", "%2C")
