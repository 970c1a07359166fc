"""Answers what the discovery of services asks: git's trees, the checkout's files, jq, parsed documents. Decides nothing.

Everything is bounded: a marker file is a stranger's, and so is what a program makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import ServiceMapError
from cibeacon.services import config_file
from cibeacon.services.service_map import ServiceMap

if TYPE_CHECKING:
    from cibeacon.services.discovery import Outside, Place, Side

_LARGEST = 1 << 20
"""Bytes of a marker file, and of those that are read together."""
MOST_FOLDERS = 500_000
"""Folders of both trees together."""
_SECONDS = 10.0


class Source(Protocol):
    """A repository, or a ladder that goes on where the checkout ends."""

    def entries(self, commit: str, *options: str) -> Iterator[str]:
        """A line of `git ls-tree` for every file in a commit's tree; with `-d` for every folder."""
        ...

    def batch(self, form: str, blobs: Iterable[str]) -> bytes:
        """What `git cat-file` says of many objects at once."""
        ...

    def text(self, commit: str, path: str) -> bytes | None:
        """The content of a file in a commit's tree."""
        ...


def settled(drawn: ServiceMap, source: Source, base: str | None, head: str | None) -> ServiceMap:
    """The map with everything found that its rules look for in the trees of two commits, of which one may be missing."""
    if not drawn.rules.discover:
        looked = drawn.rules._replace(folders=Trees(source, base, head).folders)
        return ServiceMap(drawn.roots, drawn.templates, looked) if drawn.templates and (base or head) else drawn
    from cibeacon.services import discovery  # most maps discover nothing, or by templates alone

    return discovery.discovered(drawn, Trees(source, base, head))


def asking(
    drawn: ServiceMap, deadline: Deadline, built: Callable[[str], bytes | None], *sides: Side, gitlab: bool = False
) -> ServiceMap:
    """The map with what its rules may ask besides the trees. `sides`: whose CODEOWNERS may be believed.

    `gitlab`: GitLab reads it.
    """
    if not drawn.rules.discover:
        return drawn
    from cibeacon.services.discovery import Outside

    outside: Outside = Outside(_jq(deadline), config_file.documents, built, sides or ("head", "base"), gitlab)
    return ServiceMap(drawn.roots, drawn.templates, drawn.rules._replace(outside=outside))


def checked_out(root: Path) -> Callable[[str], bytes | None]:
    """Files in the checkout, as a build tool has left them there."""

    def built(path: str) -> bytes | None:
        try:
            found = config_file.in_folder(root, path)
        except ServiceMapError:
            return None
        return found[1] if found else None

    return built


class Trees:
    """The trees of two commits, or of one."""

    def __init__(self, source: Source, base: str | None, head: str | None) -> None:
        sides: tuple[tuple[Side, str | None], ...] = (("head", head), ("base", base))
        self.commits: Mapping[Side, str] = {side: commit for side, commit in sides if commit}
        self._source = source

    def named(self, name: str) -> Iterator[Place]:
        """Every file whose last part is this name."""
        from cibeacon.services.discovery import Place

        endings = (f"/{name}", f"\t{name}")
        for side, commit in self.commits.items():
            for entry in self._source.entries(commit):
                if entry.endswith(endings):
                    about, _, path = entry.partition("\t")
                    mode, _, blob = about.split(" ")
                    if mode.startswith("100"):  # neither a link nor a submodule
                        yield Place(side, path, blob)

    def contents(self, places: Sequence[Place]) -> Iterator[list[tuple[Place, bytes | None]]]:
        """Each file with its content, None where that is not here; a few at a time, so that memory is bounded.

        Raises `ServiceMapError` for a file over 1 MiB.
        """
        sizes = {}
        for line in self._source.batch("--batch-check", dict.fromkeys(place.blob for place in places)).splitlines():
            blob, kind, *size = line.decode("ascii").split(" ")
            if kind == "blob":
                sizes[blob] = int(size[0])
        piece: list[Place] = []
        total = 0
        for place in places:
            size_of = sizes.get(place.blob, 0)
            if size_of > _LARGEST:
                raise ServiceMapError(
                    f"{place.path[:200]} cannot be read",
                    f"it is over {_LARGEST >> 20} MiB",
                    "Narrow the rule's marker.",
                )
            if total + size_of > _LARGEST:
                yield self._piece(piece, sizes)
                piece, total = [], 0
            piece.append(place)
            total += size_of
        yield self._piece(piece, sizes)

    def _piece(self, places: Sequence[Place], sizes: Mapping[str, int]) -> list[tuple[Place, bytes | None]]:
        here = [blob for blob in dict.fromkeys(place.blob for place in places) if blob in sizes]
        found = dict(_contents(self._source.batch("--batch", here))) if here else {}
        return [(place, found.get(place.blob)) for place in places]

    def text(self, side: Side, path: str) -> bytes | None:
        """The content of one file by its path."""
        return self._source.text(self.commits[side], path)

    def folders(self) -> Iterable[str]:
        """Every folder of both trees."""
        found: dict[str, None] = {}
        for commit in self.commits.values():
            for folder in self._source.entries(commit, "-d", "--name-only"):
                found[folder] = None
                if len(found) > MOST_FOLDERS:
                    raise ServiceMapError(
                        "The folders of the repository cannot be listed",
                        f"there are over {MOST_FOLDERS:,}",
                        "Write the services down instead of finding them by templates.",
                    )
        return found


def _contents(answer: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        blob, _, size = answer[at:end].decode("ascii").split(" ")
        at = end + 1 + int(size) + 1
        yield blob, answer[end + 1 : at - 1]


def _jq(deadline: Deadline) -> Callable[[str, Any], list[Any]]:
    def jq(program: str, value: Any) -> list[Any]:
        from cibeacon.jq import jq_filter

        return jq_filter.run(program, value, seconds=min(_SECONDS, deadline.remaining()))

    return jq
