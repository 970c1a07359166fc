"""DCI as its control server was observed to behave, where its documents say otherwise or nothing."""

from __future__ import annotations

import pytest

from cibeacon import __version__
from cibeacon.sandbox.dci_account import TEAM, DciAccount, Topic, id_of
from cibeacon.sandbox.server import Sandbox
from dci_place import SUITE, Place
from mishaps import mishaps
from processes import NOWHERE

OTHER = SUITE.replace("name='a'", "name='c'")
"""As long as SUITE, and another report."""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "work").mkdir()
    with Sandbox(token="token") as sandbox:
        yield Place(sandbox, tmp_path)
        assert not sandbox.faults
        assert mishaps(sandbox, "dci").pending() == 0, "a mishap was ordered that never came"


def outcomes(ended):
    return [row["outcome"] for row in ended.document["signals"]]


def files(place):
    return {file["name"]: place.sandbox.dci.contents.get(file["id"]).decode() for file in place.only()["files"]}


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
        mishaps(place.sandbox, "dci").lose("POST", "/files")
        assert place.run("upload", "r.xml", "--strict", ci=True).code == 0
        assert files(place) == {"r": SUITE, "r (2)": OTHER}

    def test_a_server_that_does_not_show_files_is_no_reason_to_call_one_a_duplicate(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        place.write("r.log", "one")
        place.run("upload", "r.log", ci=True)
        place.write("r.log", "two")
        mishaps(place.sandbox, "dci").fail("GET", "/files/*/content", 302)
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
        mishaps(place.sandbox, "dci").late("POST", path)
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
        mishaps(place.sandbox, "dci").late("POST", "/jobs/schedule")
        settings = {"CIBEACON_DCI_TOPIC": "RHEL-8.2", "CIBEACON_SIGNALS": "dci"}
        main = place.report("main", **settings)
        assert main.code == 0
        real = next(job for job in place.jobs() if job["status"] == "running")
        post = place.report("post", **settings, CIBEACON_JOB_STATUS="success", STATE_dci_job_id=real["id"])
        assert post.code == 0
        assert self.states(place) == [["killed"], ["pre-run", "running", "success"]]

    def test_of_two_that_did_not_begin_the_older_one_counts(self, place):
        mishaps(place.sandbox, "dci").late("POST", "/jobs/schedule")
        mishaps(place.sandbox, "dci").fail("POST", "/jobstates", 400)
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        older, newer = sorted(place.jobs(), key=lambda job: job["created_at"])
        assert [older["status"], newer["status"]] == ["new", "new"]
        assert place.run("start", "--topic", "RHEL-8.2", "--strict", ci=True).code == 0
        now = {job["id"]: job["status"] for job in place.jobs()}
        assert now == {older["id"]: "running", newer["id"]: "killed"}

    def test_a_stray_that_was_ended_is_not_gone_on_with(self, place):
        mishaps(place.sandbox, "dci").late("POST", "/jobs/schedule")
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        place.run("finish", "cancelled", ci=True)
        place.write("a.log")
        assert place.run("upload", "a.log", "--strict", ci=True).code == 0
        files = {job["created_at"]: len(job["files"]) for job in place.jobs()}
        assert [files[at] for at in sorted(files)] == [1, 0]


SETTINGS = {"CIBEACON_SIGNALS": "dci", "CIBEACON_DCI_FILES": "*.log"}


class TestRefusedForGood:
    """What DCI refuses for good is kept nowhere, and nobody is told that it waits."""

    def spool(self, place):
        return sorted(path.name for path in place.folder.rglob("spool/*.ndjson"))

    def test_a_topic_that_is_not_active_leaves_nothing_for_the_last_stage_to_wait_for(self, place):
        place.write("a.log")
        for stage in ("main", "post"):
            ended = place.report(stage, **SETTINGS, CIBEACON_DCI_TOPIC="RHEL-7.9", CIBEACON_JOB_STATUS="success")
            assert ended.code == 1
            assert "kept" not in ended.out
            assert self.spool(place) == []
        assert "DCI has no job for this run" in ended.out
        assert "waits" not in ended.out
        assert "No signals are waiting" in place.replay("--strict", ci=True).out

    def test_a_job_that_was_archived_has_no_files_and_no_end_to_wait_for(self, place):
        place.write("a.log")
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        place.archive(place.only()["id"])
        for more in ({}, {"CIBEACON_DCI_JOB_ID": place.only()["id"]}):
            ended = place.run("finish", "success", "--files", "*.log", "--format=json", ci=True, **more)
            assert outcomes(ended) == ["failed", "failed"]
            assert self.spool(place) == []

    def test_what_waits_for_a_job_that_waits_is_kept_as_before(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True, DCI_CS_URL=NOWHERE)
        kept = place.run("finish", "success", "--format=json", ci=True)
        assert outcomes(kept) == ["failed"]
        assert "The signal is in the spool" in kept.document["signals"][0]["reason"]
        assert place.replay("--strict", ci=True).code == 0
        assert [state for state, _ in place.only()["states"]] == ["pre-run", "running", "success"]

    def test_what_an_earlier_ci_job_kept_is_waited_for(self, place):
        kept = place.run("finish", "success", "--format=json", ci=True, CIBEACON_OUT_SPOOLED="1")
        assert "The signal is in the spool" in kept.document["signals"][0]["reason"]

    def test_what_waits_for_a_job_that_is_refused_at_last_does_not_fail_every_replay(self, place):
        place.write("a.log")
        place.run("start", "--topic", "RHEL-7.9", ci=True, DCI_CS_URL=NOWHERE)
        place.run("finish", "success", "--files", "*.log", ci=True, DCI_CS_URL=NOWHERE)
        assert len(self.spool(place)) == 3
        first = place.replay("--strict", "--format=json", ci=True)
        assert (first.code, outcomes(first)) == (1, ["failed", "failed", "failed"])
        assert "kept" not in str(first.document)
        assert self.spool(place) == []
        assert place.replay("--strict", ci=True).code == 0

    def test_the_end_of_a_job_whose_start_waits_elsewhere_is_not_set_aside(self, place):
        """Only its own record is named, and that of its start waits in the spool."""
        place.run("start", "--topic", "RHEL-8.2", ci=True, DCI_CS_URL=NOWHERE)
        before = self.spool(place)
        place.run("finish", "success", ci=True, DCI_CS_URL=NOWHERE)
        (end,) = set(self.spool(place)) - set(before)
        place.replay(str(place.folder / "temp/cibeacon/spool" / end), ci=True)
        assert len(self.spool(place)) == 2


class TestWhoSigns:
    """A remote CI that is not there, or disabled, and a feeder: each has advice of its own."""

    GONE = "11111111-2222-4333-8444-555555555555"

    @pytest.mark.parametrize(
        ("client", "verb", "error", "advice"),
        [
            (GONE, ("whoami",), "remoteci not found", "no remote CI with this id. Check dci_client_id"),
            (f"feeder/{GONE}", ("whoami",), "feeder not found", "no feeder with this id. Check dci_client_id"),
            ("retired", ("start", "--topic", "RHEL-8.2"), "is disabled", "The remote CI is disabled"),
            ("feeder", ("start", "--topic", "RHEL-8.2"), "Only remoteci", "Only a remote CI can create jobs"),
        ],
    )
    def test_who_cannot_make_a_job_is_told_why(self, place, client, verb, error, advice):
        known = {
            "retired": f"remoteci/{id_of('remoteci', 'retired')}",
            "feeder": f"feeder/{id_of('feeder', 'sandbox')}",
        }
        ended = place.run(*verb, ci=verb[0] == "start", DCI_CLIENT_ID=known.get(client, client))
        said = ended.out + ended.err
        assert error in said
        assert advice in said
        assert place.jobs() == []

    def test_a_disabled_one_may_look(self, place):
        ended = place.run("whoami", DCI_CLIENT_ID=id_of("remoteci", "retired"))
        assert (ended.code, ended.out.split()[0]) == (0, f"remoteci/{id_of('remoteci', 'retired')}")

    def test_a_feeder_is_called_one(self, place):
        ended = place.run("whoami", DCI_CLIENT_ID=f"feeder/{id_of('feeder', 'sandbox')}")
        assert ended.out.split()[0] == f"feeder/{id_of('feeder', 'sandbox')}"


class TestStartsThatWait:
    """A start that was kept is the same start when it is said again."""

    @pytest.mark.parametrize("ci", [True, False], ids=["in CI", "on a laptop"])
    def test_a_second_start_takes_the_place_of_one_that_waits(self, place, ci):
        kept = place.run("start", "--topic", "RHEL-8.2", "--format=json", ci=ci, DCI_CS_URL=NOWHERE)
        assert outcomes(kept) == ["spooled"]
        again = place.run("start", "--topic", "RHEL-8.2", "--strict", ci=ci)
        assert again.code == 0
        assert "No signals are waiting" in place.replay("--strict", ci=ci).out
        assert place.only()["status"] == "running"

    def test_a_start_of_another_name_does_not(self, place):
        place.run("start", "--topic", "RHEL-8.2", "--name", "a", DCI_CS_URL=NOWHERE)
        place.run("start", "--topic", "RHEL-8.2", "--name", "b", "--strict")
        assert place.replay("--strict").code == 0
        assert sorted(job["name"] for job in place.jobs()) == ["a", "b"]

    def test_a_dry_run_of_a_replay_shows_what_it_would_make(self, place):
        place.write("a.log")
        place.run("start", "--topic", "RHEL-8.2", ci=True, DCI_CS_URL=NOWHERE)
        place.run("finish", "success", "--files", "a.log", ci=True, DCI_CS_URL=NOWHERE)
        shown = [row["request"] for row in place.replay("--dry-run", "--format=json", ci=True).document["signals"]]
        paths = [(each["method"], each["url"].removeprefix(f"{place.sandbox.url}/api/v1")) for each in shown]
        assert paths == [("POST", "/jobs/schedule"), ("POST", "/files"), ("POST", "/jobstates")]
        assert shown[0]["body"]["topic_id"] == "{topic.id}"
        assert shown[1]["body"]["DCI-NAME"] == "a.log"
        assert shown[2]["body"]["status"] == "success"
        assert place.requests() == []


def aged(name, created, released, **more):
    made = {"id": id_of("component", name), "type": "compose", "name": name}
    return made | {"created_at": created, "released_at": released} | more


AGES = Topic(
    id=id_of("topic", "ages"),
    name="ages",
    component_types=("compose",),
    components=(
        aged("released last", "2025-01-01T00:00:00.000000", "2025-03-01T00:00:00.000000"),
        aged("created last", "2025-02-01T00:00:00.000000", "2025-02-01T00:00:00.000000"),
        aged("our own", "2025-04-01T00:00:00.000000", "2024-01-01T00:00:00.000000", team_id=TEAM),
    ),
)
"""A topic in which "latest" has two meanings."""


class TestWhichIsTheLatest:
    """DCI schedules what was created last; by type, and in its lists, the one that was released last is the latest."""

    @pytest.fixture
    def place(self, tmp_path):
        (tmp_path / "work").mkdir()
        with Sandbox(token="token", dci=DciAccount(topics=(AGES,))) as sandbox:
            yield Place(sandbox, tmp_path)

    @pytest.mark.parametrize(
        ("flags", "taken"),
        [
            ((), "created last"),
            (("--components", "compose"), "released last"),
            (("--latest-by", "released"), "released last"),
            (("--latest-by", "created"), "created last"),
            (("--components", "compose", "--latest-by", "created"), "created last"),
            (("--components", "compose", "--latest-by", "released"), "released last"),
        ],
    )
    def test_a_job_takes_the_one_that_was_asked_for(self, place, flags, taken):
        assert place.run("start", "--topic", "ages", *flags, "--strict", ci=True).code == 0
        assert place.only()["components"] == [id_of("component", taken)]

    @pytest.mark.parametrize(
        ("flags", "shown"),
        [
            ((), "released last"),
            (("--latest-by", "released"), "released last"),
            (("--latest-by", "created"), "created last"),
        ],
    )
    def test_a_list_shows_the_one_that_was_asked_for(self, place, flags, shown):
        told = place.run("components", "ages", "--latest", *flags, "--jq", ".components[].name").out
        assert told == f"{shown}\n"

    def test_a_topic_without_one_of_a_type_says_so_and_makes_nothing(self, place):
        ended = place.run(
            "start", "--topic", "ages", "--components", "ocp", "--latest-by", "created", "--strict", ci=True
        )
        assert (ended.code, place.jobs()) == (1, [])
        assert "no active component of type ocp" in ended.out


class TestSmallThings:
    """What people of DCI are used to."""

    def test_a_job_knows_by_which_client_it_was_made(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        assert place.only()["client_version"] == f"cibeacon_{__version__}"

    def test_one_file_can_be_given_a_name_and_a_type(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        place.write("a.out", SUITE)
        flags = ("--name", "unit tests", "--mime", "application/junit")
        assert place.run("upload", "a.out", *flags, "--strict", ci=True).code == 0
        (file,) = place.only()["files"]
        assert (file["name"], file["mime"], place.only()["results"][0]["total"]) == (
            "unit tests",
            "application/junit",
            2,
        )

    def test_two_files_cannot_have_one_name(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        place.write("a.log")
        place.write("b.log")
        ended = place.run("upload", "*.log", "--name", "x", "--strict", ci=True)
        assert (ended.code, place.only()["files"]) == (1, [])
        assert "--name and --mime are for one file, but 2 are given" in ended.out

    @pytest.mark.parametrize("mime", ["text", "a b/c", "text/plain\r\nX: y", "t" * 300 + "/x"])
    def test_what_is_no_type_is_refused_at_the_command_line(self, place, mime):
        assert place.run("upload", "a.log", "--mime", mime).code == 2

    def test_numbers_of_a_job_are_told_when_it_begins_and_when_it_ends(self, place):
        place.run("start", "--topic", "RHEL-8.2", "--key-values", "cores=8", "--strict", ci=True)
        numbers = "coverage=81.25,tests passed=1200,drift=-1e-3"
        for told in ("sent", "duplicate"):
            ended = place.run("finish", "success", "--key-values", numbers, "--format=json", ci=True)
            assert outcomes(ended) == [told] * 4
        assert place.only()["keys_values"] == {"cores": 8, "coverage": 81.25, "tests passed": 1200, "drift": -0.001}

    def test_on_a_laptop_they_are_told_of_the_job_that_is_made(self, place):
        assert place.run("start", "--topic", "RHEL-8.2", "--key-values", "cores=8", "--strict").code == 0
        assert place.only()["keys_values"] == {"cores": 8}
        ended = place.run("finish", "success", "--key-values", "cores=8", "--strict")
        assert (ended.code, place.only()["status"]) == (1, "running")

    def test_a_step_of_the_action_tells_them_at_the_end(self, place):
        settings = {
            "CIBEACON_DCI_TOPIC": "RHEL-8.2",
            "CIBEACON_SIGNALS": "dci",
            "CIBEACON_DCI_KEY_VALUES": "coverage=80",
        }
        for stage in ("main", "post"):
            assert place.report(stage, **settings, CIBEACON_JOB_STATUS="success").code == 0
            assert place.only()["keys_values"] == ({"coverage": 80} if stage == "post" else {})

    def test_another_number_of_a_name_is_no_duplicate(self, place):
        place.run("start", "--topic", "RHEL-8.2", "--key-values", "coverage=80", ci=True)
        ended = place.run("finish", "success", "--key-values", "coverage=81", "--strict", "--format=json", ci=True)
        assert (ended.code, outcomes(ended)) == (1, ["failed", "sent"])
        assert "already has coverage=80" in ended.document["signals"][0]["reason"]

    def test_a_number_whose_answer_is_lost_is_told_once(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        mishaps(place.sandbox, "dci").lose("POST", "/jobs/*/kv")
        assert place.run("finish", "success", "--key-values", "coverage=80", "--strict", ci=True).code == 0
        assert place.only()["keys_values"] == {"coverage": 80}

    def test_numbers_that_waited_are_told_by_the_replay(self, place):
        place.write("a.log")
        place.run("start", "--topic", "RHEL-8.2", "--key-values", "cores=8", ci=True, DCI_CS_URL=NOWHERE)
        flags = ("--files", "a.log", "--key-values", "coverage=80")
        place.run("finish", "success", *flags, ci=True, DCI_CS_URL=NOWHERE)
        assert place.replay("--strict", ci=True).code == 0
        assert place.only()["keys_values"] == {"cores": 8, "coverage": 80}
        assert place.only()["status"] == "success"

    @pytest.mark.parametrize(
        "numbers", ["coverage", "coverage=high", "coverage=nan", "=1", "coverage=1e999", "a=1,a=2"]
    )
    def test_what_is_no_number_is_told_and_nothing_is_sent(self, place, numbers):
        ended = place.run("start", "--topic", "RHEL-8.2", "--key-values", numbers, "--strict", ci=True)
        assert (ended.code, place.requests()) == (1, [])
        assert "dci_key_values" in ended.out

    def test_the_job_of_dcis_own_agents_is_gone_on_with_when_somebody_names_it(self, place):
        place.run("start", "--topic", "RHEL-8.2", "--name", "agent", ci=True)
        job_id = place.only()["id"]
        apart = {"GITHUB_JOB": "other", "DCI_JOB_ID": job_id}
        unnamed = place.run("state", "post-run", "--strict", ci=True, **apart)
        assert (unnamed.code, "no job for this run" in unnamed.out) == (1, True)
        assert place.run("state", "post-run", "--job-id", "env", "--strict", ci=True, **apart).code == 0
        assert place.run("finish", "success", "--strict", ci=True, CIBEACON_DCI_JOB_ID="env", **apart).code == 0
        assert place.only()["status"] == "success"

    @pytest.mark.parametrize("given", [None, "no uuid"])
    def test_a_job_that_the_environment_does_not_name_is_told_as_missing(self, place, given):
        more = {"DCI_JOB_ID": given} if given else {}
        ended = place.run("state", "running", "--job-id", "env", "--strict", ci=True, **more)
        assert (ended.code, place.requests()) == (1, [])
        assert "DCI_JOB_ID" in ended.out

    def test_a_job_is_shown_with_its_components_and_numbers(self, place):
        place.run("start", "--topic", "RHEL-8.2", "--key-values", "cores=8", ci=True)
        shown = place.run("jobs", place.only()["id"]).out
        assert "RHEL-8.2.0-20191029.n.0" in shown
        assert "hwcert-1572272875" in shown
        assert "cores" in shown

    def test_a_name_is_readable_where_the_server_takes_it(self, place):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        for name in ("Prüfung/Größe.log", "año.xml", "测试.log"):
            place.write(name, SUITE)
        for told in ("sent", "duplicate"):
            ended = place.run("upload", ".", "--format=json", ci=True)
            assert outcomes(ended) == [told] * 3
        names = {file["name"] for file in place.only()["files"]}
        assert names == {"Prüfung/Größe.log", "año", "%E6%B5%8B%E8%AF%95.log"}

    @pytest.mark.parametrize(
        "doctype", ["<!DOCTYPE testsuite>", '<!DOCTYPE testsuite SYSTEM "junit.dtd">', "<!DOCTYPE testsuite  >\n"]
    )
    def test_a_report_with_a_document_type_that_declares_nothing_counts(self, place, doctype):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
        place.write("r.xml", f"<?xml version='1.0'?>{doctype}{SUITE}")
        assert place.run("upload", "r.xml", "--strict", ci=True).code == 0
        assert place.only()["results"][0]["total"] == 2
