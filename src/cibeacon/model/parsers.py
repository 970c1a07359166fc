"""Parses the text of a setting into a value, or explains why it cannot. Does not know any setting.

Each parser takes the text and returns the value, or raises `ValueError` with a clause that completes
"… because it". Syntax: booleans, lists, times and durations as in docs/reference.md.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_SHA = r"[0-9a-f]{7,40}"
_HOST = r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?"
_INSTANCE = r"[A-Za-z0-9][A-Za-z0-9-]*"
DEEPEST = 100
"""Levels of nesting in JSON; Python's own parser would overflow its stack at about nine hundred, or fewer if indented."""
_METADATA_KEY = r"[A-Za-z0-9_-]+"
_LONGEST = 30 * 86_400
"""Seconds."""
_MILLISECONDS_FROM = 100_000_000_000
"""A Unix time at or above this (the year 5138 in seconds) is read as milliseconds (from 1973 on)."""
_LAST_MOMENT = 253_402_300_799
"""The last second of the year 9999, the latest that ISO 8601 can express."""


def text(given: str) -> str:
    """Any text without a line break or another control character."""
    if not given.isprintable() and any(ord(character) < 32 or ord(character) == 127 for character in given):
        raise ValueError("contains a control character")
    return given


def program(given: str) -> str:
    """A jq program: any text; line breaks and tabs are its only control characters."""
    if any(ord(character) < 32 and character not in "\t\n\r" for character in given):
        raise ValueError("contains a control character")
    if any("\ud800" <= character <= "\udfff" for character in given):
        raise ValueError("is not UTF-8")
    return given


def command(given: str) -> tuple[str, ...]:
    """A command line as words, by a shell's quoting rules; nothing is expanded or executed."""
    import shlex  # only a step of the action has one

    try:
        arguments = tuple(shlex.split(given))
    except ValueError as error:
        raise ValueError("has an unclosed quotation mark or a trailing backslash") from error
    if not arguments or not arguments[0]:
        raise ValueError("contains no command")
    return arguments


def token(given: str) -> str:
    """A credential: printable ASCII without spaces, so that a pasted line break is found here."""
    if not given.isascii() or not given.isprintable() or " " in given:
        raise ValueError("contains a space or a character that no token has; paste it again, without spaces or quotes")
    return given


def boolean(given: str) -> bool:
    """`true/1/yes/on` or `false/0/no/off`, in any case."""
    word = given.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("is not one of true, false, yes, no, on, off, 1, 0")


def integer(given: str) -> int:
    """A whole number above zero, for numbers and ids of pull requests."""
    if not re.fullmatch(r"[0-9]{1,18}", given, re.ASCII) or int(given) == 0:
        raise ValueError("is not a whole number above zero")
    return int(given)


def text_list(given: str) -> tuple[str, ...]:
    """A list: a JSON array of strings, or words separated by commas or line breaks. Keeps the order, drops duplicates."""
    if given.lstrip().startswith("["):
        try:
            items = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise ValueError("starts like a JSON array but is not one") from error
        if not all(isinstance(item, str) for item in items):
            raise ValueError("is a JSON array that contains something other than strings")
    else:
        items = re.split(r"[,\n]", given)
    return tuple(dict.fromkeys(text(item.strip()) for item in items if item.strip()))


def regexes(given: str) -> tuple[str, ...]:
    """Regular expressions separated by colons, as in DCI's own tools."""
    import warnings

    patterns = tuple(dict.fromkeys(text for text in given.split(":") if text))
    for text in patterns:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            shown = json.dumps(text[:80])
            reason = f"contains {shown}, which is not a regular expression: {error}; write \\x3a for a colon inside one"
            raise ValueError(reason) from error
    if not patterns:
        raise ValueError("contains no regular expression")
    return patterns


def duration(given: str) -> float:
    """A number of seconds above zero, decimals allowed, at most 30 days: no job lasts longer."""
    try:
        seconds = float(given)
    except ValueError as error:
        raise ValueError("is not a number of seconds") from error
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError("is not a number of seconds above zero")
    if seconds > _LONGEST:
        raise ValueError("is longer than 30 days")
    return seconds


