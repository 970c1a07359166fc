"""Computes where the parts of a run are in its trace. Does not know the sinks.

The ids are those of the W3C trace context, https://www.w3.org/TR/trace-context/, derived from names only: several jobs of
a run are in one trace, and a repeated span has the same id.
"""

import hashlib
from typing import NamedTuple

from cibeacon.model.context import RunFacts
from cibeacon.model.identifiers import TRACEPARENT


class TracePosition(NamedTuple):
    """A position in a trace: hexadecimal ids."""

    trace_id: str
    span_id: str
    parent_id: str | None

    @property
    def traceparent(self) -> str:
        """The trace context for child processes."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def trace_position(run: RunFacts, name: str) -> TracePosition:
    """The position of the part of a run with this name. The run's own name is its reference.

    The cause of the run, if known, is the parent of all its parts; otherwise the run is. A cause within the run's own trace
    is a part of the run, and so not the parent of the run.
    """
    trace_id, span_id = _digest("trace", run.reference or name, 32), _digest("span", name, 16)
    if given := TRACEPARENT.fullmatch(run.traceparent or ""):
        is_circle = name == run.reference and given[2] == trace_id
        return TracePosition(given[2], span_id, None if is_circle else given[3])
    has_parent = run.reference and name != run.reference
    return TracePosition(trace_id, span_id, _digest("span", run.reference, 16) if has_parent else None)


def _digest(kind: str, name: str, digits: int) -> str:
    return hashlib.sha256(f"{kind} {name}".encode("utf-8", "surrogatepass")).hexdigest()[:digits]
