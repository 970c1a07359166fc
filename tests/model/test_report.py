"""What the outcomes make of a run: one status word, one exit code. The tables are those of docs/reference.md."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.model.report import Outcome, OutcomeStatus, ReportStatus, ShownRequest, exit_code, report_status
from cibeacon.model.request import Request

WORDS = get_args(OutcomeStatus)


def rows(words):
    return [Outcome(kind="pipeline-run", sink="dx", status=word) for word in words.split()]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", "skipped"),
        ("skipped", "skipped"),
        ("skipped skipped skipped", "skipped"),
        ("sent", "sent"),
        ("sent skipped", "sent"),
        ("duplicate", "sent"),
        ("duplicate sent skipped", "sent"),
        ("failed", "failed"),
        ("invalid", "failed"),
        ("spooled", "failed"),
        ("failed invalid spooled skipped", "failed"),
        ("sent failed", "partial"),
        ("sent invalid", "partial"),
        ("duplicate spooled", "partial"),
        ("skipped sent failed", "partial"),
    ],
)
def test_one_word_says_how_a_run_went(words, found):
    assert report_status(rows(words), dry_run=False) == found


@pytest.mark.parametrize("words", ["", "dry-run", "skipped", "invalid", "dry-run invalid skipped"])
@pytest.mark.parametrize("trouble", [False, True])
def test_a_rehearsal_is_a_dry_run_whatever_came_of_it(words, trouble):
    assert report_status(rows(words), dry_run=True, trouble=trouble) == "dry-run"


@pytest.mark.parametrize(
    ("words", "found"), [("", "failed"), ("skipped", "skipped"), ("sent", "sent"), ("sent failed", "partial")]
)
def test_trouble_outside_the_signals_never_looks_like_a_quiet_day(words, found):
    assert report_status(rows(words), dry_run=False, trouble=True) == found


@given(words=st.lists(st.sampled_from(WORDS)), dry_run=st.booleans(), trouble=st.booleans())
def test_the_order_of_signals_changes_nothing(words, dry_run, trouble):
    ways = {
        report_status(rows(" ".join(way)), dry_run=dry_run, trouble=trouble)
        for way in (words, words[::-1], sorted(words))
    }
    assert len(ways) == 1
    assert ways <= set(get_args(ReportStatus))


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("trouble", [False, True])
def test_nothing_breaks_the_build_unless_strict(word, dry_run, trouble):
    assert exit_code(rows(word), strict=False, dry_run=dry_run, trouble=trouble) == 0


@pytest.mark.parametrize(
    ("word", "code", "dry"),
    [
        ("sent", 0, 0),
        ("duplicate", 0, 0),
        ("skipped", 0, 0),
        ("dry-run", 0, 0),
        ("failed", 1, 0),
        ("spooled", 1, 0),
        ("invalid", 1, 1),
    ],
)
def test_strict_exits_1_for_what_went_wrong(word, code, dry):
    assert exit_code(rows(word), strict=True, dry_run=False) == code
    assert exit_code(rows(f"sent {word} skipped"), strict=True, dry_run=False) == code
    assert exit_code(rows(word), strict=True, dry_run=True) == dry


def test_strict_knows_every_outcome():
    """A new word must be given a place in the table above."""
    assert set(WORDS) == {"sent", "duplicate", "skipped", "dry-run", "failed", "spooled", "invalid"}


@pytest.mark.parametrize(("dry_run", "code"), [(False, 1), (True, 0)])
def test_strict_exits_1_for_trouble_outside_the_signals(dry_run, code):
    assert exit_code(rows("sent"), strict=True, dry_run=dry_run, trouble=True) == code


def test_nothing_planned_is_no_failure():
    assert exit_code([], strict=True, dry_run=False) == 0


@given(words=st.lists(st.sampled_from(WORDS)))
def test_a_status_that_is_all_right_exits_0_even_in_strict(words):
    found = rows(" ".join(word for word in words if word != "dry-run"))
    fine = report_status(found, dry_run=False) in ("sent", "skipped")
    assert exit_code(found, strict=True, dry_run=False) == (0 if fine else 1)


KEYS = ["kind", "sink", "method", "key", "outcome", "reason", "attempts", "http_status", "error", "request", "help"]
FULL = Outcome(
    kind="deployment",
    sink="dx",
    status="failed",
    reason="why",
    subject="payments",
    method="deployments.create",
    key="deployment/r",
    reference_id="r",
    attempts=2,
    http_status=422,
    error="code",
    request=ShownRequest("POST", "https://acme.getdx.net/api/deployments.create", {"service": "payments"}),
)


@pytest.mark.parametrize("row", [FULL, *rows("skipped sent")], ids=lambda row: row.status)
def test_every_key_of_a_signal_is_always_there(row):
    assert list(row.document()) == KEYS


def test_a_signal_as_json():
    assert FULL.document() == {
        "kind": "deployment",
        "sink": "dx",
        "method": "deployments.create",
        "key": "deployment/r",
        "outcome": "failed",
        "reason": "why",
        "attempts": 2,
        "http_status": 422,
        "error": "code",
        "request": {
            "method": "POST",
            "url": "https://acme.getdx.net/api/deployments.create",
            "body": {"service": "payments"},
        },
        "help": "https://cibeacon.github.io/cibeacon/troubleshooting/#dx-refused",
    }


def test_a_signal_that_never_left_has_no_request():
    (row,) = rows("skipped")
    assert [row.document()[key] for key in ("request", "http_status", "error", "key", "method", "attempts")] == [
        None
    ] * 5 + [0]


def test_a_request_is_shown_whole_and_without_its_credential():
    call = Request("POST", "/api/deployments.create", {"service": "payments"})
    request = call.shown("https://acme.getdx.net")
    assert request == ShownRequest("POST", "https://acme.getdx.net/api/deployments.create", {"service": "payments"})
    assert set(request._fields) == {"method", "url", "body"}


def test_every_mixture_of_outcomes_has_a_status_and_a_code():
    for size in range(len(WORDS) + 1):
        for mixture in itertools.combinations(WORDS, size):
            found = rows(" ".join(mixture))
            wrong = bool({"failed", "invalid", "spooled"} & set(mixture))
            assert exit_code(found, strict=True, dry_run=False) == wrong
            if wrong:
                assert report_status(found, dry_run=False) == (
                    "partial" if {"sent", "duplicate"} & set(mixture) else "failed"
                )
