"""What the engine tests install is the same everywhere, and comes from whatever registry the machine is set up with."""

from __future__ import annotations

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
LOCK = json.loads((HERE / "package-lock.json").read_text())


def test_every_package_is_wanted_in_one_version():
    wanted = json.loads((HERE / "package.json").read_text())
    for kind in ("devDependencies", "optionalDependencies"):
        assert wanted[kind] == LOCK["packages"][""][kind]
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted[kind].values())


def test_every_package_is_locked_by_its_content_and_not_by_its_place():
    locked = {name: package for name, package in LOCK["packages"].items() if name}
    assert locked
    assert [name for name, package in locked.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in locked.items() if "resolved" in package] == []
