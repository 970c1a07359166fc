"""Sends what waits in the spool, as it was written. Knows no run: every record names its own fact.

Of several statements about one fact the newest is sent, and the older ones go with it. Two replays at once, or one
that is cut off and started again, change nothing: a record leaves its file only when it was delivered.
"""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from cibeacon import detect
from cibeacon.delivery import keeping
from cibeacon.delivery.delivering import Carrier, hired, rehearsal
from cibeacon.delivery.endpoint import endpoints
from cibeacon.errors import SpoolError, interruption
from cibeacon.outcome import Outcome
from cibeacon.planning.readiness import unreachable
from cibeacon.process.budget import Budget
from cibeacon.process.sections import interruptible
from cibeacon.process.world import World
from cibeacon.settings import SIGNAL_KINDS, Settings, settle
from cibeacon.sinks import SINKS
from cibeacon.spool import backlog
from cibeacon.spool.backlog import Backlog, Entry
from cibeacon.spool.bucket import Bucket
from cibeacon.spool.in_bucket import BucketSpool, Object
from cibeacon.spool.on_disk import Place, Spool, tidy
from cibeacon.spool.record import Record
from cibeacon.telling.report import Notice, Report


class _Pile(NamedTuple):
    """Everything that waits about one fact; `newest` is what is sent."""

    newest: Entry
    all: tuple[Entry, ...]


def replay(world: World, flags: Mapping[str, str], names: Sequence[str]) -> tuple[Report, Settings]:
    """Sends every record in the files, folders and globs; without any, in this host's spool."""
    settings = settle(flags, world.environ, {})
    host = detect.HOSTS[settings.core.host or detect.detected(world.environ)[0]]
    budget = Budget(settings.core.timeout, world.clock, world.sleep, world.started)
    with interruptible():  # nobody may be writing to our standard input
        found = _gathered(world, names, keeping.place(world, settings, host), budget, acts=not settings.core.dry_run)
    this = _Round(world, settings, rehearsed=bool(settings.core.dry_run))
    outcomes = this.sent(_piled(found.entries))
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


def _gathered(world: World, names: Sequence[str], spool: Place | None, budget: Budget, *, acts: bool) -> Backlog:
    found = Backlog(world.cwd, world.token if acts else None)
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
    content = world.stdin.read(backlog.LARGEST + 1).encode("utf-8", "surrogateescape")
    if len(content) > backlog.LARGEST:
        found.troubles.append(f"standard input is not read: it is over {backlog.LARGEST >> 20} MiB")
        return
    if spool and content.strip():
        with suppress(SpoolError):
            found.add(str(spool.take_in(content)))
            return
    found.add_lines(io.BytesIO(content))


def _piled(entries: Iterable[Entry]) -> list[_Pile]:
    """One pile a fact, in the order in which the facts were first stated."""
    piles: dict[tuple[str, str], list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: (entry.record.created_at, _rank(entry.record))):
        piles.setdefault((entry.record.sink, entry.record.key), []).append(entry)
    return [_Pile(pile[-1], tuple(pile)) for pile in piles.values()]


def _rank(record: Record) -> tuple[int, int]:
    """The place in the sending order of what was written down in one moment; of DCI a job, its files, its end."""
    kind, part = record.kind, str((record.signal or {}).get("type"))
    place = SIGNAL_KINDS.index(kind) if kind in SIGNAL_KINDS else len(SIGNAL_KINDS)
    return place, _PARTS.index(part) if part in _PARTS else 0


_FILE = "Attachment"
_PARTS = ("DciJob", _FILE, "JobState")


