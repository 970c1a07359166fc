"""Knows what a folder template means. Does not know what else a map holds."""

from typing import NamedTuple, Self

from cibeacon.services.patterns import checked_characters

PLACEHOLDER = "{service}"
_ANY = ("*", PLACEHOLDER)


class Template(NamedTuple):
    """A folder template: literal segments, `*` for any one segment, and `{service}` for the name."""

    text: str
    segments: tuple[str, ...]
    order: int = 0
    """Its place among the rules; the first one wins at equal depth."""

    @classmethod
    def parse(cls, text: str, order: int = 0) -> Self:
        """The template, or `ValueError` with what is wrong with it."""
        segments = tuple(root_of(text).split("/"))
        if segments.count(PLACEHOLDER) != 1:
            raise ValueError(f"must hold the folder {PLACEHOLDER} once")
        for segment in segments:
            if segment not in _ANY and any(mark in segment for mark in "*?[{}"):
                raise ValueError(f"has the folder {segment}; a folder is a plain name, * or {PLACEHOLDER}")
        return cls(text, segments, order)

    def service(self, folders: list[str]) -> str | None:
        """The folder that names the service whose root these folders are; one that begins with a dot names none."""
        if len(folders) != len(self.segments):
            return None
        for wanted, found in zip(self.segments, folders, strict=True):
            if wanted != found and wanted not in _ANY:
                return None
        name = folders[self.segments.index(PLACEHOLDER)]
        return None if not name or name.startswith(".") else name


def root_of(text: str) -> str:
    """A root's folder without slashes at its ends, or `ValueError` with what is wrong with it."""
    folder = checked_characters(text).removeprefix("./").rstrip("/")
    parts = folder.split("/")
    if not folder or any(part in ("", ".", "..") for part in parts):
        remedy = "; drop the slash at its beginning" if text.startswith("/") and folder else ""
        raise ValueError(f"is not a folder below the top of the repository{remedy}")
    return folder