def timestamp(given: str) -> int:
    """A time as Unix seconds: from Unix seconds, Unix milliseconds, or ISO 8601 with a zone."""
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]+)?", given, re.ASCII):
        number = int(given.partition(".")[0])
        return _representable(number // 1000 if number >= _MILLISECONDS_FROM else number)
    from datetime import datetime  # few settings need it

    try:
        parsed = datetime.fromisoformat(given)
    except ValueError as error:
        raise ValueError("is neither a Unix time nor an ISO 8601 time") from error
    if parsed.tzinfo is None:
        raise ValueError("is a time without a zone; end it with Z or +hh:mm")
    return _representable(int(parsed.replace(microsecond=0).timestamp()))


def _representable(seconds: int) -> int:
    if not 0 < seconds <= _LAST_MOMENT:
        raise ValueError("is a time outside the years 1970 to 9999")
    return seconds


def sha(given: str) -> str:
    """A commit id of 7 to 40 hexadecimal digits, in lower case (the length in DX's documentation)."""
    lower = given.strip().lower()
    if not re.fullmatch(_SHA, lower):
        raise ValueError("is not a commit id of 7 to 40 hexadecimal digits")
    return lower


def shas(given: str) -> tuple[str, ...]:
    """A list of commit ids; never empty."""
    if commits := tuple(sha(item) for item in text_list(given)):
        return commits
    raise ValueError("is an empty list")


def json_value(given: str) -> Any:
    """Any JSON value; the runner's `null` for "no matrix" counts as nothing."""
    try:
        value = json.loads(given)
        json.dumps(value, allow_nan=False)  # only Python accepts NaN, Infinity and 1e999
    except (ValueError, RecursionError) as error:
        raise ValueError("is not JSON") from error
    if deeper(value, DEEPEST):
        raise ValueError(f"is nested more than {DEEPEST} levels deep")
    return value


def deeper(value: Any, levels: int) -> bool:
    """Whether a JSON value has more levels of nesting. Its nesting must already be bounded."""
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(deeper(part, levels - 1) for part in parts)


def metadata(given: str) -> Mapping[str, Any]:
    """A JSON object whose keys are letters, digits, dashes and underscores (DX's `metadata_invalid` otherwise)."""
    value = json_value(given)
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    for key in value:
        if not re.fullmatch(_METADATA_KEY, key):
            raise ValueError(f"has the key {json.dumps(key)}; keys are letters, digits, dashes and underscores")
    return value


def url(given: str) -> str:
    """An http(s) URL without credentials, query or fragment; a trailing slash is dropped."""
    try:
        parts = urlsplit(text(given))
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        usable = usable and not re.search(r"\s", given)
    except ValueError as error:
        raise ValueError("is not a URL") from error
    if not usable:
        raise ValueError("is not a URL that starts with https://")
    if "@" in parts.netloc:
        raise ValueError("contains a user name or password; put the token in its own setting")
    if "?" in given or "#" in given:
        raise ValueError("contains a query or fragment; use only the base URL")
    return given.rstrip("/")


def plain_http_refused(url: str) -> bool:
    """True if `url` would carry a credential unencrypted over a network; this machine is recognised by name only."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    if parts.scheme == "https":
        return False
    import ipaddress  # takes a millisecond, and nearly every URL is https

    host = (parts.hostname or "").rstrip(".")
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")


def link(given: str) -> str:
    """A URL to show to users: http(s), anything after the host allowed."""
    try:
        parts = urlsplit(text(given))
    except ValueError as error:
        raise ValueError("is not a URL") from error
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("is not a URL that starts with https://")
    return given


def dx_url(given: str) -> str:
    """DX's base URL, or an instance name: `acme` means `https://acme.getdx.net`."""
    if "://" in given or re.fullmatch(_HOST, given):
        return url(given if "://" in given else f"https://{given}").removesuffix("/api")
    if not re.fullmatch(_INSTANCE, given):
        raise ValueError("is neither a URL nor the name of a DX instance such as acme")
    return f"https://{given.lower()}.getdx.net"


def dci_url(given: str) -> str:
    """DCI's base URL as signed: no default port, no trailing slash, no `/api/v1`."""
    parts = urlsplit(url(given))
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    default_port = {"https": 443, "http": 80}[parts.scheme]
    netloc = host if parts.port in (None, default_port) else f"{host}:{parts.port}"
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/').removesuffix('/api/v1').removesuffix('/api')}".rstrip("/")


class Choice:
    """The parser of a setting that is one of several words, in any case."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, given: str) -> str:
        """The word."""
        if given.lower() not in self.words:
            raise ValueError(f"is not one of {', '.join(self.words)}")
        return given.lower()


def selection(every: str, *allowed: str) -> Callable[[str], tuple[str, ...]]:
    """A list of the allowed words, in any case, or the word for all of them, from which `-word` removes one."""
    choose = choices(every, *allowed, *(f"-{word}" for word in allowed))

    def parse(given: str) -> tuple[str, ...]:
        words = choose(given)
        removed = next((word for word in words if word.startswith("-")), None)
        if removed and every not in words:
            raise ValueError(f"has nothing to remove {removed[1:]} from; write {every},{removed}")
        return words

    return parse


def choices(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    """A list of the allowed words, in any case; never empty."""
    one = Choice(*allowed)

    def parse(given: str) -> tuple[str, ...]:
        chosen = tuple(dict.fromkeys(one(word) for word in text_list(given)))
        if not chosen:
            raise ValueError(f"contains none of {', '.join(allowed)}")
        return chosen

    return parse
