"""`exec`: streams, descriptors, environment and terminal of the command are those that the caller gave to us."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager
from pathlib import Path

import pytest

from cibeacon.sandbox.server import Sandbox
from faults import FaultServer, hangs
from living import SECONDS
from wrapped import CIBEACON, ENV, EXEC, Running, both, job, observe, only_run, puppet, runs

SHOW_PROCESS = """
import json, os, resource, signal
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "signals": {name: status[name] for name in ("SigBlk", "SigIgn")},
    "descriptors": sorted((int(name), os.readlink(f"/proc/self/fd/{name}")) for name in os.listdir("/proc/self/fd")
                          if os.path.exists(f"/proc/self/fd/{name}") and not os.readlink(f"/proc/self/fd/{name}").startswith("/proc")),
    "folder": os.getcwd(), "mask": os.umask(0), "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "core": resource.getrlimit(resource.RLIMIT_CORE), "nice": os.nice(0),
    "session is the caller's": os.getsid(0) == os.getsid(os.getppid()) or os.getpid() == os.getsid(0),
}))
"""


@pytest.fixture
def dx():
    with Sandbox(token="good") as sandbox:
        yield sandbox


@pytest.fixture
def environ(dx, tmp_path):
    return job(dx.url, tmp_path)


def same(command, **how):
    plain, wrapped = both(command, **how)
    assert wrapped == plain
    return plain


def script(text):
    return (sys.executable, "-I", "-S", "-c", text)


def test_input_comes_through_to_the_byte(environ, tmp_path):
    content = bytes(range(256)) * 1000
    (tmp_path / "input").write_bytes(content)
    ends = []
    for wrapper in (ENV, EXEC):
        with (tmp_path / "input").open("rb") as stdin:
            ends.append(observe(wrapper, ["cat"], environ=environ, cwd=tmp_path, stdin=stdin))
    assert ends[0] == ends[1]
    assert ends[1].out == content


def test_the_command_may_leave_input_for_the_next_one(environ, tmp_path):
    (tmp_path / "input").write_text("one\ntwo\nthree\n")
    with (tmp_path / "input").open("rb") as stdin:
        first = observe(EXEC, ["sh", "-c", "read line; echo $line"], environ=environ, cwd=tmp_path, stdin=stdin)
        rest = stdin.read()
    assert (first.out, rest) == (b"one\n", b"two\nthree\n")


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 1, 2)], ids=str)
def test_closed_streams_stay_closed(closed, environ, tmp_path):
    command = script(SHOW_PROCESS.replace("print(", "open('seen', 'w').write("))
    seen = []
    for wrapper in (ENV, EXEC):
        line = [*wrapper, *command]
        words = " ".join(f"{descriptor}>&-" for descriptor in closed)
        with Running(["sh", "-c", f'exec "$@" {words}', "sh", *line], environ=environ, cwd=tmp_path) as running:
            code = running.observed().code
        seen.append((code, (tmp_path / "seen").read_text().replace(str(running.process.pid), "")))
    names = [[pair[0] for pair in json.loads(text)["descriptors"]] for _, text in seen]
    assert names[0] == names[1]
    assert [code for code, _ in seen] == [0, 0]


def test_the_process_is_set_up_as_the_caller_left_it(environ, tmp_path):
    """Descriptors 3 to 9 are open, a signal is ignored, another one blocked, and limits are the caller's."""

    def prepare():
        os.umask(0o027)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGCHLD})
        for number in range(3, 10):
            os.dup2(os.open("/dev/zero", os.O_RDONLY), 200)
            os.dup2(200, number)
        os.closerange(10, 201)

    (tmp_path / "folder").mkdir()
    how = {"environ": environ, "cwd": tmp_path / "folder", "preexec_fn": prepare, "close_fds": False}
    plain, wrapped = both(script(SHOW_PROCESS), **how)
    assert plain.code == wrapped.code == 0
    shown = [json.loads(end.out) for end in (plain, wrapped)]
    for each in shown:
        each["descriptors"] = [(number, path.partition(":")[0]) for number, path in each["descriptors"]]
    assert shown[0] == shown[1]
    assert [number for number, path in shown[1]["descriptors"] if path == "/dev/zero"] == list(range(3, 10))


