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
from cibeacon.runtime.deadline import Budget
from cibeacon.runtime.environment import World
from cibeacon.runtime.errors import SpoolError
from cibeacon.runtime.interrupt_guard import interruptible
from cibeacon.settings import Settings, settle
from cibeacon.spool import spool_reader
from cibeacon.spool.file_store import Place, Spool, tidy
from cibeacon.spool.object_spool import BucketSpool
from cibeacon.spool.object_store import Bucket
from cibeacon.spool.spool_reader import Backlog


def replay(world: World, flags: Mapping[str, str], names: Sequence[str]) -> tuple[Report, Settings]:
    """Sends every record in the files, folders and globs; without any, in this host's spool."""
    settings = settle(flags, world.environ, {})
    host = detect.HOSTS[settings.core.host or detect.detected(world.environ)[0]]
    budget = Budget(settings.core.timeout, world.clock, world.sleep, world.started)
    spool = spool_factory.place(world, settings, host)
    with interruptible():  # nobody may be writing to our standard input
        found = _gathered(world, settings, names, spool, budget)
    this = Round(world, settings, spool, rehearsed=bool(settings.core.dry_run))
    outcomes = this.sent(piled(found.entries))
    said = [Notice("trouble", f"{trouble.rstrip('.')}.") for trouble in found.troubles]
    if not found.entries:
        said.append(Notice("remark", "Nothing waits to be sent."))
    report = Report(
        context=None,
        outcomes=tuple(outcomes),
        notices=(*this.notices, *said),
        strict=settings.output.strict,
        rehearsed=this.rehearsed,
        host_title="replay",
    )
    return report, settings


def _gathered(world: World, settings: Settings, names: Sequence[str], spool: Place | None, budget: Budget) -> Backlog:
    acts = not settings.core.dry_run
    settled = partial(paths.settled, world)
    found = Backlog(world.cwd, world.token if acts else None, spool_factory.patience(world, settings), settled)
    found.buckets = (lambda address: Bucket(address, lambda: max(1.0, budget.remaining() / 2))) if acts else None
    for name in dict.fromkeys(names):
        if name == "-":
            _add_standard_input(found, world, spool if acts else None)
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
                tidy(spool.folder, world.now())
    return found


def _add_standard_input(found: Backlog, world: World, spool: Place | None) -> None:
    """What comes by a pipe comes once: it is on disk before any of it is sent, where there is a spool."""
    content = world.stdin.read(spool_reader.LARGEST + 1).encode("utf-8", "surrogateescape")
    if len(content) > spool_reader.LARGEST:
        found.troubles.append(f"standard input is not read: it is over {spool_reader.LARGEST >> 20} MiB")
        return
    if spool and content.strip():
        with suppress(SpoolError):
            found.add(str(spool.take_in(content)))
            return
    found.add_lines(io.BytesIO(content))
