"""Whole backfills against the sandbox and faulty servers: what is sent, shown, recorded and continued."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest

from backfills import BEGAN, TOKEN, WELL, ScriptedDX, reply, run_backfill
from cibeacon.backfill import sender
from cibeacon.backfill.columns import KINDS
from cibeacon.backfill.journal import VERSION_1, FileJournal, Journal, JournalError
from cibeacon.backfill.parsers import TimeRules
from cibeacon.backfill.rows import fingerprint, read_row
from cibeacon.backfill.sender import Outage
from cibeacon.backfill.summary import RowCounts
from cibeacon.cli.backfill_view import LINE_SECONDS, ProgressView
from cibeacon.http.client import TRIES
from cibeacon.runtime import Environment
from cibeacon.runtime.safe_text import Redactor
from cibeacon.sandbox.server import Sandbox
from faults import FaultServer, hangs, response
from processes import cibeacon

HERE = Path(__file__).parent
FILES = json.loads((HERE / "files.json").read_text())
ROWS = json.loads((HERE / "rows.json").read_text())
HEADER = "deployed_at,service,repository,commit_sha"


def deployments(number, start=0):
    return [f"{BEGAN + at},service-{at % 7},acme/shop,{at + 1:040x}" for at in range(start, start + number)]


def written(folder, lines, name="d.csv", header=HEADER):
    path = folder / name
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def backfill(folder, *argv, url=None, **more):
    return run_backfill(folder, url, *argv, **more)


def counts(ended):
    return {name: number for name, number in json.loads(ended.out)["rows"].items() if number}


def failed(folder, name="d.csv"):
    with (folder / f"{name}.failed.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def dates(sandbox):
    return sorted(each["deployed_at"] for each in sandbox.ledger.document()["deployments"].values())


# Files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", FILES, ids=lambda case: case["what"])
@pytest.mark.parametrize("flag", ["--check", "--dry-run", "--no-dry-run"])
def test_a_file_that_cannot_be_used_is_said_and_exits_2(tmp_path, sandbox, case, flag):
    content = bytes.fromhex(case["hex"]) if "hex" in case else case["content"].encode()
    (tmp_path / "d.csv").write_bytes(content)
    ended = backfill(tmp_path, "d.csv", flag, url=sandbox.url)
    assert ended.code == 2
    assert case["says"] in ended.out
    assert sandbox.ledger.document()["deployments"] == {}


HUGE = {
    "a line without end": (b"x" * (2 << 20), "one of its lines is over 1 MiB"),
    "a row over lines without end": (b'1680723287,"' + b'","\n' * (1 << 20), "one of its rows is over 1 MiB"),
    "columns without end": (b"a" + b"," * (1 << 19), "columns. Remove"),
}


@pytest.mark.parametrize("what", HUGE)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_what_is_too_large_to_be_a_row_ends_the_file_there_and_is_not_kept_in_memory(tmp_path, what, packed):
    content, says = HUGE[what]
    content = (b"" if "columns" in what else f"{HEADER}\n".encode()) + content
    (tmp_path / "d.csv").write_bytes(gzip.compress(content, 1) if packed else content)
    ended = backfill(tmp_path, "d.csv", "--check", environ={"DX_API_TOKEN": ""})
    assert ended.code == 2
    assert says in ended.out
    assert len(ended.out) < 1000


@pytest.mark.parametrize("fields", ['"k%d":1', '"k":[%d]'], ids=["fields", "one field"])
def test_an_object_of_fields_without_end_is_one_bad_row_in_one_line(tmp_path, fields):
    line = "{" + ",".join(fields % number for number in range(50_000)) + "}"
    (tmp_path / "d.ndjson").write_text(f"{line}\n")
    ended = backfill(tmp_path, "d.ndjson", "--check", environ={"DX_API_TOKEN": ""})
    told = [row for row in ended.out.splitlines() if row.startswith("d.ndjson, ")]
    assert (ended.code, len(told)) == (1, 1)
    assert "it has " in told[0]


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case["what"])
def test_a_faulty_row_is_told_by_its_number_column_and_remedy(tmp_path, case):
    written(tmp_path, case["lines"])
    ended = backfill(tmp_path, "d.csv", "--check", environ={"DX_API_TOKEN": ""})
    told = [line for line in ended.out.splitlines() if line.startswith("d.csv, ")]
    assert len(told) == len(case["says"])
    for line, says in zip(told, case["says"], strict=True):
        assert line.removeprefix("d.csv, ").replace("\\n", "\n").startswith(says.replace("\\n", "\n"))
        assert line.endswith(".")
    assert ended.code == 1


@pytest.mark.parametrize("name", ["none.csv", "."])
def test_a_file_that_is_not_there_stops_everything_before_it_begins(tmp_path, sandbox, name):
    written(tmp_path, deployments(2))
    ended = backfill(tmp_path, "d.csv", name, url=sandbox.url)
    assert ended.code == 2
    assert dates(sandbox) == []


def test_a_check_needs_no_token_sends_nothing_and_writes_nothing(tmp_path):
    written(tmp_path, [*deployments(3), "2025,cart,acme/shop,"])
    ended = backfill(tmp_path, "d.csv", "--check", "--format=json", environ={"DX_API_TOKEN": ""})
    assert ended.code == 1
    assert counts(ended) == {"read": 4, "valid": 3, "invalid": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


def test_a_dry_run_shows_the_first_bodies_and_the_totals_without_a_token(tmp_path):
    written(tmp_path, deployments(9))
    ended = backfill(tmp_path, "d.csv", "--dry-run", url="https://dx.example", environ={"DX_API_TOKEN": ""})
    assert ended.code == 0
    assert ended.out.count("POST https://dx.example/api/deployments.create") == 3
    assert f'"deployed_at": {BEGAN}' in ended.out
    assert TOKEN not in ended.out + ended.err
    assert "would be sent  9" in ended.out
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


@pytest.mark.parametrize("missing", ["DX_API_TOKEN", "CIBEACON_DX_URL"])
def test_without_token_or_address_nothing_is_tried_and_it_exits_2(tmp_path, missing):
    written(tmp_path, deployments(2))
    environ = {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": "https://dx.example", missing: ""}
    ended = backfill(tmp_path, "d.csv", environ=environ)
    assert ended.code == 2
    assert "Nothing was sent" in ended.out
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


def as_ndjson(lines):
    rows = csv.DictReader([HEADER, *lines])
    return "".join(json.dumps({**row, "deployed_at": int(row["deployed_at"]), "metadata": None}) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.csv", "\ufeff" + "\r\n".join([HEADER, *deployments(5)])),
        ("d.ndjson", as_ndjson(deployments(5))),
        ("d.txt", as_ndjson(deployments(5))),
        ("d.csv.gz", "\n".join([HEADER, *deployments(5)])),
        ("d.ndjson.gz", as_ndjson(deployments(5))),
        ("-", "\n".join([HEADER, *deployments(5)])),
        ("-", as_ndjson(deployments(5))),
    ],
)  # fmt: skip
def test_every_form_of_a_file_is_sent_row_by_row(tmp_path, sandbox, name, content):
    if name != "-":
        raw = content.encode()
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    ended = backfill(tmp_path, name, "--format=json", url=sandbox.url, stdin=content if name == "-" else "")
    assert ended.code == 0
    assert counts(ended) == {"read": 5, "sent": 5}
    assert dates(sandbox) == [BEGAN + at for at in range(5)]


def test_what_comes_by_a_named_pipe_is_read_once(tmp_path, sandbox):
    os.mkfifo(tmp_path / "pipe")
    content = "\n".join([HEADER, *deployments(5)])
    writer = Thread(target=(tmp_path / "pipe").write_text, args=(content,))
    writer.start()
    ended = backfill(tmp_path, "pipe", "--format=json", url=sandbox.url)
    writer.join()
    assert counts(ended) == {"read": 5, "sent": 5}


def test_a_link_where_failed_rows_are_written_leads_nowhere(tmp_path, sandbox):
    (tmp_path / "d.csv.failed.csv").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "d.csv.failed-2.csv").symlink_to(tmp_path / "nowhere")
    written(tmp_path, ["2025,cart,acme/shop,"])
    assert backfill(tmp_path, "d.csv", url=sandbox.url).code == 1
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
    assert (tmp_path / "d.csv.failed-3.csv").read_text().count("\n") == 2


def test_a_check_looks_at_every_row_whatever_shard_it_is(tmp_path):
    written(tmp_path, deployments(40))
    environ = {"CI_NODE_TOTAL": "4", "CI_NODE_INDEX": "2"}
    assert counts(backfill(tmp_path, "d.csv", "--check", "--format=json", environ=environ)) == {"read": 40, "valid": 40}
    share = backfill(tmp_path, "d.csv", "--dry-run", "--format=json", environ=environ)
    assert 0 < counts(share)["elsewhere"] < 40


def test_a_line_of_ndjson_that_is_no_object_is_one_bad_row(tmp_path, sandbox):
    lines = ["[1]", "{", '{"service": "a", "service": "b"}', '{"deployed_at": NaN}', as_ndjson(deployments(1)).strip()]
    (tmp_path / "d.ndjson").write_text("\n".join(lines))
    ended = backfill(tmp_path, "d.ndjson", "--format=json", url=sandbox.url)
    assert counts(ended) == {"read": 5, "invalid": 4, "sent": 1}
    assert [each["reference_id"] for each in failed(tmp_path, "d.ndjson")] == lines[:4]


def test_compression_that_breaks_off_stops_there_and_what_was_read_is_not_sent_twice(tmp_path, sandbox):
    whole = gzip.compress("\n".join([HEADER, *deployments(20_000)]).encode())
    (tmp_path / "d.csv.gz").write_bytes(whole[: len(whole) // 2])
    ended = backfill(tmp_path, "d.csv.gz", "--dry-run", "--format=json", url=sandbox.url)
    assert ended.code == 2
    assert "gzip data is corrupt" in ended.document["unusable"]


# Rows ---------------------------------------------------------------------------------------------------------------

GOOD = {"deployed_at": str(BEGAN), "service": "cart", "repository": "acme/shop", "commit_sha": "d1a34f0"}
SPOILED = [
    ("deployed_at", "2025"), ("deployed_at", "yesterday"), ("deployed_at", "2023-04-05 10:00"), ("deployed_at", ""),
    ("deployed_at", "1.6E+09"), ("deployed_at", "4102444800"), ("service", ""), ("service", "a\x01b"),
    ("repository", "https://x.y/z"), ("repository", ""), ("commit_sha", "zz"), ("commit_sha", "1.2E+39"),
    ("merge_commit_shas", "{d1a34f0}"), ("merge_commit_shas", "[]"), ("metadata", "{'a':1}"), ("metadata", "[1]"),
    ("metadata", '{"a b":1}'), ("success", "perhaps"), ("source_url", "x.y"), ("service", "caf\udce9"),
]  # fmt: skip
WIDE = [*GOOD, "merge_commit_shas", "metadata", "success", "source_url"]


def test_two_hundred_bad_rows_of_twenty_kinds_are_each_told_once_and_can_be_mended_and_fed_back(tmp_path, sandbox):
    assert len(SPOILED) == 20
    bad, good = [], []
    with (tmp_path / "d.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.DictWriter(file, WIDE, restval="")
        writer.writeheader()
        for number in range(200):
            name, cell = SPOILED[number % 20]
            fine = GOOD | {"deployed_at": str(BEGAN + number)}
            writer.writerow(GOOD | ({} if name == "deployed_at" else fine) | {name: cell, "source_url": "https://a.b/1"}
                            if name != "source_url" else fine | {name: cell})  # fmt: skip
            bad.append(number + 2 + number // 10)
            if number % 10 == 9:
                writer.writerow(GOOD | {"service": f"good-{number}", "deployed_at": str(BEGAN + number)})
                good.append(f"good-{number}")

    check = backfill(tmp_path, "d.csv", "--check")
    told = re.findall(r"^d\.csv, line (\d+)", check.out, re.M)
    assert told == [str(number) for number in bad]

    ended = backfill(tmp_path, "d.csv", "--format=json", url=sandbox.url)
    assert ended.code == 1
    assert counts(ended) == {"read": 220, "sent": 20, "invalid": 200}
    assert len(ended.document["faults"]) == 20
    assert "180 more faults" in ended.err
    assert sorted(each["service"] for each in sandbox.ledger.document()["deployments"].values()) == sorted(good)
    rows = failed(tmp_path)
    assert len(rows) == 200
    assert all(row["error"] and row["advice"] for row in rows)

    again = backfill(tmp_path, "d.csv.failed.csv", "--format=json", url=sandbox.url)
    assert counts(again) == {"read": 200, "invalid": 200}, "fed back as it is, it says the same"

    with (tmp_path / "d.csv.failed.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for number, row in enumerate(rows):
            mended = dict.fromkeys(WIDE, "") | GOOD | {"service": "mended", "deployed_at": str(BEGAN + number)}
            writer.writerow(row | mended)
    mended = backfill(tmp_path, "d.csv.failed.csv", "--format=json", url=sandbox.url)
    assert mended.code == 0
    assert counts(mended) == {"read": 200, "sent": 200}
    assert not (tmp_path / "d.csv.failed.csv.failed.csv").exists()
    assert len(sandbox.ledger.document()["deployments"]) == 220


def test_what_dx_refuses_is_a_failed_row_with_its_words_and_advice(tmp_path):
    with Sandbox(token=TOKEN, repositories={"acme/shop"}) as sandbox:
        written(tmp_path, [*deployments(3), f"{BEGAN},cart,acme/lost,d1a34f0", *deployments(3, 5)])
        ended = backfill(tmp_path, "d.csv", "--format=json", url=sandbox.url)
    assert ended.code == 1
    assert counts(ended) == {"read": 7, "sent": 6, "failed": 1}
    (row,) = failed(tmp_path)
    assert row["repository"] == "acme/lost"
    assert row["error"].startswith("repository_not_found")
    assert "full name" in row["advice"]


def test_an_ok_that_is_false_and_a_page_of_html_are_no_success(tmp_path):
    answers = [reply({"ok": False, "error": "metadata_invalid"}), response(b"<html>", kind="text/html", Connection="")]
    with FaultServer(ScriptedDX(lambda body, number: answers[number % 2])) as server:
        written(tmp_path, deployments(2))
        ended = backfill(tmp_path, "d.csv", "--format=json", url=server.url)
    assert (ended.code, counts(ended)) == (1, {"read": 2, "failed": 2})


def test_an_error_that_looks_like_a_formula_is_none_in_the_file_of_failed_rows(tmp_path):
    with FaultServer(ScriptedDX(lambda body, number: reply({"ok": False, "message": "=1+1"}, "422 No"))) as server:
        written(tmp_path, deployments(1))
        backfill(tmp_path, "d.csv", url=server.url)
    assert failed(tmp_path)[0]["error"] == "'=1+1"


def test_a_row_of_its_own_id_that_dx_has_with_other_values_fails_and_a_made_id_is_a_duplicate(tmp_path, sandbox):
    header = f"{HEADER},reference_id"
    written(tmp_path, [f"{BEGAN},cart,acme/shop,,r-1"], "one.csv", header)
    written(tmp_path, [f"{BEGAN + 1},cart,acme/shop,,r-1"], "two.csv", header)
    assert backfill(tmp_path, "one.csv", url=sandbox.url).code == 0
    ended = backfill(tmp_path, "two.csv", "--format=json", url=sandbox.url)
    assert counts(ended) == {"read": 1, "failed": 1}
    with FaultServer(ScriptedDX(lambda *_: reply({"ok": False, "error": "reference_id_exists"}, "409 No"))) as server:
        written(tmp_path, deployments(1))
        ended = backfill(tmp_path, "d.csv", "--format=json", url=server.url)
    assert (ended.code, counts(ended)) == (0, {"read": 1, "duplicate": 1})


def test_one_id_for_two_deployments_is_found_before_dx_finds_it(tmp_path):
    written(tmp_path, [f"{BEGAN},cart,a/b,,r-1", f"{BEGAN},cart,a/b,,r-1", f"{BEGAN + 1},cart,a/b,,r-1"],
            header=f"{HEADER},reference_id")  # fmt: skip
    ended = backfill(tmp_path, "d.csv", "--check", "--format=json")
    assert counts(ended) == {"read": 3, "valid": 1, "repeated": 1, "invalid": 1}


@pytest.mark.parametrize("form", ["classic", "current"])
def test_all_three_kinds_arrive_in_both_forms_of_the_api(tmp_path, sandbox, form):
    written(tmp_path, deployments(2))
    written(tmp_path, ["7,cart;payments"], "p.csv", "github_pull_id,services")
    written(tmp_path, [f"ci,Tekton,{BEGAN},failed"], "r.csv", "pipeline_name,pipeline_source,started_at,status")
    for kind, name in (("deployments", "d.csv"), ("pull-services", "p.csv"), ("pipeline-runs", "r.csv")):
        ended = backfill(tmp_path, name, f"--dx-api={form}", url=sandbox.url, kind=kind)
        assert ended.code == 0, ended.out
    held = sandbox.ledger.document()
    assert dates(sandbox) == [BEGAN, BEGAN + 1]
    assert held["pull_services"] == {"7": ["cart", "payments"]}
    assert [run["status"] for run in held["pipeline_runs"].values()] == ["failure"]


# Order --------------------------------------------------------------------------------------------------------------


def test_calls_about_one_pull_request_keep_their_order_among_many_workers(tmp_path):
    dx = ScriptedDX(lambda *_: WELL)
    lines = [f"{number % 5 + 1},service-{number},{'true' if number % 3 else ''}" for number in range(200)]
    written(tmp_path, lines, "p.csv", "github_pull_id,services,replace")
    with FaultServer(dx) as server:
        assert backfill(tmp_path, "p.csv", "--workers=8", url=server.url, kind="pull-services").code == 0
    for pull in range(1, 6):
        mine = [
            int(body["services"][0].removeprefix("service-")) for body in dx.bodies if body["github_pull_id"] == pull
        ]
        assert mine == sorted(mine)
        assert len(mine) == 40


def test_a_statement_that_is_repeated_after_another_is_said_again(tmp_path, sandbox):
    lines = ["7,cart,true", "7,payments,true", "7,cart,true"]
    written(tmp_path, lines, "p.csv", "github_pull_id,services,replace")
    ended = backfill(tmp_path, "p.csv", "--format=json", url=sandbox.url, kind="pull-services")
    assert counts(ended) == {"read": 3, "sent": 3}
    assert sandbox.ledger.document()["pull_services"] == {"7": ["cart"]}
    again = backfill(tmp_path, "p.csv", "--format=json", url=sandbox.url, kind="pull-services")
    assert counts(again) == {"read": 3, "already": 3}


def test_after_a_failed_statement_the_later_ones_of_its_pull_request_are_held_back_and_keep_their_order(tmp_path):
    refused = reply({"ok": False, "error": "required_params_missing"}, "422 No")
    dx = ScriptedDX(lambda body, _: refused if body["services"] == ["bad"] else WELL)
    lines = ["7,a,", "7,bad,", "7,b,true", "8,c,", "9,,", "9,d,"]
    written(tmp_path, lines, "p.csv", "github_pull_id,services,replace")
    with FaultServer(dx) as server:
        ended = backfill(tmp_path, "p.csv", "--format=json", url=server.url, kind="pull-services")
    assert counts(ended) == {"read": 6, "sent": 2, "failed": 3, "invalid": 1}
    rows = [(row["github_pull_id"], row["services"]) for row in failed(tmp_path, "p.csv")]
    assert [services for pull, services in rows if pull == "7"] == ["bad", "b"]
    assert [services for pull, services in rows if pull == "9"] == ["", "d"]


# Again --------------------------------------------------------------------------------------------------------------


def test_a_second_run_sends_nothing_and_new_rows_only(tmp_path, sandbox):
    path = written(tmp_path, deployments(6))
    assert backfill(tmp_path, "d.csv", url=sandbox.url).code == 0
    path.write_text("\n".join([HEADER, *deployments(2, 6), *reversed(deployments(6))]))
    ended = backfill(tmp_path, "d.csv", "--format=json", url=sandbox.url)
    assert counts(ended) == {"read": 8, "sent": 2, "already": 6}
    assert sandbox.ledger.document()["received"] == 8


def test_without_a_journal_a_second_run_changes_nothing_all_the_same(tmp_path, sandbox):
    written(tmp_path, deployments(6))
    for _ in range(2):
        assert backfill(tmp_path, "d.csv", "--journal=off", url=sandbox.url).code == 0
    assert len(dates(sandbox)) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv"]


def test_what_one_dx_was_told_another_was_not(tmp_path, sandbox):
    written(tmp_path, deployments(3))
    assert backfill(tmp_path, "d.csv", url=sandbox.url).code == 0
    with Sandbox(token=TOKEN) as other:
        assert backfill(tmp_path, "d.csv", url=other.url).code == 0
        assert len(dates(other)) == 3


def old_journal(folder):
    """The journal of a run in version 0.1's format, with a truncated last line."""
    path = folder / "d.csv.cibeacon-journal"
    with closing(sqlite3.connect(path)) as journal:
        marks = [mark.hex() for (mark,) in journal.execute("SELECT fingerprint FROM sent")]
    text = VERSION_1.decode() + "\n".join(marks)
    path.write_text(text[:-10])
    return path


