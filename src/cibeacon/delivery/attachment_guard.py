"""Decides whether the file in a record may be sent from here: anyone can write a record. Sends nothing.

A file in this user's own spool may be sent: whoever can write there could also have sent it. Anyone could have written a
record from elsewhere, or in a checkout: for those, only the replay's setting dci_files decides which files may be sent.
"""

import os
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from cibeacon.runtime import Environment, paths
from cibeacon.settings import Settings
from cibeacon.spool import Spool
from cibeacon.spool.spool_file import SpoolFile
from cibeacon.spool.spool_reader import Entry, SpoolStore
from cibeacon.spool.spooled_signal import FILE


class AttachmentFault(NamedTuple):
    """Why a file is not sent."""

    reason: str
    retryable: bool
    """True if other settings may allow it."""


def fault(
    entry: Entry, env: Environment, spool: SpoolStore | None, allowed: Callable[[], frozenset[Path]]
) -> AttachmentFault | None:
    """Why the file of a record is not sent; None if it may be, or if the record has no file.

    `allowed`: the files in the settings of this replay.
    """
    signal = entry.record.signal or {}
    if signal.get("type") != FILE:
        return None
    from cibeacon.files.attachments import find_attachments  # loaded only where files are sent

    path = Path(str(signal.get("path")))
    if not _is_own(entry, env, spool) and path not in allowed():
        reason = f"{path} is not sent, because anyone could have written the record that lists it."
        return AttachmentFault(f"{reason} To send it, list it in this replay's setting dci_files.", retryable=True)
    files, problems = find_attachments([str(path)], env.cwd, anywhere=True)
    if [file.path for file in files] == [path]:
        return None
    reason = "; ".join(problems) or "it is not a file"
    return AttachmentFault(f"The file can no longer be sent: {reason}.", retryable=False)


def allowed_files(env: Environment, settings: Settings) -> frozenset[Path]:
    """The files in the settings, which may be sent whatever record lists them."""
    from cibeacon.files.attachments import allowed_paths  # loaded only where files are sent

    return allowed_paths(settings.dci.dci_files, env.cwd, paths.boundary(env))


def _is_own(entry: Entry, env: Environment, spool: SpoolStore | None) -> bool:
    """Whether this user wrote the record into this machine's spool. Anyone could have written a spool in a checkout."""
    source = entry.source
    if not isinstance(spool, Spool) or not isinstance(source, SpoolFile):
        return False
    if source.path != spool.folder / entry.record.name or entry.line != entry.record.line():
        return False
    if paths.in_checkout(env, spool.folder):
        return False
    try:
        status = os.lstat(source.path)
    except OSError:
        return False
    return S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
