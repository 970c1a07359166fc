"""Where the parts of a run are in its trace, and which trace contexts are believed."""

from __future__ import annotations

import pytest

from cibeacon.model.context import RunFacts
from cibeacon.model.identifiers import traceparent
from cibeacon.model.trace_position import trace_position

CAUSE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RUN = RunFacts("github.com/acme%2Fshop/runs/901/attempts/1", 1_700_000_000, "CI")


def test_ids_stay_what_they_are_from_release_to_release():
    """A run that a release falls into would otherwise have two traces."""
    assert trace_position(RUN, RUN.reference) == ("4d8218676b9dd528db82c916de0c8e8d", "e9b058371c3c4d32", None)


def test_all_parts_of_a_run_are_in_one_trace_below_it():
    root = trace_position(RUN, RUN.reference)
    parts = [trace_position(RUN, name) for name in ("deployment/web", "deployment/payments")]
    assert {part.trace_id for part in parts} == {root.trace_id}
    assert {part.parent_id for part in parts} == {root.span_id}
    assert len({root.span_id, *(part.span_id for part in parts)}) == 3


@pytest.mark.parametrize("reference", ["github.com/acme%2Fshop/runs/901/attempts/2", "github.com/acme%2Fshop/runs/902"])
def test_another_attempt_and_another_run_are_another_trace(reference):
    other = trace_position(RUN._replace(reference=reference), "deployment/web")
    assert other.trace_id != trace_position(RUN, "deployment/web").trace_id


def test_what_caused_the_run_is_the_parent_of_its_parts_and_gives_the_trace():
    caused = RUN._replace(traceparent=CAUSE)
    for name in (RUN.reference, "deployment/web"):
        place = trace_position(caused, name)
        assert (place.trace_id, place.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
        assert place.span_id == trace_position(RUN, name).span_id


def test_a_part_of_the_run_is_never_its_parent():
    command = trace_position(RUN, "a command")
    within = RUN._replace(traceparent=command.traceparent)
    assert trace_position(within, RUN.reference) == trace_position(RUN, RUN.reference)
    assert trace_position(within, "deployment/web").parent_id == command.span_id


def test_a_part_of_a_run_without_an_id_is_a_trace_of_its_own():
    unknown = RUN._replace(reference="")
    first, second = (trace_position(unknown, name) for name in ("command 1", "command 2"))
    assert first.trace_id != second.trace_id
    assert first.parent_id is None


@pytest.mark.parametrize("given", [CAUSE, CAUSE.replace("-01", "-00"), f"01{CAUSE[2:]}-what-comes"])
def test_a_valid_trace_context_is_taken(given):
    assert traceparent(given) == given


@pytest.mark.parametrize(
    "given",
    [
        "", "00", CAUSE[:-3], CAUSE.upper(), f"{CAUSE}-more", f"ff{CAUSE[2:]}", CAUSE.replace("-", "_"), f"x{CAUSE}",
        f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01", f"{CAUSE}\n::x",
    ],
)  # fmt: skip
def test_any_other_is_not_used(given):
    assert traceparent(given) is None
