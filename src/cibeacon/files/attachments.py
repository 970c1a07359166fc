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
from cibeacon.runtime import paths
from cibeacon.runtime.errors import HalfTime, guarded, interruption
from cibeacon.runtime.interrupt_guard import interruptible
from cibeacon.services.glob import Glob, is_plain
from cibeacon.sinks.dci_files import unique_names

JUNIT = "application/junit"
"""The only type that DCI counts tests in."""
LARGEST = 1 << 30
"""Bytes of one file: DCI's server holds all of it in memory."""
MOST = 1000
"""Files of one run."""
MOST_SAID = 20
"""Files of which it is said one by one why they are not taken."""
_BY_SUFFIX: Mapping[str, str] = {
    **dict.fromkeys((".log", ".txt", ".html", ".htm", ".yaml", ".yml"), "text/plain"),
    ".json": "application/json",
    ".gz": "application/x-gzip",
    ".tgz": "application/x-gzip",
    ".xz": "application/x-xz",
}
_XML = "text/xml"
_OTHER = "application/octet-stream"


class Found(NamedTuple):
    """A file to send."""

    path: Path
    name: str
    """Unique among the files of one look, and the same in the next run."""
    mime: str
    size: int


Answer = tuple[tuple[Found, ...], tuple[str, ...]]


def attachments(patterns: Sequence[str], root: Path, *, top: Path | None = None, anywhere: bool = False) -> Answer:
    """The files that the patterns mean, by name, and what is to be said of those that are not taken as they are.

    Patterns begin at `root`; `*` stays within a folder, `**` goes across, and a folder stands for all in it.
    They may lead up to `top`, the boundary; `anywhere`: a person names files at a command line, so there is none.
    """
    look = _Look(root, top or root, anywhere=anywhere)
    with interruptible():
        look.add(patterns)
        return look.answer()


def attachments_or_none(
    patterns: Sequence[str], root: Path, *, top: Path | None = None, anywhere: bool = False
) -> tuple[Answer, str | None]:
    """The same, where nothing may be lost with it: no file when it fails, and why it was interrupted when it was."""
    try:
        return guarded(lambda: attachments(patterns, root, top=top, anywhere=anywhere), no_attachments), None
    except HalfTime as stop:
        return no_attachments(interruption(stop)), None
    except KeyboardInterrupt as stop:
        return no_attachments(interruption(stop)), interruption(stop)


def no_attachments(why: str) -> Answer:
    """Nothing, for a reason that lies elsewhere."""
    return (), (f"no file is sent, since {why}",)


def named_files(patterns: Sequence[str], root: Path, top: Path) -> frozenset[Path]:
    """The files that may be sent by these patterns, whatever is in them."""
    look = _Look(root, top, anywhere=False)
    with interruptible():
        look.add(patterns)
    return look.files


class _Taken(NamedTuple):
    """A file that may be sent: the name that it has by where it lies, and its size."""

    label: str
    size: int
    real: Path
    """Where it is, without any link: so it can be opened later as what it was found to be."""


