"""A sandbox's DX for every backfill test."""

import pytest

from backfills import TOKEN
from cibeacon.sandbox.server import Sandbox


@pytest.fixture
def sandbox():
    with Sandbox(token=TOKEN) as sandbox:
        yield sandbox
        assert sandbox.faults == []
