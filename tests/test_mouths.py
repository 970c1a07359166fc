"""Strangers' text through the whole command, to every mouth that it has on GitHub and GitLab."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote

import pytest

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from cibeacon.sandbox.server import Sandbox
from faults import FaultServer, answers, response
from log_grammar import commands, sections
from processes import cibeacon

HOSTILE = [
    "x\n::set-output name=services::evil\n",
    "x\r::error::forged",
    "a ##[set-output name=x;]y",
    "cibeacon_token1\nstatus=evil",
    "| cell | `code` <img src=x>",
    "\x1b[0Ksection_start:1700000000:hidden[collapsed=true]\r\x1b[0K",
    "x\u2028::error::y",
    "$(id) ${{ github.token }}",
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Monorepo(tmp_path_factory.mktemp("mouths") / "shop", {"PATH": "/usr/local/bin:/usr/bin:/bin"})


@pytest.fixture(scope="module")
def merged(shop):
    files = {f"services/pay/{name.replace('/', '_')}": "" for name in HOSTILE} | {"services/$(id)/x": ""}
    return shop.pull_request(1, "merge", [files], ("pay",))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("flags", [(), ("--dry-run",), ("--format=json",), ("--verbose",)])
def test_nothing_that_a_stranger_wrote_is_obeyed_on_github(shop, merged, tmp_path, text, flags):
    event = runs.closed(merged)
    event["pull_request"]["head"]["ref"] = text
    environ = runs.github("pull_request", event, merged.merge_sha, 7, tmp_path)
    environ |= {"GITHUB_WORKFLOW": text, "GITHUB_TRIGGERING_ACTOR": text, "GITHUB_JOB": text}
    environ |= {"CIBEACON_ENVIRONMENT": "prod", "CIBEACON_DEPLOY_SERVICES": "changed"}
    with Sandbox(token="right-token") as dx:
        ended = cibeacon(
            "report",
            *flags,
            environ=environ | {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": "wrong-token"},
            cwd=shop.root,
        )
        assert dx.faults == []
    assert ended.code == 0
    fired = commands(ended.out + ended.err)
    assert {command.name for command in fired} <= {"warning"}
    assert not sections(ended.out + ended.err)
    outputs = (tmp_path / "output").read_text()
    names = re.findall(r"^(\w+)<<cibeacon_token\d+$", outputs, re.M)
    assert names == ["status", "services", "services_status", "deployment_reference_ids", "report"]
    assert "<img" not in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_stranger_wrote_is_obeyed_on_gitlab(shop, merged, tmp_path, text):
    environ = runs.gitlab(merged.base_sha, merged.merge_sha, 8, "http://127.0.0.1:9", tmp_path)
    environ |= {"CI_JOB_NAME": text, "CI_PIPELINE_NAME": text, "GITLAB_USER_LOGIN": text, "CI_JOB_TOKEN": ""}
    ended = cibeacon("report", "--dry-run", environ=environ, cwd=shop.root)
    assert ended.code == 0
    assert not sections(ended.out + ended.err)
    assert not commands(ended.out + ended.err)
    for line in (tmp_path / "cibeacon.env").read_text().splitlines():
        assert re.fullmatch(r"CIBEACON_OUT_[A-Z_]+=.*", line)


def test_a_hostile_folder_is_no_service(shop, merged):
    document = cibeacon("services", "--base=HEAD^1", "--head=HEAD", "--format=json", cwd=shop.root).document
    assert document["changes"]["services"] == ["pay"]
    assert document["changes"]["unmatched"] == 1


def test_the_exact_body_survives_being_made_harmless(shop, merged, tmp_path):
    event = runs.closed(merged)
    event["pull_request"]["head"]["ref"] = "a ##[error]b"
    environ = runs.github("pull_request", event, merged.merge_sha, 7, tmp_path)
    ended = cibeacon("report", "--dry-run", environ=environ, cwd=shop.root)
    shown = [json.loads(line) for line in ended.out.splitlines() if line.strip().startswith("{")]
    assert shown[-1]["head_branch"] == "a ##[error]b"


SECRET = "s3cr3t/with+odd=chars&more"


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_token_is_nowhere_even_when_an_api_echoes_it(shop, merged, tmp_path, format):
    echo = json.dumps({"ok": False, "error": "invalid_auth", "message": f"bad key {SECRET} {quote(SECRET, safe='')}"})
    environ = runs.github("pull_request", runs.closed(merged), merged.merge_sha, 7, tmp_path)
    with FaultServer(answers(response(echo.encode(), status="401 Unauthorized"))) as server:
        environ |= {"CIBEACON_DX_URL": server.url, "DX_API_TOKEN": SECRET}
        ended = cibeacon("report", f"--format={format}", environ=environ, cwd=shop.root)
    everything = ended.out + ended.err + "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())
    for spelling in (SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()):
        assert spelling not in everything
    assert "bad key ***" in everything
