"""A process that is told to end, at every place where it may be: it ends in time, loses nothing, and says so."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from cibeacon.sandbox.server import Sandbox
from faults import FaultServer, Refusing, answers, drips, drips_headers, hangs, response
from living import SECONDS, Bell, Living, Stopped, document, gone, outputs, records

BOUND = 2.5
"""Two seconds are promised; a loaded machine is given half a second more."""
TOKEN = "sandbox-token-1"
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
OK = response(b'{"ok": true}')


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Monorepo(tmp_path_factory.mktemp("interrupts") / "shop", {"PATH": os.environ["PATH"]})


@pytest.fixture(scope="module")
def merged(shop):
    return shop.pull_request(1, "merge", [{"services/payments/main.py": "1\n"}], ("payments",))


class Job(NamedTuple):
    """A job of a merged pull request that deploys two services, on GitHub."""

    folder: Path
    cwd: Path
    environ: dict[str, str]

    @property
    def spool(self):
        """Its spool, by key."""
        return records(self.folder / "cibeacon/spool")

    @property
    def outputs(self):
        return outputs((self.folder / "output").read_text())

    @property
    def rows(self):
        """What the JSON report says became of each signal: kind and outcome."""
        return [(each["kind"], each["outcome"]) for each in document(self.folder)["signals"] if each["sink"] == "dx"]

    @property
    def leftovers(self):
        """Our folders in the place for temporary ones."""
        return sorted(path.name for path in (self.folder / "tmp").iterdir())

    def running(self, *argv, flags=(), strict=False, **more):
        """The command in this job."""
        flags = (*argv, *flags)
        return Living("report", *flags, *(["--strict"] * strict), environ=self.environ, cwd=self.cwd, **more)


@pytest.fixture
def job_in(shop, merged):
    """A job by its folder and the URL of its DX; `more` are variables."""

    def made(folder, url, event="pull_request", **more):
        (folder / "tmp").mkdir()
        pushed, closed = runs.pushed(merged.base_sha, merged.merge_sha), runs.closed(merged)
        environ = runs.github(event, pushed if event == "push" else closed, merged.merge_sha, 7, folder)
        environ |= {"CIBEACON_DX_URL": url, "DX_API_TOKEN": TOKEN, "TMPDIR": str(folder / "tmp")}
        return Job(folder, shop.root, environ | {"CIBEACON_DEPLOY_SERVICES": "payments,orders"} | more)

    return made


@pytest.fixture
def job(job_in, tmp_path):
    """A job by the URL of its DX."""
    return partial(job_in, tmp_path)


DCI = {
    "CIBEACON_DCI_URL": "http://127.0.0.1:9",
    "DCI_CLIENT_ID": "remoteci/6f0c9a52-2f0e-4c6f-9d0b-0d4a4d7e0001",
    "DCI_API_SECRET": "a-secret-of-dci",
    "CIBEACON_DCI_TOPIC": "RHEL-9",
    "CIBEACON_DCI_FILES": "services/**",
    "CIBEACON_STATUS": "success",
}
OF_DCI = 2
"""Signals about a job of DCI, its files left out: that it is there, and its end."""
KINDS = ["pull-services", "deployment", "deployment", "pipeline-run"]
ALL_SPOOLED = [(kind, "spooled") for kind in KINDS]
SERVICES_UNKNOWN = [("pull-services", "failed"), *ALL_SPOOLED[1:]]
NO_METADATA = [("pull-services", "spooled"), ("deployment", "failed"), ("deployment", "failed"), ALL_SPOOLED[3]]
ONE_SENT = [("pull-services", "sent"), *ALL_SPOOLED[1:]]


@contextlib.contextmanager
def about_to(job, tmp_path, what, number=1, *, more=None, **flags) -> Iterator[tuple[Job, Living, Callable[[], None]]]:
    """The process stands still; what is given back lets it go on."""
    with Refusing() as dx:
        stopped = Stopped(tmp_path / "stop", what, number)
        this = job(dx.url, **stopped.environ, **(more or {}))
        with this.running(**flags) as living:
            stopped.waited_for()
            yield this, living, stopped.goes_on


def in_an_import(job, tmp_path, **flags):
    return about_to(job, tmp_path, "cibeacon.settings", **flags)


def before_the_first_request(job, tmp_path, **flags):
    """Everything is on disk, and the network stack is about to be loaded."""
    return about_to(job, tmp_path, "cibeacon.http.client", **flags)


def between_two_records(job, tmp_path, **flags):
    """Of what is known from the start, one is in the spool under its name, the next is about to be."""
    return about_to(job, tmp_path, "os.replace()", 2, **flags)


def before_the_last_record(job, tmp_path, **flags):
    """What was found besides is about to be in the spool."""
    return about_to(job, tmp_path, "os.replace()", 4, **flags)


def in_files_for_dci(job, tmp_path, **flags):
    """They are about to be looked at."""
    return about_to(job, tmp_path, "cibeacon.files.attachments", more=DCI, **flags)


def in_tidying_up(job, tmp_path, **flags):
    """A folder that jq had to itself is about to be removed."""
    return about_to(job, tmp_path, "shutil.rmtree()", more={"CIBEACON_METADATA_JQ": "{}"}, **flags)


@contextlib.contextmanager
def in_git(job, tmp_path, **flags):
    """git hangs, and so does a helper that it started."""
    bell = Bell(tmp_path / "bell")
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin/git"
    git.write_text(f'#!/bin/sh\nsleep 300 &\necho "$$ $!" > {bell.path}\nwait\n')
    git.chmod(0o755)
    with Refusing() as dx:
        this = job(dx.url, PATH=f"{git.parent}:{os.environ['PATH']}")
        with this.running(**flags) as living:
            children = [os.pidfd_open(int(pid)) for pid in bell.waited_for().split()]
            yield this, living, lambda: None
            assert all(gone(child) for child in children)
    for child in children:
        os.close(child)
    bell.close()


@contextlib.contextmanager
def in_the_hosts_api(job, tmp_path, **flags):
    """It is asked which pull request a push belongs to."""
    with FaultServer(hangs) as api, Refusing() as dx:
        this = job(dx.url, "push", GITHUB_API_URL=api.url, GITHUB_TOKEN="t0ken")
        with this.running(**flags) as living:
            api.waited_for()
            yield this, living, lambda: None


@contextlib.contextmanager
def in_jq(job, tmp_path, **flags):
    """A program for the deployments' metadata never ends."""
    with Refusing() as dx:
        this = job(dx.url, CIBEACON_METADATA_JQ="def f: f; f", CIBEACON_TIMEOUT="60")
        with this.running(**flags) as living:
            living.child("jq_child")
            yield this, living, lambda: None


