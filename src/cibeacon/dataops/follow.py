"""Follows a pipeline to its end: looks, sleeps, tells what changed, hands the logs on. `waiting` decides when it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from cibeacon.dataops import progress
from cibeacon.dataops.client import Client
from cibeacon.dataops.clock import Clockwork
from cibeacon.dataops.errors import Fault
from cibeacon.dataops.records import Snapshot
from cibeacon.dataops.snapshot import look
from cibeacon.dataops.waiting import PipelineResult, Policy, State, stepped


class Watcher(Protocol):
    """Whoever wants to know how it goes."""

    def say(self, text: str) -> None:
        """A line of progress."""
        ...

    def show(self, look: Snapshot) -> None:
        """How everything stands now; nothing of it need be new."""
        ...


class Logs(Protocol):
    """Whoever reads the jobs' logs."""

    def after(self, look: Snapshot, *, last: bool) -> None:
        """Reads on. Never raises a `Fault`: a log is no reason to stop waiting."""
        ...


class Followed(NamedTuple):
    """How it ended, and what was seen last."""

    result: PipelineResult
    seen: Snapshot | None
    seconds: float


class Following:
    """One wait. What was seen last can be asked for at any time, also when the wait was broken off."""

    def __init__(self, client: Client, project: str, pipeline: int, policy: Policy, clockwork: Clockwork) -> None:
        self._client, self._project, self._pipeline = client, project, pipeline
        self._policy, self._clockwork = policy, clockwork
        self.state = State(clockwork.clock())
        self._said = self.state.began

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self._clockwork.clock() - self.state.began

    def end(self, watcher: Watcher, logs: Logs) -> Followed:
        """Waits for the end."""
        while True:
            found = self._look()
            before, was_troubled = self.state.seen, self.state.troubled is not None
            step = stepped(self._policy, self.state, self._clockwork.clock(), self._clockwork.random(), found)
            self.state = step.state
            if isinstance(found, Fault):
                self._fault(watcher, found, first=not was_troubled)
            else:
                self._report(watcher, before, found, was_troubled)
                logs.after(found, last=step.result is not None)
            if step.result:
                return Followed(step.result, self.state.seen, self.seconds)
            self._clockwork.sleep(step.pause)

    def _look(self) -> Snapshot | Fault:
        try:
            return look(self._client, self._project, self._pipeline)
        except Fault as fault:
            return fault

    def _fault(self, watcher: Watcher, fault: Fault, *, first: bool) -> None:
        if first or fault.refused:
            self._tell(watcher, f"no usable answer: {fault.why}")
        else:
            self._beat(watcher, lambda: f"still no usable answer: {fault.why}")

    def _report(self, watcher: Watcher, before: Snapshot | None, after: Snapshot, was_troubled: bool) -> None:
        if was_troubled:
            self._tell(watcher, "the server answers again")
        for line in progress.changes(before, after):
            self._tell(watcher, line)
        self._beat(watcher, lambda: progress.heartbeat(after))
        watcher.show(after)

    def _beat(self, watcher: Watcher, words: Callable[[], str]) -> None:
        if self._clockwork.clock() - self._said >= progress.HEARTBEAT:
            self._tell(watcher, words())

    def _tell(self, watcher: Watcher, text: str) -> None:
        self._said = self._clockwork.clock()
        watcher.say(progress.stamped(self.seconds, text))
