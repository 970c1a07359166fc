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
from cibeacon.delivery.deliver import clients, hired, preview, untold
from cibeacon.delivery.turns import Carrier, HttpClients, Turn, at_once, in_turn
from cibeacon.model.outcome import Outcome, ShownRequest
from cibeacon.model.report import Notice
from cibeacon.model.request import Exchange
from cibeacon.model.signals import NO_JOB, job_key
from cibeacon.model.spool_record import Record
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
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

Carry = Callable[[Exchange, Outcome], Outcome]
Told = Iterator[tuple[int, Outcome]]
_GRACE = 1.0
"""Seconds that are left to say what was done when the time is over."""


class Round:
    """One round of sending; `notices` is what is to be said of the files.

    Args:
        spool: this host's own.
    """

    def __init__(self, env: Environment, settings: Settings, spool: Place | None, *, dry_run: bool) -> None:
        self._world, self._settings, self._spool, self.dry_run = env, settings, spool, dry_run
        self._patience = spool_factory.patience(env, settings)
        self._piles: Sequence[Pile] = ()
        self._named = cache(partial(_named, env, settings))
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
        if row.status != "spooled" or row.request or record.sink not in SINKS:
            return row
        address = endpoints(self._settings)[record.sink].base_url
        return row._replace(request=ShownRequest(record.method, address + record.path, record.body))

    def _unsendable(self) -> Told:
        """What cannot be sent: no address, no token, a value that would have to be guessed, or no call of ours."""
        sinks, known = {pile.sink for pile in self._piles} & set(SINKS), endpoints(self._settings)
        faults = {} if self.dry_run else {sink: _fault(self._settings, sink) for sink in sinks}
        for place, pile in enumerate(self._piles):
            if fault := faults.get(pile.sink):
                yield place, pile.unfit(f"{fault}.")
            elif pile.sink not in sinks or SINKS[pile.sink].resume(pile.newest.record, known[pile.sink].form) is None:
                yield place, pile.unfit("The record is no call that this version of cibeacon makes.")

    def _told(self, places: Sequence[int]) -> Told:
        """Files have time of their own, and the states of their jobs, which follow them, have all of theirs afresh."""
        deadline = Deadline(self._settings.core.timeout, self._world.clock, self._world.sleep, self._world.started)
        if self.dry_run:
            shown = preview(self._settings)
            yield from ((place, self.carried(place, shown.send, deadline)) for place in places)
            return
        files = [place for place in places if self._piles[place].part == FILE]
        jobs = {self._piles[place].job for place in files}
        states = [place for place in places if self._piles[place].part == STATE and self._piles[place].job in jobs]
        later = {*files, *states}
        yield from self._one_by_one([place for place in places if place not in later], deadline)
        if files:
            upload, timeout = self._settings.dci.dci_upload_timeout, self._settings.core.timeout
            self._world.alarm(upload + timeout + _GRACE, int(self._settings.output.strict))
            yield from self._at_once(files, self._afresh(upload))
            yield from self._one_by_one(states, self._afresh(timeout))

    def _one_by_one(self, places: Sequence[int], deadline: Deadline) -> Told:
        turns = [Turn(place, self._piles[place].sink, self._piles[place].job or place) for place in places]
        with clients(self._world, self._settings, deadline, {turn.sink for turn in turns}) as both:
            for place, row in in_turn(turns, _Teller(self, both), deadline, self._world.random):
                if row.retryable:
                    self._keeps_back(self._piles[place], row)
                yield place, row

    def _at_once(self, places: Sequence[int], deadline: Deadline) -> Told:
        def hire() -> AbstractContextManager[Carrier]:
            return hired(self._world, self._settings, deadline, ("dci",))

        return at_once(places, hire, lambda client, place: self.carried(place, client.send, deadline))

    def _keeps_back(self, pile: Pile, row: Outcome) -> None:
        """A job that is not there has no files yet, and of its states none overtakes another."""
        if pile.part == JOB and "dci_job_id" not in (row.outputs or {}):
            self._behind[pile.job] = "its job is not at DCI yet"
        elif pile.part == STATE:
            self._behind[pile.job] = "what its job was before is not told yet"

    def carried(self, place: int, carry: Carry, deadline: Deadline) -> Outcome:
        """The newest statement sent while no other replay can, and then taken out of its file with the older ones."""
        pile = self._piles[place]
        if why := self._behind.get(pile.job):
            return pile.waiting("not sent", why)
        if self.dry_run or pile.newest.path is None:
            told = self._tried(pile, carry)
            return pile.left(told) if told.retryable else told
        try:
            with _claimed(pile.newest.path, pile.newest.line, deadline) as ours:
                if ours:
                    told = self._tried(pile, carry)
                    if not told.retryable:
                        self._take_out(pile.all, refused=told.status == "failed")
                    return told
        except SpoolError as error:
            return pile.row._replace(status="spooled", error="not sent", reason=str(error), retryable=True)
        self._take_out(pile.all[:-1], refused=False)  # the newest speaks for them, wherever it is
        return pile.row._replace(status="skipped", reason="Another process has it, or has delivered it.")

    def untold(self, place: int) -> Outcome:
        """The row of a pile that was not tried, since others were given up."""
        return self._piles[place].left(untold(self._piles[place].row, self._settings))

    def _tried(self, pile: Pile, carry: Carry) -> Outcome:
        if fault := attachment_guard.fault(pile.newest, self._world, self._spool, self._named):
            return pile.row._replace(status="failed", reason=fault.why, retryable=fault.passing)
        sink, form = SINKS[pile.sink], endpoints(self._settings)[pile.sink].form
        resumed = sink.resume(pile.newest.record, form)
        if resumed and self.dry_run:
            return preview(self._settings).show(resumed.request, pile.row)
        told = carry(resumed.exchange, pile.row) if resumed else pile.row
        if told.error == NO_JOB and not (self._spool and self._spool.holds(job_key(pile.job))):
            return told._replace(retryable=False)  # nobody will make it any more
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
                self.notices.append(Notice("info", f"warning: {error}"))

    def _afresh(self, seconds: float) -> Deadline:
        return Deadline(seconds, self._world.clock, self._world.sleep, self._world.clock())


class _Teller(NamedTuple):
    """Sends the piles of a round by their places."""

    round: Round
    clients: HttpClients

    def tell(self, place: int, deadline: Deadline, *, patient: bool) -> Outcome:
        """What became of a pile."""
        return self.round.carried(
            place, lambda exchange, row: self.clients.send(exchange, row, deadline, patient=patient), deadline
        )

    def untold(self, place: int) -> Outcome:
        """The row of one that was not tried."""
        return self.round.untold(place)

    def free(self, sink: str) -> float:
        """When the sink wants to be asked again."""
        return self.clients.free(sink)


def _claimed(path: Path | Object, line: bytes, deadline: Deadline) -> AbstractContextManager[bool]:
    return path.claimed(line) if isinstance(path, Object) else spool_reader.claimed(path, line, deadline)


def _named(env: Environment, settings: Settings) -> frozenset[Path]:
    """The files that the settings name, which may be sent whoever asks for it."""
    from cibeacon.files.attachments import named_files  # whoever sends no files needs none of it

    return named_files(settings.dci.dci_files, env.cwd, paths.boundary(env))


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
