"""What docs/architecture.md adds to the product as examples works: each is applied to a copy, and a run uses it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")

CHECKS = ("chat.settings", "chat.token.shape", "chat.reach", "chat.auth")


def example(title):
    """The fenced blocks of an example: file name, language and text; a block begins with a comment that names its file."""
    part = PAGE.partition(f"### {title}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    blocks = re.findall(r"^```(python|diff)\n# (\S+)\n(.*?)^```", part, re.S | re.M)
    assert blocks, title
    return blocks


@pytest.fixture
def copy(tmp_path):
    """A copy of the product, with a function that applies an example and one that runs the command line."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (tmp_path / "work").mkdir()

    def apply(title):
        for language, name, text in example(title):
            path = tmp_path / name
            if language == "python":
                assert not path.exists()
                path.write_text(text, encoding="utf-8")
                continue
            whole = path.read_text(encoding="utf-8")
            old = "".join(f"{line[1:]}\n" for line in text.splitlines() if line[0] != "+")
            new = "".join(f"{line[1:]}\n" for line in text.splitlines() if line[0] != "-")
            assert whole.count(old) == 1, f"{name} has no such lines:\n{old}"
            path.write_text(whole.replace(old, new), encoding="utf-8")

    def run(*argv, **environ):
        ended = subprocess.run(
            [sys.executable, "-m", "cibeacon", *argv, "--format", "json"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "src"), **environ},
            cwd=tmp_path / "work",
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return apply, run


def test_a_ci_system_is_a_file_and_a_line(copy):
    apply, run = copy
    variables = {
        "VELA": "true",
        "VELA_REPO_FULL_NAME": "acme/shop",
        "VELA_REPO_CLONE": "https://github.com/acme/shop.git",
        "VELA_BUILD_NUMBER": "42",
        "VELA_BUILD_COMMIT": "d1a34f0" + "0" * 33,
        "VELA_BUILD_BRANCH": "topic",
        "VELA_BUILD_LINK": "https://vela.example.com/acme/shop/42",
    }
    assert run("report", "--dry-run", **variables)["context"]["host"] != "vela"
    apply("A CI system")
    document = run("report", "--dry-run", **variables)
    context = document["context"]
    assert (context["host"], context["repository"], context["run_id"]) == ("vela", "acme/shop", "42")
    (signal,) = [signal for signal in document["signals"] if signal["kind"] == "pipeline-run"]
    assert signal["request"]["body"]["pipeline_source"] == "Vela"
    assert signal["request"]["body"]["reference_id"] == "github.com/acme%2Fshop/pipelines/vela.example.com/runs/42"


def test_its_cases_are_a_file_that_contributing_shows(copy, tmp_path):
    """The cases of the contributors' page are run against the file of this one."""
    apply, _ = copy
    apply("A CI system")
    part = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## A new CI system")[2]
    shutil.copytree(ROOT / "tests/ci", tmp_path / "tests/ci", ignore=shutil.ignore_patterns("__pycache__", "systems"))
    shutil.copytree(ROOT / "tests/support", tmp_path / "tests/support", ignore=shutil.ignore_patterns("__pycache__"))
    cases = tmp_path / "tests/ci/systems/vela.json"
    cases.parent.mkdir()
    cases.write_text(re.search(r"^```json\n(.*?)^```", part, re.S | re.M)[1], encoding="utf-8")
    paths = os.pathsep.join(str(tmp_path / name) for name in ("src", "tests/support"))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path / "tests/ci/test_systems.py"],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert " passed" in ended.stdout


def test_a_sink_is_four_files_of_its_name_and_a_line_for_each(copy, tmp_path):
    apply, run = copy
    apply("A sink")
    variables = {
        "CIBEACON_RUN_ID": "1",
        "CIBEACON_REPOSITORY": "acme/shop",
        "CIBEACON_DEPLOY_SERVICES": "cart",
        "CIBEACON_ATTRIBUTION": "repository",
        "CIBEACON_DRY_RUN": "false",
        "CIBEACON_SPOOL": str(tmp_path / "spool"),
    }
    with sandbox_of(tmp_path) as exported:
        environ = {name: value for name, value in exported.items() if "_CHAT_" in name}
        rejected = run("report", **variables, **environ | {"CIBEACON_CHAT_TOKEN": "wrong"})
        assert outcomes(rejected)["chat", "deployment"] == "failed"
        replayed = run("replay", **variables, **environ)
        assert outcomes(replayed) == {("chat", "deployment"): "sent"}, json.dumps(replayed["signals"])
        checks = run("doctor", "--only=chat", **variables, **environ)["findings"]
        assert {check["id"]: check["state"] for check in checks} == dict.fromkeys(CHECKS, "ok")
        with urlopen(f"{exported['CIBEACON_DX_URL']}/ledger") as ledger:
            held = json.load(ledger)
    assert held["chat"] == {"1": "deployed cart"}
    assert [(entry["vendor"], entry["status"]) for entry in held["requests"]] == [
        ("chat", 401),
        ("chat", 201),
        ("chat", 422),
    ]
    assert "chat" not in {sink for sink, _ in outcomes(run("report", CIBEACON_DEPLOY_SERVICES="cart"))}


def test_a_setting_is_a_field(copy):
    apply, run = copy
    apply("A setting")
    flags = ("--environment=eu", "--environment-prefix=prod-", "--deploy-services=cart", "--attribution=repository")
    document = run("report", *flags, CIBEACON_RUN_ID="1", CIBEACON_REPOSITORY="acme/shop")
    (signal,) = [signal for signal in document["signals"] if signal["kind"] == "deployment"]
    assert signal["request"]["body"]["environment"] == "prod-eu"


@contextmanager
def sandbox_of(folder):
    """The sandbox of the copy in a folder while it runs: the settings that it prints."""
    command = [sys.executable, "-m", "cibeacon", "sandbox", "--port=0"]
    environ, printed = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder / "src")}, folder / "printed"
    with (
        printed.open("w") as stdout,
        subprocess.Popen(command, cwd=folder, env=environ, stdout=stdout, stderr=subprocess.PIPE, text=True) as running,
    ):
        try:
            running.stderr.readline()  # follows the settings
            yield dict(re.findall(r"^export (\w+)=(.*)$", printed.read_text(), re.M))
        finally:
            running.terminate()


def outcomes(document):
    """Sink and kind of each signal → its outcome."""
    return {(signal["sink"], signal["kind"]): signal["outcome"] for signal in document["signals"]}