def test_a_journal_of_version_0_1_is_read_and_its_rows_are_not_sent_again(tmp_path, sandbox):
    written(tmp_path, deployments(4))
    backfill(tmp_path, "d.csv", url=sandbox.url)
    path = old_journal(tmp_path)
    before = path.read_bytes()
    ended = backfill(tmp_path, "d.csv", "--dry-run", "--format=json", url=sandbox.url)
    assert (counts(ended), path.read_bytes()) == ({"read": 4, "already": 3, "valid": 1}, before)
    ended = backfill(tmp_path, "d.csv", "--format=json", url=sandbox.url)
    assert counts(ended) == {"read": 4, "sent": 1, "already": 3}
    ended = backfill(tmp_path, "d.csv", "--format=json", url=sandbox.url)
    assert counts(ended) == {"read": 4, "already": 4}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "d.csv.cibeacon-journal"]


def test_fingerprints_and_ids_are_those_of_version_0_1():
    row = {"deployed_at": str(BEGAN), "service": "cart", "repository": "acme/shop", "commit_sha": "d1a34f0"}
    found = read_row(KINDS["deployments"], 2, row, TimeRules(BEGAN))
    assert found.signal.reference_id == "backfill/cart/1680000000/553def411576fc924330741a7b4fbc08"
    assert fingerprint("https://acme.getdx.net", "deployments", found.content).hex() == "495bca3b56080f20f6ebfc6d8670"


