"""The locks: complete in themselves, and all that a fresh machine installs, whatever its package index offers."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
ENVIRONMENTS = {  # where what a lock names is installed, so that its requirements can be read
    "build": ROOT / ".venv",
    "runtime": ROOT / ".venv",
    "image": ROOT / ".venv",
    "sandbox": ROOT / ".venv",
    "dev": ROOT / ".venv",
    "engines": ROOT / "tests/engines/.venv",
    "remote": ROOT / "tests/engines/.venv-remote",
    "docs": ROOT / "tests/engines/.venv-docs",
}
LEFT_OUT = set(re.findall(r"^# ([\w.-]+)$", (ROOT / "requirements/image.txt").read_text(), re.M))
"""The packages that the image goes without."""
PINNED = re.compile(r"^(?P<name>[\w.-]+)(?:\[(?P<extras>[\w,-]+)\])?==(?P<version>[\w.]+) \\$", re.M)


def locked(lock: Path) -> dict[str, tuple[str, set[str]]]:
    """Each package of a lock: its version and its extras."""
    return {
        canonicalize_name(pin["name"]): (pin["version"], set(filter(None, (pin["extras"] or "").split(","))))
        for pin in PINNED.finditer(lock.read_text())
    }


def test_every_lock_is_looked_at():
    assert {lock.stem for lock in LOCKS} == set(ENVIRONMENTS)
    assert {lock.stem for lock in LOCKS} == {path.stem for path in (ROOT / "requirements").glob("*.in")}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.engine) if "engines" in path.parts else name
        for name, path in ENVIRONMENTS.items()
    ],
)
def test_a_lock_names_all_that_its_packages_need_with_the_extras_that_they_ask_for(name):
    found = list(ENVIRONMENTS[name].glob("lib/*/site-packages"))
    if not found:
        pytest.skip("scripts/engines-python makes its environment")
    installed = {canonicalize_name(each.name): each for each in metadata.distributions(path=[str(found[0])])}
    pins = locked(ROOT / f"requirements/{name}.txt")
    lacking = []
    for package, (version, extras) in pins.items():
        assert installed[package].version == version
        for needed in map(Requirement, installed[package].requires or ()):
            wanted = any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)) if needed.marker else True
            _, there = pins.get(canonicalize_name(needed.name), ("", None))
            left_out = name == "image" and canonicalize_name(needed.name) in LEFT_OUT
            if wanted and not left_out and (there is None or not needed.extras <= there):
                lacking.append(f"{package} needs {needed}")
    assert pins
    assert lacking == []


def test_the_image_has_what_an_installation_has_but_for_what_it_goes_without():
    pin = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==.*(?:\n    --hash=.*)+", re.M)
    runtime, image = (
        {
            canonicalize_name(found[1]): found[0]
            for found in pin.finditer((ROOT / f"requirements/{name}.txt").read_text())
        }
        for name in ("runtime", "image")
    )
    assert set(runtime) > LEFT_OUT
    assert image == {name: lines for name, lines in runtime.items() if name not in LEFT_OUT}


def test_a_package_has_one_version_in_all_locks_that_are_installed_together():
    for together in (("build", "runtime", "sandbox", "dev"), ("build", "runtime", "remote")):
        versions: dict[str, set[str]] = {}
        for name in together:
            for package, (version, _) in locked(ROOT / f"requirements/{name}.txt").items():
                versions.setdefault(package, set()).add(version)
        assert {package: found for package, found in versions.items() if len(found) > 1} == {}


def test_every_installation_of_a_lock_installs_the_lock_alone():
    places = [*filter(Path.is_file, ROOT.glob("scripts/*")), ROOT / "Dockerfile", ROOT / ".ci/run"]
    places += [*ROOT.glob(".github/**/*.yml"), *ROOT.glob("templates/*.yml"), ROOT / "action.yml"]
    commands = [
        f"{place.name}: {line.strip()}"
        for place in places
        for line in place.read_text().replace("\\\n", " ").splitlines()
        if re.search(r"\bpip\b.* (--require-hashes|-r|--requirement)\b", line)
    ]
    assert {command.partition(":")[0] for command in commands} == {"venv", "engines-python", "Dockerfile"}
    assert [command for command in commands if "--no-deps" not in command or "--require-hashes" not in command] == []


def wheel(folder: Path, name: str, version: str, *more: str) -> str:
    """Puts a package without code into the folder; returns the line that a lock has for it."""
    content = {
        f"{name}-{version}.dist-info/METADATA": "\n".join(
            ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *more, ""]
        ),
        f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text)}\n")
    record = f"{name}-{version}.dist-info/RECORD"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as made:
        for path, text in {**content, record: "".join(rows) + f"{record},,\n"}.items():
            made.writestr(path, text)
    digest = hashlib.sha256((folder / f"{name}-{version}-py3-none-any.whl").read_bytes()).hexdigest()
    return f"{name}=={version} --hash=sha256:{digest}\n"


BACKEND = """
import shutil

def build_editable(folder, settings=None, metadata=None):
    return shutil.copy("product-1.0-py3-none-any.whl", folder).rpartition("/")[2]
"""


def test_a_newer_release_in_the_index_changes_nothing(tmp_path):
    """As with coverage and pytest-cov, which asks for coverage[toml]: pip looks past a pin that does not name the extra."""
    index = tmp_path / "index"
    for folder in ("index", "scripts", "requirements"):
        (tmp_path / folder).mkdir()
    extra = ("Provides-Extra: toml",)
    lock = wheel(index, "measure", "1.0", *extra) + wheel(index, "plugin", "1.0", "Requires-Dist: measure[toml]>=1")
    wheel(index, "measure", "1.1", *extra)
    wheel(index, "plugin", "1.1", "Requires-Dist: measure[toml]>=1.1")
    shutil.copy(ROOT / "scripts/venv", tmp_path / "scripts")
    for name, text in {"build": "", "runtime": "", "sandbox": "", "dev": lock}.items():
        (tmp_path / f"requirements/{name}.txt").write_text(text)
    wheel(tmp_path, "product", "1.0")
    (tmp_path / "backend.py").write_text(BACKEND)
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHON": sys.executable}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    done = subprocess.run([tmp_path / "scripts/venv"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (packages,) = tmp_path.glob(".venv/lib/*/site-packages")
    found = {each.name: each.version for each in metadata.distributions(path=[str(packages)])}
    assert {name: found.get(name) for name in ("measure", "plugin", "product")} == dict.fromkeys(
        ("measure", "plugin", "product"), "1.0"
    )
