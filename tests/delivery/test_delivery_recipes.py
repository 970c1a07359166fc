"""What docs/delivery.md says is played: every recipe, every number; and every row of the first table of exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import get_args

import pytest
import yaml

from cibeacon import replay
from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from cibeacon.http import client
from cibeacon.model import spool_record
from cibeacon.model.report import Outcome, OutcomeStatus, exit_code
from cibeacon.model.spool_record import Record
from cibeacon.sandbox.server import Sandbox
from cibeacon.settings import load_settings
from cibeacon.spool import MOST, MOST_BYTES, spool_reader
from faults import FaultServer, Refusing, answers, hangs, response
from log_grammar import commands, kept
from processes import cibeacon

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs/delivery.md").read_text()
REFERENCE = (ROOT / "docs/reference.md").read_text()
TOKEN = "sandbox-token-1"
OK = response(b'{"ok": true}')
REFUSED = response(b'{"ok": false, "error": "metadata_invalid"}', status="422 No")
DUPLICATE = response(b'{"ok": false, "error": "reference_id_exists"}', status="409 No")


def table(heading, text=TEXT):
    """The rows of the first table below a heading."""
    part = text.partition(f"\n## {heading}\n")[2]
    rows = re.search(r"^\|.*\n\|---.*\n((?:\|.*\n)+)", part, re.M)[1].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


CODES = {row[0]: (int(row[1]), int(row[2])) for row in table("Exit codes", REFERENCE)}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Monorepo(tmp_path_factory.mktemp("recipes") / "shop", {"PATH": os.environ["PATH"]})


@pytest.fixture(scope="module")
def merged(shop):
    return shop.pull_request(1, "merge", [{"services/payments/main.py": "1\n"}], ("payments",))


def environment(merged, folder, **more):
    environ = runs.github("pull_request", runs.closed(merged), merged.merge_sha, 7, folder)
    return environ | {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": "http://127.0.0.1:9"} | more


# Exit codes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", get_args(OutcomeStatus))
def test_the_table_has_every_outcome_as_the_code_has_it(word):
    rows = [Outcome("pipeline-run", "dx", word)]
    assert CODES[f"`{word}`"] == tuple(exit_code(rows, strict=strict, dry_run=False) for strict in (False, True))


def _against(answer, signals="auto"):
    def play(shop, merged, folder, *flags):
        with FaultServer(answers(answer)) as dx:
            environ = environment(merged, folder, CIBEACON_DX_URL=dx.url, CIBEACON_DEPLOY_SERVICES="payments")
            return cibeacon("report", f"--signals={signals}", *flags, environ=environ, cwd=shop.root)

    return play


def _with(*argv, verb="report", stage="single", lacks=(), **more):
    def play(shop, merged, folder, *flags):
        environ = {key: value for key, value in environment(merged, folder, **more).items() if key not in lacks}
        return cibeacon(verb, *argv, *flags, environ=environ, cwd=shop.root, stage=stage)

    return play


def _troubled(shop, merged, folder, *flags):
    """Everything is sent, though the event could not be read."""
    with Sandbox(token=TOKEN) as dx:
        environ = environment(merged, folder, CIBEACON_DX_URL=dx.url, GITHUB_EVENT_PATH=str(folder / "none.json"))
        ended = cibeacon("report", *flags, environ=environ, cwd=shop.root)
    assert "\n! " in ended.out
    return ended


def _remarked(shop, merged, folder, *flags):
    with Sandbox(token=TOKEN) as dx:
        environ = environment(merged, folder, CIBEACON_DX_URL=dx.url, GITLAB_CI="true")
        ended = cibeacon("report", *flags, environ=environ, cwd=shop.root)
    assert "\ni " in ended.out
    return ended


def _told(**more):
    """Everything is sent, and something else is not as it should be."""

    def play(shop, merged, folder, *flags):
        with Sandbox(token=TOKEN) as dx:
            environ = environment(merged, folder, CIBEACON_DX_URL=dx.url, **more)
            ended = cibeacon("report", *flags, environ=environ, cwd=shop.root)
        assert "result      sent" in ended.out
        return ended

    return play


def _late(shop, merged, folder, *flags):
    with FaultServer(hangs) as dx:
        environ = environment(merged, folder, CIBEACON_DX_URL=dx.url, CIBEACON_TIMEOUT="2")
        ended = cibeacon("report", *flags, environ=environ, cwd=shop.root)
    assert "spooled" in ended.out
    return ended


def _replay(*, waits, answer=OK):
    def play(shop, merged, folder, *flags):
        place = folder / "cibeacon" / "spool"
        place.mkdir(parents=True)
        if waits:
            signal = Record("k", "deployment", "dx", "POST", "/api/deployments.create", {"service": "a"}, 1.0)
            (place / "a.ndjson").write_bytes(signal.line() if waits == "record" else b"{}\n")
        with FaultServer(answers(answer)) as dx:
            environ = environment(merged, folder, CIBEACON_DX_URL=dx.url)
            return cibeacon("replay", *flags, environ=environ, cwd=shop.root)

    return play


def _filtered_on_a_laptop(shop, merged, folder, *flags):
    return cibeacon("report", "--jq={", *flags, environ={}, cwd=shop.root)


def _check(shop, merged, folder, *flags):
    (folder / "x").mkdir()
    (folder / "x" / ".cibeacon.yml").write_text("services: 1\n")
    return cibeacon("services", "check", environ={}, cwd=folder / "x")


def _unmapped(shop, merged, folder, *flags):
    return cibeacon("services", "--config=nowhere.yml", *flags, environ={}, cwd=shop.root)


def _mistyped(shop, merged, folder, *flags):
    return cibeacon("report", "--no-such-flag", *flags, environ={}, cwd=folder)


def _wrong_command(shop, merged, folder, *flags):
    environ = {
        "GITHUB_ACTIONS": "true",
        "INPUT_COMMAND": "report --no-such-flag",
        "INPUT_STRICT": "true" if flags else "",
    }
    return cibeacon(environ=environ, cwd=folder, stage="main")


def _wrong_plugin_command(shop, merged, folder, *flags):
    environ = {"DRONE": "true", "PLUGIN_COMMAND": "report --no-such-flag", "PLUGIN_STRICT": "true" if flags else ""}
    return cibeacon(environ=environ, cwd=folder)


UNAVAILABLE = response(b"{}", status="503 No")
PLAYS = {
    "`sent`": _against(OK),
    "`duplicate`": _against(DUPLICATE, "deployment"),
    "`skipped`": _with(lacks=("DX_API_TOKEN", "CIBEACON_DX_URL")),
    "`dry-run`": _with("--dry-run"),
    "`failed`": _against(REFUSED),
    "`invalid`": _with(lacks=("DX_API_TOKEN",)),
    "`spooled`": _against(UNAVAILABLE),
    "nothing to report": _with(
        "--signals=deployment", GITHUB_EVENT_NAME="schedule", CIBEACON_DEPLOY_SERVICES="a", stage="main"
    ),
    "a log line that starts with `!` and belongs to no signal": _troubled,
    "a file of the CI system, such as the outputs, cannot be written": _told(GITHUB_OUTPUT="/proc/nowhere/x"),
    "a log line that starts with `i`": _remarked,
    "a setting has an invalid value": _with(CIBEACON_TIMEOUT="soon"),
    "`format` or `verbose` has an invalid value": _told(CIBEACON_FORMAT="xml", CIBEACON_VERBOSE="loud"),
    "in CI, a `jq` program fails, or yields only null because the command failed": _with(CIBEACON_JQ="{"),
    "outside CI, a `jq` program fails, or yields only null because the command failed": _filtered_on_a_laptop,
    "`strict` itself has an invalid value": _with("--dry-run", CIBEACON_STRICT="perhaps"),
    "interrupted, or out of time": _late,
    "dry run without an `invalid` signal": _with("--dry-run"),
    "dry run with an `invalid` signal": _with("--dry-run", CIBEACON_STATUS="running", CIBEACON_PR_NUMBER="x"),
    "`replay`: nothing is waiting, or another process is sending it": _replay(waits=None),
    "`replay`: something is still waiting, or cannot be read": _replay(waits="record", answer=UNAVAILABLE),
    "`services` with `on_unknown: fail`: the changed services are unknown": _with(
        "--on-unknown=fail", "--base=none", "--services={service}/", verb="services"
    ),
    "`services` without it: there is no usable service map": _unmapped,
    "`services list`, `which` or `check`: the configuration file has a fault": _check,
    "an invalid command line: an unknown verb or flag, a missing file or value, or a value that is not a boolean": (
        _mistyped
    ),
    "the same in the action's input `command`": _wrong_command,
    "the same in the setting `command` of a plugin (Drone, Woodpecker, Harness)": _wrong_plugin_command,
}


def test_every_row_of_the_table_is_played():
    assert set(PLAYS) == set(CODES)


@pytest.mark.parametrize("row", CODES)
@pytest.mark.parametrize("strict", [False, True])
def test_a_row_of_the_table_is_true(shop, merged, tmp_path, row, strict):
    flags = ("--strict",) if strict and "itself" not in row else ()
    ended = PLAYS[row](shop, merged, tmp_path, *flags)
    assert ended.code == CODES[row][strict], ended
    word = row.strip("`")
    label = "would send" if word == "dry-run" else word
    assert word not in get_args(OutcomeStatus) or re.search(rf"^\S {label}", ended.out, re.M), ended.out


def test_what_cannot_be_read_back_counts_like_what_waits(shop, merged, tmp_path):
    row = "`replay`: something is still waiting, or cannot be read"
    for number, flags in enumerate(((), ("--strict",))):
        (tmp_path / str(number)).mkdir()
        ended = _replay(waits="nonsense")(shop, merged, tmp_path / str(number), *flags)
        assert ended.code == CODES[row][number]


# Not configured, and configured wrong -----------------------------------------------------------------------------------


def _of_a_fork(merged):
    event = runs.closed(merged)
    event["pull_request"]["head"]["repo"] = {"full_name": "stranger/shop"}
    return event


def calm(ended, *files):
    """One line that says why nothing was sent, and nothing that alarms."""
    said = kept(ended.out)
    assert ended.code == 0
    assert len(re.findall(r"^– skipped", said, re.M)) == 1
    assert not re.search(r"^[✗!…]", said, re.M)
    assert commands(said) == []
    for file in files:
        assert "❌" not in file.read_text()
        assert "⚠" not in file.read_text()


@pytest.mark.parametrize("flags", [(), ("--strict",)])
@pytest.mark.parametrize(
    "more", [{}, {"CIBEACON_DX_URL": "acme", "INPUT_DX_TOKEN": "", "CIBEACON_DEPLOY_SERVICES": "changed"}]
)
def test_a_fork_without_secrets_is_one_calm_line_on_github(shop, merged, tmp_path, flags, more):
    environ = runs.github("pull_request", _of_a_fork(merged), merged.merge_sha, 7, tmp_path)
    ended = cibeacon("report", *flags, environ=environ | more, cwd=shop.root)
    assert "withholds secrets" in ended.out
    calm(ended, tmp_path / "summary.md")


@pytest.mark.parametrize("flags", [(), ("--strict",)])
def test_a_fork_without_secrets_is_one_calm_line_on_gitlab(shop, merged, tmp_path, flags):
    environ = runs.gitlab(merged.base_sha, merged.merge_sha, 8, "http://127.0.0.1:9", tmp_path)
    environ |= {
        "CI_MERGE_REQUEST_IID": "5",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "1",
    }
    environ |= {"CI_PIPELINE_SOURCE": "merge_request_event", "CIBEACON_INPUT_DX_URL": "acme", "CI_JOB_TOKEN": ""}
    ended = cibeacon("report", *flags, environ=environ, cwd=shop.root)
    assert "withholds secrets" in ended.out
    calm(ended)


@pytest.mark.parametrize("flags", [(), ("--strict",)])
def test_nothing_configured_is_one_calm_line_anywhere(shop, merged, tmp_path, flags):
    github = environment(merged, tmp_path)
    gitlab = runs.gitlab(merged.base_sha, merged.merge_sha, 8, "http://127.0.0.1:9", tmp_path) | {"CI_JOB_TOKEN": ""}
    for environ in (github, gitlab):
        given = {key: value for key, value in environ.items() if key not in ("DX_API_TOKEN", "CIBEACON_DX_URL")}
        ended = cibeacon("report", "--signals=auto", *flags, environ=given, cwd=shop.root)
        assert "DX is not configured: set dx_url and the secret dx_token" in ended.out
        assert not re.search(r"^[✗!…]", kept(ended.out), re.M)
        assert commands(kept(ended.out)) == []
        assert ended.code == 0


WRONG = {
    "no token": ({"DX_API_TOKEN": ""}, "set the secret dx_token (variable DX_API_TOKEN)"),
    "no address": ({"CIBEACON_DX_URL": ""}, "set dx_url to the instance name"),
    "a token that was pasted badly": ({"DX_API_TOKEN": "two words"}, "paste it again"),
    "plain http": ({"CIBEACON_DX_URL": "http://dx.example"}, "use https"),
    "a token that is refused": ({}, "Create a new Data Cloud API key"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("strict", [False, True])
def test_what_is_configured_wrong_is_an_annotation_with_the_fix_on_github(shop, merged, tmp_path, case, strict):
    more, hint = WRONG[case]
    with Sandbox(token="another") as dx:
        environ = environment(merged, tmp_path, CIBEACON_DX_URL=dx.url) | more
        ended = cibeacon("report", *(["--strict"] if strict else []), environ=environ, cwd=shop.root)
    found = commands(kept(ended.out))
    assert ended.code == int(strict)
    assert {each.name for each in found} == {"error" if strict else "warning"}
    assert any(hint in each.data for each in found)
    assert re.search(r"^✗", ended.out, re.M)
    assert "❌" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize("case", WRONG)
def test_what_is_configured_wrong_is_told_with_the_fix_on_gitlab(shop, merged, tmp_path, case):
    more, hint = WRONG[case]
    with Sandbox(token="another") as dx:
        environ = runs.gitlab(merged.base_sha, merged.merge_sha, 8, "http://127.0.0.1:9", tmp_path) | {
            "CI_JOB_TOKEN": ""
        }
        environ |= {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN} | more
        ended = cibeacon("report", "--strict", environ=environ, cwd=shop.root)
    assert ended.code == 1
    assert any(hint in line for line in re.findall(r"^✗.*", ended.out, re.M)), ended.out


# Recipes ----------------------------------------------------------------------------------------------------------------


def recipe(*words):
    """The code block below the recipes that holds all the words."""
    blocks = re.findall(r"^```\w+\n(.*?)^```", TEXT.partition("\n## Recipes\n")[2], re.S | re.M)
    return next(block for block in blocks if all(word in block for word in words))


def steps(text):
    (job,) = yaml.safe_load(text)["jobs"].values()
    return job["steps"]


def usable(environ):
    """Whether every setting in a step's environment is one."""
    plain = {name: re.sub(r"\$\{\{.*?\}\}", "success", value) for name, value in environ.items()}
    names = {"CIBEACON_DX_URL", "DX_API_TOKEN", "CIBEACON_JOB_STATUS"} & plain.keys()
    return load_settings({}, plain, {}).given(
        *(name.lower().removeprefix("cibeacon_").replace("dx_api_token", "dx_token") for name in names)
    )