@pytest.mark.parametrize("mode", ["--dry-run", "--no-dry-run"])
@pytest.mark.parametrize("content", ["deployed_at,service\n" * 100, "SQLite format 3\0" + "x" * 5000])
def test_a_file_that_is_no_journal_is_neither_used_nor_changed(tmp_path, sandbox, content, mode):
    written(tmp_path, deployments(2))
    (tmp_path / "mine").write_text(content)
    ended = backfill(tmp_path, "d.csv", mode, "--journal=mine", url=sandbox.url)
    assert (ended.code, dates(sandbox)) == (1, [])
    assert "file is not a database" in ended.out
    assert (tmp_path / "mine").read_text() == content


def test_a_journal_that_another_run_writes_is_not_shared(tmp_path, sandbox):
    written(tmp_path, deployments(2))
    other = FileJournal(tmp_path / "d.csv.cibeacon-journal")
    ended = backfill(tmp_path, "d.csv", url=sandbox.url)
    other.close()
    assert (ended.code, dates(sandbox)) == (1, [])
    assert "is in use" in ended.out


def test_where_there_is_no_room_for_the_rows_that_were_read_that_is_the_reason():
    journal = Journal()
    journal.close()
    with pytest.raises(JournalError, match=r"cannot be recorded.*TMPDIR"):
        journal.add_new(bytes(14))


