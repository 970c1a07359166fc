"""The exit codes of the commands without a report, row by row; and where an invalid flag can and cannot fail."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from cibeacon.cli.commands import VERBS, _spell_out
from cibeacon.cli.commands import cibeacon as command_line
from faults import FaultServer, Refusing, answers, response
from processes import cibeacon
from repositories import Worktree

ROOT = Path(__file__).parents[2]
PART = (
    (ROOT / "docs/reference.md")
    .read_text(encoding="utf-8")
    .partition("\nThe other commands:\n")[2]
    .partition("\n## ")[0]
)
ROWS = re.findall(r"^\| (`[^|]*`) \| ([^|]*) \| (\d) \|$", PART, re.M)
LINKED = re.findall(r"^\| `(\w+)` \| [^|]* \| \[.*\]\((\S+)\) \|$", PART, re.M)
ROWS_OF_DEPLOYMENTS = "deployed_at,service,repository,commit_sha\n2026-01-0{day}T12:00:00Z,pay,acme/shop,0123456789\n"
DCI = {"DCI_CLIENT_ID": "6cee7286-5d99-4a96-9949-200977f4be07", "DCI_API_SECRET": "secret-of-the-remote-ci"}


def shop(folder, files=("services/pay/a",)):
    made = Worktree.new(folder / "shop")
    made.git("remote", "add", "origin", "https://git.example.com/acme/shop.git")
    made.commit(dict.fromkeys(files, ""))
    return made


def doctor(*flags, **environ):
    return lambda folder: [cibeacon("doctor", "--offline", *flags, environ=environ, cwd=shop(folder).root)]


def init(folder):
    return [cibeacon("init", *flags, cwd=(folder / "shop")) for flags in ((), ("--force", "--dry-run"), ("--force",))]


def init_in_a_shop(folder):
    shop(folder)
    return init(folder)


def init_that_cannot(folder):
    made = shop(folder)
    (made.root / ".cibeacon.yml").write_text("{}")
    return [cibeacon("init", cwd=made.root), cibeacon("init", cwd=folder)]


def queries(*flags, **environ):
    verbs = (("dci", "whoami"), ("dci", "topics"), ("dci", "components", "ocp"), ("dci", "jobs"), ("flow", "list"))

    def play(folder):
        with Refusing() as nobody:
            where = {
                "CIBEACON_DCI_URL": nobody.url,
                "CIBEACON_FLOW_URL": nobody.url,
                "CIBEACON_FLOW_TOKEN": "flow-token-1",
            }
            given = {**DCI, **where, "CIBEACON_TIMEOUT": "1", **environ}
            return [cibeacon(*verb, *flags, environ=given, cwd=folder) for verb in verbs]

    return play


def backfill(status, *days, **environ):
    def play(folder):
        (folder / "rows.csv").write_text("".join(ROWS_OF_DEPLOYMENTS.format(day=day) for day in days))
        with FaultServer(answers(response(b'{"ok": true}' if status == "200 OK" else b"{}", status=status))) as dx:
            given = {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": "dx-token-1", **environ}
            return [cibeacon("backfill", "deployments", "rows.csv", environ=given, cwd=folder)]

    return play


def export(*flags, files=("services/pay/a",), tag="v1"):
    def play(folder):
        made = shop(folder, files)
        made.git("tag", tag)
        window = ("--from=2020-01-01", "--to=2030-01-01")
        environ = {"CIBEACON_SERVICES": "services/{service}/", "PATH": os.environ["PATH"]}
        return [cibeacon("backfill", "export", "deployments", *window, *flags, environ=environ, cwd=made.root)]

    return play


QUERIES = "`dci whoami`, `topics`, `components`, `jobs`, `flow list`"
BACKFILL = "`backfill deployments`, `pull-services`, `pipeline-runs`"
PLAYS = {
    ("`doctor`", "no check failed"): doctor("--only=settings"),
    ("`doctor`", "a check failed, or with `--strict` there was a warning"): doctor(CIBEACON_TIMEOUT="soon"),
    ("`init`", "the file was written, or shown by `--dry-run`"): init_in_a_shop,
    ("`init`", "it was not written: there is one already, or nothing is committed"): init_that_cannot,
    (QUERIES, "the system did not answer, in CI"): queries(CI="true"),
    (QUERIES, "the system did not answer, outside CI or with `--strict`"): queries("--strict"),
    (BACKFILL, "every row was sent"): backfill("200 OK", 1),
    (BACKFILL, "some rows were not sent"): backfill("422 No", 1),
    (BACKFILL, "a file or a setting cannot be used"): backfill("200 OK", 1, CIBEACON_DX_URL=""),
    ("`backfill export`", "every entry was written"): export(),
    ("`backfill export`", "some entries were left out"): export(files=("services/pay/a", "services/$x/a")),
    ("`backfill export`", "nothing could be exported"): export("--config=nowhere.yml", "--branch=nowhere"),
}


def test_every_row_is_played():
    assert set(PLAYS) == {(command, event) for command, event, _ in ROWS}
    assert [(name, page.partition("#")[0]) for name, page in LINKED] == [("dataops", "dataops.md"), ("exec", "exec.md")]


@pytest.mark.parametrize(("command", "event", "code"), ROWS)
def test_a_row_is_true(tmp_path, command, event, code):
    for ended in PLAYS[command, event](tmp_path):
        assert ended.code == int(code), ended


def test_a_query_that_gets_no_answer_exits_1_outside_ci_without_strict(tmp_path):
    assert {ended.code for ended in queries()(tmp_path)} == {1}


@pytest.mark.parametrize("name", sorted(VERBS))
def test_a_flag_that_is_typed_wrong_exits_2_on_the_command_line_of_every_verb(tmp_path, name):
    ended = cibeacon(name, "--no-such-flag", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")


def script_lines():
    for path in sorted((ROOT / "templates").glob("*.yml")):
        _, jobs = yaml.safe_load_all(path.read_text(encoding="utf-8"))
        for job in jobs.values():
            yield from (line for line in job.get("script", []) if isinstance(job, dict))


@pytest.mark.parametrize("line", sorted(set(script_lines())))
def test_the_command_lines_of_the_gitlab_components_can_be_read(line):
    program, *words = line.partition(" > ")[0].split()
    assert program in ("cibeacon", "cibeacon-main", "cibeacon-post")
    spelled, command = _spell_out(words), command_line
    while spelled and not spelled[0].startswith("-") and hasattr(command, "get_command"):
        command = command.get_command(None, spelled.pop(0))
    assert "$" not in line
    command.make_context("", spelled)
