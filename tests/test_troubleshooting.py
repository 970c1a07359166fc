"""Every error and every check of the doctor is explained under its own heading, to which its message links."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from cibeacon.checks.table import IDS
from cibeacon.dataops.errors import ENDINGS
from cibeacon.http import UNTRUSTED
from cibeacon.model.error_ids import NOTICE_IDS, OUTCOME_IDS, SITE, VERB_IDS, check_link, help_link
from cibeacon.model.report import Outcome, OutcomeStatus
from cibeacon.model.request import Response
from cibeacon.runtime.errors import CibeaconError
from cibeacon.runtime.paths import BECAME_SHORTER
from cibeacon.sinks import SINKS, dx
from error_pages import ALL_IDS, REFUSED

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src/cibeacon"
CONSTANTS = {"UNTRUSTED": UNTRUSTED, "BECAME_SHORTER": BECAME_SHORTER, "short": "connection refused"}
UNDELIVERED = ("failed", "spooled", "invalid")


def headings(page):
    return re.findall(r"^### `?([\w.-]+)`?$", (ROOT / f"docs/{page}.md").read_text(encoding="utf-8"), re.M)


def calls(name):
    for path in sorted(SOURCE.rglob("*.py")):
        content = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(content)) if f"{name}(" in content else ():
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name:
                yield path, node


def text(node):
    """A literal, a named constant, or the literal beginning of a formatted text."""
    if isinstance(node, ast.JoinedStr):
        return str(getattr(node.values[0], "value", ""))
    return CONSTANTS[node.id] if isinstance(node, ast.Name) else node.value


LABELS = sorted({text(node.args[0]) for path, node in calls("Lost") if "sandbox" not in path.parts})


def failed(sink="dx", status="failed", error=None, http_status=None, **fields):
    return Outcome("pipeline-run", sink, status, error=error, http_status=http_status, **fields)


def test_every_error_has_one_heading_and_every_heading_an_error():
    assert sorted(headings("troubleshooting")) == sorted(ALL_IDS)


def test_every_check_of_the_doctor_has_one_heading_and_every_heading_a_check():
    assert sorted(headings("doctor")) == sorted(IDS)


def test_a_link_leads_to_a_heading_of_the_site():
    assert help_link("dx-invalid-auth") == f"{SITE}/troubleshooting/#dx-invalid-auth"
    assert check_link("run.pull_request") == f"{SITE}/doctor/#runpull_request"


@pytest.mark.parametrize("label", LABELS)
def test_a_request_that_was_not_answered_has_an_id_of_its_own(label):
    assert failed(error=label).error_id in OUTCOME_IDS


@pytest.mark.parametrize("code", dx.ADVICE)
def test_every_code_of_dx_has_an_id_of_its_own(code):
    for words in ({}, {"message": "in DX's own words"}):
        content = json.dumps({"ok": False, "error": code, **words}).encode()
        assert dx.judge(Response(400, content, "application/json")).error_id in ALL_IDS - {REFUSED["dx"]}


@pytest.mark.parametrize("name", SINKS)
def test_every_sink_has_an_id_for_what_its_vendor_refuses(name):
    assert failed(name, error="no such thing", http_status=400).error_id == REFUSED[name]


def test_a_report_links_to_the_error_that_the_sink_names():
    assert failed(error="HTTP 401", http_status=401, sink_error_id="dx-invalid-auth").error_id == "dx-invalid-auth"


@pytest.mark.parametrize(
    ("sink", "status", "error", "wanted"),
    [
        ("dx", 401, "HTTP 401", "http-401"),
        ("dx", 405, "HTTP 405", "http-404"),
        ("dx", 503, "HTTP 503", "http-5xx"),
        ("dx", 302, "redirect 302", "redirect"),
        ("dx", 200, "HTTP 200 without JSON", "unexpected-answer"),
        ("dci", 404, "topic not found", "dci-refused"),
        ("dci", 413, "HTTP 413", "http-413"),
        ("flow", 200, "Job does not exist", "flow-refused"),
        ("flow", 400, "HTTP 400: input json error", "flow-refused"),
        ("flow", 403, "HTTP 403: api key is invalid", "http-403"),
        ("flow", 200, "unexpected answer", "unexpected-answer"),
    ],
)
def test_a_refusal_has_the_id_of_its_status_or_of_the_vendor(sink, status, error, wanted):
    assert failed(sink, error=error, http_status=status).error_id == wanted


@pytest.mark.parametrize("status", get_args(OutcomeStatus))
def test_exactly_what_was_not_delivered_has_an_id(status):
    assert (failed(status=status).error_id is not None) == (status in UNDELIVERED)


def test_services_that_are_unknown_are_told_from_other_things_that_are():
    assert failed(reason="services unknown: no commit").error_id == "services-unknown"
    assert failed(reason="jq fails").error_id == "not-determined"


def test_every_error_that_belongs_to_no_signal_has_an_id():
    given = []
    for path, node in calls("Notice"):
        weight = ast.unparse(node.args[0])
        if "error" in weight:
            assert len(node.args) == 3, f"{path.name}:{node.lineno} has no id"
            given.append(node.args[2])
    assert {node.value for node in given if isinstance(node, ast.Constant)} | {"dci-files"} == NOTICE_IDS


def test_every_end_of_a_dataops_verb_but_success_has_an_id():
    assert {f"dataops-{status}" for status in ENDINGS if status != "success"} == {
        name for name in VERB_IDS if name.startswith("dataops-")
    }


TOKENLESS = {"CIBEACON_DX_URL": "https://acme.getdx.net", "CIBEACON_FLOW_URL": "https://flow.example"}
NO_REPORT = {
    "no such command": (("reprot",), "command-line-invalid"),
    "no such flag": (("report", "--sevices=x"), "command-line-invalid"),
    "a value that is missing": (("replay", "--spool"), "command-line-invalid"),
    "exec without a token": (("exec", "--no-dry-run", "--", "true"), "signal-invalid"),
    "a query without a token": (("flow", "list"), "setting-cannot-be-used"),
    "an export without a source": (
        ("backfill", "export", "pull-services", "--from=2026-01-01", "--to=2026-01-02"),
        "export-incomplete",
    ),
}


@pytest.mark.parametrize(("argv", "error_id"), NO_REPORT.values(), ids=NO_REPORT)
def test_an_error_of_a_command_without_a_report_ends_with_its_link(argv, error_id, tmp_path):
    environ = {**TOKENLESS, "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    program = (sys.executable, "-m", "cibeacon")
    ended = subprocess.run([*program, *argv], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert ended.stderr.endswith(f"{help_link(error_id)}\n")


def test_an_error_says_what_happened_and_why_in_one_sentence_and_then_what_to_do():
    assert str(CibeaconError("x.csv cannot be used", "it is empty.", "Name another.")) == (
        "x.csv cannot be used: it is empty. Name another."
    )
    assert str(CibeaconError("Nothing was sent", "no token", "")) == "Nothing was sent: no token."