def test_a_journal_is_no_symbolic_link(tmp_path):
    (tmp_path / "journal").symlink_to(tmp_path / "other")
    with pytest.raises(JournalError, match="cannot be written"):
        FileJournal(tmp_path / "journal")


def test_failed_rows_never_overwrite_the_file_they_come_from(tmp_path, sandbox):
    written(tmp_path, ["2025,cart,acme/shop,"])
    ended = backfill(tmp_path, "d.csv", "--failures=d.csv", url=sandbox.url)
    assert ended.code == 1
    assert (tmp_path / "d.csv").read_text() == f"{HEADER}\n2025,cart,acme/shop,\n"
    assert re.search(rf"^failures +{tmp_path / 'd-2.csv'}$", ended.out, re.M)


def test_several_files_each_have_their_own_journal_and_failed_rows(tmp_path, sandbox):
    written(tmp_path, deployments(3), "a.csv")
    written(tmp_path, [*deployments(2, 3), "2025,cart,acme/shop,"], "b.csv", HEADER)
    ended = backfill(tmp_path, "a.csv", "b.csv", "--format=json", url=sandbox.url)
    assert counts(ended) == {"read": 6, "sent": 5, "invalid": 1}
    assert [(Path(each["journal"]).name, bool(each["failures"])) for each in ended.document["files"]] == [
        ("a.csv.cibeacon-journal", False),
        ("b.csv.cibeacon-journal", True),
    ]
    assert counts(backfill(tmp_path, "b.csv", "--format=json", url=sandbox.url)) == {
        "read": 3,
        "already": 2,
        "invalid": 1,
    }