class _Look:
    """One look for files; `said` is what there is to say of it."""

    def __init__(self, root: Path, top: Path, *, anywhere: bool) -> None:
        self._root, self._top = os.path.abspath(root), os.path.abspath(top)  # noqa: PTH100 - a link stays what it is
        self._real, self._anywhere = os.path.realpath(top), anywhere
        self._taken: dict[str, _Taken] = {}
        self.said: list[str] = []

    @property
    def files(self) -> frozenset[Path]:
        """What was taken."""
        return frozenset(each.real for each in self._taken.values())

    def add(self, patterns: Sequence[str]) -> None:
        """Takes what the patterns mean."""
        for pattern in dict.fromkeys(patterns):
            self._add(pattern)

    def _add(self, pattern: str) -> None:
        whole = os.path.normpath(os.path.join(self._root, pattern))  # noqa: PTH118 - any text
        if not self._anywhere and not _within(whole, self._top):
            self.said.append(f"{pattern} is not taken: it leads out of the folder {self._top}")
            return
        try:
            base, found = self._meant(whole)
        except ValueError as error:
            self.said.append(f"{pattern} is not taken: it {error}")
            return
        for path in found:
            if path not in self._taken:
                self._take(path, os.path.relpath(path, self._root if _below(path, self._root) else base))
        if not found:
            self.said.append(f"{pattern} means no file")

    def answer(self) -> Answer:
        """What was found, each with its type."""
        kept = sorted(self._taken.items(), key=lambda each: (each[1].label, each[0]))
        if len(kept) > MOST:
            self.said.append(f"only the first {MOST} of {len(kept)} files are taken")
        kinds = [self._kind(path, about.real) for path, about in kept[:MOST]]
        names = unique_names([(about.label, kind == JUNIT) for (_, about), kind in zip(kept, kinds, strict=False)])
        found = (
            Found(about.real, name, kind, about.size)
            for (_, about), name, kind in zip(kept, names, kinds, strict=False)
        )
        more = len(self.said) - MOST_SAID
        return tuple(found), (
            *self.said[:MOST_SAID],
            *([f"… and {more} more are not taken as they are"] if more > 0 else []),
        )

    def _meant(self, whole: str) -> tuple[str, list[str]]:
        """The folder to look in, and the files in it: one by its name, all of a folder, or those that match."""
        if os.path.isdir(whole):  # noqa: PTH112 - any text
            begin, rest = whole, "**"
        elif os.path.lexists(whole):  # whatever wildcards its name seems to hold
            return os.path.dirname(whole), [whole]  # noqa: PTH120
        else:
            begin, rest = _parted(whole, self._root if _below(whole, self._root) else os.sep)
        glob = Glob(rest)
        if not self._anywhere and not _within(os.path.realpath(begin), self._real):
            raise ValueError("begins with a symbolic link that leads out of the folder")
        hidden = rest.startswith(".") or "/." in rest
        files = _files(begin, deep="/" in rest or "**" in rest, hidden=hidden)
        return begin, sorted(path for path in files if glob.matches(os.path.relpath(path, begin)))

    def _take(self, path: str, label: str) -> None:
        """Takes a file; else says why not."""
        real = os.path.realpath(path)
        fault = self._outside(real)
        about = None
        try:
            about = os.stat(real)  # noqa: PTH116
        except OSError as error:
            fault = fault or f"it cannot be read: {error.strerror}"
        if about and not fault:
            fault = _unfit(path, about)
        if fault or not about:
            self.said.append(f"{self._shown(path)} is not taken: {fault}")
        else:
            self._taken[path] = _Taken(label, about.st_size, Path(real))

    def _outside(self, real: str) -> str | None:
        """Why a pattern of somebody who is not at the command line must not lead there."""
        if self._anywhere:
            return None
        if not _below(real, self._real):
            return "it is a symbolic link that leads out of the folder"
        if ".git" in Path(os.path.relpath(real, self._real)).parts:
            return "it belongs to git, which may keep a token there"
        return None

    def _kind(self, path: str, real: Path) -> str:
        """The MIME type. What looks like a JUnit report and is none for a parser would be refused as one."""
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
        xml = _XML if suffix == ".xml" else _OTHER
        try:
            with os.fdopen(paths.open_regular(real), "rb") as file:
                seen = junit.look(file)
        except OSError:
            return xml  # whoever sends it will say so
        if seen.fault and (seen.junit or xml == _XML):
            self.said.append(
                f"{self._shown(path)} is sent as {_XML}, and no tests in it are counted, "
                f"because it cannot be read as a JUnit report: {seen.fault}"
            )
            return _XML
        return JUNIT if seen.junit else xml

    def _shown(self, path: str) -> str:
        return os.path.relpath(path, self._root) if _below(path, self._root) else path


def _unfit(path: str, about: os.stat_result) -> str | None:
    if not stat.S_ISREG(about.st_mode):
        return "it is no regular file"
    if about.st_size > LARGEST:
        return f"it has {about.st_size / LARGEST:.1f} GiB, and DCI gets at most 1 GiB at once: compress it or part it"
    return None if os.access(path, os.R_OK) else "it cannot be read: Permission denied"


def _files(folder: str, *, deep: bool, hidden: bool) -> Iterator[str]:
    """What lies in a folder and is none itself; with `deep` also below it."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                here = list(entries)
        except OSError:
            continue
        for entry in here:
            if entry.name == ".git" or (entry.name.startswith(".") and not hidden):
                continue
            if entry.is_dir(follow_symlinks=False):
                if deep:
                    waiting.append(entry.path)
            elif not os.path.isdir(entry.path):  # noqa: PTH112 - no for a link that leads to itself
                yield entry.path


def _parted(whole: str, start: str) -> tuple[str, str]:
    """The folder in which a pattern's wildcards begin, and the pattern from there."""
    parts = Path(os.path.relpath(whole, start)).parts
    wild = next((number for number, part in enumerate(parts) if not is_plain(part)), len(parts) - 1)
    wild = min(wild, len(parts) - 1)
    return str(Path(start, *parts[:wild])), "/".join(parts[wild:])


def _below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _within(path: str, folder: str) -> bool:
    return path == folder or _below(path, folder)