def test_a_signal_that_the_caller_ignores_ends_neither(environ, tmp_path):
    ignoring = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    sends = [("HUP", "alone"), ("USR1", "alone"), ("HUP", "group"), ("USR1", "alone"), ("TERM", "alone")]
    command = puppet("USR1")
    for wrapper in (ENV, EXEC):
        with Running((*wrapper, *command), environ=environ, cwd=tmp_path, preexec_fn=ignoring) as running:
            assert running.line() == "ready"
            for name, to in sends:
                running.send(name, to)
                if name == "USR1":
                    assert running.line() == "USR1"
            assert running.observed().code == -signal.SIGTERM


@pytest.mark.parametrize(
    "locale",
    [{}, {"LANG": "C"}, {"LC_ALL": "C"}, {"LC_CTYPE": "C.UTF-8"}, {"LC_ALL": "C.UTF-8"}, {"LANG": "xx_XX"}],
    ids=str,
)
def test_the_environment_is_the_callers_and_one_variable_more(locale, environ, tmp_path):
    more = {
        "EMPTY": "",
        "LINES_": "a\nb",
        "ODD-NAME": "1",
        "BYTES": os.fsdecode(b"\xff\xfe"),
        "PYTHONPATH": "",
        **locale,
    }
    plain, wrapped = both(["env", "-0"], environ={**environ, **more}, cwd=tmp_path)
    entries = wrapped.out.split(b"\0")
    ours = [entry for entry in entries if entry.startswith(b"CIBEACON_EXEC_ID=")]
    assert len(ours) == 1
    assert [entry for entry in entries if entry not in ours] == plain.out.split(b"\0")


def test_arguments_that_are_no_text_come_through(environ, tmp_path):
    same(["printf", "<%s>", b"\xff\xfe", "ä", "\x01", "-\n-"], environ=environ, cwd=tmp_path)


def test_secrets_of_ours_can_be_kept_from_the_command(environ, tmp_path):
    environ |= {"CIBEACON_DCI_API_SECRET": "s3cret-dci", "GITLAB_TOKEN": "glpat-of-all-tools"}
    wrapped = observe((CIBEACON, "exec", "--hide-token", "--"), ["env"], environ=environ, cwd=tmp_path)
    assert b"DX_API_TOKEN" not in wrapped.out
    assert b"DCI_API_SECRET" not in wrapped.out
    assert b"GITLAB_TOKEN=glpat-of-all-tools\n" in wrapped.out


def test_a_reader_who_has_seen_enough_ends_the_command(environ, tmp_path, dx):
    command = f"{CIBEACON} exec -- sh -c 'yes; echo $? >code; kill -PIPE $$' | head -1"
    end = observe((), ["sh", "-c", command], environ=environ, cwd=tmp_path)
    assert (end.out, end.err) == (b"y\n", b"")
    assert (tmp_path / "code").read_text() == "141\n"


def test_128_mib_go_through_a_pipe_without_loss(environ, tmp_path):
    """Nothing of it passes through us: the command writes to the caller's own pipe."""
    size = 1 << 27
    line = f"{CIBEACON} exec -- head -c {size} /dev/zero | {CIBEACON} exec -- sha256sum"
    with Running(["sh", "-c", line], environ=environ, cwd=tmp_path) as running:
        end = running.observed()
    digest = hashlib.sha256()
    for _ in range(size >> 20):
        digest.update(bytes(1 << 20))
    assert end.out.split()[0].decode() == digest.hexdigest()


def test_whoever_reads_the_output_sees_its_end_while_the_report_still_hangs(tmp_path):
    with FaultServer(hangs) as server:
        environ = job(server.url, tmp_path)
        command = (CIBEACON, "exec", "--report-timeout=60", "--", "sh", "-c", "echo done; exec 3>&-")
        read, write = os.pipe()
        with Running(command, environ=environ, cwd=tmp_path, pass_fds=[write]) as running:
            os.close(write)
            for pipe in (running.process.stdout.fileno(), read):
                while select.select([pipe], [], [], SECONDS)[0] and os.read(pipe, 100):
                    pass
            os.close(read)
            assert running.process.poll() is None  # it is still reporting
            server.waited_for()


# The terminal ---------------------------------------------------------------------------------------------------------


