"""A sandbox for each test, at a still clock, whose own faults fail the test."""

from __future__ import annotations

import pytest

from cibeacon.sandbox.server import Sandbox
from dci_talk import Talk

NOON = 1_700_000_000.0


@pytest.fixture
def sandbox():
    with Sandbox(clock=lambda: NOON) as running:
        yield running
        assert running.faults == []


@pytest.fixture
def dci(sandbox):
    with Talk(sandbox.url) as talk:
        yield talk
