"""What the pages say of the sandbox is true: their commands run against it, with the settings that it prints."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from cibeacon.cli.sandbox import command
from cibeacon.sandbox import page
from cibeacon.sandbox.dataops_account import DataOpsAccount
from cibeacon.sandbox.dx import TOKEN
from cibeacon.sandbox.server import Sandbox
from processes import cibeacon

DOCS = Path(__file__).parents[2] / "docs"
USUAL = "http://127.0.0.1:4700"
WORDS = (
    ["--help"], ["sandbox", "more"], ["sandbox", "--port=x"], ["flow", "--help"], ["dci", "--help"], ["dataops", "--help"],
    ["backfill", "--help"], ["report", "--help"],
)  # fmt: skip


@pytest.fixture
def environ(tmp_path):
    with Sandbox(token=TOKEN, dataops=DataOpsAccount(step_seconds=0.01)) as sandbox:
        yield {**sandbox.exports, "HOME": str(tmp_path)}
        assert sandbox.faults == []


def lines(name):
    """The command lines that a page shows, but those that start a sandbox."""
    text = (DOCS / name).read_text()
    shown = [line for block in re.findall(r"^```console\n(.*?)^```$", text, re.S | re.M) for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in shown if not line.startswith("cibeacon sandbox")]


@pytest.mark.parametrize("argv", [*lines("sandbox.md"), *lines("flow.md")], ids=" ".join)
def test_every_command_of_the_page_does_its_work_there(environ, tmp_path, argv):
    ended = cibeacon(*argv, environ=environ, cwd=tmp_path)
    assert ended.code == 0, ended.out + ended.err
    assert ended.out
    assert "✗" not in ended.out + ended.err


def test_the_pages_show_a_command_of_every_vendor():
    assert {argv[0] for argv in lines("sandbox.md")} == {"report", "replay", "dci", "dataops", "flow"}
    assert {tuple(argv[:2]) for argv in lines("flow.md")} == {("flow", "list"), ("flow", "assign")}


def test_the_settings_that_the_page_shows_are_those_that_are_printed(environ):
    shown = re.findall(r"^export (\w+)=(.+)$", (DOCS / "sandbox.md").read_text(), re.M)
    printed = [(name, value.replace(environ["CIBEACON_DX_URL"], USUAL)) for name, value in environ.items()]
    assert shown == printed[: len(shown)]
    assert len(shown) > 1


def test_the_page_in_the_browser_shows_the_key_that_is_printed(environ):
    assert f"export DX_API_TOKEN={TOKEN}\\n" in page.content().decode()
    (port,) = [each for each in command.params if each.name == "port"]
    assert USUAL.endswith(f":{port.default}")


@pytest.mark.parametrize("argv", WORDS, ids=" ".join)
def test_the_secrets_that_are_printed_are_no_words_of_ours(environ, tmp_path, capsys, argv):
    """What stands in the environment as a secret is hidden wherever it is shown, so it must be no part of our own words."""
    said = []
    for each in ({}, environ):
        ended = cibeacon(*argv, environ=each, cwd=tmp_path)
        said.append((ended.code, ended.out, ended.err, *capsys.readouterr()))
    assert said[0] == said[1]
    assert "".join(said[0][1:])


def test_a_wrong_key_is_told_in_one_sentence(environ, tmp_path):
    report = next(argv for argv in lines("sandbox.md") if argv[0] == "report")
    said = cibeacon(*report, environ=environ | {"DX_API_TOKEN": "other-key"}, cwd=tmp_path)
    assert (
        "(invalid_auth: This is not the Data Cloud API key that the sandbox expects): The API key is not valid"
        in said.out
    )


def test_what_the_sandbox_holds_of_a_command_is_what_the_browser_is_told(environ, tmp_path):
    report = next(argv for argv in lines("sandbox.md") if argv[0] == "report")
    ended = cibeacon(*report, "--format=json", environ=environ, cwd=tmp_path)
    (row,) = [each for each in json.loads(ended.out)["signals"] if each["outcome"] == "sent"]
    assert (row["kind"], row["request"]["body"]["repository"]) == ("pipeline-run", "acme/shop")


def examples():
    """The bodies that the page shows."""
    blocks = re.findall(r"^```json\n(.*?)^```$", (DOCS / "sandbox.md").read_text(), re.S | re.M)
    return [json.loads(block) for block in blocks]


def test_the_pull_request_of_the_page_is_taken(sandbox, http):
    pull, _ = examples()
    reply = http.post(f"{sandbox.url}/sandbox/pull-requests", json=pull)
    assert reply.json() == {"ok": True, "pull_requests": ["acme/shop#7"]}


def test_the_fault_of_the_page_is_taken(sandbox, http):
    _, fault = examples()
    assert http.post(f"{sandbox.url}/sandbox/faults", json=fault).json()["faults"] == {"dx": "30% 503, 10% lost"}
    (line,) = re.findall(r"--fault (\S.*\") --spool", (DOCS / "sandbox.md").read_text())
    assert shlex.split(line) == [fault["fault"]]


def test_the_stories_of_the_page_are_played(sandbox, http):
    (sentence,) = re.findall(r"stories/NAME`, where `NAME` is (.*?)\.", (DOCS / "sandbox.md").read_text())
    names = re.findall(r"`([\w-]+)`", sentence)
    assert len(names) == 3
    assert all(http.post(f"{sandbox.url}/sandbox/stories/{name}").json()["ok"] for name in names)
