"""Whatever stands in its variables, a CI system is read: without failing, in bounds, and without passwords of URLs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_systems import PASSWORD, SYSTEMS

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.detect import named
from cibeacon.settings import load_settings

LONGEST = 5_000
"""Characters of one value of a context: a page's address may be made of several."""
TEXTS = [
    *(
        "",
        " ",
        "<nil>",
        "false",
        "null",
        "0",
        "-1",
        "1",
        "2",
        "9" * 18,
        "1" * 30,
        "٣",
        "0" * 40,
        "ab" * 20,
        "ab" * 6,
        "HEAD",
    ),
    *(
        "refs/heads/main",
        "refs/tags/v1",
        "refs/pull/0/merge",
        "refs/pull/7/merge",
        "pull/7",
        "a:b",
        ":",
        "/",
        "...",
        "main...topic",
    ),
    *(
        "x\ny",
        "\x1b[31mred",
        "%00%ff",
        "\udcff",
        "a" * 1_200,
        "[]",
        "{",
        "2023-13-45 99:99",
        "2023-11-14 22:13:20+00:00",
    ),
]
URLS = [
    *("", "<nil>", "https://", "https://[", "https://[::1", "://x", "https://x:y/z", "javascript:alert(1)", "/etc/passwd"),
    *(f"https://user:{PASSWORD}@", f"https://user:{PASSWORD}@git.example.com", f"https://user:{PASSWORD}@git.example.com/acme/shop.git"),
    *(f"ssh://user:{PASSWORD}@git.example.com:7999/acme/shop.git", f"user:{PASSWORD}@git.example.com:acme/shop.git"),
    *(f"https://user:{PASSWORD}@dev.azure.com/acme/_git/", f"https://user:{PASSWORD}@git.example.com/acme/shop/pull/7"),
    f"git:{PASSWORD}@{PASSWORD}@git.example.com:acme/shop.git", f"https://user:{PASSWORD}/x@git.example.com/acme/shop",
    "https://x/" + "a/" * 600,
]  # fmt: skip

BY_VARIABLES = [name for name, system in SYSTEMS.items() if not any("event" in case for case in system["cases"])]
"""The systems whose runs need no file beside the variables."""


def is_address(text):
    return "://" in text or text.startswith("git@")


def variables(name):
    """The variables that the cases of a system know, each with a text of the cases that is not empty."""
    system = SYSTEMS[name]
    environments = (system.get("env", {}), *(case["env"] for case in system["cases"]), system["run"]["start"])
    return {variable: text for env in environments for variable, text in env.items() if text}


def any_values(name):
    """Any values in a system's variables, some of which are missing; a URL, right or wrong, where a URL belongs."""
    known = variables(name)
    pools = {variable: st.sampled_from(URLS if is_address(text) else TEXTS) for variable, text in known.items()}
    return st.fixed_dictionaries({}, optional=pools)


def texts(value):
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


@pytest.mark.parametrize("name", BY_VARIABLES)
def test_any_values_are_read(name):
    @settings(max_examples=50)
    @given(any_values(name))
    def check(environ):
        system, env = named(name), Variables(environ)
        context = system.read(env)
        assert context.host == name
        assert PASSWORD not in repr(context)
        assert max((len(text) for text in texts(context.document())), default=0) <= LONGEST
        assert context.run_attempt is None or context.run_attempt >= 0
        json.dumps(context.document())
        for remote in system.remotes(env, load_settings({}, {}, {}).forge):
            assert remote.url.startswith("https://")
            assert "@" not in remote.url

    check()
