"""The files that people copy for their CI system: each page shows them as they are, and they name settings that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from cibeacon.cli.commands import cibeacon
from cibeacon.model.ci_systems import CI_SYSTEMS
from cibeacon.settings import all_options

ROOT = Path(__file__).parent.parent
KITS = sorted(path for path in (ROOT / "integrations").rglob("*") if path.is_file())
PAGES = {name: ROOT / f"docs/ci/{name}.md" for name in CI_SYSTEMS} | {
    name: ROOT / f"docs/{name}.md" for name in ("github", "gitlab")
}
NO_SETTINGS = {"CIBEACON_IMAGE", "CIBEACON_SIGNALS"}
VARIABLES = {option.variable for group in all_options().values() for option in group}
FLAGS = {
    flag
    for parameter in cibeacon.get_command(None, "report").params
    for flag in (*parameter.opts, *parameter.secondary_opts)
}


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("name", CI_SYSTEMS)
def test_every_ci_system_has_a_page(name):
    assert PAGES[name].read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("name", CI_SYSTEMS)
def test_every_ci_system_has_a_kit(name):
    assert [path for path in KITS if path.relative_to(ROOT / "integrations").parts[0] == name]


@pytest.mark.parametrize("path", KITS, ids=relative)
def test_a_page_shows_its_files_as_they_are(path):
    name = path.relative_to(ROOT / "integrations").parts[0]
    page = PAGES.get(name, ROOT / f"docs/ci/{name}.md")
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    assert path.read_text(encoding="utf-8") in blocks


@pytest.mark.parametrize("path", KITS, ids=relative)
def test_a_file_reads_as_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".yml", ".yaml"):
        assert all(document is not None for document in yaml.safe_load_all(text))
    elif path.suffix == ".json":
        assert json.loads(text)
    elif text.startswith("#!"):
        assert path.stat().st_mode & 0o111, "it is run as a program"
        shell = text.partition("\n")[0].rpartition("/")[2].split()[-1]
        if shutil.which(shell):
            subprocess.run([shell, "-n", path], check=True)


@pytest.mark.parametrize("path", KITS, ids=relative)
def test_a_file_names_settings_and_flags_that_exist(path):
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"\bCIBEACON_[A-Z_]+\b", text)) <= VARIABLES | NO_SETTINGS
    commands = re.findall(r"cibeacon report([^\n;|&]*)", text)
    assert {flag for command in commands for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", command)} <= FLAGS


@pytest.mark.parametrize("path", KITS, ids=relative)
def test_a_file_holds_no_secret(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?i)(?:token|secret)[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9]{16,}", text)