@contextlib.contextmanager
def in_a_request(job, tmp_path, **flags):
    with FaultServer(hangs) as dx:
        this = job(dx.url)
        with this.running(**flags) as living:
            dx.waited_for()
            yield this, living, lambda: None
            assert len(dx.requests) == 1


@contextlib.contextmanager
def told_to_wait(job, tmp_path, **flags):
    with FaultServer(answers(response(b"", status="503 Service Unavailable", Retry_After="20"))) as dx:
        this = job(dx.url)
        with this.running(**flags) as living:
            dx.waited_for()
            yield this, living, lambda: None


@contextlib.contextmanager
def between_two_signals(job, tmp_path, **flags):
    """The first one has arrived, the second hangs."""
    bell = Bell(tmp_path / "bell")

    def second_hangs(connection, server):
        server.read(connection)
        if len(server.requests) == 1:
            connection.sendall(OK)
        else:
            bell.path.write_text("here")
            server.over.wait()

    with FaultServer(second_hangs) as dx:
        this = job(dx.url)
        with this.running(**flags) as living:
            bell.waited_for()
            yield this, living, lambda: None
    bell.close()


PLACES = {
    "in an import": (in_an_import, SERVICES_UNKNOWN),
    "in git": (in_git, SERVICES_UNKNOWN),
    "in the host's API": (in_the_hosts_api, SERVICES_UNKNOWN),
    "in jq": (in_jq, NO_METADATA),
    "between two records": (between_two_records, SERVICES_UNKNOWN),
    "before the last record": (before_the_last_record, ALL_SPOOLED),
    "in files for DCI": (in_files_for_dci, ALL_SPOOLED),
    "in tidying up": (in_tidying_up, ALL_SPOOLED),
    "before the first request": (before_the_first_request, ALL_SPOOLED),
    "in a request": (in_a_request, ALL_SPOOLED),
    "told to wait": (told_to_wait, ALL_SPOOLED),
    "between two signals": (between_two_signals, ONE_SENT),
}


