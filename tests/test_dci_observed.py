"""DCI as its control server was observed to behave, where its documents say otherwise or nothing."""

from __future__ import annotations

import json

import pytest

from cibeacon.sandbox.server import Sandbox
from dci_place import SUITE, Place
from processes import NOWHERE

OTHER = SUITE.replace("name='a'", "name='c'")
"""As long as SUITE, and another report."""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "work").mkdir()
    with Sandbox(token="token") as sandbox:
        yield Place(sandbox, tmp_path)
        assert not sandbox.faults
        assert sandbox.dci.mishaps.pending() == 0, "a mishap was ordered that never came"


def outcomes(ended):
    return [row["outcome"] for row in ended.document["signals"]]


def files(place):
    return {file["name"]: place.sandbox.dci.content(file["id"]).decode() for file in place.only()["files"]}


class TestFilesOfOneName:
    """Same name and other content is another file."""

    @pytest.mark.parametrize("content", [OTHER, SUITE + "<!-- longer -->"], ids=["as long", "longer"])
    def test_two_jobs_that_each_send_a_report_of_one_name_send_two_files(self, place, content):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        job_id = place.only()["id"]
        for job, text in (("web", SUITE), ("pay", content)):
            place.write("reports/junit.xml", text)
            own = {"GITHUB_JOB": job, "CIBEACON_DCI_JOB_ID": job_id}
            ended = place.run("upload", "reports/junit.xml", "--strict", "--format=json", ci=True, **own)
            assert (ended.code, outcomes(ended)) == (0, ["sent"])
        assert files(place) == {"reports/junit": SUITE, "reports/junit (2)": content}
        assert "reports/junit (2)" in ended.document["signals"][0]["reason"]
        assert [result["total"] for result in place.only()["results"]] == [2, 2]

    def test_one_name_in_two_folders_is_two_files(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        for folder, text in (("a", SUITE), ("b", OTHER)):
            place.write(f"{folder}/junit.xml", text)
            assert place.run("upload", "junit.xml", "--strict", ci=True, cwd=f"work/{folder}").code == 0
        assert files(place) == {"junit": SUITE, "junit (2)": OTHER}

    def test_a_report_and_a_file_whose_name_lacks_its_suffix_are_two_files(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        place.write("ok.xml", SUITE)
        place.write("ok", "yes")
        for name in ("ok.xml", "ok"):
            assert place.run("upload", name, "--strict", ci=True).code == 0
        assert files(place) == {"ok": SUITE, "ok (2)": "yes"}

    def test_each_of_them_said_again_is_a_duplicate(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        for told in ("sent", "duplicate"):
            for text in (SUITE, OTHER, "x" * 70_000, "x" * 69_999 + "y"):
                place.write("r.log", text)
                assert outcomes(place.run("upload", "r.log", "--format=json", ci=True)) == [told]
        assert len(files(place)) == 4

    def test_what_leaves_without_tokens_is_known_again_without_them(self, place):
        place.write("a.log", "token ghp_" + "a" * 36 + " end")
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        ended = [place.run("upload", "a.log", "--format=json", ci=True, DCI_REDACT="1") for _ in "12"]
        assert [outcomes(each) for each in ended] == [["sent"], ["duplicate"]]

    def test_an_answer_that_is_lost_is_not_taken_for_anothers_file(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        place.write("r.xml", SUITE)
        place.run("upload", "r.xml", ci=True)
        place.write("r.xml", OTHER)
        place.sandbox.dci.mishaps.lose("POST", "/files")
        assert place.run("upload", "r.xml", "--strict", ci=True).code == 0
        assert files(place) == {"r": SUITE, "r (2)": OTHER}

    def test_a_server_that_does_not_show_files_is_no_reason_to_call_one_a_duplicate(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        place.write("r.log", "one")
        place.run("upload", "r.log", ci=True)
        place.write("r.log", "two")
        place.sandbox.dci.mishaps.fail("GET", "/files/*/content", 302)
        ended = place.run("upload", "r.log", "--strict", "--format=json", ci=True)
        assert (ended.code, outcomes(ended)) == (1, ["failed"])
        assert "--name" in ended.document["signals"][0]["reason"]


class TestJobsMadeTwice:
    """A create that reaches the server after it was made again: one job counts, and the other one ends."""

    def states(self, place):
        return sorted([state for state, _ in job["states"]] for job in place.jobs())

    @pytest.mark.parametrize("path", ["/jobs/schedule", "/jobs"])
    def test_files_and_the_end_go_to_the_job_that_runs_and_the_stray_is_ended(self, place, path):
        place.write("r.xml", SUITE)
        place.sandbox.dci.mishaps.late("POST", path)
        named = ["--components", "compose"] if path == "/jobs" else []
        assert place.run("start", "--topic", "RHEL-8.2", *named, "--strict", ci=True).code == 0
        assert len(place.jobs()) == 2
        real = next(job for job in place.jobs() if job["status"] == "running")
        assert place.run("upload", "r.xml", "--strict", ci=True).code == 0
        ended = place.run("finish", "success", "--strict", "--format=json", ci=True)
        assert (ended.code, ended.document["dci_job_id"]) == (0, real["id"])
        assert self.states(place) == [["killed"], ["pre-run", "running", "success"]]
        assert [len(job["files"]) for job in place.jobs() if job["id"] == real["id"]] == [1]

    def test_a_stage_that_knows_its_job_ends_the_stray_as_well(self, place):
        place.sandbox.dci.mishaps.late("POST", "/jobs/schedule")
        settings = {"CIBEACON_DCI_TOPIC": "RHEL-8.2", "CIBEACON_SIGNALS": "dci"}
        main = place.report("main", **settings)
        assert main.code == 0
        real = next(job for job in place.jobs() if job["status"] == "running")
        post = place.report("post", **settings, CIBEACON_JOB_STATUS="success", STATE_dci_job_id=real["id"])
        assert post.code == 0
        assert self.states(place) == [["killed"], ["pre-run", "running", "success"]]

    def test_of_two_that_did_not_begin_the_older_one_counts(self, place):
        place.sandbox.dci.mishaps.late("POST", "/jobs/schedule")
        place.sandbox.dci.mishaps.fail("POST", "/jobstates", 400)
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        older, newer = sorted(place.jobs(), key=lambda job: job["created_at"])
        assert [older["status"], newer["status"]] == ["new", "new"]
        assert place.run("start", "--topic", "RHEL-8.2", "--strict", ci=True).code == 0
        now = {job["id"]: job["status"] for job in place.jobs()}
        assert now == {older["id"]: "running", newer["id"]: "killed"}

    def test_a_stray_that_was_ended_is_not_gone_on_with(self, place):
        place.sandbox.dci.mishaps.late("POST", "/jobs/schedule")
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        place.run("finish", "cancelled", ci=True)
        place.write("a.log")
        assert place.run("upload", "a.log", "--strict", ci=True).code == 0
        files = {job["created_at"]: len(job["files"]) for job in place.jobs()}
        assert [files[at] for at in sorted(files)] == [1, 0]