def test_github_uploads_the_folder_where_signals_are_kept(shop, merged, tmp_path):
    told, upload = steps(recipe("upload-artifact"))[-2:]
    assert told["if"] == upload["if"] == "always()"
    assert usable(told["env"])
    assert told["run"] == "pipx run cibeacon report"
    environ = environment(merged, tmp_path, CIBEACON_JOB_STATUS="success")
    cibeacon("report", environ=environ, cwd=shop.root)
    place = Path(upload["with"]["path"].replace("${{ runner.temp }}", str(tmp_path)))
    assert len(list(place.glob("*.ndjson"))) == 2
    assert not place.relative_to(tmp_path).parts[0].startswith("."), "upload-artifact leaves hidden files out"


GH = """#!{python}
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
asked = next(each for each in sys.argv[2:] if each.startswith("repos/"))
number = asked.split("/artifacts/")[-1].split("/")[0]
if "DELETE" in sys.argv:
    (folder / f"{{number}}.zip").unlink()
elif asked.endswith("/zip"):
    sys.stdout.buffer.write((folder / f"{{number}}.zip").read_bytes())
else:
    assert "--paginate" in sys.argv and "per_page=100" in asked
    fields = json.loads((folder / "list.json").read_text())
    import jq
    print("\\n".join(map(str, jq.compile(sys.argv[sys.argv.index("--jq") + 1]).input_value(fields).all())))
"""