def test_one_file_under_two_names_is_sent_once(tmp_path, sandbox):
    written(tmp_path, deployments(3))
    ended = backfill(tmp_path, "d.csv", "./d.csv", "--format=json", url=sandbox.url)
    assert (ended.code, counts(ended)) == (0, {"read": 6, "sent": 3, "repeated": 3})


# Failures -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """A host that does not answer is retried without a pause."""
    monkeypatch.setattr(sender, "PAUSE", 0.0)
    monkeypatch.setattr(sender, "PATIENCE", 1.0)
    monkeypatch.setattr(sender, "FIRST_PATIENCE", 1.0)


def test_a_wrong_token_stops_after_few_requests_and_the_same_command_goes_on(tmp_path, sandbox):
    written(tmp_path, deployments(300))
    ended = backfill(tmp_path, "d.csv", "--format=json", url=sandbox.url, environ={"DX_API_TOKEN": "wrong-token"})
    assert ended.code == 1
    assert ended.document["status"] == "failed"
    assert "invalid_auth" in ended.document["stopped"]
    assert sandbox.ledger.document()["received"] < 20
    ended = backfill(tmp_path, "d.csv", "--format=json", url=sandbox.url)
    assert (ended.code, counts(ended)) == (0, {"read": 300, "sent": 300})
    assert "wrong-token" not in ended.out + ended.err


