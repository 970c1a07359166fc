"""Makes text safe to print: what strangers wrote, and what holds a secret of this process. Does not know where text goes.

Branch names, file names, pull request titles, API replies and git's stderr are written by strangers. The grammars they
could abuse: GitHub's workflow commands (`::cmd::` at the start of a line, `##[cmd]` anywhere), GitLab's section markers
and the carriage return that hides a line.

A CI host masks a secret in few spellings. Here every character may be written as URLs, JSON, HTML or Markdown write it,
each in another way, letters too, and escaped up to three times over; hexadecimal is known, and base64 at every offset, as
in the header that signs for `user:token`, in lines of any length. Not known: other encodings, compression, a secret in parts.
"""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any
from urllib.parse import quote, quote_plus

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


MASK = "***"
_SHORTEST = 4
"""Shorter values are no secrets, and masking them would mask ordinary text."""
_SHORTEST_CORE = 8
"""Shorter pieces of base64 stand in ordinary text by chance."""
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


def spellings(secret: str) -> tuple[str, ...]:
    """The usual spellings of a secret, for those who mask by exact text; nothing for what is too short to be one."""
    known = secret.strip()
    return tuple(dict.fromkeys(_spellings(known))) if len(known) >= _SHORTEST else ()


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    for encoded in (quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace")):
        yield encoded
        yield re.sub("%..", lambda match: match[0].lower(), encoded)
        yield encoded.replace("%2F", "/")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for text in (_base64(secret), *_cores(secret)):
        yield text
        yield text.rstrip("=")
        yield text.translate(_URL_SAFE)
        yield text.translate(_URL_SAFE).rstrip("=")


_URL_SAFE = str.maketrans("+/", "-_")


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _base64(secret: str) -> str:
    return _encoded(_bytes(secret))


def _encoded(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode("ascii")


def _cores(secret: str) -> Iterator[str]:
    """What base64 makes of a secret whatever stands before and behind it: one text for each offset."""
    raw = _bytes(secret)
    for offset, foreign in ((0, 0), (1, 2), (2, 3)):
        encoded = _encoded(bytes(offset) + raw).rstrip("=")
        own = encoded[foreign : len(encoded) - ((offset + len(raw)) % 3 > 0)]
        if len(own) >= _SHORTEST_CORE:
            yield own


@cache
def _written(character: str) -> str:
    """A regular expression for the usual ways to write one character. Few escape letters and digits: see `_plainer`."""
    if character.isascii() and character.isalnum():
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    ways = [
        "".join(f"%{byte:02x}" for byte in _bytes(character)),
        "".join(rf"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)),
        f"&#0*{ord(character)};",
        f"&#x0*{ord(character):x};",
    ]
    if character in _ENTITIES:
        ways.append(f"&{_ENTITIES[character]};")
    if character == " ":
        ways.append(r"\+")
    short = json.dumps(character)[1:-1]
    return f"(?:(?i:{'|'.join(ways)})|{re.escape(short)}|\\\\{re.escape(character)}|{re.escape(character)})"


def _wrappable(secret: str) -> Iterator[str]:
    for text in (_base64(secret).rstrip("="), *_cores(secret)):
        if len(text) >= _SHORTEST_WRAPPED:
            yield from (text, text.translate(_URL_SAFE))


def _pattern(secret: str) -> Iterator[tuple[int, str]]:
    """Length and regular expression of each thing to look for."""
    yield len(secret), "".join(map(_written, secret))
    if len(raw := _bytes(secret)) >= _SHORTEST_CORE:
        yield from ((2 * len(raw), text) for text in (raw.hex(), raw.hex().upper()))
    safe = {"+": "-", "/": "_"}
    for text, end in ((_base64(secret).rstrip("="), "(?:=|%3[dD]){0,2}"), *((core, "") for core in _cores(secret))):
        yield len(text), "".join(f"(?:{safe[c]}|{_written(c)})" if c in safe else c for c in text) + end


_ESCAPE = (
    r"%(?P<url>[2-7][0-9A-Fa-f])|\\(?:u00|x)(?P<json>[2-7][0-9A-Fa-f])|&#[xX]0*(?P<hex>[2-7][0-9A-Fa-f]);"
    r"|&#0*(?P<html>3[2-9]|[4-9]\d|1[01]\d|12[0-6]);|(?P<and>&amp;)|(?P<back>\\\\)"
)
"""One ASCII character, as URLs, JSON, programs and HTML escape it; the last two are what escaping twice comes down to."""
_ESCAPING = "%\\&"
"""What each of them begins with."""
_BREAK = r"(?a)(?<=[\w+/-]{8})(?:\\[rn]|[\r\n])(?:\\[rn]|\s)*(?=[\w+/=-])"
_MOST_ESCAPED = 3
_SHORTEST_WRAPPED = 16


def _character(match: re.Match[str]) -> str:
    if match["and"] or match["back"]:
        return "&" if match["and"] else "\\"
    return chr(int(match["html"]) if match["html"] else int(match["url"] or match["json"] or match["hex"], 16))


def _plainer(
    text: str, origins: Sequence[int], pattern: str, plain: Callable[[re.Match[str]], str]
) -> tuple[str, Sequence[int]]:
    """The text with what a pattern means written plainly, and where in the original each character begins."""
    pieces, positions, end = [], list[int](), 0
    for match in re.finditer(pattern, text):
        piece = plain(match)
        pieces += [text[end : match.start()], piece]
        positions += [*origins[end : match.start()], *[origins[match.start()]] * len(piece)]
        end = match.end()
    return "".join((*pieces, text[end:])), [*positions, *origins[end:]]


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, the last one first; what overlaps is one."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged[::-1]


class Redactor:
    """Replaces every known secret, however it is written, by `***`. Longest first, so no tail of one survives."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret.strip() for secret in secrets}
        patterns = {pattern for secret in known if len(secret) >= _SHORTEST for pattern in _pattern(secret)}
        ordered = [text for _, text in sorted(patterns, reverse=True)]
        self._pattern = re.compile("|".join(ordered)) if ordered else None
        self._known = known

    def __call__(self, text: str) -> str:
        """The text without any secret."""
        if self._pattern is None:
            return text
        text = self._pattern.sub(MASK, text)
        for begin, end in _merged(self._hidden(text, self._pattern)):
            text = f"{text[:begin]}{MASK}{text[end:]}"
        return text

    def _hidden(self, text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
        """Where a secret stands whose letters are escaped, or whose base64 is in several lines."""
        straight: Sequence[int] = range(len(text) + 1)
        plain, origins = text, straight
        for _ in range(_MOST_ESCAPED):
            if not any(mark in plain for mark in _ESCAPING) or not re.search(_ESCAPE, plain):
                break
            plain, origins = _plainer(plain, origins, _ESCAPE, _character)
            yield from ((origins[each.start()], origins[each.end()]) for each in pattern.finditer(plain))
        if re.search(_BREAK, text) and (wrapped := self._wrapped):
            plain, origins = _plainer(text, straight, _BREAK, lambda _: "")
            yield from ((origins[each.start()], origins[each.end() - 1] + 1) for each in wrapped.finditer(plain))

    @cached_property
    def _wrapped(self) -> re.Pattern[str] | None:
        """What the base64 of a secret is, long enough to stand in several lines; few texts need it."""
        parts = sorted({each for secret in self._known for each in _wrappable(secret)}, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, parts))) if parts else None

    def within(self, value: Any) -> Any:
        """The JSON value with every text in it redacted, names included."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(name)): self.within(part) for name, part in value.items()}
        return [self.within(part) for part in value] if isinstance(value, list | tuple) else value
