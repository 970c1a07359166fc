"""Makes text safe to print: untrusted text, and text with a secret of this process. Does not know where it is printed.

Branch names, file names, pull request titles, API responses and git's stderr are untrusted. They could abuse GitHub's
workflow commands (`::cmd::` at the start of a line, `##[cmd]` anywhere), GitLab's section markers, and the carriage return
that hides a line.

A CI system masks a secret in few spellings. Here each character, letters too, may be escaped as in URLs, JSON, HTML or
Markdown, each in a different way and up to three times; hexadecimal is recognised, and base64 at every offset (as in the
header for `user:token`) and with line breaks. Not recognised: other encodings, compression, a secret in parts.
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
"""Characters that hide or reverse text. None is printable; asking for that first is faster than compiling this."""
_MARKUP = r"(?i)[|`<>\[\]*_\\~&#@!$]|:(?=//)|(?<=www)\."
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _SHORT.get(character) or (f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}")


def line(text: object) -> str:
    """One line for a log: control characters are made visible, and workflow commands have no effect."""
    given = str(text)
    visible = (given if given.isprintable() else re.sub(_CONTROL, _escape, given)).replace("##[", "# #[")
    return f"\\{visible}" if visible.lstrip().startswith("::") else visible


def block(text: str) -> str:
    """`line` for text of several lines: line breaks and tabs stay."""
    return "\n".join("\t".join(line(part) for part in row.split("\t")) for row in text.split("\n"))


def clipped(text: object, limit: int) -> str:
    """`line`, cut to at most `limit` characters with an ellipsis."""
    safe = line(text)
    return safe if len(safe) <= limit else f"{safe[: limit - 1]}…"


def json_text(value: Any, indent: int | None = None, *, compact: bool = False) -> str:
    """JSON for a log: ASCII, with `##[` escaped, which a runner would obey anywhere in a line."""
    separators = (",", ":") if compact else None
    return json.dumps(value, indent=indent, separators=separators).replace("##[", "\\u0023#[")


def cell(text: object, limit: int = 300) -> str:
    """Text for a cell of a Markdown table: no pipe, backtick, tag, link, bare URL or emphasis has an effect."""
    return re.sub(_MARKUP, lambda match: f"&#{ord(match[0])};", clipped(text, limit).strip())


def escaped(text: str) -> str:
    """Text as the data of a GitHub workflow command, unabridged: the runner decodes it to exactly this text."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_data(text: object, limit: int = 4000) -> str:
    """Text as the message of a GitHub workflow command, of which the runner keeps 4,096 characters."""
    return clipped(text, limit).replace("%", "%25")


def command_property(text: object) -> str:
    """Text as a property (`title=`) of a GitHub workflow command."""
    return command_data(text, 200).replace(":", "%3A").replace(",", "%2C")


MASK = "***"
_SHORTEST = 4
"""Shorter values do not count as secrets: masking them would mask ordinary text."""
_SHORTEST_CORE = 8
"""Shorter pieces of base64 occur in ordinary text by chance."""
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


def spellings(secret: str) -> tuple[str, ...]:
    """The usual spellings of a secret, for masking by exact text; empty if it is too short to count as a secret."""
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
    """The base64 of a secret, independent of the text before and after it: one for each offset."""
    raw = _bytes(secret)
    for offset, foreign in ((0, 0), (1, 2), (2, 3)):
        encoded = _encoded(bytes(offset) + raw).rstrip("=")
        own = encoded[foreign : len(encoded) - ((offset + len(raw)) % 3 > 0)]
        if len(own) >= _SHORTEST_CORE:
            yield own


@cache
def _written(character: str) -> str:
    """A regular expression for the usual ways to write one character. For escaped letters and digits see `_plainer`."""
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
    """Length and regular expression of each spelling to look for."""
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
"""One ASCII character as escaped in URLs, JSON, programs and HTML; the last two undo one level of double escaping."""
_ESCAPING = "%\\&"
"""The first character of each of them."""
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
    """The text with every match decoded, and the position in the original at which each character starts."""
    pieces, positions, end = [], list[int](), 0
    for match in re.finditer(pattern, text):
        piece = plain(match)
        pieces += [text[end : match.start()], piece]
        positions += [*origins[end : match.start()], *[origins[match.start()]] * len(piece)]
        end = match.end()
    return "".join((*pieces, text[end:])), [*positions, *origins[end:]]


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, last one first, with overlapping ones merged."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged[::-1]


class Redactor:
    """Replaces every known secret, however it is written, by `***`: the longest first, so that no part of one remains."""

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
        """The spans of secrets with escaped letters, and of secrets whose base64 spans several lines."""
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
        """Matches the base64 of secrets that are long enough for several lines; few texts need it."""
        parts = sorted({each for secret in self._known for each in _wrappable(secret)}, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, parts))) if parts else None

    def within(self, value: Any) -> Any:
        """The JSON value with every text in it redacted, including keys."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(name)): self.within(part) for name, part in value.items()}
        return [self.within(part) for part in value] if isinstance(value, list | tuple) else value