class _Round:
    """One round of sending; `notices` is what is to be said of the files."""

    def __init__(self, world: World, settings: Settings, *, rehearsed: bool) -> None:
        self._world, self._settings, self.rehearsed = world, settings, rehearsed
        self._budget = Budget(settings.core.timeout, world.clock, world.sleep, world.started)
        self.notices: list[Notice] = []

    def sent(self, piles: Sequence[_Pile]) -> list[Outcome]:
        """A row for every pile, whatever happens."""
        sinks = {pile.newest.record.sink for pile in piles} & set(SINKS)
        faults = {} if self.rehearsed else {sink: _fault(self._settings, sink) for sink in sinks}
        rows: list[Outcome] = []
        try:
            with self._carrier([sink for sink in sinks if not faults.get(sink)]) as carrier:
                for pile in piles:
                    fault = faults.get(pile.newest.record.sink)
                    rows.append(_unfit(pile, f"{fault}.") if fault else self._carried(pile, carrier))
        except KeyboardInterrupt as stop:
            why = f"It waits on: {interruption(stop)}."
            rows += [_undelivered(pile, "not sent", why) for pile in piles[len(rows) :]]
        return rows

    @contextmanager
    def _carrier(self, sinks: Collection[str]) -> Iterator[Carrier]:
        if self.rehearsed or not sinks:  # then nothing is sent, and no network stack is needed
            yield rehearsal(self._settings)
            return
        with hired(self._world, self._settings, self._budget, sinks) as courier:
            yield courier

    def _carried(self, pile: _Pile, carrier: Carrier) -> Outcome:
        """The newest statement sent while no other replay can, and then taken out of its file with the older ones."""
        entry, row = pile.newest, _row(pile)
        sink, known = SINKS.get(entry.record.sink), endpoints(self._settings)
        dialogue = sink.resume(entry.record, known[entry.record.sink].form) if sink else None
        if dialogue is None:
            return _unfit(pile, "The record is no call that this version of cibeacon makes.")
        if gone := _gone(entry.record, self._world):
            dialogue, row = None, row._replace(word="failed", reason=gone)
        if self.rehearsed or entry.path is None:
            told = carrier.carry(dialogue, row) if dialogue else row
            return _unkept(told) if told.keep else told
        with _claimed(entry.path, entry.line, self._budget) as ours:
            if not ours:
                self._take_out(pile.all[:-1], refused=False)  # the newest speaks for them, wherever it is
                return row._replace(word="skipped", reason="Another replay has it, or has delivered it.")
            told = carrier.carry(dialogue, row) if dialogue else row
            if not told.keep:
                self._take_out(pile.all, refused=told.word == "failed")
            return told

    def _take_out(self, entries: Iterable[Entry], *, refused: bool) -> None:
        """What was told leaves its file, and what was refused for what it says is set aside.

        Older statements of the same fact go the same way: one of them must not have the last word.
        """
        lines: dict[Path | Object, set[bytes]] = {}
        for entry in entries:
            if entry.path:
                lines.setdefault(entry.path, set()).add(entry.line)
        for path, told in lines.items():
            try:
                if isinstance(path, Object):
                    path.set_aside(told, backlog.REFUSED) if refused else path.drop(told)
                elif refused:
                    backlog.set_aside(path, told, backlog.REFUSED, self._world.token)
                else:
                    backlog.drop(path, told, self._world.token)
            except SpoolError as error:
                self.notices.append(Notice("remark", f"warning: {error}"))


def _claimed(path: Path | Object, line: bytes, budget: Budget) -> AbstractContextManager[bool]:
    return path.claimed(line) if isinstance(path, Object) else backlog.claimed(path, line, budget)


def _fault(settings: Settings, sink: str) -> str | None:
    """Why nothing can be sent: no address, no token, or a value that would have to be guessed."""
    bad = next((problem.message for problem in settings.problems if problem.group in ("core", sink)), None)
    return bad or unreachable(sink, settings)


def _gone(record: Record, world: World) -> str | None:
    """Why the file that a record names is not sent. What may be sent is judged anew: anybody can write a record."""
    if (record.signal or {}).get("type") != _FILE:
        return None
    from cibeacon.files.attachments import attachments  # whoever sends no files needs none of it

    path = str((record.signal or {}).get("path"))
    found, said = attachments([path], world.cwd)
    if [str(each.path) for each in found] == [path]:
        return None
    return f"The file cannot be sent any more: {'; '.join(said) or 'it is no file'}."


def _unfit(pile: _Pile, why: str) -> Outcome:
    return _row(pile)._replace(word="invalid", reason=why, keep=_stays(pile))


def _stays(pile: _Pile) -> bool:
    return pile.newest.path is not None


def _undelivered(pile: _Pile, error: str, why: str) -> Outcome:
    row = _row(pile)._replace(word="spooled", error=error, reason=why, keep=True)
    return row if _stays(pile) else _unkept(row)


def _unkept(row: Outcome) -> Outcome:
    """What came by a pipe and has no spool to stay in."""
    return row._replace(word="failed", keep=False, reason=f"{row.reason} It was read from a pipe and is not kept.")


def _row(pile: _Pile) -> Outcome:
    record: Record = pile.newest.record
    return Outcome(
        kind=record.kind,
        sink=record.sink,
        word="skipped",
        subject=record.subject,
        method=record.path.removeprefix("/api/").removeprefix("v1/"),
        key=record.key,
        reference_id=record.reference_id,
    )
