"""Knows which service owns a path: the deepest root wins. Does not know git, files or where the map was written down.

A root owns everything below its folder. A template (`services/*/{service}/`) is a rule that finds roots in the paths
themselves, so new and deleted services are seen alike. Ownership is worked out once a folder and remembered.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/@-]{0,127}", re.ASCII)
"""What a service may be called. Folder names come from strangers' branches; others are no services."""

PLACEHOLDER = "{service}"


class Template(NamedTuple):
    """A folder template: literal segments, `*` for any one segment, and `{service}` for the name."""

    text: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The template, or `ValueError` with what is wrong with it."""
        segments = tuple(root_of(text).split("/"))
        if segments.count(PLACEHOLDER) != 1:
            raise ValueError(f"must hold the folder {PLACEHOLDER} once")
        for segment in segments:
            if segment not in ("*", PLACEHOLDER) and any(mark in segment for mark in "*?[{}"):
                raise ValueError(f"has the folder {segment}; a folder is a plain name, * or {PLACEHOLDER}")
        return cls(text, segments)

    def root(self, folders: tuple[str, ...]) -> tuple[int, str] | None:
        """(depth, service) when the folders of a path begin as the template says."""
        if len(folders) < len(self.segments):
            return None
        name = ""
        for wanted, found in zip(self.segments, folders, strict=False):
            if wanted == PLACEHOLDER:
                name = found
            elif wanted not in ("*", found):
                return None
        return (len(self.segments), name) if NAME.fullmatch(name) else None


class Assignment(NamedTuple):
    """Services that own at least one of the paths, with the first such path of each; and how many belong to none."""

    why: Mapping[str, str]
    paths: int
    unmatched: int


class ServiceMap:
    """Who owns what: roots by folder (without the trailing slash), and templates in the order they were written."""

    def __init__(self, roots: Mapping[str, str], templates: tuple[Template, ...] = ()) -> None:
        self.roots, self.templates = roots, templates
        self._owners: dict[str, str | None] = {}

    def owner(self, path: str) -> str | None:
        """The service whose root is the deepest above `path`; an explicit root beats a template of equal depth."""
        if path in self.roots:  # a submodule or a link stands where the service's folder would
            return self.roots[path]
        folder = path.rpartition("/")[0]
        if folder not in self._owners:
            self._owners[folder] = self._owner_of_folder(folder)
        return self._owners[folder]

    def assign(self, paths: Iterable[str]) -> Assignment:
        """The services that own the paths."""
        why: dict[str, str] = {}
        total = unmatched = 0
        for path in paths:
            total += 1
            service = self.owner(path)
            if service is None:
                unmatched += 1
            elif service not in why:
                why[service] = path
        return Assignment({name: why[name] for name in sorted(why)}, total, unmatched)

    def _owner_of_folder(self, folder: str) -> str | None:
        folders = tuple(folder.split("/")) if folder else ()
        best, name = -1, None
        for template in self.templates:
            found = template.root(folders)
            if found and found[0] > best:
                best, name = found
        for depth in range(len(folders), max(best, 1) - 1, -1):
            explicit = self.roots.get("/".join(folders[:depth]))
            if explicit is not None:
                return explicit
        return name


def root_of(text: str) -> str:
    """A root's folder without slashes at its ends, or `ValueError` with what is wrong with it."""
    folder = text.removeprefix("./").rstrip("/")
    parts = folder.split("/")
    if not folder or folder.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise ValueError("is not a folder below the top of the repository")
    return folder