def test_a_host_that_is_down_is_waited_for_and_then_given_up(tmp_path, impatient):
    written(tmp_path, deployments(30))
    with FaultServer(hangs) as server:
        ended = backfill(tmp_path, "d.csv", "--format=json", "--timeout=1", "--workers=2", url=server.url)
    assert ended.code == 1
    assert "timed out" in ended.document["stopped"]
    assert ended.document["rows"]["sent"] == 0
    assert "Run the same command again to continue" in ended.err


def test_one_row_that_upsets_the_server_does_not_stop_the_others(tmp_path, impatient):
    trouble = response(b"<html>", status="500 No", kind="text/html", Connection="")
    dx = ScriptedDX(lambda body, _: trouble if body["deployed_at"] == BEGAN + 3 else WELL)
    written(tmp_path, deployments(40))
    with FaultServer(dx) as server:
        ended = backfill(tmp_path, "d.csv", "--format=json", url=server.url)
    assert counts(ended) == {"read": 40, "sent": 39, "failed": 1}
    assert failed(tmp_path)[0]["deployed_at"] == str(BEGAN + 3)


def test_a_host_that_drips_stops_it_in_time_and_the_same_command_goes_on(tmp_path):
    dripped = Event()

    def drips_once(connection, server):
        while server.read(connection):
            if dripped.is_set():
                connection.sendall(WELL)
                continue
            dripped.set()
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not server.over.wait(0.05):
                connection.sendall(b"a")

    written(tmp_path, deployments(3))
    with FaultServer(drips_once) as server:
        ended = backfill(tmp_path, "d.csv", "--format=json", "--timeout=1", "--workers=1", url=server.url)
        again = backfill(tmp_path, "d.csv", "--format=json", "--timeout=1", "--workers=1", url=server.url)
    assert (ended.code, counts(ended)) == (1, {"read": 3, "left": 3})
    assert ended.document["stopped"] == "a response took more than 2 s"
    assert counts(again) == {"read": 3, "sent": 3}


