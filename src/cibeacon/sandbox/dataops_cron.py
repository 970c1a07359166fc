"""Knows when a cron line of five fields comes round next. Does not know schedules.

https://docs.gitlab.com/topics/cron/; a zone is named as ActiveSupport names it or as the zone database does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_WORDS = (
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
)
_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", re.ASCII)
_ZONES: Mapping[str, str] = {
    "UTC": "UTC",
    "Pacific Time (US & Canada)": "America/Los_Angeles",
    "Mountain Time (US & Canada)": "America/Denver",
    "Central Time (US & Canada)": "America/Chicago",
    "Eastern Time (US & Canada)": "America/New_York",
    "London": "Europe/London",
    "Paris": "Europe/Paris",
    "Berlin": "Europe/Berlin",
    "Mumbai": "Asia/Kolkata",
    "Tokyo": "Asia/Tokyo",
    "Sydney": "Australia/Sydney",
}
_DAYS = 4 * 366 + 1


def fields(line: str) -> list[frozenset[int]] | None:
    """What each of the five fields allows; None when the line is none."""
    parts = line.lower().split()
    if len(parts) != len(_RANGES):
        return None
    named = [*parts[:3], _numbered(parts[3], 0, 1), _numbered(parts[4], 1, 0)]
    allowed = [_field(part, *bounds) for part, bounds in zip(named, _RANGES, strict=True)]
    return None if not all(allowed) else [one for one in allowed if one]


def zone(name: str) -> ZoneInfo | None:
    """The zone of that name."""
    try:
        return ZoneInfo(_ZONES.get(name, name))
    except (KeyError, ValueError, OSError):  # unknown, no name at all, or a folder
        return None


def next_run(line: str, zone_name: str, after: float) -> float | None:
    """The first minute after a Unix time at which the line holds; None when there is none within four years."""
    allowed, where = fields(line), zone(zone_name)
    if allowed is None or where is None:
        return None
    minutes, hours, days, months, weekdays = allowed
    start = datetime.fromtimestamp(after, UTC).astimezone(where)
    stars = line.split()
    for ahead in range(_DAYS):
        day = (start + timedelta(days=ahead)).date()
        of_month, of_week = day.day in days, day.isoweekday() % 7 in {one % 7 for one in weekdays}
        either = stars[2] != "*" and stars[4] != "*"
        if day.month not in months or not (of_month or of_week if either else of_month and of_week):
            continue
        moments = (
            datetime(day.year, day.month, day.day, h, m, tzinfo=where) for h in sorted(hours) for m in sorted(minutes)
        )
        if found := next((one.timestamp() for one in moments if one.timestamp() > after), None):
            return found
    return None


def _numbered(part: str, words: int, first: int) -> str:
    for number, word in enumerate(_WORDS[words], start=first):
        part = re.sub(rf"\b{word}\b", str(number), part)
    return part


def _field(text: str, low: int, high: int) -> frozenset[int]:
    """The numbers that a field allows; none when any part of it is wrong."""
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            return frozenset()
        start = int(match[1]) if match[1] else low
        end = int(match[2]) if match[2] else start if match[1] and not match[3] else high
        step = int(match[3]) if match[3] else 1
        if not low <= start <= end <= high or step < 1:
            return frozenset()
        found |= set(range(start, end + 1, step))
    return frozenset(found)
