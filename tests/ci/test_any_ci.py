"""A CI system that cibeacon does not know: the file that docs/ci/other.md shows, run by a shell with such a system's variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dx_records import records
from processes import cibeacon

SCRIPT = Path(__file__).parents[2] / "integrations/other/report.sh"
TOKEN = "sandbox-token-1"
RUN = {
    "PIPELINE": "ship", "BUILD_ID": "42", "BUILD_ATTEMPT": "2", "BUILD_URL": "https://ci.example.com/ship/42",
    "BUILD_STARTED": "2023-11-14T22:13:20Z", "REPOSITORY_URL": "https://github.com/acme/shop.git",
}  # fmt: skip
REQUEST = {"COMMIT": "{head}", "BRANCH": "topic", "PULL_REQUEST": "7", "TARGET_BRANCH": "main"}
PUSH = {"COMMIT": "{base}", "BRANCH": "main", "PREVIOUS_COMMIT": "{old}"}
ID = "github.com/acme%2Fshop/pipelines/concourse/runs/ship%2F42/attempts/2"


@pytest.fixture
def report(dx, checkouts, tmp_path):
    def report(env, *result, checkout="main"):
        shape = checkouts(checkout)
        filled = {name: text.format(**shape.ids) for name, text in {**RUN, **env}.items()}
        own = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path),
            "DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": dx.url, "CIBEACON_SERVICES": "services/{service}/",
            "CIBEACON_FORMAT": "json",
        }  # fmt: skip
        ended = subprocess.run(
            ["/bin/sh", SCRIPT, *result], cwd=shape.root, env=own | filled, capture_output=True, text=True, check=True
        )
        return json.loads(ended.stdout), shape.ids

    return report


@pytest.mark.parametrize(
    ("result", "status"),
    [("success", "success"), ("FAILED", "failure"), ("aborted", "cancelled"), ("error", "failure")],
)
def test_a_push_is_one_record_from_the_start_to_the_end(dx, report, result, status):
    document, _ = report(PUSH)
    assert document["changes"]["services"] == ["cart"]
    _, ids = report(PUSH, result)
    first, last = records(dx)
    assert (first["status"], first["reference_id"]) == ("running", ID)
    expected = {
        "reference_id": ID, "status": status, "pipeline_name": "ship", "pipeline_source": "concourse",
        "repository": "acme/shop", "commit_sha": ids["base"], "head_branch": "main",
        "source_url": "https://ci.example.com/ship/42", "started_at": "1700000000",
    }  # fmt: skip
    assert {name: last.get(name) for name in expected} == expected


def test_a_pull_request_is_compared_with_the_branch_that_it_is_for(dx, report):
    document, ids = report(REQUEST, "success", checkout="head")
    assert document["changes"]["services"] == ["payments"]
    assert (records(dx)[0]["pr_number"], records(dx)[0]["commit_sha"]) == (7, ids["head"])


def test_the_repository_may_be_given_by_its_name(dx, report):
    report({**PUSH, "REPOSITORY_URL": "acme/shop"})
    assert records(dx)[0]["repository"] == "acme/shop"


def test_spellings_of_a_url_are_one_repository(dx, report):
    report({**PUSH, "REPOSITORY_URL": "git@github.com:acme/shop.git"})
    assert records(dx)[0]["reference_id"] == ID


def test_runs_of_two_ci_systems_with_one_number_are_two_records(checkouts):
    said = ("--dry-run", "--format=json", "--dx-url=acme", "--run-id=42")
    documents = [
        cibeacon("report", *said, f"--host={host}", cwd=checkouts("main").root).document
        for host in ("concourse", "buildbot", "concourse")
    ]
    runs = [signal for document in documents for signal in document["signals"] if signal["kind"] == "pipeline-run"]
    first, other, again = (run["request"]["body"]["reference_id"] for run in runs)
    assert (first == again, first == other) == (True, False)


def test_a_run_without_an_id_is_refused(dx, report):
    document, _ = report({**PUSH, "BUILD_ID": ""})
    assert [signal["outcome"] for signal in document["signals"] if signal["kind"] == "pipeline-run"] == ["invalid"]
    assert records(dx) == []


def test_a_result_that_no_ci_system_has_is_never_guessed(dx, report):
    document, _ = report(PUSH, "excellent")
    assert document["status"] == "failed"
    assert records(dx) == []