def _artifact(folder, number, name, repository=1, expired=False, lines=b""):
    with zipfile.ZipFile(folder / f"{number}.zip", "w") as file:
        file.writestr("a.ndjson", lines)
    run = {"head_repository_id": repository, "repository_id": 1}
    return {"id": number, "name": name, "expired": expired, "workflow_run": run}


@pytest.mark.parametrize("up", [True, False])
def test_github_replays_what_every_job_of_ours_uploaded(tmp_path, up):
    """The script of the recipe as bash runs it; only `gh` and `pipx` are stand-ins."""
    (step,) = steps(recipe("schedule", "gh api"))
    assert usable(step["env"])
    assert yaml.safe_load(recipe("schedule", "gh api"))["permissions"] == {"actions": "write"}
    folder, tools = tmp_path / "artifacts", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    body = {"deployed_at": 1_700_000_000, "repository": "acme/shop", "commit_sha": "a" * 40}
    bodies = [{"reference_id": f"r{n}", "service": f"s{n}", **body} for n in range(4)]
    said = [
        Record(f"k{n}", "deployment", "dx", "POST", "/api/deployments.create", each, n) for n, each in enumerate(bodies)
    ]
    listed = [
        _artifact(folder, 11, "cibeacon-spool-build", lines=said[0].line()),
        _artifact(folder, 12, "cibeacon-spool-test", lines=said[1].line()),
        _artifact(folder, 13, "cibeacon-spool-build", repository=2, lines=said[2].line()),
        _artifact(folder, 14, "dist", lines=said[3].line()),
        _artifact(folder, 15, "cibeacon-spool-build", expired=True),
    ]
    (folder / "list.json").write_text(json.dumps({"artifacts": listed}))
    _tool(tools / "gh", GH.format(python=sys.executable, folder=str(folder)))
    _tool(tools / "pipx", f'#!/bin/sh\nshift 2\nexec {sys.executable} -m cibeacon "$@"\n')
    with Sandbox(token=TOKEN if up else "another") as dx:
        environ = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "GH_TOKEN": "x",
            "GITHUB_ACTIONS": "true",
        }
        environ |= {"ARTIFACTS": "repos/acme/shop/actions/artifacts", "CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN}
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=600
        )
        told = [each["body"]["service"] for each in dx.ledger.document()["requests"]]
    left = sorted(int(path.stem) for path in folder.glob("*.zip"))
    assert told == ["s0", "s1"]
    assert (done.returncode, left) == ((0, [13, 14, 15]) if up else (1, [11, 12, 13, 14, 15])), done.stderr


