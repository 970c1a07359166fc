"""Knows whether the file that a record names may be sent from here. Sends nothing; anybody can write a record.

What is below the folder in which somebody replays may be sent, and so may any file that this user's own spool names:
who wrote there could have sent it at once.
"""

import os
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from cibeacon.spool.backlog import Entry
from cibeacon.spool.on_disk import Place, Spool
from cibeacon.spool.piles import FILE


class Fault(NamedTuple):
    """Why a file is not sent."""

    why: str
    passing: bool
    """True where it can be sent from elsewhere."""


def fault(entry: Entry, cwd: Path, spool: Place | None) -> Fault | None:
    """Why the file of a record is not sent; None where it may be, or where the record names none."""
    signal = entry.record.signal or {}
    if signal.get("type") != FILE:
        return None
    from cibeacon.files.attachments import attachments  # whoever sends no files needs none of it

    path, here = str(signal.get("path")), os.path.abspath(cwd)  # noqa: PTH100 - a link stays what it is
    found, said = attachments([path], cwd, anywhere=_own(entry, cwd, spool))
    if [str(each.path) for each in found] == [path]:
        return None
    if not _below(os.path.normpath(path), here) and os.path.lexists(path):
        why = f"{path} leads out of the folder {here}, in which replay runs: run it in a folder that holds the file."
        return Fault(why, passing=True)
    return Fault(f"The file cannot be sent any more: {'; '.join(said) or 'it is no file'}.", passing=False)


def _own(entry: Entry, cwd: Path, spool: Place | None) -> bool:
    """Whether this user had the record written into the spool of this host. A spool in a checkout can be anybody's."""
    if not isinstance(spool, Spool) or entry.path != spool.folder / entry.record.name:
        return False
    if entry.line != entry.record.line() or _below(os.path.realpath(spool.folder), os.path.realpath(cwd)):
        return False
    try:
        about = os.lstat(entry.path)
    except OSError:
        return False
    return S_ISREG(about.st_mode) and about.st_uid == os.geteuid()


def _below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
