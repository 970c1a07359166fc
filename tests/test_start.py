"""Starting is cheap: heavy libraries come in only on the path that needs them."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("requests", "urllib3", "github", "gitlab", "rich", "yaml", "jq", "cibeacon.courier", "cibeacon.sandbox.server")
PROGRAM = """
import sys
from cibeacon.__main__ import main
sys.argv = ["cibeacon", *{argv!r}]
assert main() == 0
print("LOADED", *(name for name in {heavy!r} if name in sys.modules))
"""


def loaded(tmp_path, *argv):
    program = PROGRAM.format(argv=argv, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("argv", [("--version",), ("--help",), ("report", "--help"), ("services", "--help")])
def test_asking_for_words_loads_nothing_heavy(tmp_path, argv):
    assert loaded(tmp_path, *argv) == []


def test_a_dry_run_without_configuration_loads_nothing_heavy(tmp_path):
    assert loaded(tmp_path, "report") == []
