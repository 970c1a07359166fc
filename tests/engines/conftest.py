"""Engines for whoever asks, started once a session, and what is built on them; without an engine tests are skipped."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack

import containers
import pipelines
import pytest
from actions_runner import Step
from prism import PROGRAM, Prism
from shops import TOKEN, Shop

from cibeacon.runtime.deadline import Deadline
from cibeacon.sandbox.server import Sandbox
from forge import Forge


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Starts a Prism for a document, and gives its URL; it ends with the session."""
    if not shutil.which("node") or not PROGRAM.is_file():
        pytest.skip("Prism is not installed: run scripts/engines-node (it needs Node.js and npm)")
    with ExitStack() as held:

        def started(document, upstream=None):
            return held.enter_context(Prism(document, tmp_path_factory.mktemp("prism"), upstream)).url

        yield started


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NETRC", "CI_JOB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def deadline():
    return Deadline(60.0, time.monotonic, time.sleep, time.monotonic())


@pytest.fixture(scope="session")
def image():
    """The product's image. Whatever the tests start from it must be gone in the end."""
    if not containers.answers():
        pytest.skip("no container engine answers: run scripts/engines-docker, or start Docker")
    yield containers.built()
    assert containers.left_running() == []


@pytest.fixture(scope="session")
def remotes(tmp_path_factory):
    """The folder of GitLab's remotes, with the components as the working copy has them."""
    if fault := pipelines.missing():
        pytest.skip(fault)
    return pipelines.published(tmp_path_factory.mktemp("gitlab"))


@pytest.fixture
def project(tmp_path, remotes):
    """A project at GitLab whose pipelines run here."""
    return pipelines.Project(tmp_path, remotes)


@pytest.fixture(scope="session")
def copier(tmp_path_factory):
    """The tag of the image with which the emulator copies files into containers."""
    return pipelines.copier(tmp_path_factory.mktemp("copier"))


@pytest.fixture(scope="session")
def shop(tmp_path_factory, image):
    """A checkout for the action's containers."""
    folder = tmp_path_factory.mktemp("action")
    yield Shop(folder / "shop", image)
    containers.ours(folder, image)


@pytest.fixture
def dx():
    """A sandbox that DX's key of the action's steps opens."""
    with Sandbox(token=TOKEN) as sandbox:
        yield sandbox
        assert sandbox.faults == []


@pytest.fixture
def temp(tmp_path, image):
    """The runner's folder for a job."""
    yield tmp_path
    containers.ours(tmp_path, image)


@pytest.fixture
def step(shop, image, dx, temp):
    """A step of a job, by the name of its event; more inputs and options as the test needs them."""
    with Forge(pulls={"Codertocat/Hello-World": [shop.merged()]}) as forge:

        def made(name, *options, dx_url=dx.url, about=None, **inputs):
            variables, event = shop.case(name)
            variables |= {"GITHUB_API_URL": forge.url}
            if about:
                variables |= {name: about[0][name] for name in ("GITHUB_REPOSITORY", "GITHUB_SERVER_URL")}
                event["workflow_run"] |= {"id": int(about[0]["GITHUB_RUN_ID"]), "run_attempt": 1}
            given = {"dx_url": dx_url, "dx_token": TOKEN, **inputs}
            read_only = "read-only-workspace" in options
            plain = [option for option in options if option != "read-only-workspace"]
            return Step(image, temp, shop.root, variables, event, given, *plain, read_only_workspace=read_only)

        yield made