ENDS = [
    pytest.param(place, SIGNALS[(index + strict) % 3], bool(strict), id=f"{place}-{'strict' if strict else 'lenient'}")
    for index, place in enumerate(PLACES)
    for strict in (0, 1)
]
"""Every place, lenient and strict. All signals have one handler, so they take turns."""


@pytest.mark.parametrize(("place", "number", "strict"), ENDS)
def test_a_signal_ends_the_process_and_costs_nothing(job, tmp_path, place, number, strict):
    at, rows = PLACES[place]
    with at(job, tmp_path, strict=strict) as (this, living, goes_on):
        living.told(number)
        goes_on()
        ended = living.ended()
        assert ended.seconds < BOUND
        assert living.left_behind() == []
    assert (ended.code, this.rows, this.leftovers) == (int(strict), rows, [])
    waiting = [word for _, word in rows].count("spooled") + OF_DCI * ("DCI" in place)
    assert (len(this.spool), this.outputs["spooled"]) == (waiting, str(waiting))
    kinds = {kind for kind, word in rows if word == "spooled"} | ({"dci"} if "DCI" in place else set())
    assert kinds == {each.kind for each in this.spool.values()}
    assert "nterrupted" in ended.out
    assert not list((this.folder / "cibeacon/spool").glob("*.part"))


AT_THE_START = ["deployment", "deployment", "pipeline-run"]
KNOWN = {
    "in git": AT_THE_START,
    "in the host's API": AT_THE_START,
    "in jq": ["pull-services", "pipeline-run"],
    "before the last record": AT_THE_START,
    "in files for DCI": [*KINDS, "dci", "dci"],
    "before the first request": sorted(KINDS),
}
"""What is on disk by then, by kind."""


@pytest.mark.parametrize("place", KNOWN)
def test_what_is_known_is_on_disk_before_anything_slow_is_looked_at(job, tmp_path, place):
    with PLACES[place][0](job, tmp_path) as (this, living, goes_on):
        living.told(signal.SIGKILL)
        goes_on()
        living.ended()
        for pid in living.others():
            os.kill(pid, signal.SIGKILL)
    assert sorted(each.kind for each in this.spool.values()) == sorted(KNOWN[place])


def test_a_signal_before_anybody_looked_does_not_ask_which_pull_request_a_side_branch_belongs_to(job, tmp_path):
    stopped = Stopped(tmp_path / "stop", "os.replace()")
    this = job("http://127.0.0.1:9", "push", GITHUB_REF="refs/heads/topic", **stopped.environ)
    with this.running() as living:
        stopped.waited_for()
        living.told(signal.SIGTERM)
        stopped.goes_on()
        living.ended()
    assert this.rows == [("pull-services", "skipped"), *ALL_SPOOLED[1:]]


