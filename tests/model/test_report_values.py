"""The record of one command: the JSON document that people and scripts read, with every key always there."""

from __future__ import annotations

import json

import pytest

from cibeacon.model.changes import Changes, Unknown
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.model.report import VERSION, Notice, Outcome, Report

BARE = Context(host="local", server=None, repository=None, event=None)
FULL = Context(
    host="github",
    server="github.com",
    repository="acme/shop",
    event="pull_request",
    action="closed",
    commit_sha="a" * 40,
    checkout_sha="b" * 40,
    ref="refs/heads/main",
    branch="feature",
    default_branch="main",
    pull_request=PullRequest(number=7, id=1497468863, merged=True),
    push=Push(before="c" * 40, after="b" * 40),
    merge_group=Push(before=None, after="b" * 40),
    run_id="901",
    run_attempt=2,
    run_url="https://github.com/acme/shop/actions/runs/901",
    pipeline="CI",
    job="build",
    actor="octo",
    email="octo@example.com",
    ci=True,
)
CHANGES = Changes(
    "ok",
    ("payments",),
    {"payments": "services/payments/api.py"},
    "c" * 40,
    "b" * 40,
    "merge commit, first parent",
    412,
    3,
)
DOCUMENT = ["version", "status", "context", "changes", "signals", "notices"]
CONTEXT = {
    "host", "server", "repository", "event", "action", "commit_sha", "checkout_sha", "ref", "branch", "default_branch",
    "pull_request", "push", "merge_group", "pipeline_id", "run_id", "run_attempt", "run_url", "pipeline", "job", "job_id", "actor",
    "status", "started_at", "finished_at", "deployment_state", "ci", "secrets_withheld", "base_config", "pr_number", "github_pull_id",
}  # fmt: skip
CHANGED = {"status", "base", "head", "how", "changed_files", "unmatched", "services", "why", "reason"}


def row(word, kind="deployment", reference_id="r"):
    return Outcome(kind=kind, sink="dx", status=word, reference_id=reference_id)


def trouble(text="git is missing"):
    return Notice("error", text)


@pytest.mark.parametrize(
    "report",
    [
        Report(context=None),
        Report(context=BARE),
        Report(context=FULL, changes=CHANGES, outcomes=(row("sent"), row("failed")), notices=(trouble(),), strict=True),
        Report(context=FULL, changes=Changes("none"), dry_run=True),
        Report(context=FULL, changes=Changes("unknown", unknown=Unknown("shallow", "fetch more"))),
    ],
)
def test_every_key_is_always_there(report):
    document = json.loads(json.dumps(report.document()))
    assert list(document) == DOCUMENT
    assert document["version"] == VERSION == 1
    assert document["status"] == report.status
    assert document["context"] is None or set(document["context"]) == CONTEXT
    assert document["changes"] is None or set(document["changes"]) == CHANGED
    assert len(document["signals"]) == len(report.outcomes)


def test_what_was_not_found_out_is_null_and_not_empty():
    document = Report(context=None).document()
    assert (document["context"], document["changes"], document["signals"], document["notices"]) == (None, None, [], [])


def test_changes_as_json():
    assert Report(context=None, changes=CHANGES).document()["changes"] == {
        "status": "ok",
        "base": "c" * 40,
        "head": "b" * 40,
        "how": "merge commit, first parent",
        "changed_files": 412,
        "unmatched": 3,
        "services": ["payments"],
        "why": {"payments": "services/payments/api.py"},
        "reason": None,
    }


def test_unknown_changes_say_why_and_name_no_service():
    document = Report(context=None, changes=Changes("unknown", unknown=Unknown("shallow", "fetch more"))).document()
    assert document["changes"]["reason"] == "shallow; fetch more"
    assert (document["changes"]["status"], document["changes"]["services"], document["changes"]["why"]) == (
        "unknown",
        [],
        {},
    )


def test_the_context_is_flat_for_scripts():
    document = Report(context=FULL).document()["context"]
    assert (document["pr_number"], document["github_pull_id"]) == (7, 1497468863)
    assert document["pull_request"]["merged"] is True
    assert (document["push"]["before"], document["merge_group"]["before"]) == ("c" * 40, None)


def test_an_email_address_is_never_in_the_document():
    assert "example.com" not in json.dumps(Report(context=FULL).document())


@pytest.mark.parametrize(
    ("outcomes", "notices", "found", "code"),
    [
        ((), (), "skipped", 0),
        ((row("sent"),), (), "sent", 0),
        ((row("sent"),), (Notice("info", "by the way"),), "sent", 0),
        ((row("sent"),), (trouble(),), "sent", 1),
        ((), (trouble(),), "failed", 1),
        ((row("sent"), row("invalid")), (), "partial", 1),
        ((row("failed"),), (), "failed", 1),
    ],
)
def test_a_report_weighs_its_signals_and_its_notices(outcomes, notices, found, code):
    for strict in (False, True):
        report = Report(context=None, outcomes=outcomes, notices=notices, strict=strict)
        assert (report.status, report.exit_code) == (found, code if strict else 0)


def test_a_rehearsal_weighs_invalid_signals_alone():
    report = Report(context=None, outcomes=(row("dry-run"),), notices=(trouble(),), strict=True, dry_run=True)
    assert (report.status, report.exit_code, report.troubled) == ("dry-run", 0, True)
    assert report._replace(outcomes=(row("invalid"),)).exit_code == 1


def test_the_ids_of_deployments_are_those_that_dx_has():
    outcomes = (
        row("sent", reference_id="1"),
        row("duplicate", reference_id="2"),
        row("failed", reference_id="3"),
        row("dry-run", reference_id="4"),
        row("skipped", reference_id=None),
        row("sent", kind="pipeline-run", reference_id="5"),
    )
    assert Report(context=None, outcomes=outcomes).reference_ids == ("1", "2")
