"""Sends signals one after the other, files several at a time, within a deadline. Does not know what a signal contains.

It soon gives up a sink that accepts no signals, so that the other sinks keep their time.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from typing import NamedTuple, Protocol, TypeAlias

from cibeacon import __version__
from cibeacon.model.report import Outcome
from cibeacon.model.request import Endpoint, Exchange
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.paths import Watch
from cibeacon.settings import Settings

UPLOADS = 4
"""Files that are sent at the same time."""


class Client(Protocol):
    """The HTTP client, imported only when something is sent: the network stack takes 0.1 s."""

    def send(
        self, exchange: Exchange, outcome: Outcome, deadline: Deadline | None = None, *, retry: bool = True
    ) -> Outcome:
        """The sink's result of an exchange, as an outcome."""
        ...


class Sending(NamedTuple):
    """What the sender needs to know about a signal."""

    position: int
    """The caller's index of the signal."""
    sink: str
    is_file: bool = False


Send: TypeAlias = Callable[[int, Client, Deadline, bool], Outcome]
"""Sends the signal at an index, with a client, a deadline, and whether to retry a failed request."""
Sent: TypeAlias = Iterator[tuple[int, Outcome | None]]


class SignalSender:
    """Sends signals in order.

    Args:
        give_up_after: after so many failed signals in a row, a sink gets no more.
        watch: called with the progress of every file.
    """

    def __init__(
        self,
        env: Environment,
        settings: Settings,
        known: Mapping[str, Endpoint],
        *,
        give_up_after: int,
        watch: Watch | None = None,
    ) -> None:
        self._env, self._settings, self._endpoints = env, settings, known
        self._give_up_after, self._watch = give_up_after, watch

    def send_all(self, sendings: Sequence[Sending], send: Send, deadline: Deadline) -> Sent:
        """Yields each signal's index and outcome as it comes; no outcome if its sink was given up before.

        Files have their own time (setting dci_upload_timeout); signals after them have the whole timeout again.
        """
        for is_file, group in groupby(sendings, lambda sending: sending.is_file):
            if is_file:
                yield from self._upload(list(group), send, self._from_now(self._settings.dci.dci_upload_timeout))
                deadline = self._from_now(self._settings.core.timeout)
            else:
                yield from self._send_in_turn(list(group), send, deadline)

    def _send_in_turn(self, sendings: Sequence[Sending], send: Send, deadline: Deadline) -> Sent:
        """Every sink gets a share of the time, and each signal that may fail gets a share of that."""
        waiting, failures = Counter(sending.sink for sending in sendings), Counter[str]()
        shares: dict[str, Deadline] = {}
        with open_client(self._env, self._settings, self._endpoints, deadline) as client:
            for index, sink, _ in sendings:
                if failures[sink] >= self._give_up_after:
                    yield index, None
                    continue
                if sink not in shares:
                    shares[sink] = deadline.part(1 / (len(waiting) - len(shares)))
                chances = min(self._give_up_after - failures[sink], waiting[sink])
                outcome = send(index, client, shares[sink].part(1 / chances), not failures[sink])
                waiting[sink] -= 1
                failures[sink] = _failures_after(outcome, failures[sink])
                yield index, outcome

    def _upload(self, sendings: Sequence[Sending], send: Send, deadline: Deadline) -> Sent:
        """A file that fails does not stop the others, until `UPLOADS` in a row have failed."""
        from cibeacon.runtime.deadline import together  # loaded with the network stack only

        failures = 0
        with ExitStack() as stack:
            clients = [
                stack.enter_context(open_client(self._env, self._settings, self._endpoints, deadline, self._watch))
                for _ in sendings[:UPLOADS]
            ]

            def upload(sending: Sending) -> Outcome | None:
                nonlocal failures
                if failures >= UPLOADS:
                    return None
                client = clients.pop()  # a session can serve only one thread at a time
                try:
                    outcome = send(sending.position, client, deadline, True)
                finally:
                    clients.append(client)
                failures = _failures_after(outcome, failures)
                return outcome

            for sending, outcome in together(upload, sendings, UPLOADS):
                yield sending.position, outcome

    def _from_now(self, seconds: float) -> Deadline:
        return Deadline(seconds, self._env.clock, self._env.sleep, self._env.clock())


def _failures_after(outcome: Outcome, failures: int) -> int:
    """Failures in a row. An outcome without a request does not count."""
    if outcome.request is None:
        return failures
    return failures + 1 if outcome.status == "spooled" else 0


@contextmanager
def open_client(
    env: Environment,
    settings: Settings,
    known: Mapping[str, Endpoint],
    deadline: Deadline,
    watch: Watch | None = None,
) -> Iterator[Client]:
    """An HTTP client for all sinks."""
    from cibeacon.http.client import HttpClient

    redact = None
    if settings.dci.dci_redact:
        from cibeacon.files.redaction import file_redaction  # few runs send files

        redact = file_redaction(settings.dci.dci_redact_patterns, env.environ)
    client = HttpClient(
        known,
        deadline,
        random=env.random,
        now=env.now,
        user_agent=f"cibeacon/{__version__}",
        allow_http=settings.core.allow_http,
        watch=watch,
        redact=redact,
    )
    try:
        yield client
    finally:
        client.close()