def test_a_signal_while_files_are_looked_at_keeps_the_end_of_a_job_of_dci(job, tmp_path):
    stopped = Stopped(tmp_path / "stop", "os.scandir()")
    this = job("", **DCI, **stopped.environ)
    with Living("dci", "finish", "success", environ=this.environ, cwd=this.cwd) as living:
        stopped.waited_for()
        living.told(signal.SIGTERM)
        stopped.goes_on()
        ended = living.ended()
    assert ended.code == 0
    assert [each.signal["type"] for each in this.spool.values()] == ["JobState"]
    assert "no file is sent because cibeacon was interrupted" in ended.out


def test_files_that_are_looked_at_for_ever_take_half_of_the_time_that_is_left(job, tmp_path):
    stopped = Stopped(tmp_path / "stop", "os.scandir()", 3)
    short = {"CIBEACON_TIMEOUT": "10", "CIBEACON_DCI_UPLOAD_TIMEOUT": "1"}
    with FaultServer(answers(OK)) as dx:
        this = job(dx.url, **DCI, **short, **stopped.environ)
        with this.running() as living:
            stopped.waited_for()
            ended = living.ended()
    assert this.rows == [(kind, "sent") for kind in KINDS]
    assert "no file is sent because half of the time was used up" in ended.out


def filled(write):
    """Nothing more goes into this pipe."""
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 1024)
    os.set_blocking(write, True)


PATIENT = """
from cibeacon.runtime import signal_handling
signal_handling.STOP_SECONDS = signal_handling.FAREWELL = 60
"""


def answers_when_told(go):
    def fault(connection, server):
        server.read(connection)
        assert go.wait(SECONDS)
        connection.sendall(OK)

    return fault


@contextlib.contextmanager
def talking_to_nobody(job, tmp_path, fault, *, deaf=False, more=None, **flags):
    """The log goes to a pipe that nobody reads: `deaf` from the start, else from the first request on."""
    bell, (read, write) = Bell(tmp_path / "bell"), os.pipe()
    if deaf:
        filled(write)
    with FaultServer(fault) as dx:
        this = job(dx.url, GITHUB_STEP_SUMMARY=str(bell.path), CIBEACON_TIMEOUT="60", **(more or {}))
        with this.running(stdout=write, **flags) as living:
            dx.waited_for()
            filled(write)
            yield this, living, bell
    for file in (read, write):
        os.close(file)
    bell.close()


@pytest.mark.parametrize(("number", "deaf", "strict"), [
    (signal.SIGTERM, True, False), (signal.SIGTERM, False, True), (signal.SIGINT, False, False), (signal.SIGHUP, False, True),
])  # fmt: skip
def test_a_log_that_nobody_reads_costs_neither_signals_nor_files_nor_time(job, tmp_path, number, deaf, strict):
    go = Event()
    with talking_to_nobody(job, tmp_path, answers_when_told(go), deaf=deaf, strict=strict) as (this, living, bell):
        go.set()
        bell.waited_for()
        living.told(number)
        ended = living.ended()
    assert ended.seconds < BOUND
    assert (ended.code, this.rows, this.spool) == (0, [(kind, "sent") for kind in KINDS], {})
    assert (this.outputs["status"], this.outputs["spooled"]) == ("sent", "0")
    assert "was killed" in ended.err


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
def test_a_second_signal_ends_the_process_at_once(job, tmp_path, strict):
    """One signal alone would end it after a minute here."""
    (tmp_path / "sitecustomize.py").write_text(PATIENT)
    more = {"PYTHONPATH": str(tmp_path)}
    with talking_to_nobody(job, tmp_path, hangs, more=more, strict=strict) as (this, living, bell):
        living.told(signal.SIGTERM)
        bell.waited_for()
        while living.process.poll() is None:  # one that comes in the same moment counts as the first
            living.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                living.process.wait(0.05)
        ended = living.ended()
    assert ended.seconds < 30
    assert (ended.code, this.rows, len(this.spool)) == (int(strict), ALL_SPOOLED, 4)


