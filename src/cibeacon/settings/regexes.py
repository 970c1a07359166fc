"""Knows how a setting names regular expressions: parted by colons, as DCI's own tools have it. Does not know what for."""

from __future__ import annotations

import json
import re
import warnings


def regexes(given: str) -> tuple[str, ...]:
    """Regular expressions parted by colons, as DCI's own tools have it."""
    found = tuple(dict.fromkeys(each for each in given.split(":") if each))
    for each in found:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                re.compile(each)
        except (re.error, RecursionError, OverflowError) as error:
            shown = json.dumps(each[:80])
            why = f"holds {shown}, which is no regular expression: {error}; for a colon inside one write \\x3a"
            raise ValueError(why) from error
    if not found:
        raise ValueError("holds no regular expression")
    return found
