"""Knows how an id is made of its parts. Does not know what it names."""

import hashlib
from urllib.parse import quote

_LONGEST = 255


def reference(*parts: object) -> str:
    """A readable id from its parts, distinct for distinct parts, never over 255 characters.

    Parts are percent-encoded, so no part can pretend to be two; what would be too long ends in a hash of the whole.
    """
    whole = "/".join(quote(str(part), safe="", errors="surrogatepass") or "%" for part in parts)
    if len(whole) <= _LONGEST:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()
    return f"{whole[: _LONGEST - len(digest) - 1]}+{digest}"  # no encoded part holds a plus