class Terminal:
    """A terminal whose foreground job is a command."""

    def __init__(self, command, *, environ, cwd):
        self.pid, self._file = pty.fork()
        if not self.pid:
            os.chdir(cwd)
            os.execve(command[0], command, environ)
        self.seen = b""

    def until(self, text):
        """Reads until it shows a text."""
        while text.encode() not in self.seen:
            assert select.select([self._file], [], [], SECONDS)[0], self.seen
            self.seen += os.read(self._file, 4096)

    def type(self, text):
        os.write(self._file, text.encode())

    def resize(self, lines, columns):
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def ended(self):
        """The exit code, once it has ended."""
        while select.select([self._file], [], [], SECONDS)[0]:
            try:
                self.seen += os.read(self._file, 4096)
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self):
        os.close(self._file)


@contextmanager
def terminal(wrapper, command, *, environ, cwd):
    program = wrapper[0] if "/" in wrapper[0] else f"/usr/bin/{wrapper[0]}"
    shown = Terminal([program, *wrapper[1:], *command], environ=environ, cwd=cwd)
    try:
        yield shown
    finally:
        shown.close()


@pytest.mark.parametrize("wrapper", [ENV, EXEC], ids=["env", "exec"])
def test_the_terminal_is_the_commands_own(wrapper, environ, tmp_path):
    """Its size, echo and line discipline; a password is read from /dev/tty."""
    text = "import os, getpass; print(os.get_terminal_size().lines, *(os.isatty(n) for n in range(3))); print(getpass.getpass())"
    with terminal(wrapper, [sys.executable, "-c", text], environ=environ, cwd=tmp_path) as shown:
        shown.until("Password: ")
        shown.type("secret word\n")
        assert shown.ended() == 0
    assert b"True True True" in shown.seen
    assert shown.seen.count(b"secret word") == 1  # not echoed, and printed once


@pytest.mark.parametrize("wrapper", [ENV, EXEC], ids=["env", "exec"])
@pytest.mark.parametrize(("key", "name"), [("\x03", "INT"), ("\x1c", "QUIT")])
def test_a_key_reaches_the_command_once(wrapper, key, name, environ, tmp_path):
    with terminal(wrapper, puppet(f"{name},USR1", ends_at="USR1", code=8), environ=environ, cwd=tmp_path) as shown:
        shown.until("ready")
        shown.type(key)
        shown.until(name)
        os.kill(shown.pid, signal.SIGUSR1)
        assert shown.ended() == 8
    assert shown.seen.count(name.encode()) == 1


def test_a_new_size_of_the_terminal_reaches_the_command_once(environ, tmp_path):
    with terminal(EXEC, puppet("WINCH,USR1", ends_at="USR1", code=8), environ=environ, cwd=tmp_path) as shown:
        shown.until("ready")
        shown.resize(33, 100)
        shown.until("WINCH")
        os.kill(shown.pid, signal.SIGUSR1)
        assert shown.ended() == 8
    assert shown.seen.count(b"WINCH") == 1


def test_a_group_that_is_stopped_and_continued_goes_on(environ, tmp_path):
    with Running((*EXEC, *puppet("CONT,USR1", ends_at="USR1", code=4)), environ=environ, cwd=tmp_path) as running:
        running.line()
        running.send("STOP", "group")
        for pid in (running.process.pid, running.command()):
            while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                pass
        running.send("CONT", "group")
        assert running.line() == "CONT"
        running.send("USR1")
        end = running.observed(expected_left=[])
    assert (end.code, end.out, end.left) == (4, b"ready\nCONT\nUSR1\n", [])


def test_ctrl_z_stops_the_job_and_fg_continues_it(environ, tmp_path):
    shell = ["bash", "--norc", "--noprofile", "-i"]
    line = " ".join([*EXEC, "sh -c 'echo up; read word; echo got $word; exit 6'"])
    with terminal(["bash"], shell[1:], environ={**environ, "PS1": "> "}, cwd=tmp_path) as shown:
        shown.until("> ")
        shown.type(f"stty -echo; {line}; echo code $?\n")
        shown.until("up")
        shown.type("\x1a")
        shown.until("Stopped")
        shown.seen = b""
        shown.type("fg >/dev/null; echo code $?\n")
        shown.type("word\n")
        shown.until("got word")
        shown.until("code 6")
        shown.type("exit\n")
        shown.ended()


