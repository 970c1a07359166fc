"""Gathers what waits, from the spool or from where somebody says, has it sent, and reports. Knows no run and no vendor."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from cibeacon.ci import detect
from cibeacon.delivery import spool_factory
from cibeacon.delivery.replay_sender import Round, piled
from cibeacon.model.report import Notice, Report
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import SpoolError
from cibeacon.runtime.interrupt_guard import interruptible
from cibeacon.settings import Settings, load_settings
from cibeacon.spool import spool_reader
from cibeacon.spool.file_store import Place, Spool, tidy
from cibeacon.spool.object_spool import BucketSpool
from cibeacon.spool.object_store import Bucket
from cibeacon.spool.spool_reader import Backlog


def replay(env: Environment, flags: Mapping[str, str], names: Sequence[str]) -> tuple[Report, Settings]:
    """Sends every record in the files, folders and globs; without any, in this host's spool."""
    settings = load_settings(flags, env.environ, {})
    host = detect.detect(env.environ, settings.core.host)
    deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
    spool = spool_factory.place(env, settings, host)
    with interruptible():  # nobody may be writing to our standard input
        found = _gathered(env, settings, names, spool, deadline)
    this = Round(env, settings, spool, dry_run=bool(settings.core.dry_run))
    outcomes = this.sent(piled(found.entries))
    said = [Notice("error", f"{trouble.rstrip('.')}.") for trouble in found.troubles]
    if not found.entries:
        said.append(Notice("info", "Nothing waits to be sent."))
    report = Report(
        context=None,
        outcomes=tuple(outcomes),
        notices=(*this.notices, *said),
        strict=settings.output.strict,
        dry_run=this.dry_run,
        host_title="replay",
    )
    return report, settings


def _gathered(
    env: Environment, settings: Settings, names: Sequence[str], spool: Place | None, deadline: Deadline
) -> Backlog:
    acts = not settings.core.dry_run
    settled = partial(paths.settled, env)
    found = Backlog(env.cwd, env.token if acts else None, spool_factory.patience(env, settings), settled)
    found.buckets = (lambda address: Bucket(address, lambda: max(1.0, deadline.remaining() / 2))) if acts else None
    for name in dict.fromkeys(names):
        if name == "-":
            _add_standard_input(found, env, spool if acts else None)
        else:
            found.add(name)
    if not names and isinstance(spool, BucketSpool):
        found.add(spool.bucket.address)
    if not names and isinstance(spool, Spool) and os.path.lexists(spool.folder):
        if spool.folder.is_symlink():  # a checkout can bring one along
            found.troubles.append(f"{spool.folder} is not read: it is a symbolic link")
        else:
            found.add(str(spool.folder))
            if acts:
                tidy(spool.folder, env.now())
    return found


def _add_standard_input(found: Backlog, env: Environment, spool: Place | None) -> None:
    """What comes by a pipe comes once: it is on disk before any of it is sent, where there is a spool."""
    content = env.stdin.read(spool_reader.LARGEST + 1).encode("utf-8", "surrogateescape")
    if len(content) > spool_reader.LARGEST:
        found.troubles.append(f"standard input is not read: it is over {spool_reader.LARGEST >> 20} MiB")
        return
    if spool and content.strip():
        with suppress(SpoolError):
            found.add(str(spool.take_in(content)))
            return
    found.add_lines(io.BytesIO(content))
