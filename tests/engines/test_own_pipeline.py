"""This project's own pipeline at GitLab: which jobs it has when, and that its checks of the components can fail."""

from __future__ import annotations

import pipelines
import pytest
import yaml
from containers import ROOT
from pipelines import Project

pytestmark = pytest.mark.engine

FILES = ("templates/report.yml", "templates/services.yml")
PIPELINE = (ROOT / ".gitlab-ci.yml").read_text(encoding="utf-8")
BUILT = {"build-image": {"stage": "build", "script": ["true"]}}
"""The image is there already: here jobs run where cibeacon is installed."""
OURS = {"cibeacon-running", "cibeacon-services"}


@pytest.fixture
def project(tmp_path):
    if fault := pipelines.missing():
        pytest.skip(fault)
    made = Project(tmp_path, tmp_path / "remotes")
    made.commit(yaml.safe_load(PIPELINE) | BUILT, **{name: (ROOT / name).read_text(encoding="utf-8") for name in FILES})
    return made


def run(project, *jobs, **variables):
    """These jobs and those that they need."""
    return project.run({"CI_JOB_TOKEN": None, **variables}, jobs=jobs)


def test_the_checks_pass_on_what_the_components_leave(project):
    ended = run(project, "check-end")
    assert (ended.code, set(ended.jobs)) == (0, {*BUILT, *OURS, "check", "cibeacon-success", "check-end"}), ended.said


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("dry_run: true", "strict: true"),
        ("jq: .changes.services", "jq: .changes"),
        ("dx_url: acme", "signals: deployment"),
    ],
)
def test_the_checks_fail_where_a_component_does_not_do_its_work(project, right, wrong):
    assert right in PIPELINE
    project.commit(yaml.safe_load(PIPELINE.replace(right, wrong, 1)) | BUILT)
    ended = run(project, "check")
    assert (ended.code, set(ended.jobs)) == (1, {*BUILT, *OURS, "check"}), ended.said


@pytest.mark.parametrize(("tag", "released"), [("1.2.3", True), (None, False)])
def test_only_a_version_is_released_and_tried_as_its_users_get_it(project, tag, released):
    ended = project.run({"CI_COMMIT_TAG": tag} if tag else {}, jobs=("--list-csv-all",))
    listed = {line.split(";")[0]: line for line in ended.said.splitlines() if ";" in line}
    rows = {name: ";never;" not in line for name, line in listed.items()}
    assert {"check", "check-end", "build-image", "cibeacon-success", *OURS} <= {
        name for name, runs in rows.items() if runs
    }
    assert rows["release"] is released, ended.said
    assert rows["released-running"] is released
