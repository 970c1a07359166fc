"""Secrets that give themselves away: each holds a word that no spelling changes, and base64 of it is known at any offset."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

_ODD = "/+%&=\"<'\\_~$"
"""What URLs, JSON, HTML and Markdown escape."""


class Canary:
    """A secret, by the name of the variable that holds it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._word = hashlib.sha256(name.encode()).hexdigest()[:24]
        self.text = f"gh{_ODD[:6]}{self._word}{_ODD[6:]}z"

    @property
    def in_url(self) -> str:
        """As it stands in a URL."""
        return quote(self.text, safe="")

    def seen_in(self, data: bytes) -> bool:
        """Whether any part of the secret that means something stands there, in whatever spelling."""
        lowered = data.lower()
        pieces = [self._word[at : at + 8].encode() for at in range(0, len(self._word) - 7)]
        return any(piece in lowered for piece in pieces) or any(core in data for core in self._cores())

    def _cores(self) -> Iterable[bytes]:
        word = self._word.encode()
        for offset in range(3):
            whole = base64.b64encode(b"x" * offset + word)
            core = whole[4 if offset else 0 : len(whole) // 4 * 4 - 4]
            yield from (core[at : at + 12] for at in range(0, len(core) - 11, 4))

    def echoes(self) -> str:
        """What servers, proxies and libraries make of it when they repeat it."""
        text = self.text
        pairs = [f"{user}:{text}" for user in ("x-access-token", "oauth2", "gitlab-ci-token", "u", "")]
        spellings = [
            text,
            quote(text),
            quote(text, safe=""),
            quote(text, safe="/+=").lower(),
            quote_plus(text),
            json.dumps(text),
            json.dumps(text).replace("/", "\\/"),
            json.dumps(text).replace("<", "\\u003C"),
            html.escape(text),
            repr(text.encode()),
            text.replace("_", "\\_"),
            *(base64.b64encode(pair.encode()).decode() for pair in pairs),
            *(base64.urlsafe_b64encode(pair.encode()).decode().rstrip("=") for pair in pairs),
        ]
        return " ; ".join(spellings)


def leaked(canaries: Iterable[Canary], *texts: str | bytes) -> set[str]:
    """The names of the secrets that stand in the texts."""
    data = b"\0".join(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for text in texts)
    return {canary.name for canary in canaries if canary.seen_in(data)}


def written(folder: Path, *but: Path) -> list[bytes]:
    """Names and contents of every file below a folder."""
    files = [
        path for path in folder.rglob("*") if path.is_file() and not any(path.is_relative_to(each) for each in but)
    ]
    return [
        part for path in files for part in (str(path.relative_to(folder)).encode(errors="replace"), path.read_bytes())
    ]
