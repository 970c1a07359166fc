"""One failing run with a changed service, reported to every sink of a sandbox at once, and again with one of them down."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from cibeacon.sandbox.dx_workflow import RUN
from cibeacon.sandbox.flow import JOB
from cibeacon.sandbox.server import Sandbox
from cibeacon.sinks import KINDS
from living import records
from mishaps import mishaps
from processes import cibeacon

TOKEN = "good-key-of-dx"
FLAGS = ("--status=failure", "--deploy-services=changed", "--deploy-success=false", "--environment=production")


class Job:
    """The job after a merge that changed one service, and the sandbox that it reports to."""

    def __init__(self, sandbox, folder):
        self.sandbox, self.folder = sandbox, folder
        path = {"PATH": os.environ["PATH"]}
        self.shop = Monorepo(folder / "shop", path, began_at=int(time.time()) - 3600)
        self.merged = self.shop.pull_request(1, "merge", [{"services/payments/main.py": "retry\n"}], ("payments",))
        self.environ = {
            **path,
            **runs.github("pull_request", runs.closed(self.merged), self.merged.merge_sha, 7001, folder / "job"),
            **sandbox.exports,
            "CIBEACON_DCI_TOPIC": "RHEL-8.2",
            "CIBEACON_FLOW_JOB_ID": JOB,
            "CIBEACON_FLOW_PIPELINES": "udit-test",
            "CIBEACON_DX_WORKFLOW_RUN": RUN,
        }

    def run(self, *argv):
        return cibeacon(*argv, "--format=json", environ=self.environ, cwd=self.shop.root)

    def outcomes(self, ended):
        held = {}
        for row in ended.document["signals"]:
            held.setdefault(row["sink"], set()).add(row["outcome"])
        return held

    def facts(self):
        """What each vendor knows: the run's failure, the service that changed, its commit."""
        ledger = self.sandbox.document()
        sha = self.merged.merge_sha
        (deployment,) = ledger["deployments"].values()
        (run,) = ledger["pipeline_runs"].values()
        (webhook,) = ledger["devlake"]["deployments"].values()
        spans = [span for trace in ledger["otlp"]["traces"].values() for span in trace]
        (root,) = (span for span in spans if span["name"].startswith("RUN"))
        assert list(ledger["pull_services"].values()) == [["payments"]]
        return {
            "dx": (run["status"], deployment["service"], deployment["commit_sha"] == sha, deployment["success"]),
            "devlake": (webhook["result"], webhook["deploymentCommits"][0]["commitSha"] == sha),
            "otlp": (root["error"], {span["name"] for span in spans if span["name"].startswith("deploy ")}),
            "dx_workflow": ledger["dx_workflow"][RUN]["status"],
            "dci": {job["status"] for job in ledger["dci"]["jobs"].values()},
        }


EVERYWHERE = {
    "dx": ("failure", "payments", True, False),
    "devlake": ("FAILURE", True),
    "otlp": (True, {"deploy payments"}),
    "dx_workflow": "FAILED",
    "dci": {"failure"},
}


@pytest.fixture
def job(tmp_path):
    with Sandbox(token=TOKEN) as sandbox:
        yield Job(sandbox, tmp_path)
        assert sandbox.faults == []


def test_every_sink_has_the_same_facts(job):
    ended = job.run("report", "--strict", *FLAGS)
    assert ended.code == 0, ended.out + ended.err
    assert {sink for sink in job.outcomes(ended) if "sent" in job.outcomes(ended)[sink]} == {*KINDS}
    assert job.facts() == EVERYWHERE


def test_the_log_has_a_column_for_the_kinds_also_where_they_name_their_sinks(job):
    ended = cibeacon("report", "--dry-run", *FLAGS, environ=job.environ, cwd=job.shop.root)
    lines = [line for line in ended.out.splitlines() if "would send" in line]
    kinds = [line.removeprefix("~ would send ") for line in lines]
    starts = {len(kind) - len(re.sub(r"^\S+( \(\w+\))? +", "", kind)) for kind in kinds}
    assert len(lines) > len(KINDS)
    assert len(starts) == 1, ended.out


def test_annotations_and_the_summary_name_the_sink_where_several_receive_a_kind(job):
    job.sandbox.outage.order("all: 100% 503")
    ended = cibeacon("report", *FLAGS, "--timeout=5", environ=job.environ, cwd=job.shop.root)
    summary = Path(job.environ["GITHUB_STEP_SUMMARY"]).read_text()
    sinks = [sink for sink, kinds in KINDS.items() if "deployment" in kinds]
    assert re.findall(r"^::warning title=cibeacon%3A deployment \((\w+)\) spooled::", ended.out, re.M) == sinks
    assert re.findall(r"^\| deployment \((\w+)\) \|", summary, re.M) == sinks


@pytest.mark.parametrize("down", KINDS)
def test_a_sink_that_is_down_holds_up_no_other_and_has_the_facts_after_a_replay(job, down):
    orders = mishaps(job.sandbox, down)
    orders.fail("*", "*", 503, times=99)
    ended = job.run("report", *FLAGS)
    outcomes = job.outcomes(ended)
    assert ended.code == 0
    assert {sink for sink in KINDS if "spooled" in outcomes[sink]} == {down}
    assert all("sent" in outcomes[sink] for sink in KINDS if sink != down)
    orders.clear()
    spool = job.folder / "job/cibeacon/spool"
    assert records(spool)
    replayed = job.run("replay", "--strict", str(spool))
    assert replayed.code == 0, replayed.out
    assert records(spool) == {}
    assert job.facts() == EVERYWHERE
