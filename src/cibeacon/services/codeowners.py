"""Knows the file CODEOWNERS of GitHub and of GitLab: the last line that matches owns a path. Does not know services.

GitLab's sections each have a say of their own, and its patterns are Ruby's `File.fnmatch`: without a slash at the
beginning they match at any depth, without one at the end no folder (https://docs.gitlab.com/user/project/codeowners/reference/).
GitHub's are those of gitignore; it has no sections and no `!`
(https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners).
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from cibeacon.services.patterns import Glob

_SECTION = re.compile(r"\^?\[(?P<name>[^\]]*)\](\[\d+\])?(?P<owners>(\s.*)?)")
_WORD = re.compile(r"(?:\\.|[^\s\\])+")
_MOST_LINES = 20_000


class _Line(NamedTuple):
    section: str
    globs: tuple[Glob, ...]
    owners: tuple[str, ...]
    excludes: bool


class Owners:
    """Who owns which path, as GitHub reads the file, or GitLab."""

    def __init__(self, text: str, *, gitlab: bool = False) -> None:
        self._below: dict[str, list[tuple[int, Glob]]] = {}
        self._lines = list(_lines(text, gitlab=gitlab))
        self._places: dict[str, tuple[tuple[int, Glob], ...]] = {}
        for number, line in enumerate(self._lines):
            for glob in line.globs:
                self._below.setdefault(glob.folder, []).append((number, glob))

    @property
    def names(self) -> tuple[str, ...]:
        """Every owner, in the order of the file."""
        return tuple(dict.fromkeys(owner for line in self._lines for owner in line.owners))

    def of(self, path: str) -> tuple[str, ...]:
        """The owners of a path: those of the last line that matches, in each section that does not exclude it."""
        folder = path.rpartition("/")[0]
        if folder not in self._places:
            self._places[folder] = self._place(folder)
        settled: dict[str, tuple[str, ...]] = {}
        excluded: set[str] = set()
        for number, glob in self._places[folder]:
            line = self._lines[number]
            if line.excludes and glob.matches(path):  # for good: no later line of the section takes it in again
                excluded.add(line.section)
            elif line.section not in settled and glob.matches(path):
                settled[line.section] = line.owners
        found = (
            settled[line.section] for line in self._lines if line.section in settled and line.section not in excluded
        )
        return tuple(dict.fromkeys(owner for owners in found for owner in owners))

    def _place(self, folder: str) -> tuple[tuple[int, Glob], ...]:
        """The patterns that may match a file in the folder, the last line first."""
        found = [*self._below.get("", ())]
        at = 0
        while folder and at >= 0:
            at = folder.find("/", at + 1)
            found += self._below.get(folder if at < 0 else folder[:at], ())
        return tuple(sorted(found, key=lambda each: -each[0]))


def _lines(text: str, *, gitlab: bool) -> Iterator[_Line]:
    section, default = "", tuple[str, ...]()
    for line in text.splitlines()[:_MOST_LINES]:
        stripped = line.strip()
        if heading := _SECTION.fullmatch(stripped):
            section, default = heading["name"].strip().lower(), _owners(heading["owners"].split())
            continue
        words = _WORD.findall(stripped)
        if not words or words[0].startswith("#"):
            continue
        ends = (number for number, word in enumerate(words) if word.startswith("#") and not gitlab)
        comment = next(ends, len(words))  # GitLab knows none behind a pattern
        pattern = re.sub(r"\\(.)", _literal, words[0].removeprefix("!"))
        try:
            globs = _gitlab_globs(pattern) if gitlab else _globs(pattern)
            yield _Line(section, globs, _owners(words[1:comment]) or default, words[0].startswith("!"))
        except ValueError:
            continue  # the hosts ignore a line that they cannot read, too


def _literal(escaped: re.Match[str]) -> str:
    """A character behind a backslash; one that means something in a pattern, in brackets, where it does not."""
    return f"[{escaped[1]}]" if escaped[1] in "*?[" else escaped[1]


def _owners(words: list[str]) -> tuple[str, ...]:
    return tuple(word for word in words if "@" in word)


def _globs(pattern: str) -> tuple[Glob, ...]:
    """The patterns of ours that mean the same: one without a slash inside is meant at any depth."""
    anchored = "/" in pattern.rstrip("/")
    plain = pattern.removeprefix("/")
    if not plain:
        raise ValueError("is the top of the repository, which hosts take for nothing")
    if not anchored:
        plain = f"**/{plain}"
    if plain.endswith(("/", "/**")) or (anchored and pattern.endswith("/*")):
        return (Glob(plain),)
    return (Glob(plain), Glob(f"{plain}/"))


def _gitlab_globs(pattern: str) -> tuple[Glob, ...]:
    """The same as GitLab reads it: a folder is meant only with a slash behind it, and `**` crosses only before one."""
    anchored = pattern if pattern.startswith("/") else f"/**/{pattern}"
    return (Glob((anchored.removesuffix("*") if anchored.endswith("/**") else anchored).removeprefix("/")),)