def test_when_one_is_told_to_wait_all_wait(tmp_path):
    moments: list[float] = []

    def answer(body, number):
        moments.append(monotonic())
        return reply({}, "429 Slow", Retry_After="1") if number == 5 else WELL

    written(tmp_path, deployments(60))
    with FaultServer(ScriptedDX(answer)) as server:
        ended = backfill(tmp_path, "d.csv", "--format=json", "--workers=4", url=server.url)
    assert counts(ended) == {"read": 60, "sent": 60}
    late = [moment for moment in moments[5:] if moment < moments[4] + 0.9]
    assert len(late) < 28, "what was on its way already, and not the other half of the rows"


@pytest.mark.parametrize("wait", ["100000", "99999999999", "9" * 400])
def test_a_host_that_asks_for_a_wait_of_days_stops_it_and_the_same_command_goes_on(tmp_path, wait):
    slow = reply({}, "503 Slow", Retry_After=wait)
    written(tmp_path, deployments(60))
    well = Event()
    with FaultServer(ScriptedDX(lambda _, number: WELL if number <= 5 or well.is_set() else slow)) as server:
        ended = backfill(tmp_path, "d.csv", "--format=json", "--workers=4", url=server.url)
        assert ended.code == 1
        assert "more than 15 minutes (Retry-After)" in ended.document["stopped"]
        well.set()
        again = backfill(tmp_path, "d.csv", "--format=json", url=server.url)
    assert (again.code, counts(ended)["sent"], counts(again)["sent"]) == (0, 5, 55)


def test_a_row_with_an_id_of_its_own_whose_answer_was_lost_is_no_conflict(tmp_path, monkeypatch):
    """The host fails for longer than one row is tried, although it has recorded the row."""
    monkeypatch.setattr(sender, "PAUSE", 0.01)
    exists = reply({"ok": False, "error": "reference_id_exists"}, "409 Conflict")
    written(tmp_path, [f"{deployments(1)[0]},mine/1"], header=f"{HEADER},reference_id")
    trouble = reply({}, "503 Down")
    with FaultServer(ScriptedDX(lambda _, number: trouble if number <= TRIES else exists)) as server:
        ended = backfill(tmp_path, "d.csv", "--format=json", "--workers=1", url=server.url)
    assert (ended.code, counts(ended)) == (0, {"read": 1, "duplicate": 1})


