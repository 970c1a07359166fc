"""The story of `replay`: sends the signals that wait in the spool or in given files, unchanged. Does not know runs.

Of several records with the same key, only the newest is sent, and all are removed. Parallel replays, and one that is killed
and run again, are safe: a record leaves its file only after it was delivered.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial

from cibeacon.ci import detect
from cibeacon.ci.ci_system import Variables
from cibeacon.delivery import attachment_guard
from cibeacon.delivery.sender import Client, Sending, SignalSender
from cibeacon.delivery.write_ahead import lock_patience, open_spool
from cibeacon.model.report import Notice, Outcome, Report, ShownRequest
from cibeacon.model.request import Resumed
from cibeacon.model.signals import NO_JOB, job_key
from cibeacon.runtime import Environment, paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SpoolError, interruption
from cibeacon.runtime.shutdown import interruptible
from cibeacon.settings import SIGNAL_KINDS, Settings, load_settings
from cibeacon.signals import why_unsendable
from cibeacon.sinks import SINKS
from cibeacon.spool import spool_reader
from cibeacon.spool.spool_file import REFUSED
from cibeacon.spool.spool_reader import SpoolReader, SpoolStore
from cibeacon.spool.spooled_signal import FILE, JOB, STATE, SpooledSignal, newest_of_each_key
from cibeacon.spool.unfinished import CLOSED, ELSEWHERE, UNSEEN, is_from_here, is_unfinished, without_mark

GIVE_UP_AFTER = 3
"""A sink that did not accept this many signals in a row gets no more in this replay."""
_GRACE = 1.0
"""Seconds to print the report after the timeout."""


def replay(env: Environment, flags: Mapping[str, str], names: Sequence[str]) -> tuple[Report, Settings]:
    """Sends every record in these files, folders, globs and buckets, or by default in this host's spool."""
    settings = load_settings(flags, env.environ, {})
    host = detect.detect(env.environ, settings.core.host)
    default_folder = host.spool_folder(Variables(env.environ))
    dry_run, spool = bool(settings.core.dry_run), open_spool(env, settings, default_folder)
    with interruptible():  # standard input may never end
        reader = _read(env, settings, names, spool, dry_run=dry_run)
    this = Replay(env, settings, spool, newest_of_each_key(reader.entries, SIGNAL_KINDS), dry_run=dry_run)
    outcomes = this.run()
    notices = [Notice("error", f"{problem.rstrip('.')}.", "spool-record-unreadable") for problem in reader.problems]
    if not (reader.entries or reader.problems):
        notices.append(Notice("info", _nothing_waits(names, spool)))
    report = Report(
        context=None,
        outcomes=tuple(outcomes),
        notices=(*this.notices, *notices),
        strict=settings.output.strict,
        dry_run=dry_run,
        host_title="replay",
    )
    return report, settings


def _nothing_waits(names: Sequence[str], spool: SpoolStore | None) -> str:
    """Where replay looked without finding a signal, and how to name another spool."""
    if names:
        return f"No signals are waiting in {', '.join('standard input' if name == '-' else name for name in names)}."
    other = "For another spool, run cibeacon replay FOLDER."
    return f"No signals are waiting in {spool.address}. {other}" if spool else f"This machine has no spool. {other}"


def _read(
    env: Environment, settings: Settings, names: Sequence[str], spool: SpoolStore | None, *, dry_run: bool
) -> SpoolReader:
    deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
    token = None if dry_run else env.token
    reader = SpoolReader(
        env.cwd, token, lock_patience(env, settings), partial(paths.resolve_trusted, env), None if dry_run else deadline
    )
    for name in dict.fromkeys(names):
        if name == "-":
            _read_standard_input(reader, env, None if dry_run else spool)
        else:
            reader.add(name)
    if not names:
        reader.add_spool(spool)
        if spool and not dry_run:
            spool.tidy(env.now())
    return reader


def _read_standard_input(reader: SpoolReader, env: Environment, spool: SpoolStore | None) -> None:
    """A pipe can be read only once, so its lines are written to the spool, if there is one, before any is sent."""
    content = env.stdin.read(spool_reader.LARGEST + 1).encode("utf-8", "surrogateescape")
    if len(content) > spool_reader.LARGEST:
        reader.problems.append(f"standard input was not read: it is over {spool_reader.LARGEST >> 20} MiB")
        return
    if spool and content.strip():
        with suppress(SpoolError):
            reader.add(str(spool.take_in(content)))
            return
    reader.add_lines(io.BytesIO(content))


