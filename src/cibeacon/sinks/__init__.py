"""The sinks: the systems that signals are sent to. A sink module describes what to send, and never sends it.

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
"""Each sink and the kinds of signal that it receives. If several sinks receive a kind, the first is its main sink."""


class Sink(Protocol):
    """The interface of a sink module."""

    NAME: str
    """The name in reports and outputs."""

    def faults(self, signal: Signal, /) -> str | None:
        """The first of the vendor's rules that the signal breaks, as a sentence; None if it may be sent.

        An `Unneeded` gives the reason why the sink does not need it.
        """
        ...

    def method(self, signal: Signal, form: str, /) -> str:
        """The vendor's name of `request`."""
        ...

    def request(self, signal: Signal, form: str, /) -> Request:
        """The main request, in one of the API's forms, with placeholders for values that a look-up would provide."""
        ...

    def send(self, signal: Signal, form: str, /) -> Exchange:
        """Sends the signal, in one of the API's forms."""
        ...

    def spooled_signal(self, signal: Signal, form: str, /) -> Mapping[str, Any] | None:
        """The signal as stored in its spool record; None if the request alone is enough."""
        ...

    def resume(self, record: Record, form: str, /) -> Resumed | None:
        """Sends a spool record's content byte for byte; None if this sink makes no such request."""
        ...


class _Sinks(Mapping[str, Sink]):
    """Every sink by name. A sink is imported on first use: most runs report to one."""

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
    """The main sink of a kind of signal; all signals about DCI jobs have the kind `dci`."""
    return next((sink for sink, kinds in KINDS.items() if kind in kinds), None)


def method_of_kind(sink: str, kind: str, form: str) -> str | None:
    """The vendor's name of the request for every signal of a kind, from the sink's `METHODS`; None if it has none."""
    methods: Mapping[str, Mapping[str, str]] = getattr(SINKS[sink], "METHODS", {})
    return methods[form][kind] if methods else None
