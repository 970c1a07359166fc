"""A sandbox for each test, with the test's clock; an error of the sandbox itself fails the test."""

from __future__ import annotations

import pytest

from cibeacon.sandbox.server import Sandbox
from driving import Time, drive


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NETRC", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def sandbox(time):
    with Sandbox(clock=time.now) as running:
        yield running
        assert running.faults == []


@pytest.fixture
def dataops(sandbox, tmp_path, time):
    """`cibeacon dataops ARGV` against the sandbox."""
    return lambda *argv, **environ: drive(sandbox, *argv, environ=environ, cwd=tmp_path, time=time)