def test_the_same_signal_twice_in_a_moment_is_one_signal(job, tmp_path):
    with in_a_request(job, tmp_path) as (this, living, _):
        for number in SIGNALS:
            living.told(number)
        ended = living.ended()
    assert (ended.code, this.rows) == (0, ALL_SPOOLED)
    assert "Cibeacon was interrupted" in ended.out


def test_a_filter_is_broken_off_too_when_the_work_was(job, tmp_path):
    with in_a_request(job, tmp_path, flags=("--jq=def f: f; f",)) as (this, living, _):
        living.told(signal.SIGTERM)
        ended = living.ended()
        assert living.left_behind() == []
    assert ended.seconds < BOUND
    assert (this.rows, this.leftovers) == (ALL_SPOOLED, [])
    assert ended.out == ""
    assert "jq was not applied: cibeacon was interrupted" in ended.err


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
def test_a_filter_that_never_ends_is_broken_off_and_prints_nothing(job, tmp_path, strict):
    with FaultServer(answers(OK)) as dx:
        this = job(dx.url, CIBEACON_TIMEOUT="60")
        with this.running("--jq=def f: f; f", strict=strict) as living:
            living.child("jq_child")
            living.told(signal.SIGTERM)
            ended = living.ended()
            assert living.left_behind() == []
    assert ended.seconds < BOUND
    assert (ended.code, ended.out, this.leftovers) == (int(strict), "", [])
    assert [outcome for _, outcome in this.rows] == ["sent"] * 4
    assert "jq was not applied: cibeacon was interrupted" in ended.err


def test_an_output_pipe_that_nobody_reads_costs_that_output_alone(job, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with Sandbox(token=TOKEN) as dx:
        this = job(dx.url, GITHUB_OUTPUT=str(tmp_path / "pipe"))
        with this.running() as living:
            ended = living.ended()
    assert (ended.code, this.rows) == (0, [(kind, "sent") for kind in KINDS])
    assert "pipe was not written" in ended.out
    assert "sent" in (tmp_path / "summary.md").read_text()


def test_process_1_of_a_container_obeys_signals(job, tmp_path):
    unshare = ("unshare", "--pid", "--fork", "--mount-proc")
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a process namespace cannot be made here")
    with FaultServer(hangs) as dx:
        this = job(dx.url)
        with this.running(command=(*unshare, sys.executable, "-m", "cibeacon")) as living:
            dx.waited_for()
            os.kill(living.child("-m cibeacon"), signal.SIGTERM)
            ended = living.ended()
    assert (ended.code, this.rows) == (0, ALL_SPOOLED)


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--strict",), 1)])
@pytest.mark.parametrize("argv", [("replay", "-"), ("services", "--files-from=-")])
def test_a_process_that_waits_for_its_input_can_be_ended(job, tmp_path, argv, flags, code):
    read, write = os.pipe()
    with Living(argv[0], *flags, *argv[1:], environ=job("").environ, cwd=tmp_path, stdin=read) as living:
        os.write(write, b"something")
        while fcntl.ioctl(read, termios.FIONREAD, b"1234") != bytes(4):
            assert living.process.poll() is None
        living.told(signal.SIGTERM)
        ended = living.ended()
    os.close(read)
    os.close(write)
    assert ended.seconds < BOUND
    assert ended.code == code
    assert "nterrupted" in ended.out + ended.err


SWALLOWING = """
import os, signal, sys, threading, time
from cibeacon.runtime.signal_handling import Interrupts
from cibeacon.runtime.shutdown import interruptible, uninterrupted

sys.unraisablehook = lambda _: print("swallowed")

class Falling:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

interrupts = Interrupts(time.monotonic)
interrupts.install()
try:
    with interruptible():
        Falling()
        threading.Event().wait(20)
except KeyboardInterrupt:
    print("heard", flush=True)
os._exit(0)  # as the command ends: an alarm would end what tidies up
"""


def test_an_interruption_that_a_destructor_swallows_is_raised_again(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWING], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert (done.returncode, done.stdout) == (0, "swallowed\nheard\n")


NOBODY_WAKES_THE_MAIN_THREAD = """
import fcntl, os, signal, termios, threading, time
from cibeacon.runtime.signal_handling import Interrupts
from cibeacon.runtime.shutdown import interruptible

interrupts = Interrupts(time.monotonic)
interrupts.install()
read, write = os.pipe()
def there():
    os.write(write, b"x")
    while fcntl.ioctl(read, termios.FIONREAD, b"1234") != bytes(4):
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
try:
    with interruptible():
        threading.Thread(target=there, daemon=True).start()
        open(read, "rb", buffering=0).readall()  # reads on in C, where no handler is looked for
except KeyboardInterrupt as stop:
    print("heard", type(stop).__name__, flush=True)
os._exit(0)
"""


def test_a_signal_that_comes_just_before_a_system_call_is_heard_in_it(tmp_path):
    program = [sys.executable, "-c", NOBODY_WAKES_THE_MAIN_THREAD]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout) == (0, "heard KeyboardInterrupt\n")


