"""The image as a plugin on Drone, Woodpecker and Harness: without a command it reports, and settings are variables."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cibeacon.sandbox.server import Sandbox
from cibeacon.settings import all_options
from processes import cibeacon
from repositories import Worktree

TOKEN = "plugin-token-1"
ON = {
    "drone": {"DRONE": "true", "DRONE_REPO": "acme/shop", "DRONE_BUILD_NUMBER": "42"},
    "woodpecker": {"CI": "woodpecker", "CI_REPO": "acme/shop", "CI_PIPELINE_NUMBER": "42"},
    "harness": {"DRONE": "true", "HARNESS_BUILD_ID": "42", "DRONE_REPO": "acme/shop"},
}


@pytest.fixture
def shop(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"services/payments/a.py": "1\n"})
    made.commit({"services/payments/a.py": "2\n"})
    return made.root


@pytest.mark.parametrize("name", ON)
def test_a_step_without_a_command_reports_with_the_plugins_settings(name, shop):
    with Sandbox(token=TOKEN) as dx:
        environ = ON[name] | {"PLUGIN_DX_URL": dx.url, "PLUGIN_DX_TOKEN": TOKEN, "PLUGIN_ENVIRONMENT": "production"}
        ended = cibeacon(environ=environ, cwd=shop)
        (sent,) = [entry["body"] for entry in dx.ledger.document()["requests"]]
        assert dx.faults == []
    assert (ended.code, sent["status"], TOKEN in ended.out + ended.err) == (0, "running", False)


@pytest.mark.parametrize("name", ON)
def test_a_plugin_runs_any_command_that_its_setting_names(name, shop):
    environ = ON[name] | {"PLUGIN_COMMAND": "services --base 'HEAD^1' --head HEAD", "INPUT_COMMAND": "nonsense"}
    ended = cibeacon(environ=environ | {"PLUGIN_SERVICES": "services/{service}/"}, cwd=shop)
    assert (ended.code, "payments" in ended.out) == (0, True)


@pytest.mark.parametrize(("strict", "code"), [("false", 0), ("true", 1)])
def test_a_command_that_is_wrong_costs_a_build_only_where_strict(shop, strict, code):
    ended = cibeacon(environ=ON["drone"] | {"PLUGIN_COMMAND": "nonsense", "PLUGIN_STRICT": strict}, cwd=shop)
    assert (ended.code, "No such command 'nonsense'" in ended.out) == (code, True)


@pytest.mark.parametrize("environ", [{}, {"CI": "true"}, {"JENKINS_URL": "x", "BUILD_TAG": "jenkins-x-1"}])
def test_elsewhere_a_command_line_without_a_word_shows_the_help(shop, environ):
    ended = cibeacon(environ=environ | {"PLUGIN_DX_URL": "acme"}, cwd=shop)
    assert "Usage:" in ended.out + ended.err


def settings_in(document):
    """The names under every `settings:` or `with:` of our steps."""
    if isinstance(document, list):
        return [name for part in document for name in settings_in(part)]
    if not isinstance(document, dict):
        return []
    ours = "cibeacon" in str(document.get("image") or document.get("uses") or "")
    names = list(document.get("settings") or document.get("with") or ()) if ours else []
    return names + settings_in(list(document.values()))


@pytest.mark.parametrize(
    "kit",
    [
        "drone/.drone.yml",
        "woodpecker/.woodpecker.yml",
        "harness/steps.yaml",
        "gitea/.gitea/workflows/cibeacon.yml",
        "forgejo/.forgejo/workflows/cibeacon.yml",
    ],
)
def test_the_files_to_copy_give_settings_that_exist(kit):
    document = yaml.safe_load((Path(__file__).parents[2] / "integrations" / kit).read_text(encoding="utf-8"))
    known = {option.name for group in all_options().values() for option in group}
    names = settings_in(document)
    assert "dx_token" in names
    assert set(names) <= known | {"command"}
