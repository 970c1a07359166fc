"""Links that a stranger put into a checkout, wherever cibeacon writes or reads: none is followed, whatever it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cibeacon.demo import runs
from cibeacon.sandbox.server import Sandbox
from disks import read_only, small
from processes import cibeacon
from repositories import Worktree

SHA = "a" * 40
NOWHERE = "http://127.0.0.1:9"
OURS = ("cibeacon.env", "cibeacon-annotations.json", "cibeacon-report.json")
SPOOL = ".cibeacon/spool"


class Job:
    """A GitLab job in a checkout, with something private beside it."""

    def __init__(self, folder):
        self.top, self.private = folder / "shop", folder / "home"
        self.tree = Worktree.new(self.top)
        self.tree.commit({"services/pay/main.py": "1\n"})
        (self.top / ".git/hooks").mkdir(exist_ok=True)
        (self.private / "folder").mkdir(parents=True)
        (self.private / "profile").write_text("nobody's business")
        environ = runs.gitlab(SHA, "b" * 40, 8, NOWHERE, self.top) | {"HOME": str(self.private)}
        self.environ = environ | {"CIBEACON_DX_URL": NOWHERE, "DX_API_TOKEN": "the-token", "CIBEACON_TIMEOUT": "1"}

    def precious(self):
        """Everything that is not cibeacon's own, to the byte."""
        found = {}
        for top in (self.private, self.top):
            for place, folders, names in os.walk(top):
                for name in (*folders, *names):
                    path = Path(place, name)
                    if not os.path.relpath(path, self.top).startswith((".cibeacon", "cibeacon")):
                        found[path] = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        return found

    def report(self, *flags, cwd="", **environ):
        return cibeacon("report", *flags, environ=self.environ | environ, cwd=self.top / cwd)


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


