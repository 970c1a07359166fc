"""The upload progress of large files: bars on a terminal, an occasional line elsewhere."""

from __future__ import annotations

import io
from time import monotonic, sleep, time

import pytest

from cibeacon.cli.progress import EVERY, LARGE, progress
from cibeacon.cli.tables import table
from cibeacon.http import UnrepeatingAdapter, credential_headers
from cibeacon.http.client import HttpClient
from cibeacon.model.report import Outcome
from cibeacon.model.request import Endpoint, Request, SinkResult
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.paths import watched
from faults import FaultServer, answers, response


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


def env(tmp_path, stream, now, environ=None):
    return Environment(
        environ=environ or {},
        cwd=tmp_path,
        stdin=io.StringIO(),
        out=stream,
        err=stream,
        now=lambda: 0.0,
        began=0,
        clock=lambda: now[0],
        started=0.0,
        sleep=lambda _: None,
        random=lambda: 0.0,
        token=lambda: "token",
    )


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "core\n::error::x.bin"
    with path.open("wb") as file:
        file.truncate(4 * LARGE)
    return path


def test_in_ci_a_line_for_each_large_file_comes_every_ten_seconds(tmp_path, large):
    small = tmp_path / "small.log"
    small.write_text("x")
    said, now = io.StringIO(), [0.0]
    with progress(env(tmp_path, said, now)) as watch:
        for step in range(4):
            now[0] = step * EVERY / 2
            watch(small, 1)
            watch(large, step * LARGE)
    assert said.getvalue() == "core\\n::error::x.bin: 8 of 32 MiB\n"


def test_what_is_done_or_gone_is_not_told(tmp_path, large):
    said, now = io.StringIO(), [0.0]
    with progress(env(tmp_path, said, now)) as watch:
        watch(large, 4 * LARGE)
        watch(tmp_path / "gone", 1)
        now[0] = 2 * EVERY
        watch(large, 4 * LARGE)
    assert said.getvalue() == ""


def test_the_name_of_a_file_tells_no_secret(tmp_path):
    path = tmp_path / "hunter2hunter2.bin"
    with path.open("wb") as file:
        file.truncate(LARGE)
    said, now = io.StringIO(), [0.0]
    with progress(env(tmp_path, said, now, {"DCI_API_SECRET": "hunter2hunter2"})) as watch:
        now[0] = 2 * EVERY
        watch(path, 1)
    assert said.getvalue() == "***.bin: 0 of 8 MiB\n"


def test_on_a_terminal_there_are_bars_that_go_away(tmp_path, large):
    said = Terminal()
    with progress(env(tmp_path, said, [0.0], {"DCI_API_SECRET": "error::x"})) as watch:
        watch(large, LARGE)
        watch(large, 2 * LARGE)
    assert "core" in said.getvalue()
    assert "error::x" not in said.getvalue()
    assert said.getvalue().endswith("\x1b[2K")


def test_a_file_that_is_watched_reads_as_it_is(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    seen = []
    with watched(path, lambda each, read: seen.append((each, read))) as file:
        assert (file.read(4), file.read(4), file.read(4), file.read(4)) == (b"0123", b"4567", b"89", b"")
    assert seen == [(path, 4), (path, 8), (path, 10), (path, 10)]
    with watched(path, None) as file:
        assert file.read() == b"0123456789"


def test_a_file_that_grows_is_signed_and_sent_as_it_was_when_it_was_opened(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"0123456789" * 100_000)
    as_it_was = path.read_bytes()

    def grow(*_):
        with path.open("ab") as file:
            file.write(b"more" * 1000)

    call = Request("POST", "/api/v1/files", auth="dci", headers={"DCI-NAME": "a"}, file=path, repeatable=False)
    with FaultServer(answers(response(b"{}", status="201 Created"))) as server:
        endpoint = Endpoint(server.url, "secret", client_id="remoteci/x")
        deadline = Deadline(10.0, monotonic, sleep, monotonic())
        client = HttpClient({"dci": endpoint}, deadline, random=lambda: 0.0, now=time, user_agent="x", watch=grow)
        row = client.send(_once(call), Outcome("dci", "dci", "skipped"))
        client.close()
    assert (row.status, row.attempts) == ("sent", 1)
    _, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == as_it_was
    assert path.stat().st_size > len(body)
    with watched(path, None) as file:
        grow()
        signed = credential_headers(call, endpoint, file, 0.0)
        sent = file.read()
        assert path.stat().st_size > len(sent)
    assert signed == credential_headers(call, endpoint, sent, 0.0)


def _once(call):
    yield call
    return SinkResult("sent")


def test_a_file_that_became_shorter_is_not_sent_as_if_it_were_whole(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"0123456789")
    with watched(path, None) as file:
        path.write_bytes(b"")
        with pytest.raises(OSError, match="became shorter"):
            file.read(4)
        with pytest.raises(OSError, match="became shorter"):
            credential_headers(Request("POST", "/", auth="dci"), Endpoint("https://dci", "secret"), file, 0.0)


def test_a_file_that_becomes_shorter_while_it_is_sent_is_sent_again_as_it_is_by_then(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"0123456789" * 1_000_000)
    shortened = []

    def shorten(*_):
        if not shortened:
            path.write_bytes(b"short")
            shortened.append(True)

    call = Request("POST", "/api/v1/files", auth="dci", file=path)
    with FaultServer(answers(response(b"{}", status="201 Created"))) as server:
        deadline = Deadline(10.0, monotonic, lambda seconds: None, monotonic())
        client = HttpClient({"dci": Endpoint(server.url, "secret", client_id="remoteci/x")}, deadline,
                            random=lambda: 0.0, now=time, user_agent="x", watch=shorten)  # fmt: skip
        outcome = client.send(_once(call), Outcome("dci", "dci", "skipped"))
        client.close()
    assert (outcome.status, outcome.attempts) == ("sent", 2)
    assert any(request.endswith(b"\r\n\r\nshort") for request in server.requests)


def test_a_body_is_written_in_large_blocks():
    pool = UnrepeatingAdapter().poolmanager
    assert pool.connection_pool_kw["blocksize"] == 1 << 20


def test_a_table_is_aligned_text_and_drawn_only_for_people(tmp_path):
    plain, terminal = io.StringIO(), Terminal()
    rows = [("a", None), ("b::error::\nx", "1")]
    assert (
        table(env(tmp_path, plain, [0.0]), ("name", "id"), rows)
        == "name           id\na              -\nb::error::\\nx  1\n"
    )
    assert "\x1b[" in table(env(tmp_path, terminal, [0.0]), ("name", "id"), rows)
    assert table(env(tmp_path, terminal, [0.0]), ("name", "id"), []) == ""
