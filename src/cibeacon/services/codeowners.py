"""Knows the file CODEOWNERS of GitHub and of GitLab: the last line that matches owns a path. Does not know services.

Each of GitLab's sections names owners of its own, and its patterns are Ruby's `File.fnmatch`: without a slash at the
beginning they match at any depth, without one at the end no folder (https://docs.gitlab.com/user/project/codeowners/reference/).
GitHub's are those of gitignore; it has no sections and no `!`
(https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners).
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from cibeacon.model.glob import Glob, by_folder

_SECTION = re.compile(r"\^?\[(?P<name>[^\]]*)\](\[\d+\])?(?P<owners>(\s.*)?)")
_FIELD = re.compile(r"(?:\\.|[^\s\\])+")
_MOST_LINES = 20_000


class _Line(NamedTuple):
    section: str
    globs: tuple[Glob, ...]
    owners: tuple[str, ...]
    excludes: bool


class Owners:
    """Who owns which path, as GitHub reads the file, or GitLab."""

    def __init__(self, text: str, *, gitlab: bool = False) -> None:
        self._lines = list(_lines(text, gitlab=gitlab))
        self._sections = tuple(dict.fromkeys(line.section for line in self._lines))
        self._globs = by_folder((index, glob) for index, line in enumerate(self._lines) for glob in line.globs)
        self._candidates: dict[str, list[tuple[int, Glob]]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every owner, in the order of the file."""
        return tuple(dict.fromkeys(owner for line in self._lines for owner in line.owners))

    def of(self, path: str) -> tuple[str, ...]:
        """The owners of a path: those of the last line that matches, in each section that does not exclude it."""
        folder = path.rpartition("/")[0]
        if folder not in self._candidates:
            self._candidates[folder] = self._candidates_in(folder)
        owners: dict[str, tuple[str, ...]] = {}
        excluded: set[str] = set()
        for index, glob in self._candidates[folder]:
            line = self._lines[index]
            if line.excludes and glob.matches(path):  # for good: no later line of the section takes it in again
                excluded.add(line.section)
            elif line.section not in owners and glob.matches(path):
                owners[line.section] = line.owners
        sections = (section for section in self._sections if section not in excluded)
        return tuple(dict.fromkeys(owner for section in sections for owner in owners.get(section, ())))

    def _candidates_in(self, folder: str) -> list[tuple[int, Glob]]:
        """The patterns that may match a file in the folder, the last line first."""
        parts = folder.split("/")
        above = dict.fromkeys(("", *("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))))
        pairs = [pair for name in above for pair in self._globs.get(name, ())]
        return sorted(pairs, key=lambda pair: -pair[0])


def _lines(text: str, *, gitlab: bool) -> Iterator[_Line]:
    section, default = "", tuple[str, ...]()
    for line in text.splitlines()[:_MOST_LINES]:
        stripped = line.strip()
        if heading := _SECTION.fullmatch(stripped):
            section, default = heading["name"].strip().lower(), _owners(heading["owners"].split())
            continue
        pattern, *fields = _FIELD.findall(stripped) or ("#",)
        if pattern.startswith("#"):
            continue
        comments = (index for index, field in enumerate(fields) if field.startswith("#") and not gitlab)
        fields = fields[: next(comments, len(fields))]  # GitLab knows no comment behind a pattern
        literal = re.sub(r"\\(.)", _literal, pattern.removeprefix("!"))
        try:
            globs = _gitlab_globs(literal) if gitlab else _globs(literal)
            yield _Line(section, globs, _owners(fields) or default, pattern.startswith("!"))
        except ValueError:
            continue  # the hosts ignore a line that they cannot read, too


def _literal(escaped: re.Match[str]) -> str:
    """A character behind a backslash; one that means something in a pattern, in brackets, where it does not."""
    return f"[{escaped[1]}]" if escaped[1] in "*?[" else escaped[1]


def _owners(fields: list[str]) -> tuple[str, ...]:
    return tuple(field for field in fields if "@" in field)


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