TARGETS = {
    "git's configuration": ".git/config",
    "a file outside": "../home/profile",
    "nothing yet": "../home/new",
    "nothing yet in git": ".git/hooks/post-checkout",
    "itself": None,
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", OURS)
def test_a_report_takes_the_place_of_a_link_and_leaves_its_target_alone(job, name, target):
    link(job.top / name, TARGETS[target] or name)
    before = job.precious()
    ended = job.report()
    assert ended.code == 0
    assert job.precious() == before
    assert not (job.top / name).is_symlink()
    assert (job.top / name).read_text()


FOLDERS = {
    "the folder above, to git": (".cibeacon", ".git"),
    "the folder above, outside": (".cibeacon", "../home"),
    "the folder, to git": (SPOOL, "../.git"),
    "the folder, outside": (SPOOL, "../../home/folder"),
    "the folder, to nothing": (SPOOL, "../../home/new"),
    "the folder above, to nothing": (".cibeacon", "../home/new"),
    "the folder above, to itself": (".cibeacon", ".cibeacon"),
}


@pytest.mark.parametrize("where", FOLDERS)
@pytest.mark.parametrize("cwd", ["", "services"])
def test_nothing_is_kept_or_replayed_through_a_linked_folder_and_the_report_says_so(job, where, cwd):
    link(job.top / FOLDERS[where][0], FOLDERS[where][1])
    before = job.precious()
    ended = job.report(cwd=cwd)
    assert ended.code == 0
    assert "cannot be stored" in ended.out
    assert "symbolic link" in ended.out
    assert job.precious() == before
    again = cibeacon("replay", environ=job.environ, cwd=job.top / cwd)
    assert again.code == 0
    assert job.precious() == before


@pytest.mark.parametrize("name", [*OURS, ".cibeacon", SPOOL])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_something_else_in_the_place_of_a_file_of_ours_is_told_and_stays(job, name, kind):
    if (kind == "file") != name.startswith("."):
        pytest.skip("that is what belongs there")
    (job.top / name).parent.mkdir(exist_ok=True)
    (job.top / name).mkdir() if kind == "folder" else (job.top / name).write_text("nobody's business")
    ended = job.report()
    assert ended.code == 0
    assert "was not written" in ended.out or "cannot be stored" in ended.out
    assert (job.top / name).is_dir() if kind == "folder" else (job.top / name).read_text() == "nobody's business"


def test_a_spool_that_a_person_names_below_a_link_in_the_checkout_is_refused_as_well(job):
    link(job.top / "cache", "../home")
    before = job.precious()
    ended = job.report("--spool", "cache/spool")
    assert "symbolic link" in ended.out
    assert job.precious() == before


def test_a_link_above_the_checkout_is_the_machines_own_affair(job, tmp_path):
    (tmp_path / "builds").symlink_to(tmp_path)
    top = tmp_path / "builds" / "shop"
    ended = job.report(CI_PROJECT_DIR=str(top))
    assert "The signal is in the spool" in ended.out
    assert len(list((job.top / SPOOL).iterdir())) == 1
    assert json.loads((job.top / "cibeacon-report.json").read_text())["signals"]


# What GitHub's runner reads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["cibeacon", "cibeacon/report.json"])
def test_on_github_no_link_of_an_earlier_step_leads_out_of_the_temporary_folder(job, tmp_path, where):
    (tmp_path / "temp").mkdir()
    link(tmp_path / "temp" / where, job.private / ("folder" if where == "cibeacon" else "profile"))
    environ = runs.github("push", runs.pushed(SHA, SHA), SHA, 7, tmp_path / "temp")
    before = job.precious()
    ended = cibeacon("report", environ=environ | {"CIBEACON_DX_URL": NOWHERE, "DX_API_TOKEN": "x"}, cwd=job.top)
    assert ended.code == 0
    assert job.precious() == before


@pytest.mark.parametrize("name", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_STATE"])
def test_of_what_a_full_disk_cuts_off_nothing_stays_in_a_file_that_the_runner_reads(job, tmp_path, name):
    with small(tmp_path / "disk", "8k"):
        file = tmp_path / "disk" / "file"
        file.write_text("before=1\n")
        (tmp_path / "disk" / "filler").write_bytes(b"x" * 4096)
        with file.open("a") as open_file:
            open_file.write("#" * (4096 - 9 - 20) + "\n")
        before = file.read_bytes()
        environ = runs.github("push", runs.pushed(SHA, SHA), SHA, 7, tmp_path / "temp") | {name: str(file)}
        ended = cibeacon("report", "--dry-run", environ=environ, cwd=job.top, stage="main")
        assert "was not written" in ended.out
        assert file.read_bytes() == before


def test_of_the_start_that_a_full_disk_cuts_off_nothing_stays(tmp_path):
    with small(tmp_path / "disk", "4k"):
        file = tmp_path / "disk" / "state"
        file.write_bytes(b"#" * 4075 + b"\n")
        before = file.read_bytes()
        environ = {"GITHUB_STATE": str(file), "PATH": os.environ["PATH"]}
        command = [sys.executable, "-c", "from cibeacon.pre import console; console()"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
        assert "could not store when the job began" in done.stderr
        assert file.read_bytes() == before


@pytest.mark.parametrize("name", OURS)
def test_a_report_that_cannot_be_written_whole_leaves_the_one_before(job, name):
    job.report()
    before = (job.top / name).read_bytes()
    with read_only(job.top):
        ended = job.report("--verbose")
    assert f"{name} was not written" in ended.out
    assert (job.top / name).read_bytes() == before


def test_on_a_full_disk_a_report_stays_as_it_was_and_nothing_is_left_beside_it(job, tmp_path):
    with small(tmp_path / "disk", "4k"):
        (tmp_path / "disk" / OURS[2]).write_text("{}")
        ended = job.report(CI_PROJECT_DIR=str(tmp_path / "disk"), CIBEACON_SPOOL="off")
        assert f"{OURS[2]} was not written" in ended.out
        assert {path.name: path.read_text() for path in (tmp_path / "disk").iterdir()} == {OURS[2]: "{}"}


# Files for DCI ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def dci(job):
    """The job, with DCI's settings, against a sandbox; `dci.at` is what happens at a request."""
    held = {"at": lambda entry: None}
    with Sandbox(token="the-token", log=lambda entry: held["at"](entry)) as sandbox:
        job.sandbox, job.held = sandbox, held
        job.environ |= sandbox.dci.account.exports(sandbox.url) | {"CIBEACON_DX_URL": "", "DX_API_TOKEN": ""}
        job.environ |= {"CIBEACON_DCI_TOPIC": "RHEL-8.2", "CIBEACON_TIMEOUT": "30"}
        yield job


def uploaded(job):
    jobs = job.sandbox.dci.document()["jobs"].values()
    return {file["name"]: job.sandbox.dci.contents.get(file["id"]) for each in jobs for file in each["files"]}


SWAPS = {
    "a link to git's configuration": lambda path, job: path.symlink_to(job.top / ".git/config"),
    "a link to a file outside": lambda path, job: path.symlink_to(job.private / "profile"),
    "a link to itself": lambda path, job: path.symlink_to(path),
    "a folder": lambda path, job: path.mkdir(),
    "a pipe": lambda path, job: os.mkfifo(path),
}


@pytest.mark.parametrize("redacted", ["", "1"])
@pytest.mark.parametrize("swap", SWAPS)
def test_a_file_that_is_swapped_between_look_and_send_does_not_leave(dci, swap, redacted):
    (dci.top / "reports").mkdir()
    for name in ("a.log", "b.log"):
        (dci.top / "reports" / name).write_text(name)

    def swapped(entry):
        path = dci.top / "reports" / "a.log"
        if path.is_file() and not path.is_symlink():
            path.unlink()
            SWAPS[swap](path, dci)

    dci.held["at"] = swapped
    ended = dci.report("--dci-files=reports/*", DCI_REDACT=redacted)
    assert uploaded(dci) == {"reports/b.log": b"b.log"}
    assert "nobody's business" not in ended.out


@pytest.mark.parametrize("target", ["private", "git"])
def test_a_folder_that_is_swapped_for_a_link_between_look_and_send_leads_nowhere(dci, target):
    (dci.top / "reports").mkdir()
    (dci.top / "reports" / "config").write_text("harmless")
    (dci.private / "config").write_text("nobody's business")

    def swapped(entry):
        if not (dci.top / "reports").is_symlink():
            (dci.top / "reports").rename(dci.top / "moved")
            (dci.top / "reports").symlink_to(dci.private if target == "private" else dci.top / ".git")

    dci.held["at"] = swapped
    dci.report("--dci-files=reports/*")
    assert uploaded(dci) == {}


def test_a_link_inside_the_checkout_is_sent_as_what_it_was_when_it_was_found(dci):
    (dci.top / "run-1.log").write_text("one")
    (dci.top / "latest.log").symlink_to("run-1.log")
    dci.report("--dci-files=latest.log")
    assert uploaded(dci) == {"latest.log": b"one"}


def kept_file(job, path):
    """What a record about a file is, as this cibeacon writes it."""
    sample = job.private / "sample.log"
    sample.write_text("x")
    job.report(f"--spool={job.private / 'made'}", "--dci-files=main.py", cwd="services/pay", DCI_CS_URL=NOWHERE)
    lines = [each.read_bytes() for each in sorted((job.private / "made").iterdir())]
    found = [json.loads(line) for line in lines]
    for each in found:
        if each["signal"]["type"] == "Attachment":
            each["signal"]["path"] = str(path)
        del each["checksum"]
    return b"".join(json.dumps(each).encode() + b"\n" for each in found)


def committed(job, record):
    (job.top / SPOOL).mkdir(parents=True)
    job.tree.commit({f"{SPOOL}/{'0' * 64}.ndjson": record.decode()})


@pytest.mark.parametrize("cwd", ["", "services", "services/pay"])
@pytest.mark.parametrize("what", ["private", "git", "checkout"])
@pytest.mark.parametrize("how", ["spool", "named"])
def test_a_record_in_a_checkout_names_no_file(dci, cwd, what, how):
    (dci.top / "secrets.env").write_text("made by an earlier step")
    paths = {"private": dci.private / "profile", "git": dci.top / ".git/config", "checkout": dci.top / "secrets.env"}
    committed(dci, kept_file(dci, paths[what]))
    argv = [str(dci.top / SPOOL)] if how == "named" else []
    ended = cibeacon("replay", *argv, environ=dci.environ, cwd=dci.top / cwd, began=int(time.time()))
    assert uploaded(dci) == {}
    assert "dci_files" in ended.out


@pytest.mark.parametrize("cwd", ["", "services/pay"])
def test_a_file_that_the_settings_of_the_replay_name_is_sent_from_a_checkouts_spool(dci, cwd):
    dci.report("--dci-files=services/pay/main.py", DCI_CS_URL=NOWHERE)
    assert uploaded(dci) == {}
    named = f"--dci-files={os.path.relpath(dci.top / 'services/pay/main.py', dci.top / cwd)}"
    ended = cibeacon("replay", named, environ=dci.environ, cwd=dci.top / cwd, began=int(time.time()))
    assert list(uploaded(dci).values()) == [b"1\n"], ended.out


@pytest.mark.parametrize("cwd", ["services", "services/pay"])
def test_the_boundary_is_the_top_of_the_checkout_and_not_the_working_directory(dci, cwd):
    (dci.top / "a.log").write_text("a")
    up = "/".join([".."] * (cwd.count("/") + 1))
    ended = dci.report(f"--dci-files={up}/a.log,{up}/../home/profile,{up}/.git/config", cwd=cwd)
    assert list(uploaded(dci).values()) == [b"a"]
    assert "points outside the folder" in ended.out
    assert "belongs to git" in ended.out


def test_gits_own_folder_is_no_place_to_take_files_from(dci):
    dci.report("--dci-files=config", cwd=".git")
    assert uploaded(dci) == {}


# Temporary files --------------------------------------------------------------------------------------------------------


def test_temporary_files_never_fall_back_to_the_checkout(job):
    """jq, which wants an empty folder, does without one; nothing appears in the checkout meanwhile."""
    watched = (
        "import os, sys, tempfile\n"
        "tempfile._candidate_tempdir_list = lambda: ['/nonexistent', os.getcwd()]\n"
        "made, mkdir = [], os.mkdir\n"
        "def noting(name, *more, **named):\n"
        "    made.append(str(name)); return mkdir(name, *more, **named)\n"
        "os.mkdir = noting\n"
        "from cibeacon.runtime import shutdown\n"
        "try:\n"
        "    shutdown.OwnFolder()\n"
        "except OSError as error:\n"
        "    print('refused', error.strerror)\n"
        "print(made, os.listdir())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", watched], cwd=job.private, env={}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("refused")
    assert str(job.private) not in done.stdout
