"""Reads what discovery needs from the trees of two commits: marker files, folders, contents. Decides nothing.

Everything is bounded, because marker files are untrusted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from cibeacon.runtime.errors import ServiceMapError

Side: TypeAlias = Literal["head", "base"]
_LARGEST = 1 << 20
"""Bytes of one marker file, and of a batch of files."""
MOST_FOLDERS = 500_000
"""Folders of both trees together."""


class Source(Protocol):
    """A repository, or one that fetches what the checkout lacks."""

    def entries(self, commit: str, *options: str) -> Iterator[str]:
        """A line of `git ls-tree` for every file in a commit's tree; with `-d` for every folder."""
        ...

    def batch(self, form: str, blobs: Iterable[str]) -> bytes:
        """The output of `git cat-file` for many objects at once."""
        ...

    def text(self, commit: str, path: str) -> bytes | None:
        """The content of a file in a commit's tree."""
        ...


class TreeFile(NamedTuple):
    """A file in one of the trees."""

    side: Side
    path: str
    blob: str
    """The id of its content."""

    @property
    def folder(self) -> str:
        """The folder that it is in."""
        return self.path.rpartition("/")[0]


class Trees:
    """The trees of two commits, either of which may be missing."""

    def __init__(self, source: Source, base: str | None, head: str | None) -> None:
        sides: tuple[tuple[Side, str | None], ...] = (("head", head), ("base", base))
        self.commits: Mapping[Side, str] = {side: commit for side, commit in sides if commit}
        self._source = source

    def files_named(self, name: str) -> Iterator[TreeFile]:
        """Every file with this name, in any folder."""
        endings = (f"/{name}", f"\t{name}")
        for side, commit in self.commits.items():
            for entry in self._source.entries(commit):
                if entry.endswith(endings):
                    about, _, path = entry.partition("\t")
                    mode, _, blob = about.split(" ")
                    if mode.startswith("100"):  # neither a link nor a submodule
                        yield TreeFile(side, path, blob)

    def contents(self, files: Sequence[TreeFile]) -> Iterator[list[tuple[TreeFile, bytes | None]]]:
        """Each file with its content, None if it is missing; in batches, so that memory is bounded.

        Raises `ServiceMapError` for a file over 1 MiB.
        """
        sizes = {}
        for line in self._source.batch("--batch-check", dict.fromkeys(file.blob for file in files)).splitlines():
            blob, kind, *size = line.decode("ascii").split(" ")
            if kind == "blob":
                sizes[blob] = int(size[0])
        batch: list[TreeFile] = []
        total = 0
        for file in files:
            size_of = sizes.get(file.blob, 0)
            if size_of > _LARGEST:
                limit = f"it is larger than {_LARGEST >> 20} MiB"
                raise ServiceMapError(f"{file.path[:200]} cannot be read", limit, "Narrow the rule's marker.")
            if total + size_of > _LARGEST:
                yield self._read(batch, sizes)
                batch, total = [], 0
            batch.append(file)
            total += size_of
        yield self._read(batch, sizes)

    def _read(self, files: Sequence[TreeFile], sizes: Mapping[str, int]) -> list[tuple[TreeFile, bytes | None]]:
        blobs = [blob for blob in dict.fromkeys(file.blob for file in files) if blob in sizes]
        contents = dict(_split_batch(self._source.batch("--batch", blobs))) if blobs else {}
        return [(file, contents.get(file.blob)) for file in files]

    def text(self, side: Side, path: str) -> bytes | None:
        """The content of the file at a path."""
        return self._source.text(self.commits[side], path)

    def folders(self) -> Iterable[str]:
        """Every folder of both trees."""
        folders: dict[str, None] = {}
        for commit in self.commits.values():
            for folder in self._source.entries(commit, "-d", "--name-only"):
                folders[folder] = None
                if len(folders) > MOST_FOLDERS:
                    raise ServiceMapError(
                        "The folders of the repository cannot be listed",
                        f"there are more than {MOST_FOLDERS:,}",
                        "List the services by name instead of using templates.",
                    )
        return folders


def _split_batch(answer: bytes) -> Iterator[tuple[str, bytes]]:
    """(blob, content) for each object in the output of `git cat-file --batch`."""
    start = 0
    while start < len(answer):
        end = answer.index(b"\n", start)
        blob, _, size = answer[start:end].decode("ascii").split(" ")
        start = end + 1 + int(size) + 1
        yield blob, answer[end + 1 : start - 1]
