"""Knows how to run a GitLab pipeline on this machine: gitlab-ci-local, a project, and the component behind a remote.

Jobs run by the shell in copies of the checkout, with this environment's cibeacon on the path, or in containers. What a
GitLab server sets and the emulator does not is given as variables. https://github.com/firecow/gitlab-ci-local
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from containers import ROOT, docker

from cibeacon.demo.monorepo import Monorepo

MODULES = Path(__file__).parent / "node_modules"
PROGRAM = MODULES / "gitlab-ci-local" / "dist" / "index.js"
_MACHINE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
NODE = MODULES / f"node-{sys.platform}-{_MACHINE}" / "bin" / "node"
HOST, TOOL, PROJECT = "gitlab.example.com", "cibeacon/cibeacon", "acme/shop"
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Dana Dev",
    "GIT_AUTHOR_EMAIL": "dana@shop.example",
    "GIT_COMMITTER_NAME": "Dana Dev",
    "GIT_COMMITTER_EMAIL": "dana@shop.example",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def missing() -> str | None:
    """What keeps a pipeline from running here, with the next step; None when nothing does."""
    if not PROGRAM.is_file() or not NODE.is_file():
        return "gitlab-ci-local is not installed: run scripts/engines-node (it needs Node.js and npm)"
    if not shutil.which("rsync"):
        return "gitlab-ci-local copies with rsync, which is not installed: apt-get install rsync"
    return None


class Ended(NamedTuple):
    """What a pipeline left behind. `jobs` are those that ran, each with its log."""

    code: int
    said: str
    jobs: Mapping[str, str]
    state: Path

    def artifact(self, job: str, name: str) -> Path:
        """Where a job's artifact is kept."""
        return self.state / "artifacts" / job / name

    def left(self, job: str, name: str) -> Any:
        """The JSON in a file that a job left in its checkout."""
        return json.loads((self.state / "builds" / job / name).read_text(encoding="utf-8"))

    def dotenv(self, job: str) -> dict[str, str]:
        """The variables that a job hands to later ones."""
        text = self.artifact(job, ".gitlab-ci-reports/dotenv/cibeacon.env").read_text(encoding="utf-8")
        return dict(line.split("=", 1) for line in text.splitlines())


def published(folder: Path) -> Path:
    """The folder of GitLab's remotes, with the component as the working copy has it, on `main` and released as 1.0.0."""
    source, remotes = folder / "source", folder / "remotes"
    shutil.copytree(ROOT / "templates", source / "templates")
    shutil.copy(ROOT / ".gitlab-ci-component.yml", source)
    environ = os.environ | _IDENTITY
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        ("commit", "--quiet", "--message=Release"),
        ("tag", "1.0.0"),
        ("clone", "--quiet", "--bare", str(source), str(remotes / f"{TOOL}.git")),
    ):
        subprocess.run(["git", *command], cwd=source, env=environ, check=True, capture_output=True)
    return remotes


def copier(folder: Path) -> str:
    """The tag of an image that has rsync, made from the base of the product's image."""
    base = re.search(r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.M)
    assert base
    install = "apt-get update && apt-get install --yes --no-install-recommends rsync"
    (folder / "Dockerfile").write_text(f"FROM {base[1]}\nRUN {install}\n", encoding="utf-8")
    docker("build", "--quiet", "--network=host", "--tag", "cibeacon-test-copier", str(folder))
    return "cibeacon-test-copier"


class Project:
    """A project at GitLab: a monorepo whose pipelines run here."""

    def __init__(self, folder: Path, remotes: Path) -> None:
        self.shop = Monorepo(folder / "shop", os.environ)
        self.shop.git("remote", "set-url", "origin", f"git@{HOST}:{PROJECT}.git")
        self._folder, self._remotes = folder, remotes
        self._runs = 0

    def commit(self, pipeline: str | Mapping[str, Any], **files: str) -> str:
        """A commit with this pipeline file, as YAML text or as what is in it (JSON is YAML)."""
        text = pipeline if isinstance(pipeline, str) else json.dumps(pipeline, indent=1)
        return self.shop.commit("Set up CI", {".gitlab-ci.yml": text, **files})

    def run(self, variables: Mapping[str, str | None], copier: str | None = None, jobs: Sequence[str] = ()) -> Ended:
        """A pipeline with these variables, of which None takes away one that the emulator sets; or `jobs` and their needs.

        With an image that has rsync, the `copier`, jobs run in containers of their own images, on the host's network.
        """
        self._runs += 1
        state = self._folder / f"state-{self._runs}"
        told: list[str] = []
        here = {} if copier else {"CI_PROJECT_DIR": "."}  # else a job with an image has the folder of a container
        for name, value in (here | dict(variables)).items():
            told += ["--unset-variable", name] if value is None else ["--variable", f"{name}={value}"]
        by_shell = ("--force-shell-executor", "--shell-isolation")
        by_engine = ("--pull-policy", "if-not-present", "--network", "host", "--helper-image", copier or "")
        command = [
            *(str(NODE), str(PROGRAM), "--concurrency", "2", *(by_engine if copier else by_shell)),
            *("--home", str(self._folder / "home"), "--state-dir", os.path.relpath(state, self.shop.root), *told),
            *(("--needs", *jobs) if jobs else ()),
        ]
        done = subprocess.run(
            command, cwd=self.shop.root, env=self._environ(), capture_output=True, text=True, check=False, timeout=120
        )
        jobs = {path.stem: path.read_text(encoding="utf-8") for path in sorted((state / "output").glob("*.log"))}
        return Ended(done.returncode, done.stdout + done.stderr, jobs, state)

    def _environ(self) -> dict[str, str]:
        """The least that a shell runner has; git finds GitLab's remotes in a folder."""
        moved = {
            f"url.file://{self._remotes}/.insteadOf": f"ssh://git@{HOST}:22/",
            f"url.file://{self._remotes}/{TOOL}.insteadOf": f"git@{HOST}:{TOOL}",
        }
        counted = {"GIT_CONFIG_COUNT": str(len(moved))}
        for number, (key, value) in enumerate(moved.items()):
            counted |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        engine = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
        return {"PATH": path, "HOME": str(self._folder), "NO_COLOR": "1", **_IDENTITY, **counted, **engine}
