"""Finds the files that patterns mean, and says of each how DCI is to know it: name, MIME type, size. Sends nothing.

A checkout can be a stranger's: what leads out of the folder is not taken, folders that are symbolic links are not
walked into, and `.git`, which may hold a token, is left alone. MIME types are those that DCI's own agents use.
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
"""The only type that DCI counts tests in."""
LARGEST = 1 << 30
"""Bytes of one file: DCI's server holds all of it in memory."""
MOST = 1000
"""Files of one run."""
MOST_COMPLAINTS = 20
"""Files for which the reason why they are not taken is given one by one."""
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
    """Where it is, without any link, so that it is opened later as what it was found to be."""
    name: str
    """Unique among the files of one search, and the same in the next run."""
    mime: str
    size: int


Findings = tuple[tuple[FoundFile, ...], tuple[str, ...]]
"""Files, and complaints about those that are not taken as they are."""


def find_attachments(
    patterns: Sequence[str], root: Path, *, top: Path | None = None, anywhere: bool = False
) -> Findings:
    """The files that the patterns mean, by name, and complaints about those that are not taken as they are.

    Patterns begin at `root`; `*` stays within a folder, `**` goes across, and a folder stands for all in it.
    They may lead up to `top`, the boundary; `anywhere`: a person names files at a command line, so there is none.
    """
    with interruptible():
        search = _Search(patterns, root, top or root, anywhere=anywhere)
        return search.named_files()


def try_find_attachments(
    patterns: Sequence[str], root: Path, *, top: Path | None = None, anywhere: bool = False
) -> tuple[Findings, str | None]:
    """The same, where nothing else may be lost with it: no file if it fails, and why it was interrupted if it was."""
    try:
        return guarded(lambda: find_attachments(patterns, root, top=top, anywhere=anywhere), no_attachments), None
    except HalfTime as stop:
        return no_attachments(interruption(stop)), None
    except KeyboardInterrupt as stop:
        return no_attachments(interruption(stop)), interruption(stop)


def no_attachments(reason: str) -> Findings:
    """No file, for a reason that lies elsewhere."""
    return (), (f"no file is sent, since {reason}",)


def allowed_paths(patterns: Sequence[str], root: Path, top: Path) -> frozenset[Path]:
    """The files that may be sent by these patterns, whatever is in them."""
    with interruptible():
        return frozenset(file.real for file in _Search(patterns, root, top, anywhere=False).files.values())


class _File(NamedTuple):
    label: str
    """The path that its name is made of."""
    size: int
    real: Path


