"""`cibeacon dci`, called as people and pipelines call it, against the sandbox's DCI over HTTP."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from cibeacon.http.client import HttpClient
from cibeacon.sandbox.dci_account import SECRET, DciAccount
from cibeacon.sandbox.server import Sandbox
from cibeacon.sinks.dci_query import without_secrets
from dci_place import SUITE, Place
from mishaps import mishaps
from processes import NOWHERE, cibeacon

JOB = "12345678-1234-4234-8234-123456789abc"


@pytest.fixture
def place(tmp_path):
    (tmp_path / "work").mkdir()
    with Sandbox(token="token") as sandbox:
        yield Place(sandbox, tmp_path)
        assert not sandbox.faults


def columns(out):
    """The rows of a plain table, by heading."""
    heads, *rows = (line.split("  ") for line in out.splitlines())
    heads = [head.strip() for head in heads if head.strip()]
    return [dict(zip(heads, [cell.strip() for cell in row if cell.strip()], strict=False)) for row in rows]


def test_whoami_names_the_remote_ci_and_its_teams(place):
    ended = place.run("whoami")
    assert ended.code == 0
    assert ended.out.startswith("remoteci/6cee7286-5d99-4a96-9949-200977f4be07\n")
    assert "Red Hat" in ended.out


def test_a_bare_client_id_and_an_address_with_a_slash_are_as_good(place):
    bare = place.environ["DCI_CLIENT_ID"].removeprefix("remoteci/")
    assert place.run("whoami", DCI_CLIENT_ID=bare, DCI_CS_URL=f"{place.sandbox.url}/").code == 0


def test_runs_of_two_repositories_with_one_number_are_two_jobs(place):
    for repository in ("", "acme/shop", "acme/shop", "acme/web"):
        environ = {"CIBEACON_RUN_ID": "7", "CIBEACON_REPOSITORY": repository}
        assert place.run("start", "--strict", "--topic", "RHEL-8.2", **environ).code == 0
    assert len(place.jobs()) == 3
    follows = place.run("finish", "success", "--strict", CIBEACON_RUN_ID="7")
    assert (follows.code, "The DCI job is unknown" in follows.out) == (1, True)


def test_topics_are_those_that_may_be_used(place):
    shown = {row["topic"]: row["state"] for row in columns(place.run("topics").out)}
    assert shown == {"RHEL-7.9": "inactive", "RHEL-10.0": "active", "OCP-4.18": "active", "RHEL-8.2": "active"}


def test_components_are_listed_to_the_last_page(place):
    found = place.run("components", "OCP-4.18", "--format=json").document
    assert found["total"] == len(found["components"]) == 230
    assert len({each["id"] for each in found["components"]}) == 230
    pages = [path for path in place.requests() if path.endswith("/components")]
    assert len(pages) == 2


@pytest.mark.parametrize("name", ["ocp-4.18", "OCP-4.18"])
def test_a_topic_is_found_however_it_is_spelled_and_by_its_id(place, name):
    topic = place.sandbox.dci.account.topic("OCP-4.18")
    by_name = place.run("components", name, "--latest")
    assert by_name.out == place.run("components", topic.id, "--latest").out
    assert [row["type"] for row in columns(by_name.out)] == ["ocp"]
    assert "nightly 230" in by_name.out


def test_components_of_a_topic_that_is_not_active_can_be_read(place):
    assert "RHEL-7.9-20200917.0" in place.run("components", "RHEL-7.9").out


def test_the_latest_is_one_of_each_type_and_in_use(place):
    found = place.run("components", "RHEL-8.2", "--latest", "--jq", '.components[] | .type + " " + .name').out
    assert found.splitlines() == ["compose RHEL-8.2.0-20191029.n.0", "hwcert hwcert-1572272875"]


def test_filters_are_dcis_own_and_the_limit_is_kept(place):
    inactive = place.run("components", "RHEL-8.2", "--where", "state=inactive", "--where", "type=compose")
    assert [row["state"] for row in columns(inactive.out)] == ["inactive", "inactive"]
    some = place.run("components", "OCP-4.18", "--limit", "3")
    assert some.out.splitlines()[-1] == "3 of 230 components"
    many = place.run("components", "OCP-4.18", "--limit", "205", "--format=json").document
    assert len(many["components"]) == 205
    assert place.run("topics", "--where", "name=RHEL*", "--limit", "1").out.splitlines()[-1] == "1 of 3 topics"


@pytest.mark.parametrize(
    "argv",
    [
        ("topics", "--where", "name"),
        ("topics", "--where", "name="),
        ("topics", "--where", "name=a,b"),
        ("topics", "--where", "na me=a"),
        ("topics", "--limit", "0"),
        ("components", "a,b"),
        ("components",),
        ("jobs", "77"),
        ("state", "done"),
        ("finish", "running"),
        ("finish", "skipped"),
        ("finish", "completed"),
        ("nothing",),
    ],
)
def test_what_nobody_can_mean_is_refused_at_the_command_line(place, argv):
    assert place.run(*argv).code == 2
    assert place.requests() == []


def test_a_column_that_dci_does_not_have_is_told_in_its_words(place):
    ended = place.run("topics", "--where", "color=red")
    assert ended.code == 1
    assert 'Invalid where key: "color"' in ended.err


def test_jobs_are_listed_and_one_is_shown_with_its_results_and_without_any_secret(place):
    place.write("r.xml", SUITE)
    place.run("start", "--topic", "RHEL-8.2", "--name", "smoke", ci=True)
    place.run("finish", "failure", "--files", "*.xml", ci=True)
    listed = place.run("jobs")
    assert [(row["status"], row["name"], row["topic"]) for row in columns(listed.out)] == [
        ("failure", "smoke", "RHEL-8.2")
    ]
    job_id = place.jobs()[0]["id"]
    shown = place.run("jobs", job_id)
    assert "application/junit" in shown.out
    assert "ci:github.com:acme/shop:77:1:test" in shown.out
    whole = place.run("jobs", job_id, "--format=json")
    assert whole.document["job"]["id"] == job_id
    assert whole.document["job"]["results"][0]["failures"] == 1
    for ended in (listed, shown, whole, place.run("jobs", "--format=json")):
        assert "api_secret" not in ended.out
        assert SECRET not in ended.out + ended.err


def test_many_jobs_come_page_by_page(place):
    for number in range(45):
        place.run("start", "--topic", "RHEL-8.2", ci=True, GITHUB_RUN_ID=str(number))
    assert len(place.run("jobs", "--format=json").document["jobs"]) == 20
    found = place.run("jobs", "--limit", "100", "--format=json").document
    assert found["total"] == len({each["id"] for each in found["jobs"]}) == 45


def test_secrets_are_taken_out_at_any_depth():
    value = {"a": [{"api_secret": "x", "b": {"Password": "y", "c": 1}}], "token": "z"}
    assert without_secrets(value) == {"a": [{"b": {"c": 1}}]}


FAULTS = [
    ({"DCI_API_SECRET": "wrong"}, ("HmacMechanism failed", "clock (DCI's shows ", "dci_url")),
    ({"DCI_CLIENT_ID": JOB}, ("remoteci not found", "dci_client_id")),
    ({"DCI_API_SECRET": ""}, ("DCI_API_SECRET",)),
    ({"DCI_CLIENT_ID": ""}, ("DCI_CLIENT_ID",)),
    ({"DCI_CS_URL": "http://example.invalid"}, ("unencrypted",)),
    ({"DCI_CS_URL": "nonsense://x"}, ("cannot be used",)),
    ({"DCI_CS_URL": "http://127.0.0.1:9"}, ("connection refused",)),
]


@pytest.mark.parametrize(("environ", "words"), FAULTS, ids=lambda value: str(value)[:40])
def test_why_nothing_can_be_read_is_said_in_plain_words(place, environ, words):
    ended = place.run("whoami", **environ)
    assert ended.code == 1
    assert ended.out == ""
    for word in words:
        assert word in ended.err


def test_reading_fails_a_build_only_when_that_is_strict(place):
    assert place.run("whoami", ci=True, DCI_API_SECRET="wrong").code == 0
    assert place.run("whoami", "--strict", ci=True, DCI_API_SECRET="wrong").code == 1
    assert place.run("whoami", CI="true", DCI_API_SECRET="wrong").code == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("components", "RHEL-99"), ("a topic RHEL-99", "cibeacon dci topics")),
        (("jobs", JOB), ("job not found", "archived")),
    ],
)
def test_what_dci_does_not_have_comes_with_advice(place, argv, words):
    ended = place.run(*argv)
    assert ended.code == 1
    for word in words:
        assert word in ended.err


def test_a_topic_of_others_is_no_access_and_no_wrong_secret(place):
    topic = place.sandbox.dci.account.topic("RHEL-11.0-beta")
    ended = place.run("components", topic.id)
    assert "no access" in ended.err


def test_a_fault_is_in_the_document_too(place):
    found = place.run("topics", "--format=json", DCI_API_SECRET="wrong").document
    assert (found["status"], found["topics"], found["total"]) == ("failed", [], None)
    assert "HmacMechanism" in found["error"]
    assert found["help"] == "https://cibeacon.github.io/cibeacon/troubleshooting/#dci-refused"


def test_html_and_sql_are_never_shown(place):
    mishaps(place.sandbox, "dci").fail("GET", "/topics", 500, times=5)
    ended = place.run("topics")
    assert "<" not in ended.err
    ended = place.run("jobs", "--where", "topic_id=nonsense")
    assert ended.code == 1
    assert "SELECT" not in ended.err
    assert "psycopg" not in ended.err


@pytest.mark.parametrize("argv", [("whoami",), ("topics",), ("jobs",), ("components", "RHEL-8.2")])
def test_a_rehearsed_look_shows_its_request_and_asks_nobody(place, argv):
    ended = place.run(*argv, "--dry-run", DCI_API_SECRET="")
    assert ended.code == 0
    assert f"dry run: GET {place.sandbox.url}/api/v1/" in ended.err
    assert place.requests() == []


def test_the_life_of_a_job_needs_no_id_inside_one_ci_job(place):
    place.write("out/r.xml", SUITE)
    place.write("out/build.log")
    started = place.run("start", "--topic", "RHEL-8.2", "--tags", "a,b", "--comment", "nightly", ci=True)
    place.run("state", "post-run", ci=True)
    sent = place.run("upload", "out/**/*.xml", "out/*.log", ci=True)
    ended = place.run("finish", "failed", ci=True)
    assert [each.code for each in (started, sent, ended)] == [0, 0, 0]
    (job,) = place.jobs()
    assert [state for state, _ in job["states"]] == ["pre-run", "running", "post-run", "failure"]
    assert sorted((file["name"], file["mime"]) for file in job["files"]) == [
        ("out/build.log", "text/plain"),
        ("out/r", "application/junit"),
    ]
    assert (job["results"][0]["total"], job["results"][0]["failures"]) == (2, 1)
    assert job["tags"] == ["ci:github.com:acme/shop:77:1:test", "a", "b"]
    assert f"job         {job['id']}" in started.out
    outputs = (place.folder / "outputs").read_text()
    assert f"\n{job['id']}\n" in outputs


def test_every_verb_may_be_said_twice(place):
    place.write("r.xml", SUITE)
    for _ in range(2):
        place.run("start", "--topic", "RHEL-8.2", ci=True)
    for _ in range(2):
        assert place.run("upload", "r.xml", "--strict", ci=True).code == 0
    for _ in range(2):
        assert place.run("finish", "success", "--strict", ci=True).code == 0
    (job,) = place.jobs()
    assert [state for state, _ in job["states"]] == ["pre-run", "running", "success"]
    assert len(job["files"]) == 1


def test_a_state_that_waited_does_not_open_a_job_that_ended_meanwhile(place):
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    kept = place.run("state", "post-run", "--format=json", ci=True, DCI_CS_URL=NOWHERE)
    assert [row["outcome"] for row in kept.document["signals"]] == ["spooled"]
    assert place.run("finish", "success", "--strict", ci=True).code == 0
    environ = {**place.environ, **place.ci}
    again = cibeacon("replay", "--strict", environ=environ, cwd=place.folder / "work", began=int(time.time()))
    assert again.code == 0, again.out
    assert "The DCI job is already success; post-run comes before that" in again.out
    (job,) = place.jobs()
    assert [state for state, _ in job["states"]] == ["pre-run", "running", "success"]
    assert not list(place.folder.glob("temp/cibeacon/spool/*.ndjson"))


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("success", "success"),
        ("cancelled", "killed"),
        ("canceled", "killed"),
        ("ERROR", "error"),
        ("failed", "failure"),
        ("UNSTABLE", "failure"),
        ("ABORTED", "killed"),
        ("Succeeded", "success"),
    ],
)
def test_a_job_ends_in_the_words_of_dci_or_of_ci_hosts(place, word, status):
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    place.run("finish", word, ci=True)
    assert place.jobs()[0]["states"][-1][0] == status


def test_on_a_persons_machine_every_start_is_a_job_and_its_id_names_it(place):
    ids = []
    for _ in range(2):  # separate processes, with separate random numbers
        command = [sys.executable, "-m", "cibeacon", "dci", "start", "--topic", "RHEL-8.2"]
        environ = {**place.environ, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            command, env=environ, cwd=place.folder / "work", capture_output=True, text=True, check=True
        )
        ids.append(done.stdout.split("job         ")[1].split()[0])
    assert len(set(ids)) == len(place.jobs()) == 2
    assert place.run("state", "post-run", CIBEACON_DCI_JOB_ID=ids[0]).code == 0
    assert place.run("finish", "success", "--job-id", ids[0]).code == 0
    ends = {job["id"]: job["status"] for job in place.jobs()}
    assert ends == {ids[0]: "success", ids[1]: "running"}


def test_a_script_gets_the_id_by_a_jq_program(place):
    started = place.run("start", "--topic", "RHEL-8.2", "--jq", ".dci_job_id")
    assert started.out == f"{place.jobs()[0]['id']}\n"


def test_without_run_and_id_nobody_guesses_which_job_it_is(place):
    place.write("a.log")
    for argv in (("state", "running"), ("upload", "a.log"), ("finish", "success")):
        ended = place.run(*argv, "--strict")
        assert ended.code == 1
        assert "DCI_JOB_ID" in ended.out
    assert place.requests() == []


def test_a_start_without_a_topic_says_so_and_makes_nothing(place):
    ended = place.run("start", "--strict", ci=True)
    assert ended.code == 1
    assert "dci_topic" in ended.out
    assert place.requests() == []


def test_a_file_that_fails_keeps_neither_another_nor_the_end_from_being_told(place):
    for number in range(6):
        place.write(f"{number}.log")
    place.sandbox.dci.account = DciAccount()
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    mishaps(place.sandbox, "dci").fail("POST", "/files", 413)
    ended = place.run("finish", "success", "--files", "*.log", "--files", "*.log", "--format=json", ci=True)
    rows = {row["outcome"]: row for row in ended.document["signals"]}
    assert ended.code == 0
    assert "Compress it" in rows["failed"]["reason"]
    (job,) = place.jobs()
    assert len(job["files"]) == 5
    assert job["status"] == "success"
    assert place.run("upload", "*.log", "--strict", ci=True).code == 0
    assert len(place.jobs()[0]["files"]) == 6


def test_an_answer_that_is_lost_leaves_one_file(place):
    place.write("r.xml", SUITE)
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    mishaps(place.sandbox, "dci").lose("POST", "/files")
    assert place.run("upload", "r.xml", "--strict", ci=True).code == 0
    assert len(place.jobs()[0]["files"]) == 1


def test_files_that_are_not_there_are_told_and_a_strict_build_fails(place):
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    ended = place.run("upload", "*.xml", "--strict", ci=True)
    assert ended.code == 1
    assert "*.xml matches no file" in ended.out
    assert place.run("upload", "--strict", ci=True).code == 1


def test_who_names_files_in_settings_cannot_lead_out_of_the_folder(place):
    (place.folder / "secret.log").write_text("x")
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    ended = place.run("upload", ci=True, CIBEACON_DCI_FILES="../secret.log")
    assert "points outside the folder" in ended.out
    assert place.jobs()[0]["files"] == []
    place.run("upload", "../secret.log", ci=True)
    assert [file["name"] for file in place.jobs()[0]["files"]] == ["secret.log"]


def test_files_leave_without_tokens_where_that_is_asked(place):
    place.write("a.log", "token ghp_" + "a" * 36 + " end")
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    place.run("upload", "a.log", ci=True, DCI_REDACT="1")
    (file,) = place.jobs()[0]["files"]
    assert place.sandbox.dci.contents.get(file["id"]) == b"token ***REDACTED*** end"


def test_a_file_that_waited_leaves_without_tokens_as_well(place):
    place.write("a.log", "token ghp_" + "a" * 36 + " end")
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    kept = place.run("finish", "success", "--files", "a.log", "--format=json", ci=True, DCI_CS_URL=NOWHERE)
    assert [row["outcome"] for row in kept.document["signals"]] == ["spooled", "spooled"]
    environ = {**place.environ, **place.ci, "DCI_REDACT": "1"}
    again = cibeacon("replay", "--strict", environ=environ, cwd=place.folder / "work", began=int(time.time()))
    assert again.code == 0, again.out
    (job,) = place.jobs()
    assert job["status"] == "success"
    assert place.sandbox.dci.contents.get(job["files"][0]["id"]) == b"token ***REDACTED*** end"


def replayed(place, *argv, cwd="work", **environ):
    environ = {**place.environ, **place.ci, **environ}
    return cibeacon("replay", "--strict", *argv, environ=environ, cwd=place.folder / cwd, began=int(time.time()))


@pytest.mark.parametrize("cwd", ["work", "elsewhere"])
def test_a_file_from_outside_the_folder_that_waited_is_sent_wherever_replay_runs(place, cwd):
    (place.folder / "out").mkdir()
    (place.folder / "elsewhere").mkdir()
    (place.folder / "out" / "a.log").write_text("x")
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    place.run("upload", "../out/a.log", ci=True, DCI_CS_URL=NOWHERE)
    ended = replayed(place, cwd=cwd)
    assert ended.code == 0, ended.out
    assert [file["name"] for file in place.jobs()[0]["files"]] == ["a.log"]


def test_files_that_waited_have_the_time_of_files_and_the_end_has_its_own(place, monkeypatch):
    place.write("a.log")
    place.write("b.log")
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    place.run("finish", "success", "--files", "*.log", ci=True, DCI_CS_URL=NOWHERE)
    carry, seconds = HttpClient.send, []

    def timed(self, exchange, row, deadline=None, **named):
        seconds.append((row.subject, deadline.seconds))
        return carry(self, exchange, row, deadline, **named)

    monkeypatch.setattr(HttpClient, "send", timed)
    ended = replayed(place, CIBEACON_TIMEOUT="20", CIBEACON_DCI_UPLOAD_TIMEOUT="700")
    assert ended.code == 0, ended.out
    assert sorted(seconds[:2]) == [("a.log", 700.0), ("b.log", 700.0)]
    assert [(subject, 18 < each <= 20) for subject, each in seconds[2:]] == [("success", True)]


@pytest.mark.parametrize("status", [400, 500])
def test_a_job_that_is_made_but_cannot_run_gets_its_files_and_its_end(place, status):
    place.write("a.log")
    mishaps(place.sandbox, "dci").fail("POST", "/jobstates", status, 1 if status == 400 else 4)
    settings = {"CIBEACON_DCI_TOPIC": "RHEL-8.2", "CIBEACON_DCI_FILES": "*.log", "CIBEACON_SIGNALS": "dci"}
    environ = {**place.environ, **place.ci, **settings, "CIBEACON_STATUS": "failure"}
    cibeacon("report", environ=environ, cwd=place.folder / "work", began=int(time.time()))
    (job,) = place.jobs()
    assert ([file["name"] for file in job["files"]], job["status"]) == (["a.log"], "failure")


def test_with_a_pattern_that_is_none_nothing_leaves(place):
    place.write("a.log")
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    ended = place.run("upload", "a.log", "--strict", ci=True, DCI_REDACT="1", DCI_REDACT_PATTERNS="(")
    assert ended.code == 1
    assert "is not a regular expression" in ended.out
    assert place.jobs()[0]["files"] == []


def test_a_pattern_that_tries_for_ever_costs_the_file_and_not_the_end(place):
    place.write("a.log", "a" * 200)
    place.write("b.log", "b")
    place.run("start", "--topic", "RHEL-8.2", ci=True)
    patterns = {"DCI_REDACT": "1", "DCI_REDACT_PATTERNS": "(a|a)*[bc]"}
    ended = place.run("finish", "success", "--files", "*.log", "--upload-timeout", "1", ci=True, **patterns)
    assert "a.log is not redacted: it took more than" in ended.out
    (job,) = place.jobs()
    assert [file["name"] for file in job["files"]] == ["b.log"]
    assert job["status"] == "success"


@pytest.mark.parametrize("verb", [("start", "--topic", "RHEL-8.2"), ("state", "running"), ("upload", "a.log")])
def test_a_rehearsal_shows_the_request_and_sends_nothing(place, verb):
    place.write("a.log")
    ended = place.run(*verb, "--dry-run", "--format=json", ci=True, DCI_API_SECRET="")
    assert ended.code == 0
    assert ended.document["status"] == "dry-run"
    (row,) = ended.document["signals"]
    assert row["outcome"] == "dry-run"
    assert row["request"]["url"].startswith(place.sandbox.url)
    assert place.requests() == []
    if verb[0] == "upload":
        assert Path(row["request"]["body"].pop("file")).name == "a.log"
        assert row["request"]["body"] == {"DCI-JOB-ID": "{job.id}", "DCI-NAME": "a.log", "DCI-MIME": "text/plain"}


def test_gitlab_hands_the_id_to_later_jobs(place):
    gitlab = {
        "GITLAB_CI": "true",
        "CI_PROJECT_DIR": str(place.folder / "work"),
        "CI_PROJECT_PATH": "acme/shop",
        "CI_PIPELINE_ID": "5",
        "CI_SERVER_URL": "https://gitlab.example",
        "CI_JOB_NAME": "start",
        "CI_JOB_ID": "1",
    }
    place.run("start", "--topic", "RHEL-8.2", **gitlab)
    lines = (place.folder / "work/cibeacon.env").read_text().splitlines()
    handed = dict(line.split("=", 1) for line in lines)
    job_id = place.jobs()[0]["id"]
    assert handed["CIBEACON_DCI_JOB_ID"] == job_id
    later = gitlab | {"CI_JOB_NAME": "end", "CI_JOB_ID": "2", "CIBEACON_DCI_JOB_ID": job_id}
    assert place.run("finish", "success", "--strict", **later).code == 0
    assert place.jobs()[0]["status"] == "success"


def test_help_names_every_verb_and_loads_none(place, capsys):
    assert place.run("--help").code == 0
    shown = capsys.readouterr().out
    for verb in ("whoami", "topics", "components", "jobs", "start", "state", "upload", "finish"):
        assert f"\n  {verb} " in shown
        assert place.run(verb, "--help").code == 0
        assert "Usage: cibeacon dci " in capsys.readouterr().out


def test_the_verbs_load_nothing_that_others_need_alone():
    program = "import sys, cibeacon.cli.commands, cibeacon.cli.dci; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "requests",
        "rich",
        "cibeacon.dci_steps",
        "cibeacon.files.attachments",
        "cibeacon.sinks.dci_query",
    }