def test_a_command_in_the_background_stops_where_it_reads_the_terminal(environ, tmp_path):
    line = " ".join([*EXEC, "sh -c 'read word; echo got $word'"])
    with terminal(["bash"], ["--norc", "--noprofile", "-i"], environ={**environ, "PS1": "> "}, cwd=tmp_path) as shown:
        shown.until("> ")
        shown.type(f"stty -echo; {line} & \n")
        shown.type("while ! jobs | grep Stopped; do :; done\n")
        shown.until("Stopped")
        shown.type("fg >/dev/null\n")
        shown.type("word\n")
        shown.until("got word")
        shown.type("exit\n")
        shown.ended()


# Process 1, groups, children ------------------------------------------------------------------------------------------


def test_as_process_1_it_hands_signals_on_and_reaps_strangers(environ, tmp_path, dx):
    inner = "trap 'exit 9' TERM; (sleep 0.01 & exit) ; echo ready; while :; do sleep 0.01; done"
    unshare = ["unshare", "-pf", "--kill-child", "--mount-proc"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespace of processes can be made here")
    with Running([*unshare, *EXEC, "sh", "-c", inner], environ=environ, cwd=tmp_path) as running:
        assert running.line() == "ready"
        (first,) = children(running.process.pid)
        os.kill(first, signal.SIGTERM)
        assert running.observed().code == 9
    assert only_run(dx)["status"] == "cancelled"


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV"])
def test_process_1_exits_by_the_number_of_the_signal(name, environ, tmp_path):
    unshare = ["unshare", "-pf", "--kill-child", "--mount-proc"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespace of processes can be made here")
    end = observe((*unshare, *EXEC), ["sh", "-c", f"kill -{name} $$"], environ=environ, cwd=tmp_path)
    assert end.code == 128 + getattr(signal, f"SIG{name}")


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_command_does_not_outlive_us_where_we_are_killed(environ, tmp_path):
    with Running((*EXEC, *puppet()), environ=environ, cwd=tmp_path) as running:
        running.line()
        running.send("KILL")
        end = running.observed(expected_left=[])
    assert (end.code, end.left) == (-signal.SIGKILL, [])


def test_a_command_outlives_us_where_it_is_told_to(environ, tmp_path):
    command = puppet("USR1", ends_at="USR1", code=0)
    with Running((CIBEACON, "exec", "--leave-running", "--", *command), environ=environ, cwd=tmp_path) as running:
        running.line()
        pid = running.command()
        running.send("KILL")
        running.process.wait()
        os.kill(pid, signal.SIGUSR1)
        assert running.line() == "USR1"


def test_a_group_of_its_own_gets_signals_as_a_whole(environ, tmp_path):
    with Running(
        (CIBEACON, "exec", "--group", "--", "sh", "-c", "sleep 1005 <&- >&- 2>&- & echo ready; wait"),
        environ=environ,
        cwd=tmp_path,
    ) as running:
        running.line()
        running.send("TERM")
        end = running.observed(expected_left=[])
    assert (end.code, end.left) == (-signal.SIGTERM, [])


def test_a_second_signal_is_handed_on_where_the_first_went_to_the_group(environ, tmp_path):
    """One that follows at once counts as the first one's echo, so it is sent again until it is no more."""
    with Running((*EXEC, *puppet("INT")), environ=environ, cwd=tmp_path) as running:
        running.line()
        running.send("INT", "group")
        assert running.line() == "INT"
        while not select.select([running.process.stdout], [], [], 0.1)[0]:
            running.send("INT", "alone")
        assert running.line() == "INT"
        running.send("QUIT", "group")
        assert running.observed().code == -signal.SIGQUIT


@pytest.mark.parametrize("flags", [(), ("--group",)], ids=["alone", "group"])
def test_a_command_that_does_not_stop_is_killed_where_that_is_asked_for(flags, environ, tmp_path, dx):
    command = (CIBEACON, "exec", *flags, "--kill-after=0.2", "--", *puppet("TERM"))
    end = observe(command, (), [("TERM", "alone")], environ=environ, cwd=tmp_path)
    assert end.code == -signal.SIGKILL
    assert only_run(dx)["status"] == "cancelled"


def test_an_inner_exec_is_its_command_and_reports_nothing(environ, tmp_path, dx):
    inner = [*EXEC, "sh", "-c", "echo $PPID; exit 3"]
    end = observe(EXEC, ["sh", "-c", 'echo $$; "$@"', "sh", *inner], environ=environ, cwd=tmp_path)
    outer, parent = end.out.split()
    assert outer == parent  # nothing of ours stands between them
    assert (end.code, end.err) == (3, b"")
    assert len(runs(dx)) == 1
