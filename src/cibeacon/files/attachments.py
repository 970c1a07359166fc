"""Finds the files that match patterns, and determines each one's name in DCI, MIME type and size. Sends nothing.

A checkout is untrusted: paths that lead out of the folder are rejected, folders that are symbolic links are not
searched, and `.git`, which may contain a token, is skipped. MIME types are those that DCI's own agents use.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cibeacon.files import junit
from cibeacon.model.glob import Glob, is_plain
from cibeacon.runtime import paths
from cibeacon.runtime.errors import HalfTime, guarded, interruption
from cibeacon.runtime.shutdown import interruptible
from cibeacon.sinks.dci_files import unique_names

JUNIT = "application/junit"
"""The only type whose tests DCI counts."""
LARGEST = 1 << 30
"""Bytes of one file: DCI's server keeps the whole file in memory."""
MOST = 1000
"""Files per run."""
MOST_COMPLAINTS = 20
"""Complaints that are listed one by one."""
_BY_SUFFIX: Mapping[str, str] = {
    **dict.fromkeys((".log", ".txt", ".html", ".htm", ".yaml", ".yml"), "text/plain"),
    ".json": "application/json",
    ".gz": "application/x-gzip",
    ".tgz": "application/x-gzip",
    ".xz": "application/x-xz",
}
_XML = "text/xml"
_OTHER = "application/octet-stream"


class FoundFile(NamedTuple):
    """A file to send."""

    path: Path
    """Its path without symbolic links, so that the file that was checked is the one that is opened later."""
    name: str
    """Unique among the files of one search, and stable from run to run."""
    mime: str
    size: int


Findings = tuple[tuple[FoundFile, ...], tuple[str, ...]]
"""Files, and complaints about files that are not used, or not as they are."""


def find_attachments(
    patterns: Sequence[str], root: Path, *, top: Path | None = None, anywhere: bool = False
) -> Findings:
    """The files that match the patterns, by name, and complaints about files that are not used, or not as they are.

    Patterns start at `root`; `*` stays within a folder, `**` crosses folders, and a folder means everything in it.
    They may not leave `top`, except with `anywhere`: then the user named the files on a command line.
    """
    with interruptible():
        search = _Search(patterns, root, top or root, anywhere=anywhere)
        return search.named_files()


def try_find_attachments(
    patterns: Sequence[str], root: Path, *, top: Path | None = None, anywhere: bool = False
) -> tuple[Findings, str | None]:
    """The same, but never raises: no files if the search fails, and the reason if it was interrupted."""
    try:
        return guarded(lambda: find_attachments(patterns, root, top=top, anywhere=anywhere), no_attachments), None
    except HalfTime as stop:
        return no_attachments(interruption(stop)), None
    except KeyboardInterrupt as stop:
        return no_attachments(interruption(stop)), interruption(stop)


def no_attachments(reason: str) -> Findings:
    """No files, for a reason outside of this search."""
    return (), (f"no file is sent because {reason}",)


def allowed_paths(patterns: Sequence[str], root: Path, top: Path) -> frozenset[Path]:
    """The files that these patterns allow to be sent, whatever their content."""
    with interruptible():
        return frozenset(file.real for file in _Search(patterns, root, top, anywhere=False).files.values())


class _File(NamedTuple):
    label: str
    """The path that its name is derived from."""
    size: int
    real: Path


