"""Knows what a path pattern means: anchored at the top, `*` within a folder, `**` across. Does not know services or files.

No library does this: those that exist test each pattern on each path, and a monorepo has thousands of both. Here most
patterns are never compiled, since no changed path lies below the folder that they begin with.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

MOST_STARS = 16
"""Wildcards in one pattern; nobody needs more, and a stranger's pattern must not keep the processor busy."""
_WILD = re.compile(r"[*?\[]")
_PARTS = r"(?s)(\*+)|(\[[!^]?\]?[^\]]*\])|(.)"
"""Stars, a bracket expression, or any one character."""
_ANY_FOLDERS = "(?:[^/]+/)*"


class Glob:
    """One pattern, compiled when it is first asked. Raises `ValueError` with what is wrong with it."""

    __slots__ = ("_match", "_start", "folder", "text")

    def __init__(self, text: str) -> None:
        self.text = _checked(text)
        segments = self.text.split("/")
        wild = next((number for number, each in enumerate(segments) if _WILD.search(each)), len(segments))
        self.folder = "/".join(segments[: min(wild, len(segments) - 1)])
        """The folder without wildcards that everything it matches is in; empty for the top."""
        self._start = f"{self.folder}/" if self.folder else ""
        self._match = re.compile(_translated(self.text), re.DOTALL).fullmatch if "[" in self.text else None

    def matches(self, path: str) -> bool:
        """Whether the path is one of those that the pattern means."""
        if not path.startswith(self._start):
            return False
        if self._match is None:
            self._match = re.compile(_translated(self.text), re.DOTALL).fullmatch
        return self._match(path) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Glob) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Glob({self.text!r})"


State: TypeAlias = bool | tuple[Glob, ...]
"""What a set of patterns says of a folder: all of it, or the patterns that may match a file in it."""


def is_plain(text: str) -> bool:
    """True for a path without a wildcard."""
    return not _WILD.search(text)


def below(globs: Iterable[tuple[str, Glob]]) -> Mapping[str, tuple[tuple[str, Glob], ...]]:
    """Named patterns by the folder that they begin with."""
    buckets: dict[str, list[tuple[str, Glob]]] = {}
    for name, glob in globs:
        buckets.setdefault(glob.folder, []).append((name, glob))
    return {folder: tuple(found) for folder, found in buckets.items()}


class Patterns:
    """Patterns that mean one thing together, such as `ignore`. The usual shapes cost a look into a set, no regex."""

    def __init__(self, globs: Iterable[Glob]) -> None:
        suffixes: list[str] = []
        self.names: set[str] = set()
        """File names that match anywhere; so do paths with one of `suffixes`."""
        self._folder_names: set[str] = set()
        self._folders: set[str] = set()
        below: dict[str, list[Glob]] = {}
        for glob in globs:
            anywhere = glob.text.removeprefix("**/")
            inside = anywhere.removesuffix("/**").removesuffix("/")
            name = inside and anywhere != glob.text and "/" not in inside
            if name and inside == anywhere and is_plain(inside[1:]) and inside.startswith("*"):
                suffixes.append(inside[1:])
            elif name and is_plain(inside):
                (self.names if inside == anywhere else self._folder_names).add(inside)
            elif inside and anywhere == glob.text and inside != anywhere and is_plain(inside):
                self._folders.add(inside)
            else:
                below.setdefault(glob.folder, []).append(glob)
        self._below = {folder: tuple(found) for folder, found in below.items()}
        self.suffixes = tuple(suffixes)
        self.anywhere = bool(suffixes or self.names)
        """Whether a file in any folder may match."""
        self.begin = None if self._folder_names else frozenset(self._folders | self._below.keys())
        """The folders that a pattern begins with, besides those that match anywhere; None where any folder may be one."""

    def at(self, folder: str, above: State) -> State:
        """What the patterns say of a folder, given what they said of the one above it."""
        if self.begin is not None and folder not in self.begin:
            return above
        if above is True or folder in self._folders or (folder and folder.rpartition("/")[2] in self._folder_names):
            return True
        more = self._below.get(folder)
        return (*above, *more) if more and isinstance(above, tuple) else above

    def hold(self, path: str, name: str, state: State) -> bool:
        """Whether one of them matches the path, whose last part is `name` and of whose folder `state` was said."""
        if state is True or name in self.names or path.endswith(self.suffixes):
            return True
        return isinstance(state, tuple) and any(glob.matches(path) for glob in state)


def checked_characters(text: str) -> str:
    """The text, or `ValueError` where no path can hold it: JSON and YAML can say what a file system cannot."""
    if "\0" in text or any("\ud800" <= each <= "\udfff" and not "\udc80" <= each <= "\udcff" for each in text):
        raise ValueError("holds a character that no path can hold")
    return text


def _checked(text: str) -> str:
    text = checked_characters(text).removeprefix("./")
    if not text:
        raise ValueError("is empty")
    if text.startswith("/"):
        raise ValueError("begins with a slash; patterns begin at the top of the repository as it is")
    if "\\" in text:
        raise ValueError("holds a backslash; folders are parted by /, and [*] stands for a real *")
    if "{" in text or "}" in text:
        raise ValueError("holds braces; write one pattern for each alternative")
    if any(part in ("", ".", "..") for part in text.removesuffix("/").split("/")):
        raise ValueError("leads outside, or holds an empty folder")
    if text.count("*") + text.count("?") > MOST_STARS:
        raise ValueError(f"holds over {MOST_STARS} wildcards")
    return text


def _translated(text: str) -> str:
    """The regular expression. Atomic groups take the first place that fits, which is enough and keeps it linear."""
    parts = [*text[:-1].split("/"), "**"] if text.endswith("/") else text.split("/")
    blocks: list[list[str]] = [[]]
    for part in parts:
        if part == "**":
            blocks.append([])
        else:
            blocks[-1].append(_segment(part))
    first, *middle, last = ["/".join(block) for block in blocks] if len(blocks) > 1 else ["/".join(blocks[0]), ""]
    if len(blocks) == 1:
        return first
    start = f"{first}/" if first else ""
    between = "".join(f"(?>{_ANY_FOLDERS}?{block}/)" for block in middle if block)
    return start + between + (_ANY_FOLDERS + last if last else ".+")


def _segment(text: str) -> str:
    """One folder or file name of a pattern as a regular expression."""
    pieces = [""]
    for stars, brackets, other in re.findall(_PARTS, text):
        if stars:
            pieces.append("")
        else:
            pieces[-1] += _class(brackets) if brackets else "[^/]" if other == "?" else re.escape(other)
    first, *middle, last = pieces if len(pieces) > 1 else [pieces[0], ""]
    if len(pieces) == 1:
        return first
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle if piece) + f"[^/]*{last}"


def _class(brackets: str) -> str:
    """A bracket expression; never the slash."""
    inside = brackets[1:-1]
    negated = inside[:1] in ("!", "^")
    inside = inside[1:] if negated else inside
    safe = re.sub(r"[\\\[\]^&~|]", lambda match: f"\\{match[0]}", inside)
    safe = re.sub(r"^-|-$|-(?=-)", r"\\-", safe)
    try:
        re.compile(f"[{safe}]")
    except re.error as error:
        raise ValueError(f"holds {brackets}, which is no range of characters") from error
    return f"(?!/)[{'^' if negated else ''}{safe}]"
