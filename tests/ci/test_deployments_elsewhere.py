"""On any CI system a deployment is announced when it has happened: not by the report at the start of the run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from processes import cibeacon

ROOT = Path(__file__).parents[2]
SYSTEMS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))["run"]
    for path in (Path(__file__).parent / "systems").glob("*.json")
}
SO_FAR = ("azure", "bamboo", "codebuild", "drone", "woodpecker")
"""CI systems that show the result so far from the first step on."""
SAYS_RUNNING = re.compile(
    r'report --status running|status: running|:-running}"|String status = .running|value: running|default: running'
)
PAGES = {path.name for path in (ROOT / "integrations").iterdir()}
KITS = sorted(PAGES - {"argocd", "cloudbuild", "github", "gitlab", *SO_FAR})
"""Kits that report the start of a run, where the CI system itself does not say that it goes on."""
ID = "0c" * 20


def deployment(env, *flags, cwd):
    environ = {name: text for name, text in env.items() if "{" not in text} | {"CIBEACON_COMMIT_SHA": ID}
    said = ("--dry-run", "--format=json", "--dx-url=acme", "--deploy-services=cart", *flags)
    ended = cibeacon("report", *said, environ=environ, cwd=cwd)
    (signal,) = [signal for signal in ended.document["signals"] if signal["kind"] == "deployment"]
    return signal["outcome"], signal["reason"] or ""


@pytest.mark.parametrize("name", SO_FAR)
def test_a_result_so_far_announces_no_deployment(name, tmp_path):
    run = SYSTEMS[name]
    outcome, reason = deployment(run["start"], cwd=tmp_path)
    assert (outcome, "the run is still running" in reason, "last_step" in reason) == ("skipped", True, True)
    for flags in (("--last-step",), ("--status=success",), ("--deploy-success=true",)):
        assert deployment(run["start"], *flags, cwd=tmp_path)[0] == "dry-run"


@pytest.mark.parametrize("name", KITS)
def test_the_file_that_people_copy_says_at_the_start_that_the_run_goes_on(name):
    assert SAYS_RUNNING.search((ROOT / f"docs/ci/{name}.md").read_text(encoding="utf-8"))
