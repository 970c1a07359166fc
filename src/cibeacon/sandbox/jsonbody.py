"""Knows which bodies are JSON that can be written out again. Does not know what they say."""

from __future__ import annotations

import json
import math

_DEPTH = 64
"""Deepest nesting of a body; deeper ones could not be written out again."""


def parsed(body: bytes | None) -> object:
    """The body as JSON, or None when it is none that could be written out again."""
    try:
        value: object = json.loads((body or b"").decode(), parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if _shallow(value, _DEPTH) else None


def _finite(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError(digits)
    return value


def _shallow(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_shallow(one, levels - 1) for one in inner)
