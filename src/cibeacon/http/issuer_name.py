"""Reads who issued a certificate out of its bytes. Checks nothing, and knows no connection.

A certificate is written in DER: values that each begin with a tag and a length, one inside the other.
https://www.rfc-editor.org/rfc/rfc5280#section-4.1
"""

from __future__ import annotations

_VERSION = 0xA0
_COMMON_NAME = bytes.fromhex("550403")
"""The object identifier 2.5.4.3, as it is written."""
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
"""By the tag of each type of text that a name may have."""


def issuer_name(certificate: bytes) -> str | None:
    """The common name of the issuer; None where it has none. Raises ValueError for what is no certificate."""
    try:
        ((_, whole),) = _values(certificate)
        signed = _values(_values(whole)[0][1])
        issuer = signed[3 if signed[0][0] == _VERSION else 2][1]
        attributes = [_values(attribute) for _, part in _values(issuer) for _, attribute in _values(part)]
        for (_, kind), (tag, text) in attributes:
            if kind == _COMMON_NAME:
                return text.decode(_ENCODINGS[tag])
    except LookupError as error:
        raise ValueError("no certificate") from error
    return None


def _values(encoded: bytes) -> list[tuple[int, bytes]]:
    """The tags and contents of values that follow one another. Raises LookupError or ValueError."""
    values = []
    while encoded:
        tag, length, start = encoded[0], encoded[1], 2
        if length & 0x80:  # the length of the length
            start += length & 0x7F
            length = int.from_bytes(encoded[2:start], "big")
        if start + length > len(encoded):
            raise ValueError("a value that is cut off")
        values.append((tag, encoded[start : start + length]))
        encoded = encoded[start + length :]
    return values
