"""`exec` beside `env`: whatever a caller can observe of a command is the same. The cases are a table that anyone can extend.

A case is a command, or a puppet that says the names of the signals that it catches; `sends` are signals, each sent once the
command has said something; `status` is what DX has in the end.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cibeacon.sandbox.server import Sandbox
from wrapped import both, job, only_run, puppet, runs

CASES = json.loads((Path(__file__).parent / "exec_cases.json").read_text())


@pytest.fixture
def dx():
    with Sandbox(token="good") as sandbox:
        yield sandbox


@pytest.fixture
def place(tmp_path):
    """A folder with programs that a shell treats each in its own way."""
    for name, text, mode in (
        ("plain", "exit 0\n", 0o644),
        ("script", 'printf "<%s>" "$0" "$@"; exit 6\n', 0o755),
        ("lost", "#!/no/such/interpreter\n", 0o755),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    return tmp_path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_a_caller_observes_what_it_observes_with_env(case, dx, place):
    command = case["command"] if "command" in case else (*case.get("under", ()), *puppet(**case["puppet"]))
    plain, wrapped = both(command, case.get("sends", ()), environ=job(dx.url, place), cwd=place)
    if "says" in case:  # env has a line of its own, too
        assert wrapped.err.decode().endswith(f": {case['says']}\n")
        assert wrapped.err.count(b"\n") == 1
        plain, wrapped = plain._replace(err=b""), wrapped._replace(err=b"")
    assert wrapped == plain
    if case["status"] == "running":  # nobody was left to say how it ended
        assert {run["status"] for run in runs(dx).values()} <= {"running"}
    else:
        assert only_run(dx)["status"] == case["status"]
