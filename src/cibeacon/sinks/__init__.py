"""The sinks: the systems that signals are sent to. A sink is a module that says what should be sent, and never sends it.

A new sink is a module with the members of `Sink`, and a line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from cibeacon.model.request import Exchange, Request, Resumed
from cibeacon.model.signals import Signal
from cibeacon.model.spool_record import Record

KINDS: Mapping[str, tuple[str, ...]] = {
    "dx": ("pull-services", "deployment", "pipeline-run"),
    "dx_workflow": ("pipeline-run",),
    "dci": ("dci",),
    "flow": ("flow",),
    "otlp": ("pull-services", "deployment", "pipeline-run"),
    "devlake": ("deployment",),
}
"""Each sink and the kinds of signal that it receives. Where several receive a kind, the first is the one it is made for."""


class Sink(Protocol):
    """What a sink module offers."""

    NAME: str
    """The name in reports and outputs."""

    def faults(self, signal: Signal, /) -> str | None:
        """The first of the vendor's rules that the signal breaks, as a sentence; None when it may be sent.

        An `Unneeded` says why the sink has no use for it.
        """
        ...

    def method(self, signal: Signal, form: str, /) -> str:
        """The vendor's name of `request`."""
        ...

    def request(self, signal: Signal, form: str, /) -> Request:
        """The one request that matters, in one of the API's forms; a look-up that fills something in leaves a hole."""
        ...

    def send(self, signal: Signal, form: str, /) -> Exchange:
        """Sends the signal, in one of the API's forms."""
        ...

    def spooled_signal(self, signal: Signal, form: str, /) -> Mapping[str, Any] | None:
        """The signal as its spool record holds it; None where the request alone says it all."""
        ...

    def resume(self, record: Record, form: str, /) -> Resumed | None:
        """Sends what a spool record holds, to the byte; None when this sink makes no such request."""
        ...


class _Sinks(Mapping[str, Sink]):
    """Every sink by its name. A sink is imported when it is asked for: most runs report to one."""

    def __getitem__(self, name: str) -> Sink:
        if name not in KINDS:
            raise KeyError(name)
        return cast("Sink", import_module(f"cibeacon.sinks.{name}"))

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)


SINKS: Mapping[str, Sink] = _Sinks()


def first_sink(kind: str) -> str | None:
    """The sink that a kind of signal is made for; signals of DCI's jobs are of the kind `dci` in all their parts."""
    return next((sink for sink, kinds in KINDS.items() if kind in kinds), None)


def method_of_kind(sink: str, kind: str, form: str) -> str | None:
    """The vendor's name of the request for every signal of a kind, from the sink's `METHODS`; None where it has none."""
    methods: Mapping[str, Mapping[str, str]] = getattr(SINKS[sink], "METHODS", {})
    return methods[form][kind] if methods else None
