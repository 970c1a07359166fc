"""Sends what waits in the spool, as it was written. Knows no run: every record names its own fact.

Of several statements about one fact the newest is sent, and the older ones go with it. Two replays at once, or one
that is cut off and started again, change nothing: a record leaves its file only when it was delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from cibeacon.delivery import attachment_guard, spool_factory
from cibeacon.delivery.deliver import couriers, hired, rehearsal, untold
from cibeacon.delivery.turns import Carrier, Couriers, Turn, at_once, in_turn
from cibeacon.model.job_signals import NO_JOB, job_key
from cibeacon.model.outcome import Outcome, Request
from cibeacon.model.report import Notice
from cibeacon.model.request import Dialogue
from cibeacon.model.spool_record import Record
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Budget
from cibeacon.runtime.environment import World
from cibeacon.runtime.errors import SpoolError, interruption
from cibeacon.settings import SIGNAL_KINDS, Settings
from cibeacon.settings.endpoint import endpoints
from cibeacon.signals.requirements import unreachable
from cibeacon.sinks import SINKS
from cibeacon.spool import spool_reader
from cibeacon.spool.file_store import Place
from cibeacon.spool.object_spool import Object
from cibeacon.spool.spool_reader import Entry
from cibeacon.spool.superseded import FILE, JOB, PARTS, STATE, Pile

Carry = Callable[[Dialogue, Outcome], Outcome]
Told = Iterator[tuple[int, Outcome]]
_GRACE = 1.0
"""Seconds that are left to say what was done when the time is over."""


class Round:
    """One round of sending; `notices` is what is to be said of the files.

    Args:
        spool: this host's own.
    """

    def __init__(self, world: World, settings: Settings, spool: Place | None, *, rehearsed: bool) -> None:
        self._world, self._settings, self._spool, self.rehearsed = world, settings, spool, rehearsed
        self._patience = spool_factory.patience(world, settings)
        self._piles: Sequence[Pile] = ()
        self._named = cache(partial(_named, world, settings))
        self._behind: dict[str, str] = {}
        """Why nothing more is told of a job of DCI in this round, by its tag."""
        self.notices: list[Notice] = []

    def sent(self, piles: Sequence[Pile]) -> list[Outcome]:
        """A row for every pile, whatever happens."""
        self._piles, why = piles, ""
        rows = dict(self._unsendable())
        try:
            rows.update(self._told([place for place in range(len(piles)) if place not in rows]))
        except KeyboardInterrupt as stop:
            why = interruption(stop)
        told = [rows.get(place) or pile.waiting("not sent", why) for place, pile in enumerate(piles)]
        return [self._with_call(row, pile.newest.record) for row, pile in zip(told, piles, strict=True)]

    def _with_call(self, row: Outcome, record: Record) -> Outcome:
        """The row of what waits, with the call that it waits for where none was made."""
        if row.word != "spooled" or row.request or record.sink not in SINKS:
            return row
        address = endpoints(self._settings)[record.sink].base_url
        return row._replace(request=Request(record.method, address + record.path, record.body))

    def _unsendable(self) -> Told:
        """What cannot be sent: no address, no token, a value that would have to be guessed, or no call of ours."""
        sinks, known = {pile.sink for pile in self._piles} & set(SINKS), endpoints(self._settings)
        faults = {} if self.rehearsed else {sink: _fault(self._settings, sink) for sink in sinks}
        for place, pile in enumerate(self._piles):
            if fault := faults.get(pile.sink):
                yield place, pile.unfit(f"{fault}.")
            elif pile.sink not in sinks or SINKS[pile.sink].resume(pile.newest.record, known[pile.sink].form) is None:
                yield place, pile.unfit("The record is no call that this version of cibeacon makes.")

    def _told(self, places: Sequence[int]) -> Told:
        """Files have time of their own, and the states of their jobs, which follow them, have all of theirs afresh."""
        budget = Budget(self._settings.core.timeout, self._world.clock, self._world.sleep, self._world.started)
        if self.rehearsed:
            shown = rehearsal(self._settings)
            yield from ((place, self.carried(place, shown.carry, budget)) for place in places)
            return
        files = [place for place in places if self._piles[place].part == FILE]
        jobs = {self._piles[place].job for place in files}
        states = [place for place in places if self._piles[place].part == STATE and self._piles[place].job in jobs]
        later = {*files, *states}
        yield from self._one_by_one([place for place in places if place not in later], budget)
        if files:
            upload, timeout = self._settings.dci.dci_upload_timeout, self._settings.core.timeout
            self._world.alarm(upload + timeout + _GRACE, int(self._settings.output.strict))
            yield from self._at_once(files, self._afresh(upload))
            yield from self._one_by_one(states, self._afresh(timeout))

    def _one_by_one(self, places: Sequence[int], budget: Budget) -> Told:
        turns = [Turn(place, self._piles[place].sink, self._piles[place].job or place) for place in places]
        with couriers(self._world, self._settings, budget, {turn.sink for turn in turns}) as both:
            for place, row in in_turn(turns, _Teller(self, both), budget, self._world.random):
                if row.keep:
                    self._keeps_back(self._piles[place], row)
                yield place, row

    def _at_once(self, places: Sequence[int], budget: Budget) -> Told:
        def hire() -> AbstractContextManager[Carrier]:
            return hired(self._world, self._settings, budget, ("dci",))

        return at_once(places, hire, lambda courier, place: self.carried(place, courier.carry, budget))

    def _keeps_back(self, pile: Pile, row: Outcome) -> None:
        """A job that is not there has no files yet, and of its states none overtakes another."""
        if pile.part == JOB and "dci_job_id" not in (row.facts or {}):
            self._behind[pile.job] = "its job is not at DCI yet"
        elif pile.part == STATE:
            self._behind[pile.job] = "what its job was before is not told yet"

    def carried(self, place: int, carry: Carry, budget: Budget) -> Outcome:
        """The newest statement sent while no other replay can, and then taken out of its file with the older ones."""
        pile = self._piles[place]
        if why := self._behind.get(pile.job):
            return pile.waiting("not sent", why)
        if self.rehearsed or pile.newest.path is None:
            told = self._tried(pile, carry)
            return pile.left(told) if told.keep else told
        try:
            with _claimed(pile.newest.path, pile.newest.line, budget) as ours:
                if ours:
                    told = self._tried(pile, carry)
                    if not told.keep:
                        self._take_out(pile.all, refused=told.word == "failed")
                    return told
        except SpoolError as error:
            return pile.row._replace(word="spooled", error="not sent", reason=str(error), keep=True)
        self._take_out(pile.all[:-1], refused=False)  # the newest speaks for them, wherever it is
        return pile.row._replace(word="skipped", reason="Another process has it, or has delivered it.")

    def untold(self, place: int) -> Outcome:
        """The row of a pile that was not tried, since others were given up."""
        return self._piles[place].left(untold(self._piles[place].row, self._settings))

    def _tried(self, pile: Pile, carry: Carry) -> Outcome:
        if fault := attachment_guard.fault(pile.newest, self._world, self._spool, self._named):
            return pile.row._replace(word="failed", reason=fault.why, keep=fault.passing)
        sink, form = SINKS[pile.sink], endpoints(self._settings)[pile.sink].form
        dialogue = (sink.preview if self.rehearsed else sink.resume)(pile.newest.record, form)
        told = carry(dialogue, pile.row) if dialogue else pile.row
        if told.error == NO_JOB and not (self._spool and self._spool.holds(job_key(pile.job))):
            return told._replace(keep=False)  # nobody will make it any more
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
                    path.set_aside(told, spool_reader.REFUSED) if refused else path.drop(told)
                elif refused:
                    spool_reader.set_aside(path, told, spool_reader.REFUSED, self._world.token, self._patience)
                else:
                    spool_reader.drop(path, told, self._world.token, self._patience)
            except SpoolError as error:
                self.notices.append(Notice("remark", f"warning: {error}"))

    def _afresh(self, seconds: float) -> Budget:
        return Budget(seconds, self._world.clock, self._world.sleep, self._world.clock())


class _Teller(NamedTuple):
    """Sends the piles of a round by their places."""

    round: Round
    couriers: Couriers

    def tell(self, place: int, budget: Budget, *, patient: bool) -> Outcome:
        """What became of a pile."""
        return self.round.carried(
            place, lambda dialogue, row: self.couriers.carry(dialogue, row, budget, patient=patient), budget
        )

    def untold(self, place: int) -> Outcome:
        """The row of one that was not tried."""
        return self.round.untold(place)

    def free(self, sink: str) -> float:
        """When the sink wants to be asked again."""
        return self.couriers.free(sink)


def _claimed(path: Path | Object, line: bytes, budget: Budget) -> AbstractContextManager[bool]:
    return path.claimed(line) if isinstance(path, Object) else spool_reader.claimed(path, line, budget)


def _named(world: World, settings: Settings) -> frozenset[Path]:
    """The files that the settings name, which may be sent whoever asks for it."""
    from cibeacon.files.attachments import named_files  # whoever sends no files needs none of it

    return named_files(settings.dci.dci_files, world.cwd, paths.boundary(world))


def _fault(settings: Settings, sink: str) -> str | None:
    """Why nothing can be sent: no address, no token, or a value that would have to be guessed."""
    bad = next((problem.message for problem in settings.problems if problem.group in ("core", sink)), None)
    return bad or unreachable(sink, settings)


def piled(entries: Iterable[Entry]) -> list[Pile]:
    """One pile a fact, in the order in which the facts were first stated."""
    piles: dict[tuple[str, str], list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: (entry.record.created_at, _rank(entry.record))):
        piles.setdefault((entry.record.sink, entry.record.key), []).append(entry)
    return [Pile(pile[-1], tuple(pile)) for pile in piles.values()]


def _rank(record: Record) -> tuple[int, int]:
    """The place in the sending order of what was written down in one moment; of DCI a job, its files, its end."""
    kind, part = record.kind, str((record.signal or {}).get("type"))
    place = SIGNAL_KINDS.index(kind) if kind in SIGNAL_KINDS else len(SIGNAL_KINDS)
    return place, PARTS.index(part) if part in PARTS else 0
