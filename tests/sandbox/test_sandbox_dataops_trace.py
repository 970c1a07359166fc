"""How a log is handed out: it grows, by ranges or whole, is erased or written anew, and is never held in memory."""

from __future__ import annotations

import tracemalloc

import pytest
import requests

from cibeacon.sandbox.dataops_account import DataOpsAccount, Job, Log, Script
from cibeacon.sandbox.server import Sandbox
from driving import rewrite

NOON = 1_700_000_000.0
CONTENT = "zwölf\n" * 20
API, OPEN = "sandbox-private-api", {"PRIVATE-TOKEN": "sandbox-private-read"}


def started(sandbox, job):
    """The id of the only job of a new pipeline."""
    sandbox.dataops.ordered.append(Script((job,)))
    body = {"token": "sandbox-trigger-token", "ref": "main", "variables": {"_PIPELINE_FILE_NAME": "full-ci.yml"}}
    pipeline = requests.post(f"{sandbox.url}/api/v4/projects/830/trigger/pipeline", json=body).json()["id"]
    return sandbox.dataops.document()["pipelines"][str(pipeline)]["jobs"][0]["id"]


def trace(sandbox, job, first=None, **how):
    headers = OPEN if first is None else {**OPEN, "Range": first if isinstance(first, str) else f"bytes={first}-"}
    return requests.get(f"{sandbox.url}/api/v4/projects/830/jobs/{job}/trace", headers=headers, **how)


def test_a_log_grows_from_nothing_to_all_and_never_changes_what_it_said(sandbox):
    job = started(sandbox, Job("a", pending=1, running=4, log=CONTENT))
    seen = []
    for _ in range(7):
        seen.append(trace(sandbox, job).content)
        sandbox.dataops.advance()
    whole = CONTENT.encode()
    assert [len(one) for one in seen] == [0, 28, 56, 84, 112, 140, 140]
    assert all(whole.startswith(one) for one in seen)


def test_a_job_that_runs_for_ever_has_a_log_that_grows_to_its_end(sandbox):
    job = started(sandbox, Job("a", pending=0, running=None, log=CONTENT))
    sandbox.dataops.advance(30)
    assert trace(sandbox, job).content == CONTENT.encode()


@pytest.mark.parametrize(
    ("ranges", "while_running", "afterwards"),
    [("ignored", 200, 200), ("archived", 200, 206), ("honoured", 206, 206)],
)
def test_a_range_is_honoured_as_the_account_says(ranges, while_running, afterwards):
    with Sandbox(clock=lambda: NOON, dataops=DataOpsAccount(ranges=ranges)) as sandbox:
        job = started(sandbox, Job("a", pending=0, running=1, log=CONTENT))
        assert trace(sandbox, job, 7).status_code == while_running
        sandbox.dataops.advance()
        reply = trace(sandbox, job, 7)
        assert reply.status_code == afterwards
        assert reply.content == CONTENT.encode()[7 if afterwards == 206 else 0 :]


@pytest.mark.parametrize(
    ("asked", "status", "told", "content"),
    [
        ("bytes=130-", 206, "bytes 130-139/140", CONTENT.encode()[130:]),
        ("bytes=0-4", 206, "bytes 0-4/140", CONTENT.encode()[:5]),
        ("bytes=139-900", 206, "bytes 139-139/140", b"\n"),
        ("bytes=-6", 206, "bytes 134-139/140", CONTENT.encode()[134:]),
        ("bytes=140-", 416, "bytes */140", b""),
        ("bytes=9-3", 416, "bytes */140", b""),
        ("bytes=-", 416, "bytes */140", b""),
        ("lines=3-", 200, None, CONTENT.encode()),
    ],
)
def test_a_range_gets_what_the_standard_says(asked, status, told, content, sandbox):
    job = started(sandbox, Job("a", pending=0, running=0, log=CONTENT))
    reply = trace(sandbox, job, asked)
    assert (reply.status_code, reply.headers.get("Content-Range"), reply.content) == (status, told, content)


def test_a_log_may_be_erased_and_written_anew(sandbox):
    job = started(sandbox, Job("a", pending=0, running=0, log=CONTENT))
    rewrite(sandbox, job, Log(b"short\n"))
    assert trace(sandbox, job).content == b"short\n"
    assert trace(sandbox, job, 100).status_code == 416
    erased = requests.post(f"{sandbox.url}/api/v4/projects/830/jobs/{job}/erase", headers={"PRIVATE-TOKEN": API})
    assert (erased.status_code, trace(sandbox, job).content) == (201, b"")


def test_a_large_log_is_never_held_in_memory(sandbox):
    size = 200 * 1024 * 1024
    job = started(sandbox, Job("a", pending=0, running=0, log=Log(b"a line of a log\n", size)))
    tracemalloc.start()
    try:
        with trace(sandbox, job, stream=True) as reply:
            assert reply.headers["Content-Length"] == str(size)
            heard = sum(len(piece) for piece in reply.iter_content(1024 * 1024))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert heard == size
    assert peak < 16 * 1024 * 1024


def test_pieces_of_a_log_are_those_of_the_repeated_content():
    log = Log(b"abc", 1_000_000)
    whole = b"abc" * 333_334
    for start, end in ((0, 1_000_000), (1, 2), (262_143, 600_001), (5, 5), (999_999, 1_000_000)):
        assert b"".join(log.pieces(start, end)) == whole[start:end]
    assert (len(log), len(Log(b"abc")), list(Log(b"").pieces(0, 0))) == (1_000_000, 3, [])
