"""Starting is cheap: heavy libraries come in only on the path that needs them."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("requests", "urllib3", "github", "gitlab", "rich", "yaml", "jq"),
    *("cibeacon.http.client", "cibeacon.sandbox.server", "cibeacon.sinks.dci", "cibeacon.sinks.flow"),
    "cibeacon.files.attachments",
)
FLAGS_ALONE = ("click", "inspect")
SENDING_ALONE = ("cibeacon.report", "cibeacon.delivery", "cibeacon.signals.plan", "hashlib")
PROGRAM = """
import sys
from cibeacon.__main__ import main
sys.argv = ["cibeacon", *{argv!r}]
assert main() == 0
print("LOADED", *(name for name in {heavy!r} if name in sys.modules))
"""


def loaded(tmp_path, *argv):
    program = PROGRAM.format(argv=argv, heavy=(*HEAVY, *FLAGS_ALONE, *SENDING_ALONE))
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
    assert not set(loaded(tmp_path, *argv)) & set(HEAVY)


def test_a_dry_run_without_configuration_loads_nothing_heavy(tmp_path):
    assert not set(loaded(tmp_path, "report")) & {*HEAVY, *FLAGS_ALONE}


def test_the_changed_services_without_a_map_load_nothing_that_sending_or_flags_need(tmp_path):
    assert loaded(tmp_path, "services") == []


def test_a_flag_is_what_the_command_line_library_is_for(tmp_path):
    assert set(FLAGS_ALONE) <= set(loaded(tmp_path, "services", "--pr=7"))


def test_requests_does_without_the_library_that_guesses_encodings_and_says_nothing_of_it():
    program = (
        "import sys, cibeacon.http, requests; answer = requests.Response(); answer._content = 'ü'.encode();"
        "assert 'charset_normalizer' not in sys.modules and answer.text == 'ü'; import charset_normalizer"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
