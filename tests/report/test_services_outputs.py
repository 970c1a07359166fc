"""What `cibeacon services` leaves for later steps and jobs: enough for a matrix, and nothing about signals."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from processes import cibeacon


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Monorepo(tmp_path_factory.mktemp("services") / "shop", {"PATH": "/usr/local/bin:/usr/bin:/bin"})


@pytest.fixture(scope="module")
def pushed(shop):
    before = shop.git("rev-parse", "HEAD")
    return before, shop.commit("Pay and order", {"services/payments/main.py": "1\n", "services/orders/main.py": "2\n"})


def on_github(shop, ends, folder):
    environ = runs.github("push", runs.pushed(*ends), ends[1], 7, folder)
    ended = cibeacon("services", environ=environ, cwd=shop.root)
    pairs = re.findall(r"^(\w+)<<(\S+)\n(.*)\n\2$", (folder / "output").read_text(), re.M)
    return ended, {name: value for name, _, value in pairs}


def test_on_github_the_output_is_a_matrix_as_it_stands(shop, pushed, tmp_path):
    ended, outputs = on_github(shop, pushed, tmp_path)
    assert ended.code == 0
    assert set(outputs) == {"services", "services_status", "report"}
    assert json.loads(outputs["services"]) == ["orders", "payments"]
    assert outputs["services_status"] == "ok"
    assert outputs["report"].endswith("/cibeacon/services.json")
    assert json.loads(Path(outputs["report"]).read_text())["changes"]["services"] == ["orders", "payments"]


def test_on_github_the_summary_is_about_services(shop, pushed, tmp_path):
    on_github(shop, pushed, tmp_path)
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("### cibeacon: services\n")
    assert "| payments | services/payments/main.py |" in summary


def test_where_nothing_changed_the_list_is_empty_and_says_so(shop, pushed, tmp_path):
    _, outputs = on_github(shop, (pushed[1], shop.commit("Words", {"README.md": "shop\n\n"})), tmp_path)
    assert (outputs["services"], outputs["services_status"]) == ("[]", "none")


def test_where_nobody_knows_the_list_is_empty_and_says_so(shop, tmp_path):
    _, outputs = on_github(shop, ("1" * 40, "2" * 40), tmp_path)
    assert (outputs["services"], outputs["services_status"]) == ("[]", "unknown")


def test_a_step_for_services_leaves_the_report_of_another_step_alone(shop, pushed, tmp_path):
    environ = runs.github("push", runs.pushed(*pushed), pushed[1], 7, tmp_path)
    cibeacon("report", "--dry-run", environ=environ, cwd=shop.root)
    on_github(shop, pushed, tmp_path)
    assert json.loads((tmp_path / "cibeacon" / "report.json").read_text())["status"] == "dry-run"


def test_on_gitlab_they_are_variables_of_later_jobs_and_an_artifact(shop, pushed, tmp_path):
    environ = runs.gitlab(*pushed, 8, "http://127.0.0.1:9", tmp_path) | {"CI_JOB_TOKEN": ""}
    assert cibeacon("services", environ=environ, cwd=shop.root).code == 0
    assert (tmp_path / "cibeacon.env").read_text().splitlines() == [
        'CIBEACON_OUT_SERVICES=["orders", "payments"]',
        "CIBEACON_OUT_SERVICES_STATUS=ok",
        "CIBEACON_OUT_REPORT=cibeacon-services.json",
    ]
    assert json.loads((tmp_path / "cibeacon-services.json").read_text())["changes"]["status"] == "ok"
