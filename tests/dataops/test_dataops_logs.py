"""Other jobs' logs in ours: complete, masked, without commands to the runner, and in constant memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.dataops.job_log import LONGEST_LINE, RESTART, LogPart, LogTail, SafeLines
from cibeacon.runtime.safe_text import Redactor
from cibeacon.sandbox.dataops_account import DataOpsAccount, Job, Log, Script
from cibeacon.sandbox.server import Sandbox
from driving import API, drive, rewrite
from log_grammar import commands, sections
from mishaps import mishaps

HUGE = 30_000_000
MOST_MEMORY = 50 << 10
"""KiB; the interpreter and its libraries need about forty thousand of them."""
HOSTILE = (
    "::error::pwned\n  ::add-mask::a\n##[error]pwned\n::stop-commands::token1\n::token1::\n::token2::\n"
    "section_start:1:evil\r\x1b[0Kevil\nsection_end:1:evil\r\x1b[0K\n\x1b]0;title\x07quiet\rloud\n"
    "\x1b[0Ksection_start:1:evil[collapsed=true]\r\x1b[0Kmore\n\u2028::error::x\n\x00\x9b31m\n"
)


def text_of(*pieces, secrets=()):
    lines = SafeLines(Redactor(secrets))
    return [line for piece in pieces for line in lines.feed(piece)] + list(lines.rest())


# Lines ----------------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])), st.data())
def test_however_a_log_is_cut_its_lines_are_the_same(text, data):
    raw = f"ö{text}\nlast é".encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert text_of(*pieces) == text_of(raw)
    assert len(text_of(raw)) == raw.count(b"\n") + 1


def test_bytes_that_are_no_text_stop_nothing():
    assert text_of(b"a\xff\xfeb\n\xc3") == ["a��b", "�"]


def test_what_the_runner_adds_is_taken_off():
    raw = (
        b"2026-11-21T08:57:13.046962Z 00O \x1b[0Ksection_start:1700000000:step\r\x1b[0K\x1b[36;1mTitle\x1b[0;m\r\n"
        b"2026-11-21T08:57:14.046962Z 01E+50 %\r100 %\nsection_end:1:step\r\x1b[0Kend\n"
    )
    assert text_of(raw) == ["Title", "100 %", "end"]


@given(st.binary(max_size=300))
def test_no_line_of_anybody_is_a_command_or_a_marker(raw):
    for line in text_of(raw, HOSTILE.encode()):
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", line)


@pytest.mark.parametrize("before", [0, 10, LONGEST_LINE - 30, LONGEST_LINE, LONGEST_LINE + 5])
def test_a_secret_in_a_line_without_an_end_is_masked_wherever_it_is_cut(before):
    secret = "glpat-abcdefghijklmnopqrstuv"
    raw = b"x" * before + secret.encode() + b"y" * 3 * LONGEST_LINE
    for size in (1, 7, 1 << 16) if before < 20 else (1000, 1 << 16):
        found = "".join(text_of(*(raw[at : at + size] for at in range(0, len(raw), size)), secrets=[secret]))
        assert secret not in found
        assert "***" in found
        assert found.count("y") == 3 * LONGEST_LINE


def test_a_secret_that_colours_cut_into_pieces_is_masked():
    assert text_of(b"tok\x1b[31men-123456\n", secrets=["token-123456"]) == ["***"]


# Offsets --------------------------------------------------------------------------------------------------------------


def read(offset, part, complete=b""):
    """What a tail reads from an answer, and from the complete log if it asks again."""
    asked = []

    def fetch(offset):
        asked.append(offset)
        return part if len(asked) == 1 else LogPart(0, None, [complete])

    tail = LogTail(fetch, offset)
    return list(tail.new_pieces()), asked, tail.offset


@pytest.mark.parametrize(
    ("offset", "part", "found", "asked", "now"),
    [
        (0, LogPart(0, None, [b"abc"]), [b"abc"], [0], 3),
        (0, LogPart(0, None, []), [], [0], 0),
        (3, LogPart(3, 6, [b"def"]), [b"def"], [3], 6),
        (3, LogPart(0, None, [b"ab", b"cde", b"f"]), [b"de", b"f"], [3], 6),
        (3, LogPart(2, 6, [b"cdef"]), [b"def"], [3], 6),
        (3, LogPart(0, None, [b"abc"]), [], [3], 3),
        (3, LogPart(None, 3), [], [3], 3),
        (3, LogPart(None, None), [], [3], 3),
        (3, LogPart(None, 0), [RESTART, b"new"], [3, 0], 3),
        (3, LogPart(0, None, [b"x"]), [RESTART, b"new"], [3, 0], 3),
        (3, LogPart(5, 9, [b"fghi"]), [RESTART, b"new"], [3, 0], 3),
    ],
)
def test_what_an_answer_means_for_a_log_that_was_read_in_part(offset, part, found, asked, now):
    assert read(offset, part, b"new") == (found, asked, now)


@pytest.mark.parametrize(
    ("status", "header", "part"),
    [
        (206, "bytes 3-5/6", (3, 6)),
        (206, "bytes 3-5/*", (3, None)),
        (206, "nonsense", (0, None)),
        (206, "", (0, None)),
        (200, "bytes 3-5/6", (0, None)),
    ],
)
def test_a_content_range_is_read(status, header, part):
    assert LogPart.read(status, {"Content-Range": header}, [])[:2] == part


@pytest.mark.parametrize("ranges", ["ignored", "archived", "honoured"])
@pytest.mark.parametrize("wanted", ["all", "failed"])
def test_each_line_of_each_job_is_shown_once_whatever_the_server_makes_of_ranges(tmp_path, time, ranges, wanted):
    told = "".join(f"row {number}\n" for number in range(200))
    jobs = [Job(name, running=7, log=f"{name}\n{told}", ends=("failed",), allow_failure=True) for name in ("a", "b")]
    with Sandbox(dataops=DataOpsAccount(ranges=ranges), clock=time.now) as sandbox:
        sandbox.dataops.scripts["this-ci.yml"] = Script(jobs)
        flags = ("--ref=main", "--pipeline-file=this-ci.yml", "--wait", f"--logs={wanted}")
        ended = drive(sandbox, "trigger", *flags, cwd=tmp_path, time=time)
    for name in ("a", "b"):
        shown = [line for line in ended.out.splitlines() if line.startswith(f"{name} | ")]
        assert shown == [f"{name} | {line}" for line in (name, *told.splitlines())]


# A whole command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def hostile(sandbox):
    job = Job("::error::job", log=f"{HOSTILE}my token is {API}\n", ends=("failed",))
    sandbox.dataops.scripts["this-ci.yml"] = Script([job])
    return ("trigger", "--ref=main", "--pipeline-file=this-ci.yml", "--wait")


@pytest.mark.parametrize("wanted", ["failed", "all"])
def test_on_github_nothing_in_a_log_is_obeyed(dataops, hostile, wanted, tmp_path):
    ended = dataops(*hostile, f"--logs={wanted}", GITHUB_ACTIONS="true", GITHUB_OUTPUT=str(tmp_path / "out"))
    assert ended.code == 10
    found = {command.name for command in commands(ended.out)}
    assert found <= {"add-mask", "stop-commands", "error"} | {name for name in found if name.startswith("token")}
    assert "pwned" not in str([command for command in commands(ended.out) if command.name == "error"])
    for line in ended.out.splitlines():
        assert not re.match(r"\s*::(error|add-mask)::(pwned|a|x)\b", line)
    assert API not in re.sub(r"(?m)^::add-mask::.*$", "", ended.out)


def test_on_github_the_guard_is_opened_and_closed_with_one_word(dataops, hostile, tmp_path):
    ended = dataops(*hostile, GITHUB_ACTIONS="true")
    lines = ended.out.splitlines()
    begins = [number for number, line in enumerate(lines) if line.startswith("::stop-commands::")]
    assert begins
    for number in begins:
        word = lines[number].removeprefix("::stop-commands::")
        assert f"::{word}::" in lines[number + 1 :]


def test_on_gitlab_no_section_of_a_log_is_one_of_ours(dataops, hostile, tmp_path):
    ended = dataops(*hostile, "--logs=all", GITLAB_CI="true", CI_PROJECT_DIR=str(tmp_path))
    assert ended.code == 10
    assert not sections(ended.out)
    assert "\x1b" not in ended.out


def test_a_secret_in_a_log_is_masked(dataops, hostile):
    ended = dataops(*hostile)
    assert API not in ended.out
    assert "my token is ***" in ended.out


@pytest.mark.parametrize(
    ("wanted", "kept", "lost"), [("all", "row 1\n", "row 999\n"), ("failed", "row 999\n", "row 1\n")]
)
def test_a_long_log_is_cut_and_that_is_said(sandbox, dataops, wanted, kept, lost):
    told = "".join(f"row {number}\n" for number in range(1000))
    sandbox.dataops.scripts["this-ci.yml"] = Script([Job("a", log=told, ends=("failed",))])
    flags = ("--ref=main", "--pipeline-file=this-ci.yml", "--wait", f"--logs={wanted}", "--log-limit=500")
    ended = dataops("trigger", *flags)
    shown = "\n".join(line for line in ended.out.splitlines() if line.startswith("a | ")) + "\n"
    assert kept in shown
    assert lost not in shown
    assert re.search(rf"a \| --- the {'first' if wanted == 'all' else 'last'} 500 bytes; .*/-/jobs/\d+ ---", shown)
    assert len(shown) < 1500


def test_no_log_is_read_where_none_is_wanted(sandbox, dataops):
    flags = ("--ref=main", "--pipeline-file=new-ci.yml", "--wait", "--logs=none")
    assert dataops("trigger", *flags).code == 10
    assert not [each for each in sandbox.ledger.document()["requests"] if each["path"].endswith("/trace")]


def test_a_growing_log_is_followed_to_its_end(sandbox, dataops):
    told = "".join(f"row {number}\n" for number in range(300))
    sandbox.dataops.scripts["this-ci.yml"] = Script([Job("a", running=6, log=told)])
    dataops("trigger", "--ref=main", "--pipeline-file=this-ci.yml")
    mishaps(sandbox, "dataops").fail("GET", "/projects/*/trace", 503, 2)
    ended = dataops("log", "4325422", "--follow")
    assert (ended.code, ended.out) == (0, told)


def test_a_log_of_30_mb_is_followed_in_constant_memory(sandbox, tmp_path):
    row = b"2026-11-21T08:57:13.046962Z 00O \x1b[32;1mrow 1234567890\x1b[0;m was loaded" + b" and checked" * 60 + b"\n"
    rewrite(sandbox, 47217, Log(row, HUGE))
    environ = {"PATH": os.environ["PATH"], **sandbox.dataops.account.exports(sandbox.url)}
    script = (
        "import re, sys; from cibeacon.__main__ import main; code = main(); sys.stdout.flush(); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr); sys.exit(code)"
    )
    command = [sys.executable, "-c", script, "dataops", "log", "47217", "--follow", "--wait-timeout=250"]
    shown = 0
    with subprocess.Popen(
        command, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        while piece := os.read(running.stdout.fileno(), 1 << 20):
            shown += piece.count(b"\n")
        peak = int(running.stderr.read().split()[-1])  # only of this program: the kernel's count includes its parent's
    assert running.returncode == 0
    assert shown >= HUGE // len(row)
    assert peak < MOST_MEMORY
