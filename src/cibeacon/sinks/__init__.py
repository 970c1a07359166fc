"""The systems that are told. A sink is a module: it says what should be sent, and never sends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from cibeacon.model.request import Exchange
from cibeacon.model.signals import Signal
from cibeacon.model.spool_record import Record
from cibeacon.sinks import dx


class Sink(Protocol):
    """What a sink module offers."""

    NAME: str
    """The name in reports and outputs."""

    def method(self, signal: Signal, form: str, /) -> str:
        """The vendor's name of the call that tells a signal."""
        ...

    def faults(self, signal: Signal, /) -> str | None:
        """Why the signal must not be sent, as the vendor's rules go; None when it may."""
        ...

    def preview(self, signal: Signal, form: str, /) -> Exchange:
        """The one call that matters, as a dry run shows it."""
        ...

    def send(self, signal: Signal, form: str, /) -> Exchange:
        """The signal as calls, in one of the API's forms."""
        ...

    def keeps(self, signal: Signal, /) -> Mapping[str, Any] | None:
        """What a record needs beside that call to tell the signal again; None where the call says it all."""
        ...

    def resume(self, record: Record, form: str = "", /) -> Exchange | None:
        """What a record says, to the byte; None when it is no call of this sink's. `form` is for what is looked up."""
        ...

    def preview_record(self, record: Record, form: str = "", /) -> Exchange | None:
        """The one call that matters of what a record says, as a dry run shows it; None when it is no call of this sink's."""
        ...


class _Sinks(Mapping[str, Sink]):
    """Every sink by its name. Only what is asked for is imported: most people tell one system."""

    def __getitem__(self, name: str) -> Sink:
        if name == dx.NAME:
            return dx
        if name == "dci":
            from cibeacon.sinks import dci

            return dci
        if name == "flow":
            from cibeacon.sinks import flow

            return flow
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter((dx.NAME, "dci", "flow"))

    def __len__(self) -> int:
        return 3


SINKS: Mapping[str, Sink] = _Sinks()


def named(sink: str, kind: str, form: str) -> str | None:
    """The vendor's name of the call that a kind of signal always is; None where that depends on the signal."""
    return dx.METHODS[form][kind] if sink == dx.NAME else None
