"""Knows how the text of one cell becomes a value. Does not know columns, rows or files.

Each reader takes the text and what is known of the file, and returns the value or raises `ValueError` with a clause that
completes "the cell …".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple, TypeAlias

from cibeacon.model import identifiers, parsers, status_words
from cibeacon.signals.times import AHEAD, EARLIEST

_NUMBER = re.compile(r"[0-9.]+", re.ASCII)
_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})", re.ASCII)
_ROUNDED = re.compile(r"[0-9]+[.,]?[0-9]*e\+?[0-9]+", re.ASCII | re.IGNORECASE)


class About(NamedTuple):
    """What is known of every cell of a file."""

    now: float
    """Unix seconds: history does not lie ahead."""
    zone: tzinfo | None = None
    """Where times without a zone were written."""


Reader: TypeAlias = Callable[[str, About], Any]


def zone(name: str) -> tzinfo:
    """The time zone of a name such as Europe/Berlin, UTC or +02:00. Raises `ValueError`."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    if offset := _OFFSET.fullmatch(name):
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-away if offset[1] == "-" else away)
    from zoneinfo import ZoneInfo  # files with times of their own need none of it

    try:
        return ZoneInfo(name)
    except (OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{name!r} is no time zone") from error
    except KeyError as error:
        raise ValueError(f"{name!r} is no time zone that this machine knows") from error


def text(given: str, about: About) -> str:
    """One line of text."""
    return parsers.text(given)


def service(given: str, about: About) -> str:
    """The name of one service."""
    return identifiers.service(given)


def repository(given: str, about: About) -> str:
    """A repository's full name, and no address of it."""
    if "://" in given or given.endswith(".git"):
        raise ValueError("is an address and not the full name of a repository")
    return parsers.text(given)


def link(given: str, about: About) -> str:
    """A web address."""
    return parsers.link(given)


def truth(given: str, about: About) -> bool:
    """True or false."""
    return parsers.boolean(given)


def number(given: str, about: About) -> int:
    """A whole number above zero."""
    _unrounded(given)
    return parsers.integer(given)


def sha(given: str, about: About) -> str:
    """A commit id."""
    _unrounded(given)
    return parsers.sha(given)


def shas(given: str, about: About) -> tuple[str, ...]:
    """Commit ids, in their order."""
    return tuple(dict.fromkeys(sha(each, about) for each in _items(given)))


def names(given: str, about: About) -> tuple[str, ...]:
    """Names of services, sorted; a comma in one must be meant."""
    found = tuple(sorted({identifiers.service(each) for each in _items(given)}))
    if not _is_array(given) and any("," in each for each in found):
        raise ValueError("holds a comma, so it is not clear whether it is one name or several")
    return found


def status(given: str, about: About) -> str | None:
    """A run's status as DX words it, from any CI system's word; None for unknown."""
    found = status_words.status(given)
    if found in status_words.NO_END:
        raise ValueError("is no status that a run can end with")
    return status_words.recorded(found)


def metadata(given: str, about: About) -> Mapping[str, Any]:
    """A JSON object."""
    return parsers.metadata(given)


def moment(given: str, about: About) -> int:
    """Unix seconds: from Unix seconds, milliseconds, or ISO 8601 with a zone, or in the zone that the file is in."""
    _unrounded(given)
    seconds = parsers.moment(_zoned(given, about.zone))
    said = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if seconds < EARLIEST:
        raise ValueError(f"would be {said}, so it is no Unix time")
    if seconds > about.now + AHEAD:
        raise ValueError(f"would be {said}, which lies ahead")
    return seconds


def _zoned(given: str, zone: tzinfo | None) -> str:
    """A time without a zone as one with it."""
    if zone is None or _NUMBER.fullmatch(given):
        return given
    try:
        naive = datetime.fromisoformat(given)
    except ValueError:
        return given
    if naive.tzinfo:
        return given
    try:
        local = naive.replace(tzinfo=zone)
        if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != naive:
            raise ValueError("is an hour that the clocks skipped in that zone")
    except OverflowError as error:
        raise ValueError("is a time outside the years 1970 to 9999") from error
    return local.isoformat()


def _unrounded(given: str) -> None:
    if _ROUNDED.fullmatch(given) and "e" in given.lower() and ("+" in given or "." in given or "," in given):
        raise ValueError("was rounded by a spreadsheet")


def _is_array(given: str) -> bool:
    return given.startswith("[")


def _items(given: str) -> list[str]:
    """The items of a list: a JSON array of strings, or parted by semicolons. Never empty."""
    if given.startswith("{"):
        raise ValueError("stands in braces, which is no list")
    if _is_array(given):
        try:
            found = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise ValueError("starts like a JSON array but is none") from error
        if not all(isinstance(item, str) for item in found):
            raise ValueError("is a JSON array that holds something other than strings")
    else:
        found = given.split(";")
    items = [item.strip() for item in found if item.strip()]
    if not items:
        raise ValueError("is an empty list")
    return items