def test_requests_keep_to_the_rate(tmp_path):
    began = monotonic()
    written(tmp_path, deployments(10))
    with FaultServer(ScriptedDX(lambda *_: WELL)) as server:
        environ = {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": server.url}
        ended = cibeacon("backfill", "deployments", "d.csv", "--rps=20", "--workers=8", environ=environ, cwd=tmp_path)
    assert ended.code == 0
    assert monotonic() - began > 0.4


def test_a_redirect_is_not_followed_and_stops_it(tmp_path, sandbox):
    away = response(b"", status="302 Found", Location=f"{sandbox.url}/api/deployments.create", Connection="")
    written(tmp_path, deployments(50))
    with FaultServer(ScriptedDX(lambda *_: away)) as server:
        ended = backfill(tmp_path, "d.csv", "--format=json", url=server.url)
    assert ended.code == 1
    assert "redirect" in ended.document["stopped"]
    assert sandbox.ledger.document()["received"] == 0


# Output -------------------------------------------------------------------------------------------------------------


def test_the_document_has_every_key_and_jq_filters_it(tmp_path, sandbox):
    written(tmp_path, deployments(3))
    ended = backfill(tmp_path, "d.csv", "--format=json", "--shard=1/2", url=sandbox.url)
    assert list(ended.document) == [
        "version", "verb", "kind", "status", "rows", "files", "faults", "shard", "seconds", "stopped", "unusable",
    ]  # fmt: skip
    assert ended.document["shard"] == "1/2"
    assert sum(number for name, number in ended.document["rows"].items() if name != "read") == 3
    ended = backfill(tmp_path, "d.csv", "--jq", ".rows.read", url=sandbox.url)
    assert ended.out == "3\n"


def test_what_strangers_wrote_obeys_no_runner_and_hides_nothing(tmp_path):
    written(tmp_path, ['1,"::error::x",acme/shop,', '"1\r\n##[error]y",a,b,'])
    ended = backfill(tmp_path, "d.csv", "--check")
    assert not [line for line in ended.out.splitlines() if line.lstrip().startswith(("::", "##["))]
    assert "##[" not in ended.out


def test_a_secret_in_a_row_is_not_shown(tmp_path):
    written(tmp_path, [f"{TOKEN},cart,acme/shop,"])
    ended = backfill(tmp_path, "d.csv", "--check", "--format=json")
    assert TOKEN not in ended.out + ended.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_a_bar_on_a_terminal_and_a_line_now_and_then_elsewhere(tmp_path, terminal):
    clock = iter(range(0, 1000, int(LINE_SECONDS)))
    err = Terminal() if terminal else io.StringIO()
    env = Environment({}, tmp_path, io.StringIO(), io.StringIO(), err, lambda: 0.0, 0, lambda: float(next(clock)), 0.0,
                  lambda _: None, lambda: 0.0, lambda: "")  # fmt: skip
    with ProgressView(env, Redactor([]), "send", to_stderr=False) as view:
        for sent in (10, 20):
            view.show_progress(RowCounts(read=sent, sent=sent), sent / 100)
    shown = err.getvalue()
    assert "20 sent" in shown
    assert ("━" in shown) == terminal
    if not terminal:
        assert shown.count("\n") == 2
        assert "10% of the bytes, about 90 s left" in shown


def test_on_a_terminal_a_host_that_does_not_answer_is_told_above_the_bar(tmp_path):
    err = Terminal()
    env = Environment({}, tmp_path, io.StringIO(), io.StringIO(), err, lambda: 0.0, 0, monotonic, 0.0,
                  lambda _: None, lambda: 0.0, lambda: "")  # fmt: skip
    with ProgressView(env, Redactor([TOKEN]), "send", to_stderr=False) as view:
        view.show_outage("[red]dx", Outage(f"no {TOKEN}", "Look.", answers=False))
        view.show_outage("[red]dx", None)
    shown = err.getvalue()
    assert "[red]dx does not answer (no ***): waiting 15 s before trying again. Look." in shown.replace("\n", " ")
    assert "[red]dx answers again" in shown


def test_no_remaining_time_is_told_where_nothing_was_sent_and_where_rows_wait_it_counts_them(tmp_path):
    clock = iter(range(0, 1000, int(LINE_SECONDS)))
    err = io.StringIO()
    env = Environment({}, tmp_path, io.StringIO(), io.StringIO(), err, lambda: 0.0, 0, lambda: float(next(clock)), 0.0,
                  lambda _: None, lambda: 0.0, lambda: "")  # fmt: skip
    with ProgressView(env, Redactor([]), "send", to_stderr=False) as view:
        view.show_progress(RowCounts(read=2), 1.0)
        view.show_progress(RowCounts(read=20, sent=5), 1.0)
    assert err.getvalue().splitlines() == [
        "backfill: 0 sent, 0.0/s, 2 rows read, 100% of the bytes",
        "backfill: 5 sent, 0.2/s, 20 rows read, 100% of the bytes, about 60 s left",
    ]


@pytest.mark.parametrize("flag", ["--check", "--dry-run", "--no-dry-run"])
def test_a_file_without_rows_is_said_to_have_none(tmp_path, sandbox, flag):
    written(tmp_path, [])
    written(tmp_path, deployments(1), "one.csv")
    ended = backfill(tmp_path, "d.csv", "one.csv", flag, url=sandbox.url)
    assert ended.code == 0
    assert re.search(r"^no rows +d.csv: it has nothing to send$", ended.out, re.M)
    assert not re.search(r"^no rows +one.csv", ended.out, re.M)
    columns = [re.match(rf"{label} +", ended.out[ended.out.index(f"\n{label} ") + 1 :]) for label in ("read", "result")]
    assert len({column.end() for column in columns}) == 1, "the lines below the table have its columns"
