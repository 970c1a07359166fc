"""Every CI system by its cases: one JSON file a system in `systems/`. See README.md here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.detect import named
from cibeacon.model.ci_systems import CI_SYSTEMS, recognise
from cibeacon.settings import load_settings
from dx_records import records
from processes import cibeacon

FILES = sorted((Path(__file__).parent / "systems").glob("*.json"))
SYSTEMS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
CASES = [(name, case) for name, system in SYSTEMS.items() for case in system["cases"]]
SHOWN = {
    "push", "first push", "tag", "pull request", "fork pull request", "rerun", "minimum", "nested", "hostile",
}  # fmt: skip
"""What the cases of a system show, at least; or `not_here` says why there can be none."""
TOKEN = "sandbox-token-1"
PASSWORD = "hunter2secret"
"""The password in a URL of a hostile case: it never comes out."""
ALL = ("--dry-run", "--format", "json", "--dx-url", "acme", "--services", "services/{service}/")


def filled(value, ids):
    """A value of a case with commit ids in the place of `{head}`, or their first digits for `{head:12}`."""
    if isinstance(value, dict):
        return {name: filled(text, ids) for name, text in value.items()}
    if isinstance(value, list):
        return [filled(text, ids) for text in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"\{(\w+)(?::(\d+))?\}", lambda m: ids[m[1]][: int(m[2]) if m[2] else None], value)


def with_files(files, ids, folder):
    """The ids, and as `{files}` the folder that holds the files that the system leaves beside its variables."""
    folder.mkdir(exist_ok=True)
    ids = {**ids, "files": str(folder)}
    for name, lines in filled(files, ids).items():
        (folder / name).write_text("\n".join(lines), encoding="latin-1")
    return ids


def differences(expected, actual, where=""):
    """What an expected value says otherwise than the actual one; keys that it leaves out do not count."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [text for key in expected for text in differences(expected[key], actual.get(key), f"{where}.{key}")]
    return [] if expected == actual else [f"{where} is {actual!r}, expected {expected!r}"]


def event_path(case, shape, folder):
    """The variable that names the file with a case's event, where the system has events."""
    if "event" not in case:
        return {}
    path = folder / "event.json"
    path.write_text(json.dumps(filled(case["event"], shape.ids)))
    return {"GITHUB_EVENT_PATH": str(path)}


@pytest.mark.parametrize(("name", "case"), CASES, ids=lambda value: value if isinstance(value, str) else value["name"])
def test_a_run_is_read_as_its_ci_system_means_it(name, case, checkouts, tmp_path):
    shape = checkouts(case.get("checkout", "none"))
    ids = with_files(case.get("files", {}), shape.ids, tmp_path / "files")
    env = filled({**SYSTEMS[name].get("env", {}), **case["env"]}, ids)
    env = {name: value for name, value in env.items() if value is not None} | event_path(case, shape, tmp_path)
    ended = cibeacon("report", *ALL, *case.get("flags", ()), environ={"HOME": "/nonexistent", **env}, cwd=shape.root)
    document = ended.document
    (run,) = [signal for signal in document["signals"] if signal["kind"] == "pipeline-run"]
    body = (run["request"] or {}).get("body", {})
    wrong = differences(filled(case.get("context", {}), shape.ids), document["context"], "context")
    wrong += differences(filled(case.get("changes", {}), shape.ids), document["changes"], "changes")
    wrong += differences(filled(case.get("record", {}), shape.ids), body, "record")
    if "reference_id" in case:
        wrong += differences(filled(case["reference_id"], shape.ids), body.get("reference_id"), "reference_id")
    if "skips" in case:
        wrong += [] if any(case["skips"] in (each["reason"] or "") for each in document["signals"]) else [case["skips"]]
    assert wrong == [], case["why"]
    assert case.get("says", "") in ended.err
    assert not [secret for secret in case.get("never", ()) if secret in ended.out + ended.err]
    assert document["context"]["host"] == case.get("host", name)
    assert PASSWORD not in ended.out + ended.err


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_cases_of_a_system_show_everything_that_happens_there(name):
    system = SYSTEMS[name]
    assert not (SHOWN & {shown for case in system["cases"] for shown in case["shows"]}) & set(
        system.get("not_here", {})
    )
    shown = {shown for case in system["cases"] for shown in case["shows"]} | set(system.get("not_here", {}))
    assert shown >= SHOWN


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_recognised_by_its_own_variables_and_by_nothing_that_others_set(name):
    env = SYSTEMS[name]["run"]["start"]
    assert recognise(env)[:1] == ([name] if CI_SYSTEMS[name] else [])


