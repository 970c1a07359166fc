"""Whatever a vendor or a host answers, every verb ends with a reason of its own, and loses no signal."""

from __future__ import annotations

import json

import pytest

from cibeacon.sandbox.server import Sandbox
from faults import FaultServer, response
from processes import cibeacon

ID = "12345678-1234-4234-8234-123456789abc"


def nested(levels, *, opens=b"[", closes=b"]"):
    return opens * levels + closes * levels


def beside(odd):
    """A document that has what every vendor's reader looks for, and something odd in each of them."""
    row = b'{"id":"%s","name":"R","status":"x","state":"active","x":%s}' % (ID.encode(), odd)
    lists = b",".join(
        b'"%s":[%s]' % (name, row) for name in (b"topics", b"components", b"jobs", b"files", b"jobstates")
    )
    ones = b",".join(b'"%s":%s' % (name, row) for name in (b"topic", b"job", b"identity", b"file", b"jobstate"))
    return b'{"ok":true,"_meta":{"count":1},%s,%s}' % (lists, ones)


ANSWERS = {
    "deep, in a field": beside(nested(600)),
    "deeper, in a field": beside(nested(900, opens=b'{"a":', closes=b"}").replace(b":}", b":1}", 1)),
    "too deep to be read": beside(nested(100_000)),
    "deep and nothing else": nested(900),
    "too large": b'{"x":"%s"}' % (b"y" * (9 << 20)),
    "too many": b"[%s{}]" % (b"{}," * 100_000),
    "the same page for ever": b"[%s{}]" % (b"{}," * 99),
    "text": b'"x"',
    "a number of a million digits": b"9" * 1_000_000,
    "nothing": b"",
    "cut off": beside(b"1")[:-40],
    "no UTF-8": b'{"ok":"\xff"}',
    "a surrogate": beside(rb'"\ud800"').replace(b'"R"', rb'"\ud800"'),
    "nulls": json.dumps(dict.fromkeys(("ok", "topics", "jobs", "job", "identity", "components", "_meta"))).encode(),
    "numbers for lists": json.dumps(dict.fromkeys(("topics", "jobs", "job", "identity", "_meta"), 7)).encode(),
}


@pytest.fixture(scope="module")
def account():
    with Sandbox() as sandbox:
        yield {**sandbox.dci.account.exports("URL"), **sandbox.flow.account.exports("URL")}


@pytest.fixture
def asked(account, tmp_path):
    """What becomes of a command that is answered in this way, whoever it asks."""

    def ask(content, *argv):
        with FaultServer(lambda connection, server: server.read(connection) and connection.sendall(raw)) as server:
            raw = response(content)
            environ = {name: value.replace("URL", server.url) for name, value in account.items()}
            environ |= {
                "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_RUN_ID": "7", "GITHUB_SHA": "a" * 40,
                "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main", "GITHUB_API_URL": server.url,
                "GITHUB_TOKEN": "x", "GITLAB_TOKEN": "x",
                "CI_API_V4_URL": f"{server.url}/api/v4", "RUNNER_TEMP": str(tmp_path / "temp"), "CIBEACON_TIMEOUT": "20",
                "CIBEACON_DX_URL": server.url, "DX_API_TOKEN": "x", "CIBEACON_DCI_TOPIC": "R",
                "CIBEACON_SERVICES": "pay", "CIBEACON_PR_NUMBER": "3", "CIBEACON_STATUS": "success",
            }  # fmt: skip
            ended = cibeacon(*argv, environ=environ, cwd=tmp_path)
        assert server.requests
        assert "Traceback" not in ended.out + ended.err
        assert "because of a bug" not in ended.out + ended.err
        return ended

    return ask


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_report_has_a_row_for_every_signal_and_sends_again_what_was_not_taken(asked, answer):
    ended = asked(ANSWERS[answer], "report", "--format=json")
    assert ended.code == 0
    outcomes = {each["kind"]: each["outcome"] for each in ended.document["signals"]}
    assert {"pull-services", "pipeline-run"} <= set(outcomes)
    assert set(outcomes.values()) <= {"sent", "duplicate", "failed", "spooled", "skipped"}
    again = asked(ANSWERS[answer], "replay", "--format=json") if "spooled" in outcomes.values() else None
    assert again is None or again.code == 0


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    "argv",
    [("dci", "whoami"), ("dci", "topics"), ("dci", "components", "R"), ("dci", "jobs"), ("dci", "jobs", ID)],
    ids=" ".join,
)
def test_what_is_read_of_dci_is_shown_or_said_to_be_none(asked, answer, argv):
    ended = asked(ANSWERS[answer], *argv, "--format=json")
    assert ended.document["status"] in ("sent", "ok", "failed")


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_row_of_a_backfill_is_sent_or_failed(asked, answer, tmp_path):
    (tmp_path / "rows.csv").write_text("deployed_at,service,repository\n1680723287,cart,acme/shop\n")
    ended = asked(ANSWERS[answer], "backfill", "deployments", "rows.csv", "--format=json")
    assert ended.code in (0, 1)
    assert json.loads(ended.out)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("source", ["github", "gitlab"])
@pytest.mark.parametrize("kind", ["pull-services", "deployments"])
def test_an_export_from_a_host_that_answers_nonsense_has_no_row_and_a_reason_where_there_is_one(
    asked, answer, source, kind
):
    window = ("--from=2026-01-01", "--to=2026-02-01")
    ended = asked(ANSWERS[answer], "backfill", "export", kind, f"--source={source}", "--repository=acme/shop", *window)
    assert ended.out.count("\n") <= 1
    assert ended.code in (0, 1, 2)
    assert ended.err
