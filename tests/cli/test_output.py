"""The output of every verb to a pipe without a reader, and to a full disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from cibeacon.sandbox.server import Sandbox
from repositories import Worktree

MAP = "services:\n  pay: pay/\n  ship: ship/\n"
ROWS = "service,deployed_at,repository\npay,2026-01-01T00:00:00Z,o/r\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    tree = Worktree.new(folder / "shop")
    tree.commit({".cibeacon.yml": MAP, "pay/a": "", "ship/b": "", "rows.csv": ROWS})
    with Sandbox() as sandbox:
        exported = sandbox.dci.account.exports(sandbox.url) | sandbox.dataops.account.exports(sandbox.url)
        exported |= sandbox.flow.account.exports(sandbox.url)
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "CIBEACON_DX_URL": sandbox.url, "DX_API_TOKEN": "x"}
        yield tree.root, environ | {name: value for name, value in exported.items() if value}


def run(place, *argv, out, **environ):
    root, settings = place
    command = [sys.executable, "-m", "cibeacon", *argv]
    done = subprocess.run(
        command,
        cwd=root,
        env=settings | environ,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


READS = [
    ("services", "list"), ("services", "list", "--format=json"), ("services", "which", "pay/a"), ("services", "check"),
    ("services", "list", "--jq=.services"), ("backfill", "deployments", "rows.csv", "--dry-run", "--format=json"),
    ("dci", "topics"), ("dci", "topics", "--format=json"), ("flow", "list"),
]  # fmt: skip
TELLS = [
    ("report", "--dry-run"), ("report", "--dry-run", "--format=json"), ("services",), ("replay",),
    ("dataops", "pipelines"), ("backfill", "deployments", "rows.csv", "--check"),
]  # fmt: skip
HELP = [("--help",), ("--version",), ("services", "--help")]


@pytest.mark.parametrize("argv", [*READS, *TELLS, *HELP], ids=" ".join)
def test_a_reader_who_has_seen_enough_changes_no_exit_code(place, argv):
    read, write = os.pipe()
    os.close(read)
    try:
        assert run(place, *argv, out=write).returncode == 0
    finally:
        os.close(write)


@pytest.mark.parametrize("argv", READS, ids=" ".join)
def test_an_answer_that_a_full_disk_swallows_is_told_and_fails_outside_ci_or_where_that_is_strict(place, argv):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = run(place, *argv, out=full)
        assert done.returncode == 1
        assert "could not be written: No space left on device" in done.stderr
        if READS.index(argv) % 2:
            assert run(place, *argv, out=full, CI="true").returncode == 0
        else:
            assert run(place, *argv, out=full, CI="true", CIBEACON_STRICT="true").returncode == 1


@pytest.mark.parametrize("argv", TELLS, ids=" ".join)
def test_a_full_disk_costs_the_words_of_a_verb_and_not_what_it_does(place, argv):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        assert run(place, *argv, out=full).returncode == 0


@pytest.mark.parametrize("argv", HELP, ids=" ".join)
def test_help_that_cannot_be_written_fails_in_one_line(place, argv):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = run(place, *argv, out=full)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_a_map_with_a_fault_keeps_its_exit_code(place, tmp_path):
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({".cibeacon.yml": "services: 3\n"})
    with open("/dev/full", "w") as full:  # noqa: PTH123
        assert run((tree.root, place[1]), "services", "check", out=full).returncode == 2


@pytest.mark.parametrize("argv", [("--pipeline-name", "café"), ()], ids=["argument", "variable"])
def test_a_latin_1_locale_changes_no_letter_of_what_is_sent(place, tmp_path, argv):
    if not shutil.which("localedef"):
        pytest.skip("localedef is not here to make a locale")
    locale = tmp_path / "latin1"
    made = subprocess.run(
        ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(locale)], capture_output=True, check=False
    )
    if not locale.exists():
        pytest.skip(f"no locale can be made: {made.stderr.decode()}")
    tree = Worktree.new(tmp_path / "shop")
    base = tree.commit({".cibeacon.yml": "services:\n  b: b/\n  accents: é/\n", "README.md": ""})
    head = tree.commit({"é/x": ""})
    named = {} if argv else {"CIBEACON_PIPELINE_NAME": "café"}
    environ = {
        "CIBEACON_REPOSITORY": "o/r",
        "CIBEACON_RUN_ID": "7",
        "LOCPATH": str(tmp_path),
        "LC_ALL": "latin1",
    } | named
    flags = ("--dry-run", "--format=json", f"--base={base}", f"--head={head}", *argv)
    done = run((tree.root, place[1]), "report", *flags, out=subprocess.PIPE, **environ)
    document = json.loads(done.stdout)
    assert document["changes"]["services"] == ["accents"]
    sent = [row["request"]["body"] for row in document["signals"] if row["kind"] == "pipeline-run"]
    assert [body["pipeline_name"] for body in sent] == ["café"]
