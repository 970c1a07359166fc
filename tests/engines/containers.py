"""Knows the container engine: whether one answers, the product's image, which containers still run. Knows no CI host."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
TAG = f"cibeacon-test:{zlib.crc32(bytes(ROOT)):08x}"
"""One name for a working copy, so that two of them do not test each other's image."""
LABEL = f"cibeacon-test={os.getpid()}"


def docker(*arguments: str, check: bool = True, timeout: float = 300) -> str:
    """What a docker command prints, without white space around it."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout, env=_environ()
    )
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def _environ() -> Mapping[str, str]:
    """Ours, with BuildKit only where the client has it: the Dockerfile must build without it too."""
    buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0
    return os.environ | {"DOCKER_BUILDKIT": "1" if buildx else "0"}


def answers() -> bool:
    """Whether there is an engine."""
    try:
        return bool(docker("version", "--format", "{{.Server.Version}}", check=False, timeout=20))
    except (OSError, subprocess.TimeoutExpired):
        return False


def built() -> str:
    """The tag of the product's image, built from the working copy as users build it."""
    base = subprocess.run([ROOT / "scripts" / "engine-base"], capture_output=True, text=True, check=False, timeout=600)
    if base.returncode:
        raise RuntimeError(f"scripts/engine-base made no base image:\n{base.stdout}{base.stderr}")
    docker("build", "--quiet", f"--network={network()}", "--tag", TAG, str(ROOT), timeout=600)
    return TAG


def network() -> str:
    """The network of a build: the host's where the kernel allows no bridge."""
    return "default" if docker("network", "ls", "--quiet", "--filter", "name=^bridge$") else "host"


def left_running() -> list[str]:
    """The tests' containers that exist, running or not."""
    return docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()


def owned(folder: Path, user: int, group: int, image: str) -> None:
    """Gives a folder and all in it to a user, which takes a container where the tests are not root."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, group, follow_symlinks=False)
        return
    words = ("--entrypoint=chown", image, "--recursive", "--no-dereference", f"{user}:{group}", "/mnt")
    docker("run", "--rm", f"--volume={folder}:/mnt", *words)


def ours(folder: Path, image: str) -> None:
    """Gives what containers wrote, as root or anybody, back to whoever runs the tests."""
    if os.geteuid() != 0:
        owned(folder, os.geteuid(), os.getegid(), image)