STUCK = """
import ctypes, os, sys, threading
lock, mutex, gate = ctypes.CDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64), threading.Lock()
def ring():
    with gate, open({reached!r}, "w") as file:
        file.write("here")
def stuck(*_):
    lock(mutex)
    sys.setswitchinterval(100)  # the bell rings when we wait in the lock, and not before
    gate.acquire()
    threading.Thread(target=ring, daemon=True).start()
    gate.release()
    lock(mutex)  # no signal breaks this off
os.fsync = stuck
"""


@pytest.fixture
def stuck_disk(tmp_path):
    """Variables for a process that hangs in `fsync`, where no handler of its signals runs; and where it says so."""
    bell = Bell(tmp_path / "stuck")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(STUCK.format(reached=str(bell.path)))
    yield {"PYTHONPATH": str(tmp_path / "site")}, bell
    bell.close()


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
def test_where_no_handler_runs_the_process_ends_all_the_same(job, stuck_disk, strict):
    environ, bell = stuck_disk
    with Refusing() as dx, job(dx.url, **environ).running(strict=strict) as living:
        bell.waited_for()
        living.told(signal.SIGTERM)
        ended = living.ended()
    assert ended.seconds < BOUND
    assert ended.code == int(strict)
    assert "was killed. The spool has no signal of this run." in ended.err


def test_a_disk_that_never_answers_outlives_no_budget(job, stuck_disk):
    environ, _ = stuck_disk
    with Refusing() as dx, job(dx.url, CIBEACON_TIMEOUT="1", **environ).running(strict=True) as living:
        ended = living.ended()
    assert ended.seconds < 1 + BOUND
    assert ended.code == 1


BUDGET = 6.0
"""Seconds: what goes well has done so in a tenth of the half of it."""
SHORT = 2.0
"""Seconds, for a run that comes to the same however early they are over."""
DEAF = """
import socket, threading
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
"""


def goes_on_for_ever(connection, server):
    """Promises an answer again and again."""
    server.read(connection)
    while not server.over.wait(0.01):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize(
    ("fault", "strict"), [(drips_headers, False), (drips, True), (goes_on_for_ever, False), (hangs, True)]
)
def test_an_api_that_never_ends_its_answer_ends_with_the_budget(job, fault, strict):
    with FaultServer(fault) as dx:
        this = job(dx.url, CIBEACON_TIMEOUT=str(SHORT), CIBEACON_SERVICES="payments")
        with this.running(strict=strict) as living:
            ended = living.ended()
    assert ended.seconds < SHORT + BOUND
    assert (ended.code, this.rows, len(this.spool)) == (int(strict), ALL_SPOOLED, 4)


