"""Reads a certificate's issuer from its bytes. Verifies nothing, and knows no connection.

A certificate is encoded in DER: nested values that each begin with a tag and a length.
https://www.rfc-editor.org/rfc/rfc5280#section-4.1
"""

from __future__ import annotations

_VERSION = 0xA0
_COMMON_NAME = bytes.fromhex("550403")
"""The object identifier 2.5.4.3, encoded."""
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
"""Tag of each text type that a name may have → encoding."""


def issuer_name(certificate: bytes) -> str | None:
    """The common name of the issuer; None if it has none. Raises ValueError if the bytes are not a certificate."""
    try:
        ((_, whole),) = _values(certificate)
        signed = _values(_values(whole)[0][1])
        issuer = signed[3 if signed[0][0] == _VERSION else 2][1]
        attributes = [_values(attribute) for _, part in _values(issuer) for _, attribute in _values(part)]
        for (_, kind), (tag, text) in attributes:
            if kind == _COMMON_NAME:
                return text.decode(_ENCODINGS[tag])
    except LookupError as error:
        raise ValueError("not a certificate") from error
    return None


def _values(encoded: bytes) -> list[tuple[int, bytes]]:
    """The tags and contents of consecutive values. Raises LookupError or ValueError."""
    values = []
    while encoded:
        tag, length, start = encoded[0], encoded[1], 2
        if length & 0x80:  # the other bits give the length of the length
            start += length & 0x7F
            length = int.from_bytes(encoded[2:start], "big")
        if start + length > len(encoded):
            raise ValueError("a truncated value")
        values.append((tag, encoded[start : start + length]))
        encoded = encoded[start + length :]
    return values
