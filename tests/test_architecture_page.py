"""What docs/architecture.md adds to the product as examples works: each is applied to a copy, and a run uses it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


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


def test_a_sink_is_a_file_for_its_settings_one_for_its_requests_and_a_line_for_each(copy, tmp_path):
    apply, run = copy
    apply("A sink")
    heard, accepts = [], [False]

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(
                (
                    self.path,
                    self.headers["Authorization"],
                    json.loads(self.rfile.read(int(self.headers["Content-Length"]))),
                )
            )
            self.send_response(201 if accepts[0] else 401)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Chat) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        variables = {
            "CIBEACON_RUN_ID": "1",
            "CIBEACON_REPOSITORY": "acme/shop",
            "CIBEACON_DEPLOY_SERVICES": "cart",
            "CIBEACON_ATTRIBUTION": "repository",
            "CIBEACON_DRY_RUN": "false",
            "CIBEACON_SPOOL": str(tmp_path / "spool"),
            "CIBEACON_CHAT_URL": f"http://127.0.0.1:{server.server_port}",
            "CIBEACON_CHAT_TOKEN": "chat-token",
        }
        message = ("/messages", "Bearer chat-token", {"text": "deployed cart"})
        assert outcomes(run("report", **variables))["chat", "deployment"] == "failed"
        accepts[0] = True
        assert outcomes(run("replay", **variables)) == {("chat", "deployment"): "sent"}
        server.shutdown()
    assert heard == [message, message]
    assert "chat" not in {sink for sink, _ in outcomes(run("report", CIBEACON_DEPLOY_SERVICES="cart"))}


def test_a_setting_is_a_field(copy):
    apply, run = copy
    apply("A setting")
    flags = ("--environment=eu", "--environment-prefix=prod-", "--deploy-services=cart", "--attribution=repository")
    document = run("report", *flags, CIBEACON_RUN_ID="1", CIBEACON_REPOSITORY="acme/shop")
    (signal,) = [signal for signal in document["signals"] if signal["kind"] == "deployment"]
    assert signal["request"]["body"]["environment"] == "prod-eu"


def outcomes(document):
    """Sink and kind of each signal → its outcome."""
    return {(signal["sink"], signal["kind"]): signal["outcome"] for signal in document["signals"]}
