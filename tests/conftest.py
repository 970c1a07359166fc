"""What every test may ask for: the stories of pull requests, told once a session. Tests only read them, or copy them."""

from __future__ import annotations

import gc
import signal
from functools import cache

import pytest
import requests
from hypothesis import HealthCheck, is_hypothesis_test, settings

import repositories

for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:  # as under nohup: the processes of a test would ignore it, too
        signal.signal(_number, signal.SIG_DFL)
gc.disable()  # while 15,000 items are collected, none of which is garbage; see `pytest_collection_finish`
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")  # a slow machine fails no test


def pytest_collection_modifyitems(items):
    """Random values are not measured for coverage: what they come to is chance, and they would take twice the time."""
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture
def http():
    """A client that sends a key and takes no notice of proxies."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = "Bearer key"
        yield session


def pytest_collection_finish():
    """What was collected stays until the end: no search for garbage looks at it again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def stories(tmp_path_factory):
    """The story of a merged pull request, by merge method and by what the base branch did meanwhile."""
    folder = tmp_path_factory.mktemp("stories")
    return cache(lambda method, course: repositories.told(folder / f"{method}-{course}", method, course))


@pytest.fixture(scope="session")
def open_stories(stories):
    """The same before the merge."""
    return lambda course: stories("open", course)


@pytest.fixture(scope="session")
def clone_of(tmp_path_factory):
    """A story's clone as a CI host makes it, by git's options and the ref that is fetched."""
    folder = tmp_path_factory.mktemp("clones")

    @cache
    def clone(story, options, ref):
        name = "-".join((story.root.name, *options, ref)).replace("/", "-")
        return repositories.cloned(story.root, folder / name, *options, ref=ref)

    return lambda story, *options, ref="refs/heads/main": clone(story, options, ref)


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A story's clone with every branch and all history."""
    folder = tmp_path_factory.mktemp("whole")
    return cache(lambda story: repositories.whole_clone(story.root, folder / story.root.name))