class _Search:
    """The files that patterns mean, by their paths."""

    def __init__(self, patterns: Sequence[str], root: Path, top: Path, *, anywhere: bool) -> None:
        self._root, self._top = os.path.abspath(root), os.path.abspath(top)  # noqa: PTH100 - a link stays what it is
        self._real_top, self._anywhere = os.path.realpath(top), anywhere
        self.files: dict[str, _File] = {}
        self._complaints: list[str] = []
        for pattern in dict.fromkeys(patterns):
            try:
                self._add(pattern)
            except ValueError as error:
                self._complaints.append(f"{pattern} is not taken: it {error}")

    def named_files(self) -> Findings:
        """The files with their names and types."""
        files = sorted(self.files.items(), key=lambda item: (item[1].label, item[0]))
        if len(files) > MOST:
            self._complaints.append(f"only the first {MOST} of {len(files)} files are taken")
            files = files[:MOST]
        types = [self._mime_type(path, file.real) for path, file in files]
        names = unique_names([(file.label, mime == JUNIT) for (_, file), mime in zip(files, types, strict=True)])
        attachments = tuple(
            FoundFile(file.real, name, mime, file.size)
            for (_, file), name, mime in zip(files, names, types, strict=True)
        )
        more = len(self._complaints) - MOST_COMPLAINTS
        rest = (f"… and {more} more are not taken as they are",) if more > 0 else ()
        return attachments, (*self._complaints[:MOST_COMPLAINTS], *rest)

    def _add(self, pattern: str) -> None:
        """Takes what a pattern means. Raises `ValueError` with what is wrong with it."""
        path = os.path.normpath(os.path.join(self._root, pattern))  # noqa: PTH118 - any text
        if not self._anywhere and not _is_within(path, self._top):
            raise ValueError(f"leads out of the folder {self._top}")
        folder, matches = self._match(path)
        for match in matches:
            if match not in self.files:
                self._take(match, os.path.relpath(match, self._root if _is_below(match, self._root) else folder))
        if not matches:
            self._complaints.append(f"{pattern} means no file")

    def _match(self, path: str) -> tuple[str, list[str]]:
        """The folder to look in, and the files in it: one by its name, all of a folder, or those that match."""
        if os.path.isdir(path):  # noqa: PTH112 - any text
            folder, pattern = path, "**"
        elif os.path.lexists(path):  # whatever wildcards its name seems to hold
            return os.path.dirname(path), [path]  # noqa: PTH120
        else:
            folder, pattern = _split_at_wildcard(path, self._root if _is_below(path, self._root) else os.sep)
        glob = Glob(pattern)
        if not self._anywhere and not _is_within(os.path.realpath(folder), self._real_top):
            raise ValueError("begins with a symbolic link that leads out of the folder")
        hidden = pattern.startswith(".") or "/." in pattern
        files = _list_files(folder, deep="/" in pattern or "**" in pattern, hidden=hidden)
        return folder, sorted(file for file in files if glob.matches(os.path.relpath(file, folder)))

    def _take(self, path: str, label: str) -> None:
        """Takes a file, or complains why not."""
        real = os.path.realpath(path)
        fault = self._outside(real)
        try:
            about = os.stat(real)  # noqa: PTH116
            fault = fault or _unfit(path, about)
        except OSError as error:
            fault = fault or f"it cannot be read: {error.strerror}"
        if fault:
            self._complaints.append(f"{self._shown(path)} is not taken: {fault}")
        else:
            self.files[path] = _File(label, about.st_size, Path(real))

    def _outside(self, real: str) -> str | None:
        """Why a pattern that was not typed at a command line must not lead there."""
        if self._anywhere:
            return None
        if not _is_below(real, self._real_top):
            return "it is a symbolic link that leads out of the folder"
        if ".git" in Path(os.path.relpath(real, self._real_top)).parts:
            return "it belongs to git, which may keep a token there"
        return None

    def _mime_type(self, path: str, real: Path) -> str:
        """The MIME type. DCI would refuse what looks like a JUnit report and cannot be parsed as one."""
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
        other = _XML if suffix == ".xml" else _OTHER
        try:
            with os.fdopen(paths.open_regular(real), "rb") as file:
                check = junit.check(file)
        except OSError:
            return other  # the upload fails and says why
        if check.fault and (check.is_junit or other == _XML):
            self._complaints.append(
                f"{self._shown(path)} is sent as {_XML}, and no tests in it are counted, "
                f"because it cannot be read as a JUnit report: {check.fault}"
            )
            return _XML
        return JUNIT if check.is_junit else other

    def _shown(self, path: str) -> str:
        return os.path.relpath(path, self._root) if _is_below(path, self._root) else path


def _unfit(path: str, about: os.stat_result) -> str | None:
    if not stat.S_ISREG(about.st_mode):
        return "it is no regular file"
    if about.st_size > LARGEST:
        return f"it has {about.st_size / LARGEST:.1f} GiB, and DCI gets at most 1 GiB at once: compress it or split it"
    return None if os.access(path, os.R_OK) else "it cannot be read: Permission denied"


def _list_files(folder: str, *, deep: bool, hidden: bool) -> Iterator[str]:
    """What is in a folder and is no folder itself; with `deep` also below it."""
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
            elif not os.path.isdir(entry.path):  # noqa: PTH112 - no for a link that leads to itself
                yield entry.path


def _split_at_wildcard(path: str, start: str) -> tuple[str, str]:
    """The folder in which a pattern's wildcards begin, and the pattern from there."""
    parts = Path(os.path.relpath(path, start)).parts
    first = next((index for index, part in enumerate(parts) if not is_plain(part)), len(parts))
    first = min(first, len(parts) - 1)
    return str(Path(start, *parts[:first])), "/".join(parts[first:])


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or _is_below(path, folder)
