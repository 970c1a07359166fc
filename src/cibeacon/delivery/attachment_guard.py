"""Knows whether the file that a record names may be sent from here. Sends nothing; anybody can write a record.

Any file may be sent that this user's own spool names: who wrote there could have sent it at once. A spool in a checkout,
and a record from elsewhere, can be anybody's: there only the setting dci_files of whoever replays says what may leave.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from cibeacon.runtime import paths
from cibeacon.runtime.environment import Environment
from cibeacon.spool.file_store import Place, Spool
from cibeacon.spool.spool_reader import Entry
from cibeacon.spool.superseded import FILE


class Fault(NamedTuple):
    """Why a file is not sent."""

    why: str
    passing: bool
    """True where other settings may send it."""


def fault(entry: Entry, env: Environment, spool: Place | None, named: Callable[[], frozenset[Path]]) -> Fault | None:
    """Why the file of a record is not sent; None where it may be, or where the record names none.

    `named`: the files that the settings of this replay name.
    """
    signal = entry.record.signal or {}
    if signal.get("type") != FILE:
        return None
    from cibeacon.files.attachments import attachments  # whoever sends no files needs none of it

    path = Path(str(signal.get("path")))
    if not _own(entry, env, spool) and path not in named():
        why = f"{path} is not sent on the word of a record that anybody could have written"
        return Fault(f"{why}: if it is to leave, name it in the setting dci_files of this replay.", passing=True)
    found, said = attachments([str(path)], env.cwd, anywhere=True)
    if [each.path for each in found] == [path]:
        return None
    return Fault(f"The file cannot be sent any more: {'; '.join(said) or 'it is no file'}.", passing=False)


def _own(entry: Entry, env: Environment, spool: Place | None) -> bool:
    """Whether this user had the record written into the spool of this host. A spool in a checkout can be anybody's."""
    if not isinstance(spool, Spool) or entry.path != spool.folder / entry.record.name:
        return False
    if entry.line != entry.record.line() or paths.in_checkout(env, spool.folder):
        return False
    try:
        about = os.lstat(entry.path)
    except OSError:
        return False
    return S_ISREG(about.st_mode) and about.st_uid == os.geteuid()
