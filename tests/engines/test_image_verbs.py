"""Every verb in the image, read-only and for any user, with all imports noted: what is there is needed, and nothing is lacking."""

from __future__ import annotations

import json
import shutil
import subprocess

import containers
import pytest
from containers import ROOT, docker
from shops import TOKEN

from cibeacon.cli.commands import VERBS
from cibeacon.sandbox.server import Sandbox
from dci_talk import suite
from forge import Forge

pytestmark = pytest.mark.engine

PYTHON = "/opt/cibeacon/bin/python"
PROGRAM = "/opt/cibeacon/bin/cibeacon"
TERMINAL = " # to a terminal"
LEFT_OUT = {
    "cffi",
    "cryptography",
    "jwt",
    "markdown_it",
    "mdurl",
    "nacl",
    "pycparser",
    "pygments",
}
"""What an installation has and the image goes without, by the names that are imported; requests does ask for one more."""
NOTE = """
import os, sys
log = os.open("/notes/imports", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
def note(event, arguments):
    if event == "import":
        try:
            os.write(log, f"{arguments[0]}\\n".encode())
        except OSError:  # a child may write no more
            pass
sys.addaudithook(note)
"""
"""Notes every module that a process begins to import. Python runs it at the start of each of ours, and of their children."""
COLUMNS = "deployed_at,service,reference_id,repository,commit_sha"
CALLS = json.loads((ROOT / "tests/engines/image_verbs.json").read_text(encoding="utf-8"))
"""Command lines, the exit code of each, and a word that it prints; some once more to a terminal."""


def variables(shop, sandbox, forge):
    """Those of a push that merged a pull request, of a job that reports to every vendor."""
    environ, event = shop.case("push-default-branch")
    environ |= sandbox.exports | {"GITHUB_API_URL": forge.url, "GITHUB_TOKEN": "ghs_c2VjcmV0"}
    environ |= {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_PATH": "/w/event.json",
        "CIBEACON_DCI_TOPIC": "RHEL-8.2",
        "CIBEACON_SPOOL": "/w/spool",
    }
    return environ, event


@pytest.fixture(scope="module")
def ended(tmp_path_factory, shop, image):
    """By command line what it came to, in a container that may write nothing but /tmp; and the names of all modules imported."""
    work, notes = tmp_path_factory.mktemp("verbs") / "shop", tmp_path_factory.mktemp("notes")
    containers.ours(shop.root, image)
    shutil.copytree(shop.root, work, symlinks=True)
    containers.owned(shop.root, 1001, 121, image)
    (work / "unit.xml").write_bytes(suite(("adds", "passed")))
    (work / "run.log").write_text(f"token = {TOKEN}\n")
    (work / "past.csv").write_text(f"{COLUMNS}\n2026-01-05 10:00:00,cart,one,acme/shop,{'a' * 40}\n")
    (notes / "sitecustomize.py").write_text(NOTE)
    (notes / "imports").touch()
    (notes / "imports").chmod(0o666)
    notes.chmod(0o755)
    where = docker(
        "run", "--rm", f"--entrypoint={PYTHON}", image, "-Ic", "import sysconfig as s; print(s.get_path('purelib'))"
    )
    mounts = [
        f"--volume={work}:/w",
        f"--volume={notes}:/notes",
        f"--volume={notes}/sitecustomize.py:{where}/sitecustomize.py",
    ]
    rights = ["--read-only", "--tmpfs=/tmp", "--user=4711:4712", "--cap-drop=ALL", "--network=host", "--workdir=/w"]
    results = {}
    with Sandbox(token=TOKEN) as sandbox, Forge(pulls={"Codertocat/Hello-World": [shop.merged()]}) as forge:
        environ, event = variables(shop, sandbox, forge)
        (work / "event.json").write_text(json.dumps(event))
        containers.owned(work, 4711, 4712, image)
        options = [*mounts, *rights, *(f"--env={name}={value}" for name, value in environ.items())]
        for line, _, _ in CALLS:
            terminal = ["--tty"] * line.endswith(TERMINAL)
            command = [
                "docker",
                "run",
                "--rm",
                *terminal,
                *options,
                f"--entrypoint={PYTHON}",
                image,
                "-I",
                PROGRAM,
                *line.removesuffix(TERMINAL).split(),
            ]
            results[line] = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    containers.ours(work, image)
    return results, set((notes / "imports").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(("line", "code", "says"), CALLS)
def test_a_verb_runs_in_the_image(ended, line, code, says):
    done = ended[0][line]
    shown = done.stdout + done.stderr
    assert (done.returncode, says in shown) == (code, True), shown
    assert "Traceback" not in shown
    assert "Warning" not in shown


def test_every_verb_is_run():
    assert {line.split()[0] for line, _, _ in CALLS} == set(VERBS)


def test_every_package_in_the_image_is_loaded_by_some_verb_and_no_other_is_asked_for(ended, image):
    program = """
import importlib.metadata as m, json
print(json.dumps({name: names for name, names in m.packages_distributions().items() if not name.startswith("_")}))
"""
    held = json.loads(docker("run", "--rm", f"--entrypoint={PYTHON}", image, "-Ic", program))
    loaded = {name.partition(".")[0] for name in ended[1]}
    assert {package for name in loaded & set(held) for package in held[name]} == {
        each for names in held.values() for each in names
    }
    assert loaded & LEFT_OUT == set()
