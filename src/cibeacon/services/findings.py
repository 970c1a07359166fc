"""Knows how a mistake in a repository's configuration is described, and where in the document it is. Judges nothing."""

from collections.abc import Collection
from typing import Any, Literal, NamedTuple, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the top of the document."""
_MOST_COMPARED = 3000
"""Names among which the nearest one is looked for: each takes 10 µs."""


class Finding(NamedTuple):
    """Something wrong in the document. A fault takes away what it is about; a warning takes nothing."""

    path: KeyPath
    text: str
    weight: Literal["fault", "warning"] = "fault"
    about_map: bool = True


class Mention(NamedTuple):
    """Something in the document that ought to be in the repository."""

    path: KeyPath
    kind: Literal["root", "plain", "pattern", "template", "uses"]
    text: str


def unknown_key(key: Any, known: Collection[str], owner: str) -> str:
    """The sentence about a key that does not exist, with the nearest one that does."""
    hint = _nearest(str(key), known) or f" It may hold {', '.join(known)}."
    return f"{owner} may not hold {shown(key)}; it is not used.{hint}"


def unknown_name(name: str, known: Collection[str]) -> str:
    """The sentence about a service or library that does not exist, with the nearest one that does."""
    return f"{shown(name)} is no service and no library.{_nearest(name, known)}"


def unknown_service(name: str, known: Collection[str]) -> str:
    """The sentence about a service that no rule of the map finds, with the nearest one that some rule does."""
    return f"{shown(name)} is no service of the service map.{_nearest(name, known)}"


def shown(value: Any) -> str:
    """A value of the document in a sentence, in part where it is long."""
    if isinstance(value, bool):
        word = str(value).lower()
        return f"{word} (which YAML makes of {'yes, on' if value else 'no, off'} and {word})"
    return repr(str(value)[:80])


def _nearest(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # only a faulty file needs it

    near = get_close_matches(name, known, 1) if len(known) <= _MOST_COMPARED else ()
    return f" Did you mean {near[0]}?" if near else ""