def test_a_name_that_is_looked_up_for_ever_ends_with_the_budget(job, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(DEAF)
    environ = {"CIBEACON_TIMEOUT": str(SHORT), "CIBEACON_SERVICES": "payments", "PYTHONPATH": str(tmp_path)}
    this = job("https://dx.example", **environ)
    with this.running(strict=True) as living:
        ended = living.ended()
    assert ended.seconds < SHORT + BOUND
    assert (ended.code, this.rows, len(this.spool)) == (1, ALL_SPOOLED, 4)


DEAF_IN_C = """
import ctypes, socket
lock, mutex = ctypes.CDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64)
socket.getaddrinfo = lambda *_, **__: [lock(mutex), lock(mutex)]  # no signal breaks this off
"""
NO_THREAD = 'ulimit -s 67108864 && ulimit -v 33554432 && exec "$@"'
"""No address space is left for the stack of a thread."""
IGNORING = "trap '' {} && exec \"$@\""


def shell(text):
    """The command, started by a shell that prepares for it."""
    return ("sh", "-c", text, "sh", sys.executable, "-m", "cibeacon")


@pytest.mark.parametrize("verb", ["report", "replay"])
def test_where_nobody_can_watch_the_time_nothing_is_sent_and_all_is_kept(job, tmp_path, verb):
    (tmp_path / "sitecustomize.py").write_text(DEAF_IN_C)
    this = job(
        "https://dx.example", CIBEACON_TIMEOUT=str(BUDGET), PYTHONPATH=str(tmp_path), CIBEACON_SERVICES="payments"
    )
    if verb == "replay":
        with this.running() as living:
            living.ended()
    command = shell(NO_THREAD)
    with Living(verb, environ=this.environ, cwd=this.cwd, command=command) as living:
        ended = living.ended()
    assert ended.seconds < BUDGET + BOUND
    assert (ended.code, [word for _, word in this.rows], len(this.spool)) == (0, ["spooled"] * 4, 4)
    assert "his machine allows no more threads" in ended.out


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_that_we_were_told_to_ignore_stays_ignored(job, number):
    go = Event()
    with FaultServer(answers_when_told(go)) as dx:
        this = job(dx.url, CIBEACON_TIMEOUT="60")
        with this.running(command=shell(IGNORING.format(number.name.removeprefix("SIG")))) as living:
            dx.waited_for()
            living.told(number)
            go.set()
            ended = living.ended()
    assert (ended.code, this.rows, this.spool) == (0, [(kind, "sent") for kind in KINDS], {})


STILL = BUDGET + 3.5
"""Seconds for which a process stands still: longer than everything that it would have had time for."""


def test_a_process_that_was_stopped_for_a_while_keeps_everything_and_says_so(job_in, tmp_path):
    places = ["in an import", "in git", "in jq", "before the first request", "in a request"]

    def stopped(place):
        (folder := tmp_path / place.replace(" ", "-")).mkdir()
        at, rows = PLACES[place]
        with at(partial(job_in, folder), folder, flags=(f"--timeout={BUDGET}",)) as (this, living, goes_on):
            living.told(signal.SIGSTOP)
            time.sleep(STILL)
            goes_on()
            living.told(signal.SIGCONT)
            ended = living.ended()
            assert living.left_behind() == []
        assert ended.seconds < BOUND
        waiting = [word for _, word in rows].count("spooled")
        assert (ended.code, this.rows, len(this.spool), this.leftovers) == (0, rows, waiting, []), place

    with ThreadPoolExecutor(3) as pool:  # most of their time they stand still
        list(pool.map(stopped, places))


@pytest.mark.parametrize("fault", [drips, drips_headers, goes_on_for_ever])
def test_a_host_that_never_ends_its_answer_takes_half_of_the_budget_at_most(job, fault):
    with FaultServer(fault) as api, FaultServer(answers(OK)) as dx:
        this = job(dx.url, "push", GITHUB_API_URL=api.url, GITHUB_TOKEN="t0ken", CIBEACON_TIMEOUT=str(BUDGET))
        with this.running() as living:
            ended = living.ended()
    assert ended.seconds < BUDGET + BOUND
    assert this.rows == [("pull-services", "failed"), *((kind, "sent") for kind in KINDS[1:])]
    assert "the time for it ran out" in ended.out


def test_gitlab_is_no_better(shop, merged, tmp_path):
    with FaultServer(drips) as api, FaultServer(answers(OK)) as dx:
        environ = runs.gitlab(merged.base_sha, merged.merge_sha, 8, api.url, tmp_path)
        environ |= {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN, "CIBEACON_TIMEOUT": str(BUDGET)}
        with Living("report", "--format=json", environ=environ, cwd=shop.root) as living:
            ended = living.ended()
    assert ended.seconds < BUDGET + BOUND
    assert [each["outcome"] for each in json.loads(ended.out)["signals"] if each["sink"] == "dx"] == [
        "failed",
        "skipped",
        "sent",
    ]
    assert "the time for it ran out" in ended.err


def test_a_fetch_that_hangs_takes_half_of_the_budget_at_most_and_leaves_nothing(job, shop, tmp_path):
    shop.git("clone", "--quiet", "--depth=1", shop.root.as_uri(), str(tmp_path / "shallow"))
    with FaultServer(hangs) as host, FaultServer(answers(OK)) as dx:
        this = job(dx.url, GITHUB_SERVER_URL=host.url, GITHUB_TOKEN="t0ken", CIBEACON_TIMEOUT=str(2 * BUDGET))
        with this._replace(cwd=tmp_path / "shallow").running() as living:
            host.waited_for()
            assert living.child("git-remote-http") > 0
            ended = living.ended()
            assert living.left_behind() == []
    assert ended.seconds < 2 * BUDGET + BOUND
    assert this.rows == [("pull-services", "failed"), *((kind, "sent") for kind in KINDS[1:])], ended.out
    assert this.leftovers == []


def test_a_fetch_that_is_interrupted_leaves_nothing(job, shop, tmp_path):
    shop.git("clone", "--quiet", "--depth=1", shop.root.as_uri(), str(tmp_path / "shallow"))
    with FaultServer(hangs) as host, Refusing() as dx:
        this = job(dx.url, GITHUB_SERVER_URL=host.url, GITHUB_TOKEN="t0ken")
        with this._replace(cwd=tmp_path / "shallow").running() as living:
            host.waited_for()
            living.told(signal.SIGTERM)
            ended = living.ended()
            assert living.left_behind() == []
    assert (ended.code, this.rows, this.leftovers) == (0, SERVICES_UNKNOWN, [])


@pytest.mark.parametrize(("number", "strict"), list(zip(SIGNALS, (False, True, False), strict=True)))
def test_an_interrupted_replay_leaves_what_it_did_not_deliver(job, tmp_path, number, strict):
    with Refusing() as dx:
        this = job(dx.url, CIBEACON_SERVICES="payments", CIBEACON_TIMEOUT="0.001")
        with this.running() as living:
            living.ended()
    waiting = this.spool
    assert len(waiting) == 4
    with FaultServer(hangs) as dx:
        environ = this.environ | {"CIBEACON_DX_URL": dx.url, "CIBEACON_TIMEOUT": "60"}
        with Living("replay", *(["--strict"] * strict), environ=environ, cwd=tmp_path) as living:
            dx.waited_for()
            living.told(number)
            ended = living.ended()
    assert ended.seconds < BOUND
    assert (ended.code, [word for _, word in this.rows]) == (int(strict), ["spooled"] * 4)
    assert this.spool == waiting


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_server_ends_in_good_order(job, tmp_path, number):
    with Living("sandbox", "--port=0", environ=job("").environ, cwd=tmp_path) as living:
        assert "The sandbox simulates" in living.process.stderr.readline()
        living.told(number)
        ended = living.ended()
    assert ended.seconds < BOUND
    assert (ended.code, ended.err) == (0, "")