def _tool(path, text):
    path.write_text(text)
    path.chmod(0o755)


def test_gitlab_brings_the_folder_to_the_next_pipeline(shop, merged, tmp_path):
    document = yaml.safe_load(recipe("component:", "cibeacon replay"))
    job = document["cibeacon-replay"]
    assert job["script"] == ["cibeacon replay"]
    assert job["cache"] == document[".cibeacon"]["cache"]
    assert job["cache"]["when"] == "always"
    environ = runs.gitlab(merged.base_sha, merged.merge_sha, 8, "http://127.0.0.1:9", tmp_path) | {"CI_JOB_TOKEN": ""}
    environ |= {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": "http://127.0.0.1:9"}
    cibeacon("report", environ=environ, cwd=shop.root)
    (cached,) = job["cache"]["paths"]
    assert list((tmp_path / cached).glob("*.ndjson"))
    later = tmp_path / "later"
    shutil.copytree(tmp_path / cached, later / cached)
    with Sandbox(token=TOKEN) as dx:
        environ |= {"CIBEACON_DX_URL": dx.url, "CI_PROJECT_DIR": str(later), "CI_PIPELINE_SOURCE": "schedule"}
        ended = cibeacon(*job["script"][0].split()[1:], "--strict", environ=environ, cwd=later)
        assert [each["status"] for each in dx.ledger.document()["requests"]] == [200]
    assert ended.code == 0
    assert not list((later / cached).glob("*.ndjson"))


def test_cron_replays_the_folder_that_runners_share(shop, merged, tmp_path):
    line = recipe("*/10").strip()
    *when, command = line.split(None, 5)
    assert all(re.fullmatch(r"\*(/\d+)?|\d+", each) for each in when)
    shared, tools = tmp_path / "srv", tmp_path / "tools"
    tools.mkdir()
    cibeacon("report", environ=environment(merged, tmp_path / "run", CIBEACON_SPOOL=str(shared)), cwd=shop.root)
    assert list(shared.glob("*.ndjson"))
    _tool(tools / "cibeacon", f'#!/bin/sh\nexec {sys.executable} -m cibeacon "$@"\n')
    with Sandbox(token=TOKEN) as dx:
        (tmp_path / "env").write_text(f"export CIBEACON_DX_URL={dx.url} DX_API_TOKEN={TOKEN}\n")
        for given, here in (
            ("/etc/cibeacon.env", "env"),
            ("/srv/cibeacon/spool", "srv"),
            ("/var/log/cibeacon.log", "log"),
        ):
            assert given in command
            command = command.replace(given, str(tmp_path / here))
        subprocess.run(
            ["sh", "-c", command], env={"PATH": f"{tools}:{os.environ['PATH']}"}, cwd="/", check=True, timeout=600
        )
        assert {each["status"] for each in dx.ledger.document()["requests"]} == {200}
    assert not list(shared.glob("*.ndjson"))
    assert "sent" in (tmp_path / "log").read_text()


# Numbers ----------------------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_code():
    words = " ".join(TEXT.split())
    assert f"A request is tried {client.TRIES} times at most" in words
    pauses = [f"{client.BACKOFF_SECONDS * 2**attempt:g}" for attempt in range(client.TRIES - 1)]
    assert f"up to {', '.join(pauses[:-1])} and {pauses[-1]} seconds" in words
    assert f"stops after {replay.GIVE_UP_AFTER} signals in a row" in words
    folder = f"a folder takes {MOST:,} records and {MOST_BYTES >> 20} MiB"
    assert f"{folder}, a record {spool_record.LARGEST >> 20} MiB" in words
    assert (
        f"a file that is replayed {spool_reader.LARGEST >> 20} MiB, and one replay {spool_reader.MOST:,} records"
        in words
    )
    assert f"`timeout` ({load_settings({}, {}, {}).core.timeout:g} seconds)" in words


def test_the_folders_are_those_of_the_hosts():
    folders = {row[0]: row[1] for row in table("The spool")}
    from cibeacon.ci.ci_system import Variables
    from cibeacon.ci.detect import named

    github, gitlab, other = named("github"), named("gitlab"), named("local")

    assert folders["GitHub"] == f"`{github.spool_folder(Variables({'RUNNER_TEMP': '$RUNNER_TEMP'}))}`"
    assert folders["GitLab"] == f"`{gitlab.spool_folder(Variables({'CI_PROJECT_DIR': '$CI_PROJECT_DIR'}))}`"
    assert f"`{other.spool_folder(Variables({'XDG_STATE_HOME': '$XDG_STATE_HOME'}))}`" in folders["elsewhere"]
    assert f"`{other.spool_folder(Variables({'HOME': '~'}))}`" in folders["elsewhere"]


def test_a_refused_port_is_kept_and_a_refused_body_is_not(shop, merged, tmp_path):
    """The two ends of the table of retries; the rows between are the courier's own tests."""
    with Refusing() as refusing:
        ended = cibeacon(
            "report", environ=environment(merged, tmp_path / "a", CIBEACON_DX_URL=refusing.url), cwd=shop.root
        )
    assert "spooled" in ended.out
    assert _against(REFUSED)(shop, merged, tmp_path / "b").code == 0
    assert not list((tmp_path / "b" / "cibeacon" / "spool").glob("*.ndjson"))
