"""The action's pre stage: it leaves the start time in the step's state, and whatever is wrong costs nothing."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from cibeacon.pre import note_start

PROGRAM = "import sys; from cibeacon.pre import console; console(); print(*sys.modules)"


def pre(cwd, *options, **environ):
    """The stage as a process of its own. Nothing of the test's environment is seen."""
    command = [sys.executable, "-I", *options, "-c", PROGRAM]
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=600, check=False)


def test_the_start_is_in_the_state_and_nothing_else_is_written(tmp_path):
    before = int(time.time())
    ended = pre(tmp_path, GITHUB_STATE=str(tmp_path / "state"))
    started_at, stage = (tmp_path / "state").read_text().splitlines()
    assert (ended.returncode, ended.stderr, stage) == (0, "", "stage=pre")
    name, _, moment = started_at.partition("=")
    assert name == "started_at"
    assert before <= int(moment) <= time.time()
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_what_the_state_holds_already_stays(tmp_path, monkeypatch):
    (tmp_path / "state").write_text("other=1\n")
    monkeypatch.setenv("GITHUB_STATE", str(tmp_path / "state"))
    note_start()
    assert (tmp_path / "state").read_text().startswith("other=1\nstarted_at=")


@pytest.mark.parametrize("state", ["", "/nonexistent/state", "/"])
def test_a_state_that_cannot_be_written_costs_nothing(tmp_path, state):
    ended = pre(tmp_path, GITHUB_STATE=state)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert bool(ended.stderr) == bool(state)


def test_it_imports_nothing_that_python_does_not_start_with(tmp_path):
    bare = subprocess.run(
        [sys.executable, "-I", "-c", "import sys, time; print(*sys.modules)"],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    more = set(pre(tmp_path).stdout.split()) - set(bare.stdout.split())
    assert more == {"cibeacon", "cibeacon.pre"}
