"""Which signals a run gives and what is in them: tables of situations under `plan/`, and what ids depend on.

A row has `why`, the host's situation (`on`, changed by `context` and `pull_request`), `settings`, and the `plan`: for a
kind of signal its fields, "word: part of the reason" ("#7 word: …" of one among several), "refused: part of DX's rule",
a list of these, or null where none is planned. `dx`, `dci` and `flow` say which of their credentials are there, `files` what is
found to go along with a job's end. `landed` are the pull requests of a push, each with its `changes`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cibeacon.ci.detect import named
from cibeacon.model.changes import Changes, MergedPR, Unknown
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.model.report import Outcome
from cibeacon.settings import SIGNAL_KINDS, load_settings
from cibeacon.signals import File, PlanInput
from cibeacon.signals.plan import PlannedSignal, plan
from cibeacon.sinks import SINKS, dx

ROWS = [
    pytest.param(row, id=f"{path.stem}: {row['why']}")
    for path in sorted((Path(__file__).parent / "plan").glob("*.json"))
    for row in json.loads(path.read_text("utf-8"))
]
HEAD, MERGE, OLD = "a" * 40, "b" * 40, "c" * 40
NOW = 1_700_000_000
CLIENT = "6f0c9a52-2f0e-4c6f-9d0b-0d4a4d7e0001"
GITHUB = {
    "host": "github", "server": "github.com", "repository": "acme/shop", "default_branch": "main", "run_id": "901",
    "run_attempt": 1, "run_url": "https://github.com/acme/shop/actions/runs/901/attempts/1", "pipeline": "CI",
    "job": "build", "actor": "octo", "ci": True,
}  # fmt: skip
GITLAB = {
    "host": "gitlab", "server": "gitlab.com", "repository": "group/sub/shop", "default_branch": "main",
    "run_id": "5001", "pipeline": "group/sub/shop", "job": "build", "job_id": "77", "actor": "tanuki", "ci": True,
}  # fmt: skip
MERGED = {
    "number": 7, "id": 1497468863, "merged": True, "closed": True, "merge_commit_sha": MERGE, "base_ref": "main",
    "head_ref": "feature", "head_sha": HEAD,
}  # fmt: skip
OPEN = MERGED | {"merged": False, "closed": False, "merge_commit_sha": None}
OF_A_BRANCH = {"commit_sha": HEAD, "branch": "feature"}
PUSHED = {
    "event": "push",
    "commit_sha": MERGE,
    "checkout_sha": MERGE,
    "branch": "main",
    "push": {"before": OLD, "after": MERGE},
}
CONTEXTS = {
    "github merged": GITHUB
    | OF_A_BRANCH
    | {"event": "pull_request", "action": "closed", "checkout_sha": MERGE, "pull_request": MERGED},
    "github open": GITHUB
    | OF_A_BRANCH
    | {"event": "pull_request", "action": "synchronize", "checkout_sha": OLD, "pull_request": OPEN},
    "github push": GITHUB | PUSHED,
    "gitlab push": GITLAB | PUSHED,
    "gitlab merge request": GITLAB
    | OF_A_BRANCH
    | {"event": "merge_request_event", "pull_request": {"number": 12, "head_sha": HEAD}},
    "local": {
        "host": "local",
        "server": "github.com",
        "repository": "acme/shop",
        "event": None,
        "commit_sha": MERGE,
        "branch": "main",
        "run_id": f"local-{MERGE}",
        "pipeline": "acme/shop",
    },
}
CHANGED = {"status": "ok", "services": ["payments", "web"]}


def context_of(row):
    fields = CONTEXTS[row["on"]] | row.get("context", {})
    described = fields.get("pull_request")
    fields["pull_request"] = PullRequest(**described | row.get("pull_request", {})) if described else None
    fields["push"] = Push(**fields["push"]) if fields.get("push") else None
    found = Context(**fields)
    return found.with_pull_request(PullRequest(**row["told"])) if "told" in row else found


def changes_of(given):
    if given is None:
        return None
    unknown = Unknown(given["unknown"]) if "unknown" in given else None
    return Changes(given["status"], tuple(given.get("services", ())), unknown=unknown)


def landed_of(row):
    """One pull request, which changed what the push did; or several, each with changes of its own."""
    given = row.get("landed", [])
    if isinstance(given, dict):
        return (MergedPR(PullRequest(**given), changes_of(row.get("changes", CHANGED))),)
    return tuple(
        MergedPR(
            PullRequest(**{key: value for key, value in one.items() if key != "changes"}), changes_of(one["changes"])
        )
        for one in given
    )


def plan_input(row):
    dx_given = {"url": ("CIBEACON_DX_URL", "acme"), "token": ("DX_API_TOKEN", "token")}
    dci_given = {"id": ("DCI_CLIENT_ID", CLIENT), "secret": ("DCI_API_SECRET", "secret")}
    flow_given = {"url": ("CIBEACON_FLOW_URL", "https://ib.example"), "token": ("CIBEACON_FLOW_TOKEN", "token")}
    environ = dict(
        [dx_given[name] for name in row.get("dx", dx_given)]
        + [dci_given[name] for name in row.get("dci", ())]
        + [flow_given[name] for name in row.get("flow", ())]
    )
    return PlanInput(
        context=context_of(row),
        settings=load_settings(row.get("settings", {}), environ, {}),
        stage=row.get("stage", "single"),
        now=row.get("now", NOW),
        dry_run=row.get("dry_run", False),
        host_title=named(CONTEXTS[row["on"]]["host"]).title,
        in_stages=named(CONTEXTS[row["on"]]["host"]).in_stages,
        changes=changes_of(row.get("changes", CHANGED)),
        map_fault=row.get("map_fault"),
        merged_prs=landed_of(row),
        unknown_prs=tuple(row["unlanded"]) if "unlanded" in row else None,
        files=tuple(File(Path(path), path, "text/plain", 1) for path in row.get("files", [])),
    )


def kind_of(step):
    return step.kind if isinstance(step, Outcome) else step.outcome.kind


def as_told(value):
    return list(value) if isinstance(value, tuple) else value


def planned(kind, **row):
    return [
        step.signal for step in plan(plan_input(row)) if isinstance(step, PlannedSignal) and step.outcome.kind == kind
    ]


def assert_settled(step, expected):
    word, _, part = expected.partition(": ")
    subject, _, word = word.rpartition(" ")
    assert isinstance(step, Outcome), step
    assert part in step.reason
    assert (step.attempts, step.request) == (0, None)
    if word == "refused":
        assert (step.status, step.key is None) == ("invalid", False)
    else:
        assert (step.status, step.subject, step.key) == (word, subject, None)


@pytest.mark.parametrize("row", ROWS)
def test_a_situation_gives_the_signals_of_its_row(row):
    steps = plan(plan_input(row))
    for kind, expected in row["plan"].items():
        found = [step for step in steps if kind_of(step) == kind]
        if isinstance(expected, str):
            (step,) = found
            assert_settled(step, expected)
            continue
        wanted = [] if expected is None else expected if isinstance(expected, list) else [expected]
        assert len(found) == len(wanted), found
        for step, fields in zip(found, wanted, strict=True):
            if isinstance(fields, str):
                assert_settled(step, fields)
                continue
            assert isinstance(step, PlannedSignal), step
            assert {name: as_told(getattr(step.signal, name)) for name in fields} == fields
            assert SINKS[step.outcome.sink].faults(step.signal) is None


@pytest.mark.parametrize("row", ROWS)
def test_signals_stand_in_sending_order_with_their_rows(row):
    steps = plan(plan_input(row))
    assert [kind_of(step) for step in steps] == sorted(map(kind_of, steps), key=SIGNAL_KINDS.index)
    for step in steps:
        if isinstance(step, PlannedSignal):
            signal, line = step.signal, step.outcome
            assert (line.kind, line.key, line.subject) == (signal.kind, signal.key, signal.subject)
            assert line.reference_id == getattr(signal, "reference_id", None)
        else:
            assert step.reason


@pytest.mark.parametrize("row", ROWS)
def test_two_runs_on_the_same_inputs_say_the_same(row):
    assert plan(plan_input(row)) == plan(plan_input(row))


def test_github_is_told_by_its_id_alone():
    (signal,) = planned("pull-services", on="github merged")
    assert next(dx.send(signal, "classic")).body == {"github_pull_id": 1497468863, "services": ["payments", "web"]}


def test_gitlab_is_told_by_project_and_iid():
    (signal,) = planned("pull-services", on="gitlab push", landed={"number": 12, "id": 999, "merged": True})
    body = {"repository": "group/sub/shop", "pull_number": 12, "services": ["payments", "web"]}
    assert next(dx.send(signal, "classic")).body == body


def deployment_id(settings=None, **row):
    wanted = {"deploy_services": "web"} | (settings or {})
    (signal,) = planned("deployment", **{"on": "github push", "settings": wanted, **row})
    return signal.reference_id


def run_id(**row):
    (signal,) = planned("pipeline-run", **{"on": "github push", **row})
    return signal.reference_id


JOB = {"run_scope": "job"}


@pytest.mark.parametrize(
    ("made", "reference"),
    [
        (lambda: run_id(), "github.com/acme%2Fshop/runs/901/attempts/1"),
        (lambda: run_id(settings=JOB), "github.com/acme%2Fshop/runs/901/attempts/1/jobs/build"),
        (lambda: run_id(on="gitlab push"), "gitlab.com/group%2Fsub%2Fshop/runs/5001"),
        (lambda: run_id(on="gitlab push", settings=JOB), "gitlab.com/group%2Fsub%2Fshop/runs/5001/jobs/77"),
        (lambda: run_id(context={"server": None, "repository": None, "run_id": None}), "github/%/runs/%/attempts/1"),
        (lambda: run_id(on="local", settings={"run_id": "17"}, context={"run_id": "17"}), "github.com/acme%2Fshop/runs/17"),
        (
            lambda: run_id(on="local", settings={"run_id": "17"}, context={"run_id": "17", "pipeline_id": "ci/web"}),
            "github.com/acme%2Fshop/pipelines/ci%2Fweb/runs/17",
        ),
        (
            lambda: run_id(settings=JOB | {"job_run_id": "296", "matrix": '{"os": "linux"}'}, context={"job_id": "296"}),
            "github.com/acme%2Fshop/runs/901/attempts/1/jobs/296",
        ),
        (
            lambda: deployment_id(settings={"environment": "production"}),
            f"github.com/acme%2Fshop/deployments/web/production/{MERGE}/runs/901/attempts/1/jobs/build",
        ),
        (
            lambda: deployment_id(on="gitlab push"),
            f"gitlab.com/group%2Fsub%2Fshop/deployments/web/%/{MERGE}/runs/5001/jobs/77",
        ),
    ],
)  # fmt: skip
def test_ids_stay_what_they_are_from_release_to_release(made, reference):
    """A run that a release falls into would otherwise have two records."""
    assert made() == reference


@pytest.mark.parametrize(
    "change",
    [
        {"context": {"server": "github.example.com"}},
        {"context": {"repository": "acme/other"}},
        {"context": {"run_id": "902"}},
        {"context": {"run_attempt": 2}},
        {"context": {"job": "other"}},
        {"context": {"job_id": "296"}},
        {"context": {"pipeline_id": "jenkins/web"}},
        {"context": {"commit_sha": OLD}},
        {"settings": {"deploy_services": "payments"}},
        {"settings": {"environment": "staging"}},
        {"settings": {"matrix": '{"os": "linux"}'}},
        {"settings": {"merge_commit_shas": "a0e61dfff93b"}},
    ],
    ids=str,
)
def test_whatever_tells_deployments_apart_changes_their_id(change):
    assert deployment_id(**change) != deployment_id()


@pytest.mark.parametrize(
    "change",
    [
        {"now": NOW + 60},
        {"stage": "post", "settings": {"job_status": "success"}},
        {"settings": {"deployed_at": "1700000001"}},
        {"settings": {"metadata": '{"a": 1}'}},
        {"settings": {"source_name": "argoCD"}},
        {"settings": {"matrix": "null"}},
        {"settings": {"matrix": "{}"}},
        {"settings": {"run_scope": "job"}},
    ],
    ids=str,
)
def test_nothing_else_changes_the_id_of_a_deployment(change):
    assert deployment_id(**change) == deployment_id()


@pytest.mark.parametrize(
    "change",
    [
        {"context": {"server": "github.example.com"}},
        {"context": {"repository": "acme/other"}},
        {"context": {"run_id": "902"}},
        {"context": {"run_attempt": 2}},
        {"context": {"pipeline_id": "jenkins/web"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("scope", ["workflow", "job"])
def test_another_run_or_attempt_is_another_record(change, scope):
    settings = {"run_scope": scope}
    assert run_id(settings=settings, **change) != run_id(settings=settings)


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "main"},
        {"stage": "post", "settings": {"job_status": "failure"}},
        {"now": NOW + 60},
        {"settings": {"status": "success"}},
        {"settings": {"pipeline_name": "other"}},
        {"settings": {"matrix": '{"os": "linux"}'}},
        {"context": {"job": "other"}},
        {"context": {"job_id": "296"}},
        {"settings": {"job_run_id": "296"}},
        {"context": {"commit_sha": OLD}},
    ],
    ids=str,
)
def test_every_statement_about_one_run_has_its_id(change):
    assert run_id(**change) == run_id()


def test_job_scope_keeps_jobs_and_matrix_legs_apart():
    legs = [
        run_id(settings=JOB),
        run_id(settings=JOB, context={"job": "other"}),
        run_id(settings=JOB | {"matrix": '{"os": "linux", "py": 3}'}),
        run_id(settings=JOB | {"matrix": '{"os": "linux", "py": 4}'}),
        run_id(settings=JOB | {"matrix": '{"os": "linux", "py": "3"}'}),
    ]
    assert len(set(legs)) == len(legs)


def test_a_matrix_leg_is_the_same_however_its_values_are_ordered():
    one, other = '{"os": "linux", "py": 3}', '{ "py":3, "os":"linux" }'
    assert run_id(settings=JOB | {"matrix": one}) == run_id(settings=JOB | {"matrix": other})


def test_a_retried_gitlab_job_is_a_record_of_its_own_in_job_scope_only():
    retried = {"context": {"job_id": "78"}}
    assert run_id(on="gitlab push", **retried) == run_id(on="gitlab push")
    assert run_id(on="gitlab push", settings=JOB, **retried) != run_id(on="gitlab push", settings=JOB)


def test_an_id_of_hostile_names_is_still_an_id():
    hostile = "x\n::error::\ud800" + "é" * 300
    made = deployment_id(settings={"environment": "prod\udcff"}, context={"job": hostile, "repository": hostile})
    assert len(made) <= 255
    assert made.isascii()
    assert made.isprintable()


def dci_tag(**row):
    steps = planned("dci", **{"on": "github push", "settings": {"dci_topic": "T"}, "dci": ["id", "secret"], **row})
    return steps[0].correlation


@pytest.mark.parametrize(
    ("row", "tag"),
    [
        ({}, "ci:github.com:acme/shop:901:1:build"),
        ({"stage": "main"}, "ci:github.com:acme/shop:901:1:build"),
        (
            {"settings": {"dci_topic": "T", "matrix": '{"os": "a,b"}'}},
            "ci:github.com:acme/shop:901:1:build:ff7c11a16cfe",
        ),
        ({"context": {"job_id": "296"}}, "ci:github.com:acme/shop:901:1:296"),
        (
            {
                "context": {"job_id": "296"},
                "settings": {"dci_topic": "T", "job_run_id": "296", "matrix": '{"os": "a"}'},
            },
            "ci:github.com:acme/shop:901:1:296",
        ),
        ({"context": {"pipeline_id": "ci:8080/web"}}, "ci:github.com:acme/shop:ci%3A8080/web:901:1:build"),
        ({"on": "gitlab push"}, "ci:gitlab.com:group/sub/shop:5001:1:77"),
        ({"on": "gitlab push", "stage": "main"}, "ci:gitlab.com:group/sub/shop:5001:1"),
        ({"context": {"job": "a,b*"}}, "ci:github.com:acme/shop:901:1:a%2Cb%2A"),
        ({"context": {"server": "git.example:8443"}}, "ci:git.example%3A8443:acme/shop:901:1:build"),
    ],
)
def test_the_tag_of_a_dci_job_stays_what_it_is_from_release_to_release(row, tag):
    """A job that a release falls into would otherwise be two."""
    assert dci_tag(**row) == tag


def test_every_stage_of_a_run_finds_the_same_dci_job():
    main = dci_tag(stage="main")
    assert dci_tag(stage="post", settings={"dci_topic": "T", "job_status": "failure"}) == main
    pipeline = dci_tag(on="gitlab push", stage="main", context={"job": "beacon-running", "job_id": "1"})
    ended = {"on": "gitlab push", "stage": "post", "settings": {"dci_topic": "T", "job_status": "failed"}}
    assert dci_tag(**ended, context={"job": "beacon-failure", "job_id": "9"}) == pipeline


@pytest.mark.parametrize(
    "change",
    [
        {"context": {"server": "github.example.com"}},
        {"context": {"repository": "acme/other"}},
        {"context": {"run_id": "902"}},
        {"context": {"run_attempt": 2}},
        {"context": {"job": "other"}},
        {"settings": {"dci_topic": "T", "matrix": '{"os": "linux"}'}},
    ],
    ids=str,
)
def test_whatever_tells_dci_jobs_apart_changes_their_tag(change):
    assert dci_tag(**change) != dci_tag()


def test_the_tag_of_hostile_names_can_be_asked_for():
    tag = dci_tag(context={"job": "x\n,*\ud800" + "é" * 300, "repository": "a,b:c"})
    assert len(tag) <= 255
    assert tag.isascii()
    assert tag.isprintable()
    assert not {",", "*", " "} & set(tag)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "CI / build"),
        ({"dci_name": "nightly"}, "nightly"),
        ({"pipeline_name": "release"}, "release / build"),
        ({"matrix": '{"os": "linux", "python": 3.11}'}, "CI / build (linux, 3.11)"),
        ({"dci_name": "n" * 300}, "n" * 255),
    ],
)
def test_a_dci_job_has_the_same_name_in_every_run(settings, name):
    """DCI compares the results of jobs of one name."""
    for context in ({}, {"run_id": "902", "commit_sha": OLD}):
        told = {"dci_topic": "T", **settings}
        (job,) = planned("dci", on="github push", settings=told, dci=["id", "secret"], context=context)
        assert (job.name, job.change_url) == (name, None)


def test_the_change_of_a_dci_job_is_the_pull_request_and_never_the_run():
    page = "https://github.com/acme/shop/pull/7"
    row = {"on": "github open", "settings": {"dci_topic": "T"}, "dci": ["id", "secret"], "pull_request": {"url": page}}
    (job,) = planned("dci", **row)
    assert job.change_url == page
    assert job.data["run_url"] == job.note.partition(": ")[2] == GITHUB["run_url"]
