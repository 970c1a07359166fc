"""The sandbox's page in a browser: it fills, follows, filters, sorts, fits a phone, and what is hostile stays text."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import requests

from cibeacon.cli.spool_listing import SpoolListing
from cibeacon.sandbox.dataops_account import DataOpsAccount
from cibeacon.sandbox.dx import TOKEN
from cibeacon.sandbox.server import Sandbox
from dci_talk import Talk, suite
from mishaps import mishaps
from processes import cibeacon
from still_environment import still_environment

pytestmark = pytest.mark.engine

HERE = Path(__file__).parent
PYTHON, CHROMIUM = HERE / ".venv/bin/python", shutil.which("chromium")
NOW = 1_700_000_000
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
TABS = ("overview", "dx", "dci", "dataops", "flow", "requests", "outage")
LISTENING = ["wait", ".live.on"]
ROWS = "#deployments tbody tr"
OVERFLOW = ["evaluate", "document.documentElement.scrollWidth - document.documentElement.clientWidth"]


@pytest.fixture
def sandbox():
    with Sandbox(token="sandbox-token", dataops=DataOpsAccount(step_seconds=0.01)) as running:
        yield running
        assert running.faults == []


@pytest.fixture
def look():
    """Takes steps on a page in a fresh browser, which asks nobody else; gives their results, and the browser's complaints."""
    if CHROMIUM is None or not list(HERE.glob(".venv/lib/*/site-packages/playwright")):
        pytest.skip("no browser: run scripts/engines-browser and scripts/engines-python")

    def taken(url, *steps):
        asked = json.dumps({"url": url, "chromium": CHROMIUM, "steps": steps})
        done = subprocess.run(
            [PYTHON, HERE / "browse.py"], input=asked, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert seen["elsewhere"] == []
        return [result for result in seen["results"] if result is not None], seen["errors"]

    return taken


@pytest.fixture
def visit(look, sandbox):
    """The results of steps on the page of the sandbox, of which the browser must not complain."""

    def taken(*steps):
        results, errors = look(sandbox.url, *steps)
        assert errors == []
        return results

    return taken


def deployment(reference, service="payments", at=NOW, **more):
    return {"reference_id": reference, "service": service, "deployed_at": at, "repository": "acme/shop", **more}


def pull(number, merged_at=NOW - 3600, **more):
    sha = f"{number:040x}"
    return {
        "repository": "acme/shop",
        "number": number,
        "base_ref": "main",
        "merged_at": merged_at,
        "merge_commit_sha": sha,
        **more,
    }


def hold(sandbox, *deployments):
    for each in deployments:
        sandbox.ledger.change_deployment(each["reference_id"], lambda _, each=each: each)


def test_what_arrives_while_the_page_is_open_appears_on_it(visit):
    before, status, after, said, activity = visit(
        ["goto", "/"],
        LISTENING,
        ["texts", "#newest li"],
        ["post", "/api/deployments.create", deployment("d")],
        ["wait", "#newest li"],
        ["texts", "#newest .what"],
        ["contents", "#news"],
        ["texts", "#activity-words"],
    )
    assert (before, status, after) == ([], 200, ["deployments.create DX payments"])
    assert said == ["1 new request"]
    assert activity == ["1 request, none refused. In the last 5 minutes: 1 request, none refused."]


def test_a_refused_request_shows_the_rule_that_it_broke_beside_its_body(visit):
    status, refused, terms, body = visit(
        ["goto", "/"],
        ["post", "/api/deployments.create", {"service": "payments"}],
        ["wait", "#refused a"],
        ["texts", "#refused .reason"],
        ["click", "#refused a"],
        ["wait", "#requests details[open] pre"],
        ["texts", "#requests dd"],
        ["texts", "#requests pre"],
    )
    assert status == 422
    assert refused == ["required_params_missing: deployed_at must be given."]
    assert terms[:4] == ["refused", "422", "required_params_missing", "deployed_at must be given."]
    assert body == ['{ "service": "payments" }']


STORIES = [
    ("story-commits", [["#1", "#2"], ["#3", "#4", "#5"]], "Every pull request is deployed."),
    ("story-with-services", [["#1", "#3"]], "Not deployed: #2 Change service_b."),
    ("story-without-services", [["#1", "#2", "#3"]], "Every pull request is deployed."),
]
CONCLUDED = (
    "[...document.querySelectorAll('#conclusion ul')].map((list) => [...list.children].map((one) => one.textContent))"
)


@pytest.mark.parametrize(("button", "numbers", "rest"), STORIES)
def test_a_story_of_dx_s_documentation_ends_as_dx_says(visit, button, numbers, rest):
    concluded, left = visit(
        ["goto", "/"],
        LISTENING,
        ["click", f"#{button}"],
        ["wait", "#conclusion h3"],
        ["evaluate", CONCLUDED],
        ["texts", "#conclusion > p"],
    )
    assert [[line.split()[0] for line in lines] for lines in concluded] == numbers
    assert concluded[0][-1].endswith("after the merge")
    assert left == [rest]


def test_a_story_is_reported_with_whatever_key_the_sandbox_has(look):
    with Sandbox(token="another") as sandbox:
        results, errors = look(
            sandbox.url, ["goto", "/"], LISTENING, ["click", "#story-with-services"], ["wait", "#conclusion li"]
        )
    assert (results, errors) == ([], [])


def test_why_a_story_was_not_taken_is_said(look):
    with Sandbox() as sandbox:
        mishaps(sandbox, "dx").fail("POST", "/deployments.create", 503, body={"ok": False, "error": "down"})
        results, _ = look(
            sandbox.url,
            ["goto", "/"],
            LISTENING,
            ["click", "#story-with-services"],
            ["wait", "#conclusion .bad"],
            ["texts", "#conclusion"],
        )
    assert "down" in results[0][0]


def test_rows_are_filtered_searched_and_sorted_and_the_address_leads_back_there(visit, sandbox):
    hold(
        sandbox,
        *(deployment(f"d{n}", service=f"s{n % 3}", at=NOW + n, environment=("a", "b")[n % 2]) for n in range(9)),
    )
    services, both, searched, ascending, address, again = visit(
        ["goto", "/#dx"],
        ["wait", ROWS],
        ["choose", "#deployments label:has-text('service') select", "s1"],
        ["texts", "#deployments .strong"],
        ["choose", "#deployments label:has-text('environment') select", "b"],
        ["contents", f"{ROWS} td:last-child .mono"],
        ["goto", "/#dx?deployments.search=d4"],
        ["contents", f"{ROWS} td:last-child .mono"],
        ["goto", "/#dx"],
        ["click", "#deployments button:text('Deployed')"],
        ["click", "#deployments button:text('Deployed')"],
        ["click", "#deployments button:text('Deployed')"],
        ["contents", f"{ROWS} td:last-child .mono"],
        ["evaluate", "location.hash"],
        ["reload"],
        ["wait", ROWS],
        ["contents", f"{ROWS} td:last-child .mono"],
    )
    assert services == ["s1"] * 3
    assert both == ["d7", "d1"]
    assert searched == ["d4"]
    assert ascending == [f"d{n}" for n in range(9)]
    assert again == ascending
    assert "sort=Deployed" in address


def test_a_tab_comes_back_as_it_was_left_and_its_filters_are_cleared_together(visit, sandbox):
    hold(sandbox, *(deployment(f"d{n}", service=f"s{n % 3}") for n in range(6)))
    left, back, cleared, address = visit(
        ["goto", "/#dx"],
        ["wait", ROWS],
        ["choose", "#deployments label:has-text('service') select", "s1"],
        ["fill", "#deployments input", "d"],
        ["texts", "#deployments .strong"],
        ["click", "#to-flow"],
        ["click", "#to-dx"],
        ["texts", "#deployments .strong"],
        ["click", "#deployments .clear"],
        ["count", ROWS, 6],
        ["texts", "#deployments .count"],
        ["evaluate", "location.hash"],
    )
    assert (left, back) == (["s1", "s1"], ["s1", "s1"])
    assert (cleared, address) == (["6"], "#dx")


def test_5000_deployments_are_shown_50_at_a_time(visit, sandbox):
    hold(sandbox, *(deployment(f"d{n}", at=NOW + n) for n in range(5000)))
    count, rows, second, last = visit(
        ["goto", "/#dx"],
        ["wait", ROWS],
        ["texts", "#deployments .count"],
        ["evaluate", f"document.querySelectorAll('{ROWS}').length"],
        ["click", "#deployments .pager button:text('Next')"],
        ["contents", f"{ROWS}:first-child td:last-child .mono"],
        ["goto", "/#dx?deployments.page=100"],
        ["texts", "#deployments .pager span"],
    )
    assert (count, rows, second, last) == (["5,000"], 50, ["d4949"], ["4951–5000 of 5,000"])


def test_a_deployment_names_its_pull_requests_with_lead_times_and_leads_to_them(visit):
    *_, row, shown, waits = visit(
        ["goto", "/#dx"],
        LISTENING,
        ["post", "/sandbox/pull-requests", [pull(1, title="Retry payments"), pull(2, merged_at=NOW)]],
        ["post", "/api/deployments.create", deployment("d", commit_sha=f"{1:040x}")],
        ["post", "/api/deployments.create", deployment("e", commit_sha="f" * 40)],
        ["count", ROWS, 2],
        ["texts", f"{ROWS} td:nth-child(2) .line:has(.lead)"],
        ["click", "#deployments td a"],
        ["count", "#pulls tbody tr", 1],
        ["texts", "#pulls tbody td:first-child .strong"],
        ["texts", f"{ROWS} .pill"],
    )
    assert row == ["acme/shop#1 Retry payments 1 h after the merge"]
    assert shown == ["acme/shop#1"]
    assert waits == ["not imported yet: no pull request of this commit is known"]


def test_a_row_that_changes_keeps_the_focus_and_what_was_opened(visit):
    run = {"pipeline_name": "ci", "pipeline_source": "GitHub Actions", "reference_id": "r", "started_at": str(NOW)}
    *_, summary, statuses, is_open, focused, duration = visit(
        ["goto", "/#dx"],
        ["post", "/api/pipelineRuns.sync", run | {"status": "running"}],
        ["wait", "#runs summary"],
        ["click", "#runs summary"],
        ["post", "/api/pipelineRuns.sync", run | {"status": "failure", "finished_at": str(NOW + 3661)}],
        ["wait", "#runs .pill.failure"],
        ["texts", "#runs summary"],
        ["texts", "#runs details .pill"],
        ["evaluate", "document.querySelector('#runs details').open"],
        ["evaluate", "document.activeElement === document.querySelector('#runs summary')"],
        ["texts", "#runs td:nth-child(5)"],
    )
    assert (summary, statuses) == (["2 notifications"], ["running", "failure"])
    assert (is_open, focused) == (True, True)
    assert duration[0].endswith("1 h 1 min 1 s")


def test_a_dci_job_shows_its_states_files_and_failing_cases(visit, sandbox):
    with Talk(sandbox.url, time.time()) as dci:
        job = dci.job(sandbox.dci.account.topic("RHEL-8.2"), name="nightly", tags=["debug"])
        for status in ("running", "failure"):
            dci.ask("POST", "/jobstates", {"job_id": job, "status": status, "comment": f"step {status}"})
        dci.upload(job, "unit", suite(("good", "passed"), ("bad", "failure")))
    states, parts, files, tests = visit(
        ["goto", "/#dci"],
        ["wait", "#jobs tbody tr"],
        ["texts", "#jobs .states .pill"],
        ["evaluate", "[...document.querySelectorAll('#jobs td:nth-child(3) .part')].map((part) => part.title)"],
        ["texts", "#jobs td:nth-child(5) .line"],
        ["texts", "#jobs td:nth-child(4) .line"],
    )
    assert states == ["running", "failure"]
    assert parts == ["running step running", "failure step failure"]
    assert files[0].startswith("unit ")
    assert tests[0].startswith("1 of 2 passed, 1 failed")
    assert tests[1:] == ["c:bad"]


def test_pipelines_of_dataops_show_their_jobs_until_they_have_ended(visit, sandbox):
    project = sandbox.dataops.account.projects[0]
    form = {"token": sandbox.dataops.account.token("trigger").value, "ref": "main"}
    form["variables"] = {"_PIPELINE_FILE_NAME": "full-ci.yml"}
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(f"{sandbox.url}/api/v4/projects/{project.id}/trigger/pipeline", json=form)
    assert reply.status_code == 201, reply.text
    jobs, log = visit(
        ["goto", "/#dataops"],
        ["wait", "#pipelines td:first-child .pill.success"],
        ["texts", "#pipelines .job"],
        ["click", "#pipelines summary:has-text('Load Secrets')"],
        ["texts", "#pipelines [open] pre"],
    )
    assert "Load Secrets success" in jobs
    assert all("success" in job for job in jobs)
    assert log[0].endswith("Job succeeded")


def test_an_outage_is_ordered_watched_and_cleared_on_the_page(look, tmp_path):
    spool = tmp_path / "spool"
    environ = {"CIBEACON_SPOOL": str(spool), "DX_API_TOKEN": "key", "PATH": os.environ["PATH"]}
    folder = SpoolListing(still_environment(tmp_path), spool)
    with Sandbox(spool=folder.document) as sandbox:
        order = [["goto", "/#outage"], LISTENING, ["fill", "#fault-rules", "100% 503"]]
        (ordered,), errors = look(
            sandbox.url,
            *order,
            ["click", "#faults [type=submit]"],
            ["count", "#ordered .mono", 1],
            ["texts", "#in-force"],
        )
        environ["CIBEACON_DX_URL"] = sandbox.url
        report = ("report", "--no-dry-run", "--run-id=1", "--repository=acme/shop", "--timeout=5", "--status=success")
        cibeacon(*report, environ=environ, cwd=tmp_path)
        (signals, cells), later = look(
            sandbox.url,
            ["goto", "/#outage"],
            ["wait", "#spool tbody tr"],
            ["texts", "#spool .strong"],
            ["texts", "#spool td"],
            ["click", "#clear-faults"],
            ["count", "#ordered .mono", 0],
        )
        cibeacon("replay", environ=environ, cwd=tmp_path)
        (empty, failed, words, refused), _ = look(
            sandbox.url,
            ["goto", "/#outage"],
            LISTENING,
            ["texts", "#no-spool-note"],
            ["goto", "/#requests?requests.fault=503"],
            ["wait", "#requests li"],
            ["texts", "#requests li:first-child .what"],
            ["goto", "/"],
            ["wait", "#tiles li"],
            ["texts", "#activity-words"],
            ["texts", "#refused"],
        )
    assert (ordered, errors, later) == (["Faults on order: dx: 100% 503"], [], [])
    assert signals == ["pipeline-run"]
    assert cells[-1].endswith("on order: 503")
    assert empty == [f"Nothing waits in {spool}."]
    assert failed[0].endswith("on order: 503")
    assert re.match(r"\d+ requests, none refused, \d+ failed on order\. ", words[0])
    assert refused == ["Nothing was refused."]


def test_an_order_that_is_none_is_explained(look, sandbox):
    (said,), _ = look(
        sandbox.url,
        ["goto", "/#outage"],
        LISTENING,
        ["fill", "#fault-rules", "everything"],
        ["press", "Enter"],
        ["wait", "#fault-answer:not(:empty)"],
        ["texts", "#fault-answer"],
    )
    assert said[0].startswith("An order is a vendor")


def test_what_the_page_says_to_type_works_and_appears_on_it(look, tmp_path):
    with Sandbox(token=TOKEN, dataops=DataOpsAccount(step_seconds=0.01)) as sandbox:
        places = ("#begin pre", "#dci-settings", "#dataops-settings", "#flow-settings")
        steps = [["wait", "#begin pre:not(:empty)"], *(["contents_as_typed", place] for place in places)]
        settings, _ = look(sandbox.url, ["goto", "/"], LISTENING, *steps)
        environ = {**sandbox.exports, "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        for (text,) in settings:
            *named, command = [line for line in text.splitlines() if not line.startswith("#")]
            for name, value in (line.removeprefix("export ").split("=", 1) for line in named):
                assert environ[name] == value
            ended = cibeacon(*command.split()[1:], environ=environ, cwd=tmp_path)
            assert (ended.code, "✗" in ended.out) == (0, False), ended.out + ended.err
        held = sandbox.document()
    assert len(held["pipeline_runs"]) == 1
    assert (len(held["dci"]["jobs"]), len(held["dataops"]["pipelines"])) == (1, 1)


def test_hostile_names_and_titles_stay_text(visit):
    run = {"pipeline_name": HOSTILE, "pipeline_source": HOSTILE, "reference_id": HOSTILE, "started_at": str(NOW)}
    run |= {"head_branch": HOSTILE, "repository": HOSTILE, "source_url": "javascript:document.title=1"}
    posts = [
        ["post", "/sandbox/pull-requests", pull(1, title=HOSTILE, author=HOSTILE)],
        ["post", "/api/deployments.create", deployment(HOSTILE, service=HOSTILE, environment=HOSTILE)],
        ["post", "/api/deployments.create", {HOSTILE: HOSTILE}],
        ["post", "/api/pipelineRuns.sync", run],
    ]
    looks = [
        step
        for tab in TABS
        for step in (["goto", f"/#{tab}"], ["evaluate", "document.querySelectorAll('main img, main script').length"])
    ]
    seen = visit(
        ["goto", "/#dx"],
        LISTENING,
        *posts,
        ["wait", "#runs tbody tr"],
        ["texts", "#runs .strong"],
        *looks,
        ["evaluate", "document.title"],
    )
    assert seen[:4] == [200, 200, 422, 200]
    assert seen[4] == [HOSTILE]
    assert seen[5:-1] == [0] * len(TABS)
    assert seen[-1] == "Outage – cibeacon sandbox"


def test_nothing_is_cut_off_on_a_phone(visit, sandbox):
    long = "a-service-with-a-name-that-is-longer-than-a-phone-is-wide-by-far-and-then-some"
    hold(sandbox, deployment("d" * 120, service=long, environment=long), deployment("e", commit_sha="f" * 40))
    for number in range(3):
        sandbox.ledger.note(
            method="POST", path=f"/api/{long}", body={long: long}, status=422, error=long, message=f"{long} {number}"
        )
    looks = [step for tab in TABS for step in (["goto", f"/#{tab}"], LISTENING, OVERFLOW)]
    assert visit(["size", 390, 844], *looks) == [0] * len(TABS)


def test_the_page_follows_the_reader_s_choice_of_dark_or_light(visit):
    paper = ["evaluate", "getComputedStyle(document.body).backgroundColor"]
    light, dark = visit(["goto", "/"], ["prefer", "light"], paper, ["prefer", "dark"], paper)
    assert (light, dark) == ("rgb(250, 249, 247)", "rgb(19, 20, 22)")


def test_the_page_is_used_by_keyboard(visit, sandbox):
    hold(sandbox, deployment("d1", service="b"), deployment("d2", service="a"))
    first, skipped, sorted_by, focused, hidden = visit(
        ["goto", "/#dx"],
        ["wait", ROWS],
        ["press", "Tab"],
        ["evaluate", "document.activeElement.textContent"],
        ["press", "Enter"],
        ["evaluate", "document.activeElement.id"],
        ["evaluate", "document.querySelector('#deployments th button').focus()"],
        ["press", "Enter"],
        ["evaluate", "document.querySelector('#deployments th').ariaSort"],
        ["evaluate", "document.activeElement.textContent"],
        ["evaluate", "document.querySelector('#to-flow').focus()"],
        ["press", "Enter"],
        ["wait", "#tab-flow"],
        ["evaluate", "document.querySelector('#tab-dx').hidden"],
    )
    assert (first, skipped) == ("Skip to the content", "content")
    assert (sorted_by, focused, hidden) == ("ascending", "Service", True)
