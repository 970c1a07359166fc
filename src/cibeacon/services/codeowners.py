"""Reads CODEOWNERS files of GitHub and GitLab: the last matching line owns a path. Does not know services.

On GitLab each section has its own owners, and patterns follow Ruby's `File.fnmatch`: without a leading slash they match at
any depth, without a trailing slash they match no folder (https://docs.gitlab.com/user/project/codeowners/reference/).
On GitHub patterns follow gitignore, and there are no sections and no `!`
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
    """The owners of paths, as GitHub or GitLab reads the file."""

    def __init__(self, text: str, *, gitlab: bool = False) -> None:
        self._lines = list(_lines(text, gitlab=gitlab))
        self._sections = tuple(dict.fromkeys(line.section for line in self._lines))
        self._globs = by_folder((index, glob) for index, line in enumerate(self._lines) for glob in line.globs)
        self._candidates: dict[str, list[tuple[int, Glob]]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every owner, in file order."""
        return tuple(dict.fromkeys(owner for line in self._lines for owner in line.owners))

    def of(self, path: str) -> tuple[str, ...]:
        """The owners of a path: those of the last matching line in each section that does not exclude the path."""
        folder = path.rpartition("/")[0]
        if folder not in self._candidates:
            self._candidates[folder] = self._candidates_in(folder)
        owners: dict[str, tuple[str, ...]] = {}
        excluded: set[str] = set()
        for index, glob in self._candidates[folder]:
            line = self._lines[index]
            if line.excludes and glob.matches(path):  # for good: no later line of the section includes it again
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
        fields = fields[: next(comments, len(fields))]  # GitLab has no comments after a pattern
        literal = re.sub(r"\\(.)", _literal, pattern.removeprefix("!"))
        try:
            globs = _gitlab_globs(literal) if gitlab else _globs(literal)
            yield _Line(section, globs, _owners(fields) or default, pattern.startswith("!"))
        except ValueError:
            continue  # GitHub and GitLab also ignore lines that they cannot read


def _literal(escaped: re.Match[str]) -> str:
    """The character after a backslash; a wildcard goes in brackets, so that it matches literally."""
    return f"[{escaped[1]}]" if escaped[1] in "*?[" else escaped[1]


def _owners(fields: list[str]) -> tuple[str, ...]:
    return tuple(field for field in fields if "@" in field)


def _globs(pattern: str) -> tuple[Glob, ...]:
    """The equivalent patterns in cibeacon's syntax: without a slash inside, a pattern matches at any depth."""
    anchored = "/" in pattern.rstrip("/")
    plain = pattern.removeprefix("/")
    if not plain:
        raise ValueError("is the top of the repository, which GitHub ignores")
    if not anchored:
        plain = f"**/{plain}"
    if plain.endswith(("/", "/**")) or (anchored and pattern.endswith("/*")):
        return (Glob(plain),)
    return (Glob(plain), Glob(f"{plain}/"))


def _gitlab_globs(pattern: str) -> tuple[Glob, ...]:
    """The same for GitLab: only a pattern with a trailing slash matches a folder, and `**` crosses folders only before a slash."""
    anchored = pattern if pattern.startswith("/") else f"/**/{pattern}"
    return (Glob((anchored.removesuffix("*") if anchored.endswith("/**") else anchored).removeprefix("/")),)