@pytest.mark.parametrize("name", [name for name, system in SYSTEMS.items() if "fetches" in system["run"]])
def test_missing_commits_are_fetched_where_the_system_says_that_the_repository_is(name):
    tokens = load_settings({}, {}, {}).forge
    remotes = named(name).remotes(Variables(SYSTEMS[name]["run"]["start"]), tokens)
    assert [remote.url for remote in remotes] == [SYSTEMS[name]["run"]["fetches"]]


@pytest.mark.parametrize("name", SYSTEMS)
class TestEndToEnd:
    """A report at the start and one in the last step, with the system's own variables and DX's settings alone."""

    @pytest.fixture
    def report(self, name, dx, checkouts, tmp_path):
        def report(env, flags=(), checkout="main"):
            shape = checkouts(checkout)
            own = {"HOME": str(tmp_path), "DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": dx.url}
            ids = with_files(SYSTEMS[name]["run"].get("files", {}), shape.ids, tmp_path / "files")
            environ = own | filled(env, ids) | event_path(SYSTEMS[name]["run"], shape, tmp_path)
            ended = cibeacon("report", *flags, environ=environ, cwd=shape.root)
            assert ended.code == 0
            assert "✓ sent" in ended.err + ended.out, ended
            return shape

        return report

    def test_two_reports_are_one_record_that_ends_as_the_run_did(self, name, dx, report):
        run = SYSTEMS[name]["run"]
        report(run["start"])
        (record,) = records(dx)
        assert (record.get("status"), record.get("finished_at")) == ("running", None)
        shape = report(run["start"] | run.get("end", {}), run.get("flags", ()))
        first, last = records(dx)
        assert first["reference_id"] == last["reference_id"]
        assert differences(filled(run["record"], shape.ids), last, "record") == []
        assert last["status"] in ("success", "failure", "cancelled")

    def test_runs_of_two_pipelines_with_one_number_are_two_records(self, name, dx, report):
        run = SYSTEMS[name]["run"]
        if "other_pipeline" not in run:
            pytest.skip(f"{name} numbers the runs of all pipelines together")
        report(run["start"])
        report(run["start"] | run["other_pipeline"])
        assert len({record["reference_id"] for record in records(dx)}) == 2

    def test_a_rerun_is_an_attempt_of_its_own(self, name, dx, report):
        run = SYSTEMS[name]["run"]
        if "rerun" not in run:
            pytest.skip(f"{name} does not number attempts, or gives a rerun an id of its own")
        report(run["start"])
        report(run["start"] | run["rerun"])
        assert len({record["reference_id"] for record in records(dx)}) == 2


@pytest.mark.parametrize("name", SYSTEMS)
def test_doctor_shows_the_run_of_every_system_and_where_it_was_read(name, checkouts, tmp_path):
    case = SYSTEMS[name]["cases"][0]
    shape = checkouts(case.get("checkout", "none"))
    ids = with_files(case.get("files", {}), shape.ids, tmp_path / "files")
    env = filled({**SYSTEMS[name].get("env", {}), **case["env"]}, ids)
    env = {name: value for name, value in env.items() if value is not None} | event_path(case, shape, tmp_path)
    ended = cibeacon("doctor", "--offline", "--format=json", *case.get("flags", ()), environ=env, cwd=shape.root)
    rows = {row["id"]: row for row in ended.document["findings"]}
    assert "because of a bug" not in ended.out
    for id in ("ci.system", "ci.event", "run.repository", "run.commit", "run.id"):
        assert (rows[id]["state"], bool(rows[id]["source"]) or id == "ci.event") == ("ok", True), rows[id]
