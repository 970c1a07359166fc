"""Does with a container action what GitHub's runner does: folders, mounts, environment, inputs, file commands, state.

A stage is a new container of the same image. What the runner itself does not need to be is left out: there is no job,
no workflow and no server.
"""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from containers import LABEL, ROOT
from file_commands import parsed

FILES = {
    "GITHUB_PATH": "add_path",
    "GITHUB_ENV": "set_env",
    "GITHUB_OUTPUT": "set_output",
    "GITHUB_STATE": "save_state",
    "GITHUB_STEP_SUMMARY": "step_summary",
}
ENTRYPOINTS = {"pre": "pre-entrypoint", "main": "entrypoint", "post": "post-entrypoint"}
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


class Ended(NamedTuple):
    """What a stage left behind. `code` is the docker client's, which is the container's."""

    code: int
    log: str
    state: dict[str, str]
    outputs: dict[str, str]
    environment: dict[str, str]
    summary: str


class Step:
    """One `uses:` step of a job.

    Args:
        image: the action's image.
        temp: the runner's `_temp` folder, made here.
        workspace: the checkout on the host.
        variables: the job's variables, as `tests/ci/github/*.json` hold them.
        event: the payload.
        inputs: the step's `with:`.
        options: more options for `docker run`; one that is given twice holds the last time.
    """

    def __init__(
        self,
        image: str,
        temp: Path,
        workspace: Path,
        variables: Mapping[str, str],
        event: Mapping[str, Any],
        inputs: Mapping[str, str],
        *options: str,
        read_only_workspace: bool = False,
    ) -> None:
        self.temp, self.state = temp, dict[str, str]()
        self._image, self._inputs, self._options = image, inputs, options
        self._folders = {
            "/github/workspace": workspace,
            "/github/home": temp / "_github_home",
            "/github/workflow": temp / "_github_workflow",
            "/github/file_commands": temp / "_runner_file_commands",
            "/github/runner_temp": temp,
        }
        """Where the runner's folders are in the container; a folder stands before the one that holds it."""
        for folder in self._folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        (temp / "_github_workflow" / "event.json").write_text(json.dumps(event), encoding="utf-8")
        self._read_only = {"/github/workspace"} if read_only_workspace else set()
        self._variables = {
            **{name: value for name, value in variables.items() if name not in FILES},
            "GITHUB_EVENT_PATH": str(temp / "_github_workflow" / "event.json"),
            "GITHUB_WORKSPACE": str(workspace),
            "RUNNER_TEMP": str(temp),
            "HOME": str(temp / "_github_home"),
        }

    def run(self, stage: str, job_status: str = "success", *options: str, network: str = "host") -> Ended:
        """A stage from start to end."""
        return self.start(stage, job_status, *options, network=network).ended()

    def start(self, stage: str, job_status: str = "success", *options: str, network: str = "host") -> Running:
        """A stage that has begun."""
        mark = uuid.uuid4()
        files = {name: self._folders["/github/file_commands"] / f"{file}_{mark}" for name, file in FILES.items()}
        for path in files.values():
            path.touch()
        environ = {
            **self._variables,
            **{name: str(path) for name, path in files.items()},
            **{f"INPUT_{name.upper().replace(' ', '_')}": value for name, value in self._with(job_status).items()},
            **{f"STATE_{name}": value for name, value in self.state.items()},
        }
        environ = {name: self._moved(value) for name, value in environ.items()}
        command = self._command(environ, stage, (f"--network={network}", *options))
        process = subprocess.Popen(
            command,
            env=_ours() | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Running(process, _after(command, "--name"), self, files)

    def _command(self, environ: Mapping[str, str], stage: str, options: Sequence[str]) -> list[str]:
        entrypoint = ACTION["runs"][ENTRYPOINTS[stage]]
        volumes = [
            f"{folder}:{place}{':ro' if place in self._read_only else ''}" for place, folder in self._folders.items()
        ]
        name = f"cibeacon_{uuid.uuid4().hex[:6]}"
        return [
            *("docker", "run", "--name", name, "--label", LABEL, "--workdir", "/github/workspace", "--rm"),
            *(word for variable in sorted(environ) for word in ("-e", variable)),
            *("-e", "GITHUB_ACTIONS=true", "-e", "CI=true", "--entrypoint", entrypoint),
            *(word for volume in volumes for word in ("-v", volume)),
            *(*self._options, *options, self._image, *ACTION["runs"].get("args", ())),
        ]

    def _with(self, job_status: str) -> dict[str, str]:
        """The inputs: a default holds only where nothing at all is given, and is evaluated afresh in each stage."""
        contexts = {
            "${{ job.status }}": job_status,
            "${{ github.token }}": "ghs_job",
            "${{ toJSON(matrix) }}": "null",
            "${{ job.check_run_id }}": "29600000001",
        }
        defaults = {name: spec.get("default", "") for name, spec in ACTION["inputs"].items()}
        return {name: contexts.get(value, value) for name, value in defaults.items()} | dict(self._inputs)

    def _moved(self, value: str) -> str:
        """A value that is a path below a mounted folder, as the container sees it."""
        for place, folder in self._folders.items():
            if value == str(folder) or value.startswith(f"{folder}/"):
                return place + value.removeprefix(str(folder))
        return value


class Running:
    """A stage under way."""

    def __init__(self, process: subprocess.Popen[str], name: str, step: Step, files: Mapping[str, Path]) -> None:
        self.client, self.name = process, name
        self._step, self._files = step, files

    def ended(self) -> Ended:
        """What it left behind, once it has ended. The state is kept for the step's later stages."""
        log, _ = self.client.communicate(timeout=120)
        state, outputs, environment = (
            parsed(self._files[name].read_text(encoding="utf-8"))
            for name in ("GITHUB_STATE", "GITHUB_OUTPUT", "GITHUB_ENV")
        )
        self._step.state |= state
        summary = self._files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
        return Ended(self.client.returncode, log, state, outputs, environment, summary)


def _ours() -> dict[str, str]:
    """What the docker client itself needs."""
    return {name: os.environ[name] for name in ("PATH", "DOCKER_HOST", "DOCKER_CONTEXT") if name in os.environ}


def _after(words: Sequence[str], word: str) -> str:
    return words[words.index(word) + 1]