class Replay:
    """One replay of signals; `notices` are messages about files.

    Args:
        spool: the spool of this host.
    """

    def __init__(
        self,
        env: Environment,
        settings: Settings,
        spool: SpoolStore | None,
        signals: Sequence[SpooledSignal],
        *,
        dry_run: bool,
    ) -> None:
        self._env, self._settings, self._spool, self._dry_run = env, settings, spool, dry_run
        self._signals, self._endpoints = signals, settings.endpoints
        self._allowed_files = cache(partial(attachment_guard.allowed_files, env, settings))
        self._outcomes: dict[int, Outcome] = {}
        self._blocked: dict[str, str] = {}
        """Tag of a DCI job → why this replay sends nothing more about it."""
        self.notices: list[Notice] = []

    def run(self) -> list[Outcome]:
        """Sends every signal and returns one outcome each, whatever happens."""
        reason = ""
        try:
            self._send_all()
        except KeyboardInterrupt as stop:
            reason = interruption(stop)
        for index, signal in enumerate(self._signals):
            if index not in self._outcomes:
                self._record(index, signal.spooled("not sent", f"It waits on: {reason}."))
        return [self._outcomes[index] for index in range(len(self._signals))]

    def _send_all(self) -> None:
        """Sends files last, followed only by the states of their jobs."""
        uploads = {signal.job for signal in self._signals if signal.part == FILE}
        first, files, states = list[Sending](), list[Sending](), list[Sending]()
        for index, signal in enumerate(self._signals):
            if reason := self._why_not(signal):
                self._outcomes[index] = signal.invalid(reason)
            elif self._dry_run and is_unfinished(signal.newest.record):
                self._outcomes[index] = signal.outcome._replace(status="skipped", reason=UNSEEN)
            elif self._dry_run:
                self._outcomes[index] = self._send_newest(signal, self._preview)
            elif signal.part == FILE:
                files.append(Sending(index, signal.sink, is_file=True))
            else:
                follows = signal.part == STATE and signal.job in uploads
                (states if follows else first).append(Sending(index, signal.sink))
        deadline = Deadline(self._settings.core.timeout, self._env.clock, self._env.sleep, self._env.started)
        sender = SignalSender(self._env, self._settings, self._endpoints, give_up_after=GIVE_UP_AFTER)
        for index, outcome in sender.send_all(first, self._send, deadline):
            self._record(index, outcome)
        if files:
            core, dci = self._settings.core, self._settings.dci
            self._env.alarm(dci.dci_upload_timeout + core.timeout + _GRACE, int(self._settings.output.strict))
        for index, outcome in sender.send_all([*files, *states], self._send, deadline):
            self._record(index, outcome)

    def _record(self, index: int, outcome: Outcome | None) -> None:
        """Stores an outcome, with the request that waits. No outcome means that the signal was not tried."""
        signal = self._signals[index]
        if outcome is None:
            name = self._endpoints[signal.sink].title
            outcome = signal.spooled("not tried", f"{name} did not accept an earlier signal.")
        if outcome.status == "spooled" and outcome.request is None and signal.sink in SINKS:
            record, base_url = signal.newest.record, self._endpoints[signal.sink].base_url
            outcome = outcome._replace(request=ShownRequest(record.method, base_url + record.path, record.body))
        self._outcomes[index] = outcome
        if outcome.retryable and signal.part == JOB and "dci_job_id" not in (outcome.outputs or {}):
            self._blocked[signal.job] = "its job is not in DCI yet"
        elif outcome.retryable and signal.part == STATE:
            self._blocked[signal.job] = "an earlier state of its job was not sent yet"

    def _why_not(self, signal: SpooledSignal) -> str | None:
        """Why a signal cannot be sent from here."""
        if signal.sink in SINKS and not self._dry_run:
            reason = why_unsendable(signal.sink, self._settings, "core", signal.sink, dry_run=False)
            if reason:
                return reason
        return (
            None if self._resume(signal) else "This version of cibeacon does not send requests such as this record's."
        )

    def _resume(self, signal: SpooledSignal) -> Resumed | None:
        if signal.sink not in SINKS:
            return None
        return SINKS[signal.sink].resume(without_mark(signal.newest.record), self._endpoints[signal.sink].form)

    def _preview(self, resumed: Resumed, outcome: Outcome) -> Outcome:
        return resumed.request.preview(outcome, self._endpoints[outcome.sink].base_url)

    def _send(self, index: int, client: Client, deadline: Deadline, retry: bool) -> Outcome:
        """Sends the newest record while no other replay can, then removes all of them from their files."""

        def send(resumed: Resumed, outcome: Outcome) -> Outcome:
            return client.send(resumed.exchange, outcome, deadline=deadline, retry=retry)

        signal = self._signals[index]
        source = signal.newest.source
        if reason := self._blocked.get(signal.job):
            return signal.spooled("not sent", f"It waits on: {reason}.")
        if source is None:
            return self._send_newest(signal, send)
        try:
            unfinished = is_unfinished(signal.newest.record)
            if unfinished and not is_from_here(signal.newest.record):
                return signal.outcome._replace(status="skipped", reason=ELSEWHERE, retryable=True)
            with source.claim(signal.newest.line, deadline.share(0) if unfinished else deadline) as is_ours:
                if is_ours:
                    outcome = self._send_newest(signal, send)
                    if unfinished and outcome.status == "sent":
                        outcome = outcome._replace(reason=CLOSED)
                    if not outcome.retryable:
                        self._note(signal.take_out(REFUSED if outcome.status == "failed" else ""))
                    return outcome
        except SpoolError as error:
            return signal.spooled("not sent", str(error))
        self._note(signal.take_out(older_only=True))  # the newest replaces them, wherever it is
        return signal.outcome._replace(status="skipped", reason="Another process is sending it or has sent it.")

    def _send_newest(self, signal: SpooledSignal, send: Callable[[Resumed, Outcome], Outcome]) -> Outcome:
        resumed = self._resume(signal)
        if fault := attachment_guard.fault(signal.newest, self._env, self._spool, self._allowed_files):
            outcome = signal.outcome._replace(status="failed", reason=fault.reason, retryable=fault.retryable)
        else:
            outcome = send(resumed, signal.outcome) if resumed else signal.outcome
        if outcome.error == NO_JOB and not (self._spool and self._spool.holds(job_key(signal.job))):
            return outcome._replace(retryable=False)  # no record that creates the job is left
        return signal.not_delivered(outcome) if outcome.retryable else outcome

    def _note(self, errors: Iterable[SpoolError]) -> None:
        self.notices += [Notice("info", f"warning: {error}") for error in errors]
