"""A set-up without problems: a push on GitHub, its checkout, DX and GitHub's API on this machine."""

from __future__ import annotations

import json
import time
from pathlib import Path

from cibeacon.sandbox.server import Sandbox
from forge import Forge
from processes import cibeacon
from repositories import Worktree

TOKEN = "good-token-1234"
OTLP_TOKEN = "good-otlp-token"
MAP = "discover:\n  - root: services/{service}/\n"


class DoctorPlace:
    """The set-up in a folder; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "shop"
        tree = Worktree.new(self.root)
        self.first = tree.commit({".cibeacon.yml": MAP, "README.md": "", "services/pay/main.py": "1\n"})
        self.tip = tree.commit({"services/pay/main.py": "2\n"})
        self.tree = tree
        tree.git("remote", "add", "origin", "https://github.com/acme/shop.git")
        self.sandbox = Sandbox(token=TOKEN, otlp=OTLP_TOKEN)
        self.forge = Forge(pulls={"acme/shop": []}, parents={self.tip: [self.first], self.first: []})

    def __enter__(self) -> DoctorPlace:
        self.sandbox.start()
        self.forge.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.forge.stop()
        self.sandbox.stop()

    def environ(self, before: str = "", after: str = "") -> dict[str, str]:
        """The variables of the run."""
        temp = self.folder / "temp"
        temp.mkdir(exist_ok=True)
        event = {
            "before": before or self.first,
            "after": after or self.tip,
            "ref": "refs/heads/main",
            "repository": {"full_name": "acme/shop", "default_branch": "main"},
        }
        (temp / "event.json").write_text(json.dumps(event))
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.forge.url,
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": str(temp / "event.json"),
            "GITHUB_JOB": "deploy",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": "77",
            "GITHUB_SERVER_URL": "http://127.0.0.1:9",
            "GITHUB_SHA": after or self.tip,
            "GITHUB_TOKEN": "ghs_token",
            "GITHUB_WORKFLOW": "ship",
            "HOME": str(self.folder),
            "RUNNER_TEMP": str(temp),
            "CIBEACON_DX_URL": self.sandbox.url,
            "DX_API_TOKEN": TOKEN,
        }

    def run(self, *argv, environ=None, cwd=None):
        """Runs `cibeacon doctor` there."""
        environ = self.environ() if environ is None else environ
        return cibeacon("doctor", *argv, environ=environ, cwd=cwd or self.root, began=int(time.time()))


def findings(ended):
    """Id → state of every check that warned or failed."""
    rows = ended.document["findings"]
    return {row["id"]: row["state"] for row in rows if row["state"] in ("warn", "fail")}
