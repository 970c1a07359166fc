"""Parses the text of one cell into a value. Knows nothing about columns, rows or files.

Each parser returns the value, or raises `ValueError` with a clause that completes "the cell …".
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

from cibeacon.model import identifiers, parsers, status_words
from cibeacon.signals.times import AHEAD, EARLIEST

_NUMBER = re.compile(r"[0-9.]+", re.ASCII)
_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})", re.ASCII)
_ROUNDED = re.compile(r"(?=.*[.,+])[0-9]+[.,]?[0-9]*e\+?[0-9]+", re.ASCII | re.IGNORECASE)


class TimeRules(NamedTuple):
    """How times in a file are read."""

    now: float
    """Unix seconds; later times are invalid."""
    zone: tzinfo | None = None
    """The zone of times without one."""


def zone(name: str) -> tzinfo:
    """The time zone with a name such as Europe/Berlin, UTC or +02:00. Raises `ValueError`."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    if offset := _OFFSET.fullmatch(name):
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-away if offset[1] == "-" else away)
    from zoneinfo import ZoneInfo  # most files do not need it

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{name!r} is not a time zone that this machine knows") from error


def time(text: str, rules: TimeRules) -> int:
    """Unix seconds from Unix seconds, milliseconds or ISO 8601, with a zone or else in the zone of `rules`."""
    _refuse_rounded(text)
    try:
        seconds = parsers.timestamp(_with_zone(text, rules.zone))
    except ValueError as error:
        raise ValueError(str(error).partition(";")[0]) from error  # the column's hint is the advice
    if EARLIEST <= seconds <= rules.now + AHEAD:
        return seconds
    date = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    what = "which is before 1990" if seconds < EARLIEST else "which is in the future"
    raise ValueError(f"would be {date}, {what}")


def repository(text: str) -> str:
    """A repository's full name; not its URL."""
    if "://" in text or text.endswith(".git"):
        raise ValueError("is a URL, not the full name of a repository")
    return parsers.text(text)


def number(text: str) -> int:
    """A whole number above zero."""
    _refuse_rounded(text)
    return parsers.integer(text)


def sha(text: str) -> str:
    """A commit id."""
    _refuse_rounded(text)
    return parsers.sha(text)


def shas(text: str) -> tuple[str, ...]:
    """Commit ids in the given order."""
    return tuple(dict.fromkeys(sha(item) for item in _items(text)))


def service_names(text: str) -> tuple[str, ...]:
    """Names of services, sorted. Names with a comma must be in a JSON array."""
    names = tuple(sorted({identifiers.service(item) for item in _items(text)}))
    if not text.startswith("[") and any("," in name for name in names):
        raise ValueError("contains a comma, so it could be one name or several")
    return names


def status(text: str) -> str | None:
    """A run's status in DX's words, from any CI system's word; None for unknown."""
    word = status_words.status(text)
    if word in status_words.NO_END:
        raise ValueError("is not a status that a run can end with")
    return status_words.recorded(word)


def _with_zone(text: str, zone: tzinfo | None) -> str:
    """Adds the zone to a time without one; leaves any other text unchanged."""
    if zone is None or _NUMBER.fullmatch(text):
        return text
    try:
        naive = datetime.fromisoformat(text)
    except ValueError:
        return text
    if naive.tzinfo:
        return text
    try:
        local = naive.replace(tzinfo=zone)
        if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != naive:
            raise ValueError("is in the hour that the clocks skipped in that zone")
    except OverflowError as error:
        raise ValueError("is a time outside the years 1970 to 9999") from error
    return local.isoformat()


def _refuse_rounded(text: str) -> None:
    if _ROUNDED.fullmatch(text):
        raise ValueError("was rounded by a spreadsheet")


def _items(text: str) -> list[str]:
    """The items of a list: a JSON array of strings, or texts separated by semicolons. Never empty."""
    if text.startswith("{"):
        raise ValueError("is in braces, which is not a list")
    listed = text.split(";")
    if text.startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError("starts like a JSON array but is not one") from error
        if not all(isinstance(item, str) for item in listed):
            raise ValueError("is a JSON array with items that are not strings")
    items = [item.strip() for item in listed if item.strip()]
    if not items:
        raise ValueError("is an empty list")
    return items
