"""Matches path patterns: anchored at the top, `*` within a folder, `**` across folders. Does not know services or files.

No library does this in bounded time, and an outsider's pattern must not keep the processor busy. Of thousands of patterns,
most are never compiled, since no changed path is below their folder.
"""

import re
from collections.abc import Iterable
from typing import TypeVar

_Key = TypeVar("_Key")
MOST_WILDCARDS = 16
"""Wildcards in one pattern."""
_WILDCARDS = "*?["
_PIECE = r"(?s)(\*+)|(\[[!^]?\]?[^\]]*\])|(.)"
"""Stars, a bracket expression, or any one character."""
_ANY_FOLDERS = "(?:[^/]+/)*"


class Glob:
    """One pattern, compiled on its first match. Raises `ValueError` with the reason if it is invalid."""

    __slots__ = ("_match", "_prefix", "folder", "text")

    def __init__(self, text: str) -> None:
        self.text = _checked(text)
        segments = self.text.split("/")
        first = next((index for index, segment in enumerate(segments) if not is_plain(segment)), len(segments))
        self.folder = "/".join(segments[: min(first, len(segments) - 1)])
        """The folder without wildcards that contains all its matches; empty for the top."""
        self._prefix = f"{self.folder}/" if self.folder else ""
        self._match = _compiled(self.text) if "[" in self.text else None

    def matches(self, path: str) -> bool:
        """Whether the pattern matches the path."""
        if not path.startswith(self._prefix):
            return False
        if self._match is None:
            self._match = _compiled(self.text)
        return self._match.fullmatch(path) is not None


def is_plain(text: str) -> bool:
    """True for a path without a wildcard."""
    return not any(mark in text for mark in _WILDCARDS)


def by_folder(globs: Iterable[tuple[_Key, Glob]]) -> dict[str, list[tuple[_Key, Glob]]]:
    """Patterns with their keys, by their first folder without wildcards."""
    folders: dict[str, list[tuple[_Key, Glob]]] = {}
    for key, glob in globs:
        folders.setdefault(glob.folder, []).append((key, glob))
    return folders


def checked_characters(text: str) -> str:
    """The text, or `ValueError` if no path can contain it: JSON and YAML allow more characters than file systems."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" and not "\udc80" <= letter <= "\udcff" for letter in text):
        raise ValueError("contains a character that no path can contain")
    return text


def _checked(text: str) -> str:
    text = checked_characters(text).removeprefix("./")
    if not text:
        raise ValueError("is empty")
    if text.startswith("/"):
        raise ValueError("begins with a slash; patterns already start at the top of the repository")
    if "\\" in text:
        raise ValueError("contains a backslash; separate folders with /, and write [*] for a literal *")
    if "{" in text or "}" in text:
        raise ValueError("contains braces; write one pattern for each alternative")
    if any(part in ("", ".", "..") for part in text.removesuffix("/").split("/")):
        raise ValueError("points outside the repository, or has an empty folder name")
    if text.count("*") + text.count("?") > MOST_WILDCARDS:
        raise ValueError(f"contains over {MOST_WILDCARDS} wildcards")
    return text


def _compiled(text: str) -> re.Pattern[str]:
    """The regular expression. Atomic groups use the first match of each part, which is enough and takes linear time."""
    parts = [*text[:-1].split("/"), "**"] if text.endswith("/") else text.split("/")
    blocks: list[list[str]] = [[]]  # the parts between one ** and the next
    for part in parts:
        if part == "**":
            blocks.append([])
        else:
            blocks[-1].append(_segment(part))
    first, *others = ["/".join(block) for block in blocks]
    if not others:
        return re.compile(first, re.DOTALL)
    start = f"{first}/" if first else ""
    between = "".join(f"(?>{_ANY_FOLDERS}?{block}/)" for block in others[:-1] if block)
    end = _ANY_FOLDERS + others[-1] if others[-1] else ".+"
    return re.compile(start + between + end, re.DOTALL)


def _segment(text: str) -> str:
    """One folder or file name of a pattern as a regular expression."""
    pieces = [""]  # the text between one star and the next
    for stars, brackets, other in re.findall(_PIECE, text):
        if stars:
            pieces.append("")
        else:
            pieces[-1] += _character_class(brackets) if brackets else "[^/]" if other == "?" else re.escape(other)
    first, *others = pieces
    if not others:
        return first
    return first + "".join(f"(?>[^/]*?{piece})" for piece in others[:-1] if piece) + f"[^/]*{others[-1]}"


def _character_class(brackets: str) -> str:
    """A bracket expression, which never matches the slash."""
    inside = brackets[1:-1]
    negated = inside[:1] in ("!", "^")
    inside = inside[1:] if negated else inside
    escaped = re.sub(r"[\\\[\]^&~|]", lambda match: f"\\{match[0]}", inside)
    escaped = re.sub(r"^-|-$|-(?=-)", r"\\-", escaped)
    try:
        re.compile(f"[{escaped}]")
    except re.error as error:
        raise ValueError(f"contains {brackets}, which is not a range of characters") from error
    return f"(?!/)[{'^' if negated else ''}{escaped}]"
