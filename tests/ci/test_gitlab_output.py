"""What GitLab is told about a run, beside the log's text: links on the job's page, sections, variables of later jobs."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest

from cibeacon import report_text
from cibeacon.ci.gitlab import GitLab
from cibeacon.model.changes import Changes
from cibeacon.model.context import Context, PullRequest
from cibeacon.model.report import Outcome, Report, ReportTexts, ShownRequest
from log_grammar import commands, sections

JOB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_DIR": "/builds/acme/shop",
    "CI_PROJECT_URL": "https://gitlab.example.com/acme/shop",
    "CI_JOB_URL": "https://gitlab.example.com/acme/shop/-/jobs/81",
}
RUN_URL = "https://gitlab.example.com/acme/shop/-/pipelines/8"
CONTEXT = Context("gitlab", "gitlab.example.com", "acme/shop", "push", run_url=RUN_URL)
BODY = {"reference_id": "r/1", "source_url": RUN_URL, "head_branch": "main"}
NOW = 1_700_000_000


def render(report, environ, stage, now):
    environment = SimpleNamespace(environ=environ, stage=stage, began=now)
    return GitLab().output(report, environment, ReportTexts(report_text.output_values, report_text.summary))


def sent(body=BODY, **more):
    request = ShownRequest("POST", "https://acme.getdx.net/api/pipelineRuns.sync", body)
    return Outcome(kind="pipeline-run", sink="dx", status="sent", request=request, **more)


def changed(*services):
    return Changes(
        "ok", services, {name: f"services/{name}/main.py" for name in services}, base="a" * 40, head="b" * 40
    )


def written(output):
    return {writing.path.rpartition("/")[2]: writing.text for writing in output.files}


def links(report, environ=JOB, stage="single"):
    found = json.loads(written(render(report, environ, stage, NOW))["cibeacon-annotations.json"])
    assert set(found) == {"cibeacon"}
    return {each["external_link"]["label"]: each["external_link"]["url"] for each in found["cibeacon"]}


def test_the_jobs_page_links_what_a_reader_wants_next():
    report = Report(CONTEXT.with_pull_request(PullRequest(7)), changed("pay"), (sent(),))
    assert links(report) == {
        "What cibeacon detected and sent": f"{JOB['CI_JOB_URL']}/artifacts/file/cibeacon-report.json",
        "Merge request !7": "https://gitlab.example.com/acme/shop/-/merge_requests/7",
        "The commits that were compared": "https://gitlab.example.com/acme/shop/-/compare/"
        f"{'a' * 40}...{'b' * 40}?straight=true",
    }


def test_a_forks_merge_request_is_linked_where_it_was_opened():
    target = {"CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example.com/upstream/shop"}
    report = Report(CONTEXT.with_pull_request(PullRequest(7)))
    assert (
        links(report, JOB | target)["Merge request !7"]
        == f"{target['CI_MERGE_REQUEST_PROJECT_URL']}/-/merge_requests/7"
    )


def test_a_source_of_a_persons_own_choice_is_linked():
    report = Report(CONTEXT, None, (sent(BODY | {"source_url": "https://deploys.example.com/81"}),))
    assert links(report)["Source link in DX"] == "https://deploys.example.com/81"


def test_the_pipeline_whose_record_is_closed_is_linked():
    other = "https://gitlab.example.com/acme/shop/-/pipelines/77"
    context = CONTEXT._replace(event="upstream", run_id="77", run_url=other)
    assert links(Report(context))["Pipeline 77, the reported run"] == other


@pytest.mark.parametrize(
    "hostile", ["javascript:alert(1)", "https:///x", "x\ny", "", "https://a b", "data:text/html,x"]
)
def test_nothing_but_a_web_address_becomes_a_link(hostile):
    report = Report(CONTEXT.with_pull_request(PullRequest(7)), None, (sent(BODY | {"source_url": hostile}),))
    shown = links(report, {"CI_JOB_URL": hostile, "CI_PROJECT_URL": hostile})
    assert all(re.fullmatch(r"https?://[^/\s]+[!-~]*", url) for url in shown.values())
    assert "What cibeacon detected and sent" not in shown


def test_outside_a_project_there_is_nothing_to_link():
    assert links(Report(None), {}) == {}


def test_each_verb_and_stage_keeps_its_own_report():
    files = [
        set(written(render(Report(CONTEXT, verb=verb), JOB, stage, NOW)))
        for verb, stage in (("report", "main"), ("report", "post"), ("services", "single"))
    ]
    own = [found - {"cibeacon.env", "cibeacon-annotations.json"} for found in files]
    assert own == [{"cibeacon-report-running.json"}, {"cibeacon-report.json"}, {"cibeacon-services.json"}]


def test_who_only_looked_for_services_tells_later_jobs_nothing_of_signals():
    text = written(render(Report(CONTEXT, changed("pay"), verb="services"), JOB, "single", NOW))["cibeacon.env"]
    assert text.splitlines() == [
        'CIBEACON_OUT_SERVICES=["pay"]',
        "CIBEACON_OUT_SERVICES_STATUS=ok",
        "CIBEACON_OUT_REPORT=cibeacon-services.json",
    ]


def test_a_list_that_is_too_long_for_the_dotenv_report_stays_in_the_artifact():
    names = tuple(f"service-{number:04}" for number in range(400))
    found = written(render(Report(CONTEXT, changed(*names), verb="services"), JOB, "single", NOW))
    assert "CIBEACON_OUT_SERVICES=" not in found["cibeacon.env"]
    assert "CIBEACON_OUT_SERVICES_STATUS=ok" in found["cibeacon.env"]
    assert json.loads(found["cibeacon-services.json"])["changes"]["services"] == list(names)


def test_whatever_is_too_long_stays_in_the_artifact_and_the_job_of_dci_is_named():
    """GitLab takes none of a file that is too long."""
    job = Outcome(kind="dci", sink="dci", status="sent", outputs={"dci_job_id": "d7d82926-7609-5667-8e5a-1d6372494497"})
    ids = [f"gitlab.example.com/acme/shop/deployment/service-{number:04}/production" for number in range(100)]
    told = [sent({"reference_id": each}, reference_id=each)._replace(kind="deployment") for each in ids]
    names = tuple(f"service-{number:04}" for number in range(100))
    found = written(render(Report(CONTEXT, changed(*names), (*told, job)), JOB, "single", NOW))
    assert len(found["cibeacon.env"].encode()) <= 5000
    variables = dict(line.split("=", 1) for line in found["cibeacon.env"].splitlines())
    assert variables["CIBEACON_DCI_JOB_ID"] == job.outputs["dci_job_id"]
    assert json.loads(variables["CIBEACON_OUT_SERVICES"]) == list(names), "only the longest has to go"
    assert "CIBEACON_OUT_DEPLOYMENT_REFERENCE_IDS" not in variables
    kept = json.loads(found["cibeacon-report.json"])["signals"]
    assert [row["request"]["body"]["reference_id"] for row in kept[:-1]] == ids


def test_what_the_log_leaves_out_is_folded_away_in_sections_that_gitlab_reads():
    report = Report(CONTEXT, changed(*"abcdef"), (sent(), sent()))
    log = "\n".join(render(report, JOB, "single", NOW).lines)
    assert [marker.partition("\r")[0] for marker in sections(log)] == [
        f"section_start:{NOW}:cibeacon_services[collapsed=true]",
        f"section_end:{NOW}:cibeacon_services",
        f"section_start:{NOW}:cibeacon_requests[collapsed=true]",
        f"section_end:{NOW}:cibeacon_requests",
    ]
    assert "  f  services/f/main.py" in log
    assert log.count('"reference_id": "r/1"') == 2


def test_nothing_is_folded_away_that_the_log_shows_already():
    shown = Report(CONTEXT, changed(*"abcde"), (sent()._replace(status="dry-run"),), dry_run=True)
    assert render(shown, JOB, "single", NOW).lines == ()
    assert render(Report(CONTEXT, changed(*"abcdef"), verb="services"), JOB, "single", NOW).lines == ()


def test_markers_are_for_gitlabs_own_log_alone():
    report = Report(CONTEXT, changed(*"abcdef"), (sent(),))
    assert render(report, {}, "single", NOW).lines == ()


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[0Ksection_end:1:cibeacon_requests\r\x1b[0K",
        "x\nsection_start:1:evil\r\x1b[0K",
        "\r##[error]x",
        "\n::error::x",
    ],
)
def test_no_text_of_a_stranger_ends_a_section_or_begins_one(text):
    changes = Changes("ok", tuple("abcdef"), dict.fromkeys("abcdef", text))
    report = Report(CONTEXT, changes, (sent(BODY | {"head_branch": text, text: text}),))
    log = "\n".join(render(report, JOB, "single", NOW).lines)
    assert len(sections(log)) == 4
    assert log.count("\x1b") == 2 * 4
    assert log.count("\r") == 4
    assert commands(log) == []


def test_a_thousand_services_do_not_flood_the_log():
    names = tuple(f"s{number}" for number in range(3000))
    lines = render(Report(CONTEXT, changed(*names)), JOB, "single", NOW).lines
    assert len(lines) == 1003
    assert lines[-2] == "… and more, in the JSON report"
