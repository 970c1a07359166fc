"""Knows the secrets of this process and every spelling they could leak in. Does not know where text goes.

A CI host masks a secret only in its raw form; a base64, URL or JSON spelling of it would pass.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 4
"""Shorter values are no secrets anybody relies on, and masking them would eat ordinary text."""


def _spellings(secret: str) -> Iterable[str]:
    raw = secret.encode("utf-8", "surrogateescape")
    yield secret
    for encoded in (quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace")):
        yield encoded
        yield re.sub("%..", lambda match: match[0].lower(), encoded)
        yield encoded.replace("%2F", "/")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(raw).decode()
        yield encoded
        yield encoded.rstrip("=")


class Redactor:
    """Replaces every known secret, in every spelling, by `***`. Longest first, so no tail of one survives."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret.strip() for secret in secrets}
        spellings = {text for secret in known if len(secret) >= _SHORTEST for text in _spellings(secret)}
        ordered = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """The text without any secret."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def within(self, value: Any) -> Any:
        """The JSON value with every text in it redacted, names included."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(name)): self.within(part) for name, part in value.items()}
        return [self.within(part) for part in value] if isinstance(value, list | tuple) else value
