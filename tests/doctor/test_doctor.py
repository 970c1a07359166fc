"""`cibeacon doctor` against servers on this machine: each fault is reported once, and a correct set-up has no findings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from canaries import Canary, leaked
from cibeacon.checks.table import CHECKS, IDS, PROBES
from cibeacon.settings import all_options
from cibeacon.sinks import KINDS
from doctor_place import OTLP_TOKEN, TOKEN, DoctorPlace, findings
from forge import Forge
from processes import cibeacon
from spool_records import told

CASES = json.loads((Path(__file__).parent / "cases.json").read_text())
PAGE = (Path(__file__).parent.parent.parent / "docs/doctor.md").read_text()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def place(tmp_path):
    with DoctorPlace(tmp_path) as made:
        yield made


def git_that_says(folder, text):
    """A folder for PATH with a git that fails with this text; without a text, no git."""
    folder.mkdir()
    if text:
        (folder / "git").write_text(f'#!/bin/sh\necho "{text}" >&2\nexit 128\n')
        (folder / "git").chmod(0o755)
    return str(folder)


def arranged(place, case, tmp_path):
    """The environment and the folder of a case."""
    places = {
        "dx": place.sandbox.url,
        "token": TOKEN,
        "first": place.first,
        "short": place.tip[:12],
        "home": place.folder,
    }
    environ = place.environ(after=place.first) | {} if case.get("push") else place.environ()
    for system in ("dci", "flow", "dataops"):
        if case.get(system):
            environ |= getattr(place.sandbox, system).account.exports(place.sandbox.url)
    environ = {} if "only" in case else environ
    for name, text in {**case.get("only", {}), **case.get("environ", {})}.items():
        environ[name] = None if text is None else text.format(**places)
    for name, text in case.get("files", {}).items():
        (place.root / name).write_text(text)
    if "trouble" in case:
        place.forge.troubles[f"/repos/acme/shop/commits/{place.tip}/pulls"] = case["trouble"]
    if "git" in case:
        environ["PATH"] = git_that_says(tmp_path / "programs", case["git"])
    cwd = place.root
    if "remote" in case:
        subprocess.run(["git", "-C", str(cwd), "remote", "set-url", "origin", case["remote"]], check=True)
    if case.get("shallow"):
        cwd = tmp_path / "shallow"
        subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{place.root}", str(cwd)], check=True)
    if "folder" in case:
        cwd = tmp_path / case["folder"]
        cwd.mkdir()
    return {name: text for name, text in environ.items() if text is not None}, cwd


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_fault_is_found_once_and_nothing_else_is_blamed(case, place, tmp_path):
    environ, cwd = arranged(place, case, tmp_path)
    ended = place.run("--format=json", environ=environ, cwd=cwd)
    found = findings(ended)
    assert found.keys() == case["finds"].keys(), [row for row in ended.document["findings"] if row["id"] in found]
    (id,) = found
    assert found[id] in case["finds"][id]
    (row,) = [row for row in ended.document["findings"] if row["id"] == id]
    assert case.get("says", "") in f"{row['message']} {row['source']}"
    assert case.get("hint", "") in row["hint"]
    assert row["hint"]
    assert ended.code == int(found[id] == "fail")
    assert leaked_secrets(environ, ended) == []


def leaked_secrets(environ, ended):
    names = ("DX_API_TOKEN", "DCI_API_SECRET", "CIBEACON_FLOW_TOKEN", "CIBEACON_OTLP_HEADERS")
    texts = [environ[name] for name in names if name in environ]
    return [text for text in texts if len(text) > 8 and text in ended.out + ended.err]


def test_a_set_up_that_is_right_takes_one_line(place):
    ended = place.run()
    assert ended.code == 0
    assert re.fullmatch(r"\d+ ok, \d+ not checked \(--verbose shows all\)\n", ended.out)
    assert ended.err == ""


def test_every_system_that_is_right_is_said_to_be(place):
    environ = place.environ() | place.sandbox.exports
    environ["OTEL_EXPORTER_OTLP_HEADERS"] = f"Authorization=Bearer%20{OTLP_TOKEN}"
    ended = place.run("--format=json", environ=environ)
    assert {row["state"] for row in ended.document["findings"]} == {"ok"}


def test_a_job_of_gitlab_asks_with_its_own_token(tmp_path):
    with DoctorPlace(tmp_path) as place, Forge(merge_requests={"acme/shop": []}) as forge:
        environ = {
            "GITLAB_CI": "true",
            "CI": "true",
            "CI_API_V4_URL": f"{forge.url}/api/v4",
            "CI_COMMIT_BEFORE_SHA": place.first,
            "CI_COMMIT_BRANCH": "main",
            "CI_COMMIT_SHA": place.tip,
            "CI_DEFAULT_BRANCH": "main",
            "CI_JOB_TOKEN": "glcbt-job-token",
            "CI_PIPELINE_ID": "9",
            "CI_PIPELINE_SOURCE": "push",
            "CI_PROJECT_DIR": str(place.root),
            "CI_PROJECT_PATH": "acme/shop",
            "CI_SERVER_URL": forge.url,
            "CIBEACON_DX_URL": place.sandbox.url,
            "DX_API_TOKEN": TOKEN,
        }
        ended = place.run("--format=json", environ=environ)
    rows = {row["id"]: row for row in ended.document["findings"]}
    assert findings(ended) == {}
    assert (rows["forge.auth"]["state"], rows["forge.auth"]["source"]) == ("ok", "CI_JOB_TOKEN")
    assert "acme/shop" in rows["forge.auth"]["message"]
    assert not (place.root / ".cibeacon").exists()


def test_nothing_is_recorded_anywhere_and_nothing_is_left_on_disk(place):
    environ = place.environ()
    before = sorted(place.folder.rglob("*"))
    place.run(environ=environ)
    assert sorted(place.folder.rglob("*")) == before
    ledger = place.sandbox.ledger.document()
    assert (ledger["deployments"], ledger["pipeline_runs"]) == ({}, {})
    assert [entry["error"] for entry in ledger["requests"]] == ["required_params_missing"]


@pytest.mark.parametrize("form", ["classic", "current"])
def test_what_proves_the_token_is_refused_in_both_forms_of_the_api(place, form):
    ended = place.run("--format=json", "--only=dx.auth", environ=place.environ() | {"CIBEACON_DX_API": form})
    (row,) = ended.document["findings"]
    assert row["state"] == "ok"
    assert "recorded nothing" in row["message"]


def test_the_run_is_shown_with_where_each_value_was_read(place):
    rows = {row["id"]: row for row in place.run("--format=json", "--pipeline-name=nightly").document["findings"]}
    assert (rows["ci.system"]["message"], rows["ci.system"]["source"]) == ("GitHub Actions", "GITHUB_ACTIONS")
    assert (rows["run.repository"]["message"], rows["run.repository"]["source"]) == ("acme/shop", "GITHUB_REPOSITORY")
    assert (rows["run.commit"]["message"], rows["run.commit"]["source"]) == (place.tip, "GITHUB_SHA")
    assert rows["run.id"]["message"] == "77, attempt 1"
    assert rows["run.branch"]["source"] == "GITHUB_REF"
    assert "reference_id" in rows["run.signals"]["source"]
    assert f"{place.first[:12]}..{place.tip[:12]}" in rows["git.range"]["message"]
    assert place.sandbox.url in rows["dx.reach"]["message"]


def test_a_variable_that_holds_a_value_in_a_longer_one_is_its_source(place):
    jenkins = {
        "JENKINS_URL": "https://ci.example.com/", "BUILD_TAG": "jenkins-shop-main-42", "BUILD_NUMBER": "42",
        "JOB_NAME": "shop/main", "BRANCH_NAME": "main", "GIT_URL": "https://github.com/acme/shop.git",
    }  # fmt: skip
    rows = {row["id"]: row for row in place.run("--format=json", "--offline", environ=jenkins).document["findings"]}
    sources = [rows[id]["source"] for id in ("run.repository", "run.pipeline", "run.id")]
    assert sources == ["GIT_URL", "JOB_NAME", "BUILD_NUMBER"]
    assert "set github_token (variable GITHUB_TOKEN)" in rows["forge.settings"]["message"]


def test_a_value_that_a_setting_gives_names_the_setting(place):
    rows = {row["id"]: row for row in place.run("--format=json", "--repository=acme/other").document["findings"]}
    assert (rows["run.repository"]["message"], rows["run.repository"]["source"]) == ("acme/other", "--repository")


@pytest.mark.parametrize("name", ["--offline", "dry_run"])
def test_offline_nothing_is_asked_and_the_network_is_left_open(place, name):
    environ = place.environ() | ({"CIBEACON_DRY_RUN": "true"} if name == "dry_run" else {})
    ended = place.run("--format=json", *([name] if name == "--offline" else []), environ=environ)
    states = {row["id"]: row["state"] for row in ended.document["findings"]}
    assert {states[id] for id in ("dx.reach", "dx.auth", "forge.reach", "network.clock")} == {"not-checked"}
    assert states["git.range"] == "ok"
    assert place.sandbox.ledger.document()["requests"] == []
    assert place.forge.seen == []


def test_a_pull_request_of_a_fork_without_secrets_is_as_it_should_be(place):
    head = place.tip
    pull = {"number": 3, "id": 9, "state": "open", "merged": False, "base": {"ref": "main", "sha": place.first}}
    pull |= {"head": {"ref": "fix", "sha": head, "repo": {"full_name": "mallory/shop"}}}
    pull["base"]["repo"] = {"full_name": "acme/shop"}
    environ = place.environ()
    Path(environ["GITHUB_EVENT_PATH"]).write_text(json.dumps({"action": "opened", "number": 3, "pull_request": pull}))
    environ |= {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/3/merge"}
    environ = {name: text for name, text in environ.items() if name not in ("DX_API_TOKEN", "GITHUB_TOKEN")}
    ended = place.run("--format=json", environ=environ)
    rows = {row["id"]: row for row in ended.document["findings"]}
    assert findings(ended) == {}
    assert "withholds secrets" in rows["ci.secrets"]["message"]
    assert "withheld" in rows["dx.settings"]["message"]
    assert "from a fork" in rows["run.pull_request"]["message"]


def test_a_merge_that_the_ci_system_made_is_recognised(place):
    place.tree.git("checkout", "-q", "-b", "side", place.first)
    place.tree.commit({"services/mail/main.py": "1\n"})
    place.tree.git("merge", "-q", "--no-ff", "-m", "local", place.tip)
    ended = place.run("--format=json")
    rows = {row["id"]: row for row in ended.document["findings"]}
    assert findings(ended) == {}
    assert "a merge of the run's commit" in rows["git.head"]["message"]


def test_a_shallow_clone_that_is_deep_enough_is_right(place, tmp_path):
    cwd = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=2", f"file://{place.root}", str(cwd)], check=True)
    subprocess.run(["git", "-C", str(cwd), "fetch", "-q", "--depth=2", "origin"], check=True)
    rows = {row["id"]: row for row in place.run("--format=json", cwd=cwd).document["findings"]}
    assert (rows["git.depth"]["state"], rows["git.range"]["state"]) == ("ok", "ok")


def test_a_repository_without_services_is_no_fault_and_doctor_says_what_that_means(place):
    place.tree.git("rm", "-q", ".cibeacon.yml")
    place.tree.commit({"README.md": "Shop\n"})
    (row,) = place.run("--format=json", "--only=services.map", environ={}).document["findings"]
    assert row["state"] == "ok"
    assert row["message"] == "no services are configured, so cibeacon does not report which services changed"
    assert "cibeacon init" in row["hint"]


def test_dx_s_own_connector_is_mentioned_and_is_no_fault(place):
    (row,) = place.run("--format=json", "--only=dx.connector").document["findings"]
    assert row["state"] == "ok"
    assert "-pipeline-run" in row["hint"]


@pytest.mark.parametrize(("seconds", "state"), [(7200, "warn"), (60, "ok")])
def test_signals_that_have_waited_long_are_a_warning(place, seconds, state):
    environ = place.environ()
    spool = Path(environ["RUNNER_TEMP"]) / "cibeacon/spool"
    spool.mkdir(parents=True)
    record = told(created_at=time.time() - seconds)
    (spool / record.name).write_bytes(record.line())
    ended = place.run("--format=json", environ=environ)
    assert findings(ended) == ({"spool.waiting": "warn"} if state == "warn" else {})
    assert [path.name for path in spool.iterdir()] == [record.name]
    row = next(row for row in ended.document["findings"] if row["id"] == "spool.waiting")
    assert row["state"] == state
    assert "1 signal is waiting" in row["message"]


def test_only_and_skip_take_ids_and_beginnings_of_them(place):
    def ids(*argv):
        return [row["id"] for row in place.run("--format=json", "--offline", *argv).document["findings"]]

    assert ids("--only=dx.auth") == ["dx.auth"]
    assert ids("--only=dx.token,git.depth") == ["git.depth", "dx.token.shape"]
    assert ids("--only=dx", "--skip=dx.connector", "--skip", "dx.token") == ["dx.settings", "dx.reach", "dx.auth"]
    assert ids() == list(IDS)


def test_what_a_chosen_check_needs_is_reported_where_it_is_not_right(place):
    environ = {name: text for name, text in place.environ().items() if name != "DX_API_TOKEN"}
    ended = place.run("--format=json", "--only=dx.auth", environ=environ)
    assert [row["id"] for row in ended.document["findings"]] == ["dx.settings", "dx.auth"]
    assert ended.code == 1
    assert place.run("--only=dx.auth", "--skip=dx.settings", environ=environ).code == 0


def test_an_interruption_leaves_the_rest_open_and_ends_at_once(place, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cibeacon.doctor.inspect_map", interrupted)
    ended = place.run("--format=json")
    rows = {row["id"]: row for row in ended.document["findings"]}
    assert {
        rows[id]["state"] for id in ("services.map", "dx.settings", "dx.reach", "spool.writable", "network.clock")
    } == {"not-checked"}
    assert rows["services.map"]["message"] == "cibeacon was interrupted"
    assert rows["git.head"]["state"] == "ok"
    assert place.sandbox.ledger.document()["requests"] == []


def test_a_part_that_fails_unexpectedly_leaves_its_own_checks_open_and_no_other(place, monkeypatch):
    def broken(*_, **__):
        raise LookupError("a bug")

    monkeypatch.setattr("cibeacon.doctor.inspect_map", broken)
    ended = place.run("--format=json")
    rows = {row["id"]: row for row in ended.document["findings"]}
    assert "because of a bug" in rows["services.map"]["message"]
    assert (rows["services.map"]["state"], rows["dx.auth"]["state"]) == ("not-checked", "ok")


def test_a_check_that_is_left_out_is_not_paid_for(place):
    place.run("--only=settings")
    assert place.sandbox.ledger.document()["requests"] == []


def test_a_check_that_does_not_exist_is_a_mistake_of_the_command_line(place):
    ended = place.run("--only=dx.everything")
    assert ended.code == 2
    assert "dx.everything" in ended.err


def test_warnings_count_where_that_is_asked(place):
    environ = place.environ() | {"CIBEACON_DX_TOKN": "x"}
    assert (place.run(environ=environ).code, place.run("--strict", environ=environ).code) == (0, 1)


def test_the_text_counts_first_and_gives_one_thing_to_do(place):
    environ = place.environ() | {"DX_API_TOKEN": "wrong-token-1"}
    first, finding, hint, link, last = place.run(environ=environ).out.splitlines()
    assert re.fullmatch(r"\d+ ok, 1 failed, \d+ not checked \(--verbose shows all\)", first)
    assert finding.startswith("✗ dx.auth: DX rejects the token (invalid_auth")
    assert hint.startswith("  The API key is not valid or has expired")
    assert link == "  https://cibeacon.github.io/cibeacon/doctor/#dxauth"
    assert last == "To set dx_token, use the variable DX_API_TOKEN."


@pytest.mark.parametrize(
    ("environ", "last"),
    [
        ({"CIBEACON_DX_URL": None}, "To set dx_url, use the variable CIBEACON_DX_URL."),
        ({"CIBEACON_DX_URL": None, "INPUT_DX_URL": ""}, "To set dx_url, use the input dx_url."),
        ({"GITHUB_REPOSITORY": None}, "  https://cibeacon.github.io/cibeacon/doctor/#runrepository"),
    ],
)
def test_the_last_line_shows_how_to_set_what_a_problem_names(place, environ, last):
    given = {name: text for name, text in (place.environ() | environ).items() if text is not None}
    assert place.run("--offline", "--only=run,dx", environ=given).out.splitlines()[-1] == last


def test_outside_ci_the_id_and_the_repository_are_both_reported_as_missing(place):
    kept = {"HOME": str(place.folder), "CIBEACON_DX_URL": place.sandbox.url, "DX_API_TOKEN": TOKEN}
    place.tree.git("remote", "remove", "origin")
    rows = {row["id"]: row for row in place.run("--format=json", "--offline", environ=kept).document["findings"]}
    assert (rows["run.id"]["state"], rows["run.id"]["message"]) == ("fail", "this is not a CI run, so it has no id")
    assert (rows["run.repository"]["state"], rows["run.signals"]["state"]) == ("fail", "not-checked")


def test_verbose_shows_every_check(place):
    lines = place.run("--verbose", "--offline").out.splitlines()
    assert [id for id in IDS if not any(f" {id}: " in line for line in lines)] == []


def test_the_document_has_the_same_keys_whatever_happens(place):
    for environ in (place.environ(), {}):
        document = place.run("--format=json", environ=environ).document
        assert list(document) == ["version", "counts", "findings"]
        assert document["version"] == 1
        assert list(document["counts"]) == ["ok", "warn", "fail", "not-checked"]
        assert sum(document["counts"].values()) == len(document["findings"]) == len(IDS)
        for row in document["findings"]:
            assert list(row) == ["id", "state", "message", "hint", "source", "seconds", "help"]
            assert isinstance(row["seconds"], float)


def test_a_program_filters_the_document(place):
    environ = place.environ() | {"DX_API_TOKEN": "wrong-token-1"}
    ended = place.run("--jq", '.findings[] | select(.state == "fail") | .id', environ=environ)
    assert (ended.code, ended.out) == (1, "dx.auth\n")


def test_it_works_where_nothing_does(tmp_path):
    hostile = {
        "PATH": "/nonexistent",
        "CIBEACON_TIMEOUT": "soon",
        "CIBEACON_SPOOL": "/proc/x/y",
        "GITHUB_ACTIONS": "true",
    }
    hostile |= {"CIBEACON_DX_URL": "::", "CIBEACON_SIGNALS": "nothing", "DX_API_TOKEN": "\x01", "CI": "true"}
    (tmp_path / ".git").mkdir()
    (tmp_path / ".cibeacon.yml").mkdir()
    with DoctorPlace(tmp_path / "place") as place:
        ended = place.run("--format=json", environ=hostile, cwd=tmp_path)
    assert ended.code == 1
    assert findings(ended)["settings.values"] == "fail"
    assert "because of a bug" not in ended.out


def test_in_the_action_only_a_strict_step_fails(place):
    environ = place.environ() | {"INPUT_COMMAND": "doctor", "DX_API_TOKEN": "wrong-token-1"}

    def code(**more):
        return cibeacon(environ=environ | more, cwd=place.root, began=int(time.time()), stage="main").code

    assert (code(), code(INPUT_STRICT="true")) == (0, 1)


def test_no_secret_is_ever_printed(place):
    secrets = [option for group in all_options().values() for option in group if option.secret]
    canaries = {name: Canary(name) for option in secrets for name in option.variables}
    environ = place.environ() | {name: canary.text for name, canary in canaries.items()}
    environ |= {"CIBEACON_DCI_TOPIC": "x", "DCI_CLIENT_ID": "remoteci/00000000-0000-4000-8000-000000000000"}
    environ |= {"DCI_CS_URL": place.sandbox.url, "CIBEACON_FLOW_URL": place.sandbox.url}
    environ |= {"CIBEACON_DATAOPS_URL": place.sandbox.url, "CIBEACON_DATAOPS_PROJECT": "1"}
    for argv in (["--verbose"], ["--format=json"], ["--offline", "--verbose"]):
        ended = place.run(*argv, environ=environ)
        assert leaked(canaries.values(), ended.out, ended.err) == set()
    quoted = {name: f'"{canary.text}"' for name, canary in canaries.items()}
    ended = place.run("--verbose", environ=environ | quoted)
    assert leaked(canaries.values(), ended.out, ended.err) == set()


def test_each_check_has_a_place_in_the_document():
    headings = re.findall(r"^### `([a-z_.]+)`$", PAGE, re.M)
    assert sorted(headings) == sorted(IDS)
    assert {id.replace(".", "") for id in headings} == set(re.findall(r"\(#([a-z_]+)\)", PAGE))


def test_every_system_that_receives_signals_is_asked():
    assert KINDS.keys() <= PROBES.keys()
    assert {f"{name}.{part}" for name in PROBES for part in ("settings", "token.shape", "reach", "auth")} <= set(IDS)


def test_needs_come_before_those_that_need_them():
    for index, check in enumerate(CHECKS):
        assert set(check.needs) <= set(IDS[:index]), check.id


def test_the_process_s_own_environment_is_not_needed(place):
    assert "HOME" in os.environ
    environ = {name: text for name, text in place.environ().items() if name != "HOME"}
    assert findings(place.run("--format=json", environ=environ)) == {}


@pytest.mark.parametrize(
    ("environ", "named"),
    [({"DX_API_TOKEN": "wrong-token-1"}, False), ({"CIBEACON_DX_URL": "http://127.0.0.1:9"}, True), ({}, False)],
)
def test_a_report_that_could_not_reach_a_system_names_the_checks_to_run(place, environ, named):
    ended = cibeacon("report", environ=place.environ() | environ, cwd=place.root)
    assert ("run cibeacon doctor --only dx" in ended.out) == named
