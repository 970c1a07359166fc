"""Knows how ids of other systems are spelled, and reads them from the text of a setting. Does not know what they name.

A parser raises `ValueError` with a clause that completes "… because it".
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from cibeacon import values

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CONTEXT = r"[!-~]{1,255}"
_PATH = r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+"


def is_uuid(text: str) -> bool:
    """True for a UUID in lower case, with its dashes."""
    return re.fullmatch(_UUID, text) is not None


def uuid(given: str) -> str:
    """A UUID, in lower case: DCI takes no other."""
    if not is_uuid(given.lower()):
        raise ValueError("is not a UUID such as 6cee7286-5d99-4a96-9949-200977f4be07")
    return given.lower()


def client_id(given: str) -> str:
    """Who signs at DCI: `remoteci/UUID` or `feeder/UUID`; a bare UUID is a remote CI's."""
    kind, _, bare = given.rpartition("/")
    if kind not in ("", "remoteci", "feeder") or not is_uuid(bare.lower()):
        raise ValueError("is neither a UUID nor one after remoteci/ or feeder/")
    return f"{kind or 'remoteci'}/{bare.lower()}"


def root(given: str) -> str:
    """The base URL of a system whose paths are known: scheme and host alone."""
    found = values.url(given)
    if path := urlsplit(found).path:
        raise ValueError(f"holds the path {path[:60]}; give scheme and host alone, such as https://www.instabase.com")
    return found


def context(given: str) -> str:
    """Whose data a request is about, as a header takes it: printable ASCII without spaces."""
    if not re.fullmatch(_CONTEXT, given):
        raise ValueError("is no id of an organisation or a user: it holds a space or a character that no id has")
    return given


def path(given: str) -> str:
    """A path on a server; nothing in it can lead to another one, nor upwards."""
    if not re.fullmatch(_PATH, given):
        raise ValueError("is not a path such as /api/v1/flow/pipeline, without a host, query or dots in front")
    return given
