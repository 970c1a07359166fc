"""What a release does with the files: one image by its digest everywhere, and tags for a version that exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
IMAGE = f"ghcr.io/cibeacon/cibeacon@sha256:{'0123456789abcdef' * 4}"
OTHERS = tuple(
    f"{name}@sha256:{'fedcba9876543210' * 4}"
    for name in (
        "debian:trixie-slim",
        "docker:28",
        "docker:28-dind",
        "registry.gitlab.com/gitlab-org/cli:latest",
    )
)
COMPONENTS = ("report", "services", "dci", "dataops")
GITLAB = (*(f"templates/{name}.yml" for name in COMPONENTS), ".gitlab-ci-component.yml")
FILES = (
    "action.yml",
    "Dockerfile",
    ".gitlab-ci.yml",
    *GITLAB,
    "src/cibeacon/__init__.py",
    "CHANGELOG.md",
    "scripts/pin-image",
    "scripts/release-version",
)


@pytest.fixture
def tree(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(tree, script, *arguments):
    command = [sys.executable, tree / "scripts" / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def texts(tree):
    return {name: (tree / name).read_text() for name in FILES}


def test_every_door_starts_the_image_that_was_pinned(tree):
    before = texts(tree)
    assert run(tree, "pin-image", IMAGE, *OTHERS).returncode == 0
    assert yaml.safe_load((tree / "action.yml").read_text())["runs"]["image"] == f"docker://{IMAGE}"
    for name in GITLAB:
        spec = next(yaml.safe_load_all((tree / name).read_text()))["spec"]
        assert spec["inputs"]["image"]["default"] == IMAGE
    for name, text in texts(tree).items():
        changed = sum(old != new for old, new in zip(before[name].splitlines(), text.splitlines(), strict=True))
        assert changed == {"Dockerfile": 1, ".gitlab-ci.yml": 3}.get(name, name.endswith(".yml")), name


def test_no_image_of_others_keeps_a_tag_that_moves(tree):
    named = run(tree, "pin-image", "--others").stdout.split()
    assert named == [each.partition("@")[0] for each in OTHERS]
    run(tree, "pin-image", IMAGE, *OTHERS)
    pipeline = yaml.safe_load((tree / ".gitlab-ci.yml").read_text())
    jobs = [job for job in pipeline.values() if isinstance(job, dict)]
    started = [each for job in jobs for each in (job.get("image"), *job.get("services", ())) if each]
    assert [each for each in started if not each.startswith("$")] == list(OTHERS[1:])
    assert f"ARG BASE_IMAGE={OTHERS[0]}\n" in (tree / "Dockerfile").read_text()
    assert run(tree, "pin-image", "--others").stdout.split() == named


def test_an_image_of_others_without_its_digest_pins_nothing(tree):
    before = texts(tree)
    for given in (OTHERS[1:], (*OTHERS[:3], "registry.gitlab.com/gitlab-org/cli:latest")):
        done = run(tree, "pin-image", IMAGE, *given)
        assert (done.returncode, "digest" in done.stderr) == (1, True)
        assert texts(tree) == before


def test_no_other_file_names_an_image_to_start():
    named = {
        path.relative_to(ROOT).as_posix()
        for path in (*ROOT.glob("*.yml"), *ROOT.glob(".*.yml"), *ROOT.glob("templates/*.yml"))
        if re.search(r"ghcr\.io/cibeacon|^  image: Dockerfile$", path.read_text(), re.M)
    }
    assert named == {"action.yml", *GITLAB}


def test_pinning_a_second_time_changes_the_digest_alone(tree):
    run(tree, "pin-image", IMAGE, *OTHERS)
    other = IMAGE.replace("0", "1")
    assert run(tree, "pin-image", other, *OTHERS).returncode == 0
    assert IMAGE not in "".join(texts(tree).values())
    assert other in (tree / "action.yml").read_text()


@pytest.mark.parametrize(
    "image", ["", "ghcr.io/cibeacon/cibeacon:v1", IMAGE[:-1], f"{IMAGE}\n  x: y", f'{IMAGE}"', "sha256:" + "0" * 64]
)
def test_what_is_no_image_with_a_digest_is_written_nowhere(tree, image):
    before = texts(tree)
    done = run(tree, "pin-image", image, *OTHERS)
    assert (done.returncode, "digest" in done.stderr) == (1, True)
    assert texts(tree) == before


def test_a_file_that_cannot_be_pinned_leaves_the_others_alone(tree):
    shim = tree / ".gitlab-ci-component.yml"
    shim.write_text(shim.read_text().replace("    image:\n", "    picture:\n"))
    before = texts(tree)
    done = run(tree, "pin-image", IMAGE, *OTHERS)
    assert (done.returncode, ".gitlab-ci-component.yml" in done.stderr) == (1, True)
    assert texts(tree) == before


def released(tree, version, heading=None):
    (tree / "src/cibeacon/__init__.py").write_text(f'"""x"""\n\n__version__ = "{version}"\n')
    (tree / "CHANGELOG.md").write_text(f"# Changelog\n\n## [Unreleased]\n\n## [{heading or version}]\n\n- All of it.\n")


def test_a_version_that_is_ready_has_tags_that_stay_and_tags_that_move(tree):
    released(tree, "12.0.3")
    done = run(tree, "release-version", "12.0.3")
    assert (done.returncode, done.stdout) == (0, "v12.0.3\n12.0.3\nv12 v12.0\n")


@pytest.mark.parametrize(
    ("version", "package", "heading", "says"),
    [
        ("1.2.3", "1.2.2", "1.2.3", "version is 1.2.2"),
        ("1.2.3", "1.2.3", "1.2.30", "no section ## [1.2.3]"),
        ("v1.2.3", "1.2.3", "1.2.3", "three numbers"),
        ("1.2", "1.2", "1.2", "three numbers"),
        ("1.2.3; id", "1.2.3", "1.2.3", "three numbers"),
        ("01.2.3", "1.2.3", "1.2.3", "three numbers"),
    ],
)
def test_a_version_that_is_not_ready_has_no_tags(tree, version, package, heading, says):
    released(tree, package, heading)
    done = run(tree, "release-version", version)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr


def git(tree, *arguments):
    identity = {"GIT_CONFIG_GLOBAL": "/dev/null", "PATH": os.environ["PATH"]}
    for role in ("AUTHOR", "COMMITTER"):
        identity |= {f"GIT_{role}_NAME": "Dana Dev", f"GIT_{role}_EMAIL": "dana@shop.example"}
    done = subprocess.run(["git", *arguments], cwd=tree, env=identity, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def ready(tree):
    """A repository whose tip can be released as 1.2.3."""
    shutil.copy(ROOT / "scripts/release-commit", tree / "scripts")
    released(tree, "1.2.3")
    git(tree, "init", "--quiet", "--initial-branch=main")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message=Ready")
    return tree


def committed(tree, *arguments, others=OTHERS):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [tree / "scripts" / "release-commit", *arguments, *others]
    return subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, timeout=600, check=False)


def test_a_release_is_a_commit_that_names_the_image_and_only_tags_hold_it(ready):
    git(ready, "checkout", "--quiet", "--detach")
    assert committed(ready, IMAGE, "1.2.3").returncode == 0
    assert git(ready, "rev-parse", "v1.2.3") == git(ready, "rev-parse", "1.2.3") == git(ready, "rev-parse", "HEAD")
    assert git(ready, "rev-parse", "HEAD^") == git(ready, "rev-parse", "main")
    assert set(git(ready, "diff", "--name-only", "main", "HEAD").split()) == {
        "action.yml",
        "Dockerfile",
        ".gitlab-ci.yml",
        *GITLAB,
    }
    assert IMAGE in git(ready, "show", "v1.2.3:action.yml")


def test_the_same_release_made_twice_is_one_commit(ready):
    made = []
    for _ in range(2):
        git(ready, "checkout", "--quiet", "--detach", "main")
        git(ready, "tag", *(["--delete", "v1.2.3", "1.2.3"] if made else ["--list"]))
        assert committed(ready, IMAGE, "1.2.3").returncode == 0
        made.append(git(ready, "rev-parse", "HEAD"))
    assert made[0] == made[1]


@pytest.mark.parametrize("arguments", [(IMAGE, "1.2.4"), ("ghcr.io/cibeacon/cibeacon:v1", "1.2.3"), (IMAGE, "")])
def test_what_cannot_be_released_is_not_committed(ready, arguments):
    before = git(ready, "rev-parse", "HEAD")
    assert committed(ready, *arguments).returncode != 0
    assert (git(ready, "rev-parse", "HEAD"), git(ready, "tag")) == (before, "")


def test_a_release_whose_other_images_may_move_is_not_committed(ready):
    done = committed(ready, IMAGE, "1.2.3", others=())
    assert (done.returncode, "digests" in done.stderr) == (1, True)
    assert git(ready, "tag") == ""


def test_changes_that_nobody_committed_are_not_released(ready):
    (ready / "CHANGELOG.md").write_text((ready / "CHANGELOG.md").read_text() + "\n- One more.\n")
    assert committed(ready, IMAGE, "1.2.3").returncode == 1
    assert git(ready, "tag") == ""


def test_the_distributions_are_the_same_bytes_each_time_and_hold_the_commands(tree):
    for name in ("pyproject.toml", "README.md", "LICENSE", "scripts/dist"):
        shutil.copy(ROOT / name, tree / name)
    shutil.copytree(ROOT / "src", tree / "src", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "scripts" / "venv").write_text("#!/bin/sh\n")  # this one's stands in
    (tree / "scripts" / "venv").chmod(0o755)
    (tree / ".venv").symlink_to(sys.prefix)
    made = []
    for _ in range(2):
        environ = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "1767607200"}
        subprocess.run([tree / "scripts" / "dist"], env=environ, check=True, capture_output=True, timeout=600)
        made.append({path.name: path.read_bytes() for path in (tree / "dist").iterdir()})
        for path in (tree / "src").rglob("*.py"):
            os.utime(path)
    assert made[0] == made[1]
    (wheel,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        (commands,) = (name for name in opened.namelist() if name.endswith("entry_points.txt"))
        assert {"cibeacon", "cibeacon-pre", "cibeacon-main", "cibeacon-post"} <= {
            line.partition("=")[0] for line in opened.read(commands).decode().splitlines()
        }
        assert {"cibeacon/sandbox/page.html", "cibeacon/ci/kits.json"} <= set(opened.namelist())
        (metadata,) = (name for name in opened.namelist() if name.endswith("METADATA"))
        assert re.findall(r"\]\((?!https://).*?\)", opened.read(metadata).decode()) == []  # PyPI shows it elsewhere
    assert len(list((tree / "dist").glob("*.tar.gz"))) == 1