class _Search:
    """The files that match patterns, by path."""

    def __init__(self, patterns: Sequence[str], root: Path, top: Path, *, anywhere: bool) -> None:
        self._root, self._top = os.path.abspath(root), os.path.abspath(top)  # noqa: PTH100 - a link stays what it is
        self._real_top, self._anywhere = os.path.realpath(top), anywhere
        self.files: dict[str, _File] = {}
        self._complaints: list[str] = []
        for pattern in dict.fromkeys(patterns):
            try:
                self._add(pattern)
            except ValueError as error:
                self._complaints.append(f"{pattern} is not used: it {error}")

    def named_files(self) -> Findings:
        """The files with their names and types."""
        files = sorted(self.files.items(), key=lambda item: (item[1].label, item[0]))
        if len(files) > MOST:
            self._complaints.append(f"only the first {MOST} of {len(files)} files are sent")
            files = files[:MOST]
        types = [self._mime_type(path, file.real) for path, file in files]
        names = unique_names([(file.label, mime == JUNIT) for (_, file), mime in zip(files, types, strict=True)])
        attachments = tuple(
            FoundFile(file.real, name, mime, file.size)
            for (_, file), name, mime in zip(files, names, types, strict=True)
        )
        more = len(self._complaints) - MOST_COMPLAINTS
        rest = (f"… and {more} more problems with files",) if more > 0 else ()
        return attachments, (*self._complaints[:MOST_COMPLAINTS], *rest)

    def _add(self, pattern: str) -> None:
        """Adds the files that match a pattern. Raises `ValueError` with what is wrong with the pattern."""
        path = os.path.normpath(os.path.join(self._root, pattern))  # noqa: PTH118 - any text
        if not self._anywhere and not _is_within(path, self._top):
            raise ValueError(f"points outside the folder {self._top}")
        folder, matches = self._match(path)
        for match in matches:
            if match not in self.files:
                self._take(match, os.path.relpath(match, self._root if _is_below(match, self._root) else folder))
        if not matches:
            self._complaints.append(f"{pattern} matches no file")

    def _match(self, path: str) -> tuple[str, list[str]]:
        """The folder to look in, and its files: one by name, everything in a folder, or the files that match."""
        if os.path.isdir(path):  # noqa: PTH112 - any text
            folder, pattern = path, "**"
        elif os.path.lexists(path):  # even if its name looks like a pattern
            return os.path.dirname(path), [path]  # noqa: PTH120
        else:
            folder, pattern = _split_at_wildcard(path, self._root if _is_below(path, self._root) else os.sep)
        glob = Glob(pattern)
        if not self._anywhere and not _is_within(os.path.realpath(folder), self._real_top):
            raise ValueError("starts with a symbolic link that points outside the folder")
        hidden = pattern.startswith(".") or "/." in pattern
        files = _list_files(folder, deep="/" in pattern or "**" in pattern, hidden=hidden)
        return folder, sorted(file for file in files if glob.matches(os.path.relpath(file, folder)))

    def _take(self, path: str, label: str) -> None:
        """Adds a file, or a complaint about it."""
        real = os.path.realpath(path)
        fault = self._outside(real)
        try:
            about = os.stat(real)  # noqa: PTH116
            fault = fault or _unfit(path, about)
        except OSError as error:
            fault = fault or f"it cannot be read: {error.strerror}"
        if fault:
            self._complaints.append(f"{self._shown(path)} is not sent: {fault}")
        else:
            self.files[path] = _File(label, about.st_size, Path(real))

    def _outside(self, real: str) -> str | None:
        """Why a file must not be sent unless the user named it on a command line."""
        if self._anywhere:
            return None
        if not _is_below(real, self._real_top):
            return "it is a symbolic link that points outside the folder"
        if ".git" in Path(os.path.relpath(real, self._real_top)).parts:
            return "it belongs to git, which may store a token there"
        return None

    def _mime_type(self, path: str, real: Path) -> str:
        """The MIME type. DCI rejects a file of the JUnit type that it cannot parse."""
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
        other = _XML if suffix == ".xml" else _OTHER
        try:
            with os.fdopen(paths.open_regular(real), "rb") as file:
                check = junit.check(file)
        except OSError:
            return other  # the upload will fail and give the reason
        if check.fault and (check.is_junit or other == _XML):
            self._complaints.append(
                f"{self._shown(path)} is sent as {_XML}, so DCI does not count its tests: "
                f"it is not a readable JUnit report ({check.fault})"
            )
            return _XML
        return JUNIT if check.is_junit else other

    def _shown(self, path: str) -> str:
        return os.path.relpath(path, self._root) if _is_below(path, self._root) else path


def _unfit(path: str, about: os.stat_result) -> str | None:
    if not stat.S_ISREG(about.st_mode):
        return "it is not a regular file"
    if about.st_size > LARGEST:
        return (
            f"it has {about.st_size / LARGEST:.1f} GiB, but at most 1 GiB per file is sent to DCI: compress or split it"
        )
    return None if os.access(path, os.R_OK) else "it cannot be read: Permission denied"


def _list_files(folder: str, *, deep: bool, hidden: bool) -> Iterator[str]:
    """The files in a folder; with `deep` also those in its subfolders."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as scanned:
                entries = list(scanned)
        except OSError:
            continue
        for entry in entries:
            if entry.name == ".git" or (entry.name.startswith(".") and not hidden):
                continue
            if entry.is_dir(follow_symlinks=False):
                if deep:
                    waiting.append(entry.path)
            elif not os.path.isdir(entry.path):  # noqa: PTH112 - False for a link to itself
                yield entry.path


def _split_at_wildcard(path: str, start: str) -> tuple[str, str]:
    """The folder above a pattern's first wildcard, and the pattern from there."""
    parts = Path(os.path.relpath(path, start)).parts
    first = next((index for index, part in enumerate(parts) if not is_plain(part)), len(parts))
    first = min(first, len(parts) - 1)
    return str(Path(start, *parts[:first])), "/".join(parts[first:])


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or _is_below(path, folder)
