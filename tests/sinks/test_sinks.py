"""What every sink offers, and that a sink costs nothing where nothing is sent to it."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from cibeacon.sinks import KINDS, SINKS, Sink

MEMBERS = [name for name in vars(Sink) if not name.startswith("_")]


@pytest.mark.parametrize("name", SINKS)
def test_a_sink_offers_what_the_others_offer(name):
    sink = SINKS[name]
    assert name == sink.NAME
    for member in MEMBERS:
        parameters = list(inspect.signature(getattr(Sink, member)).parameters)[1:]
        assert list(inspect.signature(getattr(sink, member)).parameters) == parameters


def test_no_other_name_is_a_sink():
    with pytest.raises(KeyError):
        SINKS["dci_query"]
    assert list(SINKS) == list(KINDS)


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"dx"}))
def test_a_run_that_sends_to_one_sink_loads_no_other(name):
    program = (
        f"import sys; from cibeacon.sinks import SINKS; SINKS['dx']; print([n for n in sys.modules if '{name}' in n])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
