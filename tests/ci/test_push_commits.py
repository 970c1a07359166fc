"""The commits that GitHub's push payload lists are read as far as they are commits, and stay out of the JSON document."""

from __future__ import annotations

import pytest

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.github import read_run

SHA, WIDE = "ab" * 20, "cd" * 32


def read(event):
    return read_run(Variables({"GITHUB_EVENT_NAME": "push", "GITHUB_SHA": SHA}), event)


def test_the_ids_are_read_in_their_order():
    context = read({"after": SHA, "commits": [{"id": WIDE, "message": "x"}, {"id": SHA}]})

    assert context.push.commits == (WIDE, SHA)
    assert "commits" not in context.document()["push"]


@pytest.mark.parametrize(
    "listed",
    [None, 7, "text", {}, [], [None], [7], [{}], [{"id": None}], [{"id": "0" * 40}], [{"id": "../x"}], [{"id": [SHA]}]],
    ids=str,
)
def test_what_is_no_commit_is_left_out(listed):
    assert read({"after": SHA, "commits": listed}).push.commits == ()
