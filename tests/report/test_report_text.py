"""The step summary: where it leads, and how long the run took."""

from __future__ import annotations

import pytest

from cibeacon.model.changes import Changes
from cibeacon.model.report import Outcome, Report, ShownRequest
from cibeacon.model.request import Request
from cibeacon.report_text import report_lines, summary


@pytest.mark.parametrize(("names", "said"), [(("a",), "1 changed service"), (("a", "b"), "2 changed services")])
def test_changed_services_are_counted_in_words_that_fit(names, said):
    changes = Changes("ok", names, how="push")
    assert f"<summary>{said} (push)</summary>" in summary(Report(context=None, changes=changes))


def test_that_no_service_changed_is_one_line_without_an_empty_section():
    text = summary(Report(context=None, changes=Changes("none", how="push")))
    assert "\nChanged services: none (push)\n" in text
    assert "<details" not in text


def told(body):
    call = Request("POST", "/api/pipelineRuns.sync", body)
    row = Outcome(kind="pipeline-run", sink="dx", status="sent", request=call.shown("https://acme.getdx.net"))
    return summary(Report(context=None, outcomes=(row,)))


@pytest.mark.parametrize(
    ("started", "finished", "shown"),
    [
        ("1700000000", "1700000000", ""),
        ("1700000000", "1700000009", "9 s"),
        ("1700000000", "1700000700", "11 min 40 s"),
        ("1700000000", "1700003600", "1 h"),
        ("1700000000", "1700090061", "1 d 1 h"),
        ("2026-01-05T10:00:00Z", "2026-01-05T10:02:05Z", "2 min 5 s"),
        ("1700000009", "1700000000", ""),
        ("soon", "1700000000", ""),
        (None, "1700000000", ""),
    ],
)
def test_it_says_how_long_a_run_took_where_the_record_does(started, finished, shown):
    assert told({"started_at": started, "finished_at": finished}).splitlines()[4].endswith(f"|  | {shown} |")


@pytest.mark.parametrize("body", [None, [], {}, "text", {"started_at": "1700000000"}])
def test_a_run_that_goes_on_has_no_duration(body):
    assert told(body).splitlines()[4].endswith("|  |  |")


def test_links_stand_first_and_nothing_in_an_address_can_end_one():
    hostile = 'https://github.com/a)[x](https://evil.example) <b> "t" `c` \u202e\ud800'
    line = summary(Report(context=None), [("pull request #7", hostile), ("other", "https://x.example/")]).splitlines()[
        2
    ]
    first, second = line.split(" · ")
    assert first.startswith("[pull request #7](https://github.com/a%29%5Bx%5D%28https://evil.example%29%20%3Cb%3E%20")
    assert first.count(")") == first.count("(") == first.count("[") == 1
    assert first.isascii()
    assert second == "[other](https://x.example/)"


def test_without_links_there_is_no_empty_line_of_them():
    assert summary(Report(context=None)) == "### cibeacon: skipped\n\n"


def test_the_summary_of_a_replay_says_so():
    assert summary(Report(context=None, host_title="replay")) == "### cibeacon replay: skipped\n\n"


def outcomes_of_dx(status, **fields):
    kinds = ("deployment", "pipeline-run")
    return tuple(Outcome(kind=kind, sink="dx", status=status, subject="ship", **fields) for kind in kinds)


def test_an_error_of_several_signals_is_explained_once():
    outcomes = outcomes_of_dx("failed", error="invalid_auth", reason="The API key is not valid.", retryable=True)
    lines = report_lines(Report(context=None, outcomes=outcomes))
    assert [line.partition("ship")[2] for line in lines if "ship" in line] == [
        " (invalid_auth): The API key is not valid.",
        ": the same error as deployment",
    ]
    assert lines[-1] == "result      failed (2 failed, 2 in the spool); the build continues"


def test_a_dry_run_names_the_signal_of_each_request():
    request = ShownRequest("POST", "https://dx.example", {})
    lines = report_lines(Report(context=None, outcomes=outcomes_of_dx("dry-run", request=request), dry_run=True))
    assert [line.strip() for line in lines if "POST" in line] == [
        "deployment: POST https://dx.example",
        "pipeline-run: POST https://dx.example",
    ]
    assert lines[-1] == "result      dry-run (2 would be sent)"


def test_outside_ci_no_build_continues():
    outcomes = outcomes_of_dx("failed", error="invalid_auth")
    assert report_lines(Report(context=None, outcomes=outcomes, in_ci=False))[-1] == "result      failed (2 failed)"


def test_the_names_of_signals_that_fill_their_column_end_with_a_colon():
    outcomes = [Outcome(kind, "dx", "invalid", "No.") for kind in ("pull-services", "deployment")]
    lines = report_lines(Report(None, outcomes=tuple(outcomes)))
    assert "✗ invalid   pull-services, deployment: No." in lines


def test_signals_of_several_sinks_that_are_skipped_for_one_reason_share_a_line():
    def skipped(sink, reason):
        return Outcome(kind="deployment", sink=sink, status="skipped", subject="shop", reason=reason)

    def lines(*outcomes):
        return [line for line in report_lines(Report(context=None, outcomes=outcomes)) if line.startswith("–")]

    dx, otlp = skipped("dx", "the run failed"), skipped("otlp", "the run failed")
    assert lines(dx, otlp) == ["– skipped   deployment        shop: the run failed"]
    assert lines(dx, otlp, skipped("devlake", "no commit")) == [
        "– skipped   deployment (dx, otlp): shop: the run failed",
        "– skipped   deployment (devlake) shop: no commit",
    ]
