"""What tests of several CI systems share: checkouts in every shape, and a sandbox whose own faults fail the test."""

from __future__ import annotations

import pytest

from checkouts import shapes
from cibeacon.sandbox.server import Sandbox

TOKEN = "sandbox-token-1"


@pytest.fixture(scope="session")
def checkouts(tmp_path_factory):
    return shapes(tmp_path_factory.mktemp("checkouts"))


@pytest.fixture
def dx():
    with Sandbox(token=TOKEN) as sandbox:
        yield sandbox
        assert sandbox.faults == []
