"""The systems that are told. A sink is a module: it says what should be sent, and never sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cibeacon.call import Dialogue
from cibeacon.signals import Signal
from cibeacon.sinks import dx


class Sink(Protocol):
    """What a sink module offers."""

    NAME: str
    """The name in reports and outputs."""
    METHODS: Mapping[str, Mapping[str, str]]
    """API form → kind of signal → the vendor's name of the call."""

    def faults(self, signal: Signal, /) -> str | None:
        """Why the signal must not be sent, as the vendor's rules go; None when it may."""
        ...

    def tell(self, signal: Signal, form: str, /) -> Dialogue:
        """The signal as calls, in one of the API's forms."""
        ...


SINKS: Mapping[str, Sink] = {dx.NAME: dx}
