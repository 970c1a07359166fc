"""Knows what a cron line of five fields looks like, so that a typing mistake is found before the server is asked.

The server reads it with Fugit, which knows a little more: `L`, and `mon#2` (https://docs.gitlab.com/topics/cron/).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Field(NamedTuple):
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()
    extra: str = ""
    """A regular expression for what else may stand there."""


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31, extra=r"l|last|-\d{1,2}"),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS, extra=r"(?:[0-7]|[a-z]{3})#(?:-?[1-5]|l|last)"),
)


def fault(line: str) -> str:
    """What is wrong with a cron line, as a clause; nothing when it can be right."""
    fields = line.split()
    if len(fields) != len(_FIELDS):
        return f"has {len(fields)} fields instead of five (minute, hour, day of the month, month, day of the week)"
    for field, text in zip(_FIELDS, fields, strict=True):
        for item in text.lower().split(","):
            if why := _wrong(field, item):
                return f"has the {field.name} {text}: {why}"
    return ""


def _wrong(field: _Field, item: str) -> str:
    if field.extra and re.fullmatch(field.extra, item):
        return ""
    span, stepped, step = item.partition("/")
    if stepped and not (step.isascii() and step.isdecimal() and int(step) > 0):
        return "the step after / is not a number above zero"
    if span == "*":
        return ""
    ends = [_value(field, word) for word in span.split("-")]
    if len(ends) > 2 or None in ends:
        return f"{item or 'nothing'} is none"
    if not all(each is not None and field.lowest <= each <= field.highest for each in ends):
        return f"it goes from {field.lowest} to {field.highest}"
    return ""


def _value(field: _Field, word: str) -> int | None:
    if word in field.names:
        return field.names.index(word) + (1 if field.lowest else 0)
    return int(word) if re.fullmatch(r"[0-9]{1,3}", word) else None
