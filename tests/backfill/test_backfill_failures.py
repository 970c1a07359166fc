"""The file of failed rows: what a person changed in it is never lost, whatever runs again, beside it, or breaks off."""

from __future__ import annotations

import csv
import fcntl
import json
import os
from pathlib import Path

import pytest

from cibeacon.backfill.failures import Failures, FailuresError
from cibeacon.sandbox.server import Sandbox
from faults import FaultServer, response
from processes import cibeacon

TOKEN = "sandbox-token-1"
HEADER = "deployed_at,service,repository,commit_sha"
BAD = [f"2025,{name},acme/shop," for name in ("a", "b", "c", "d")]
GOOD = "1680000000,good,acme/shop,"
MENDED = "1680000001"


@pytest.fixture
def sandbox():
    with Sandbox(token=TOKEN) as sandbox:
        yield sandbox
        assert sandbox.faults == []


def written(folder, lines, name="m.csv"):
    (folder / name).write_text("\n".join([HEADER, *lines]) + "\n")


def backfill(folder, sandbox, *argv, stdin=""):
    environ = {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": sandbox.url}
    return cibeacon("backfill", "deployments", *argv, "--rps=0", environ=environ, cwd=folder, stdin=stdin)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def services(path):
    return [row["service"] for row in rows(path)]


def mend(path, number=0, **cells):
    """As a spreadsheet does: reads the rows, writes all of them in its own way."""
    found = rows(path)
    found[number] |= cells or {"deployed_at": MENDED}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(found)


def test_a_row_that_was_mended_is_kept_under_a_name_that_is_told_and_can_be_sent(tmp_path, sandbox):
    written(tmp_path, [GOOD, *BAD])
    failed, kept = tmp_path / "m.csv.failed.csv", tmp_path / "m.csv.failed.1.csv"
    assert backfill(tmp_path, sandbox, "m.csv").code == 1
    mend(failed)
    again = backfill(tmp_path, sandbox, "m.csv")
    assert [each["deployed_at"] for each in rows(kept)] == [MENDED, "2025", "2025", "2025"]
    assert services(failed) == ["a", "b", "c", "d"]
    assert f"kept        {kept}: " in again.out
    sent = json.loads(backfill(tmp_path, sandbox, kept.name, "--format=json").out)
    assert (sent["rows"]["sent"], sent["rows"]["invalid"]) == (1, 3)


def test_a_file_that_nobody_changed_is_written_anew_and_goes_when_all_rows_were_told(tmp_path, sandbox):
    written(tmp_path, BAD)
    for _ in range(3):
        ended = backfill(tmp_path, sandbox, "m.csv", "--format=json")
        assert ended.document["files"][0]["kept"] is None
    assert sorted(path.name for path in tmp_path.glob("*.failed*")) == ["m.csv.failed.csv"]
    written(tmp_path, [GOOD])
    assert backfill(tmp_path, sandbox, "m.csv").code == 0
    assert not list(tmp_path.glob("*.failed*"))


CHANGES = {
    "a cell": lambda text: text.replace("2025,b", "1680000000,b"),
    "a note in our columns": lambda text: text.replace("Write Unix", "ask Ann; write Unix", 1),
    "a row more": lambda text: text + "1680000000,e,acme/shop,,,,\n",
    "the last row taken out": lambda text: text[: text.rindex("2025,d")],
    "a row taken out": lambda text: "".join(line for line in text.splitlines(True) if ",b," not in line),
    "another order": lambda text: "".join([(lines := text.splitlines(True))[0], *reversed(lines[1:])]),
    "another column": lambda text: "".join(f"{end},x\n" for end in text.splitlines()),
    "quotes that are none": lambda text: text.replace("acme/shop", '"acme"/shop'),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("mended", [False, True], ids=["rows fail again", "all rows are told"])
def test_whatever_was_changed_the_file_is_not_lost(tmp_path, sandbox, change, mended):
    written(tmp_path, BAD)
    backfill(tmp_path, sandbox, "m.csv")
    failed = tmp_path / "m.csv.failed.csv"
    changed = change(failed.read_text())
    assert changed != failed.read_text()
    failed.write_text(changed)
    if mended:
        written(tmp_path, [GOOD])
    ended = backfill(tmp_path, sandbox, "m.csv", "--format=json")
    (kept,) = [path for path in tmp_path.glob("*.failed*") if path.read_text() == changed]
    headless = change is CHANGES["another column"]  # with such a header it is anybody's, and stays as it is
    assert ended.document["files"][0]["kept"] == (None if mended and headless else str(kept))


def test_the_names_of_rows_that_fail_again_and_again_do_not_grow(tmp_path, sandbox):
    written(tmp_path, BAD)
    name, names = "m.csv", ["m.csv.failed.csv", "m.csv.failed-2.csv", "m.csv.failed-3.csv"]
    for following in names:
        document = backfill(tmp_path, sandbox, name, "--format=json").document
        assert document["files"][0]["failures"] == str(tmp_path / following)
        assert services(tmp_path / following) == ["a", "b", "c", "d"]
        name = following
    assert sorted(path.name for path in tmp_path.glob("*.failed*.csv")) == sorted(names)


def test_a_file_that_was_put_aside_is_sent_like_the_one_it_was(tmp_path, sandbox):
    written(tmp_path, BAD)
    backfill(tmp_path, sandbox, "m.csv")
    mend(tmp_path / "m.csv.failed.csv")
    backfill(tmp_path, sandbox, "m.csv")
    assert backfill(tmp_path, sandbox, "m.csv.failed.1.csv").code == 1
    assert services(tmp_path / "m.csv.failed-2.csv") == ["b", "c", "d"]


def test_shards_of_failed_rows_have_names_of_their_own(tmp_path, sandbox):
    written(tmp_path, BAD)
    for name in ("m.csv", "m.csv.failed.csv", "m.csv.1of2.failed-2.csv"):
        (tmp_path / name).write_text((tmp_path / "m.csv").read_text())
        backfill(tmp_path, sandbox, name, "--shard=1/2")
    found = {path.name for path in tmp_path.glob("*.1of2.failed*.csv")}
    assert found == {"m.csv.1of2.failed.csv", "m.csv.1of2.failed-2.csv", "m.csv.1of2.failed-3.csv"}


def test_advice_that_holds_for_many_rows_is_said_once(tmp_path, sandbox):
    written(tmp_path, [f"{1680000000 + number},web,acme/shop," for number in range(50)])
    environ = {"CIBEACON_DX_URL": sandbox.url, "DX_API_TOKEN": "other"}
    ended = cibeacon("backfill", "deployments", "m.csv", "--rps=0", environ=environ, cwd=tmp_path)
    told = [line for line in ended.out.splitlines() if line.startswith("m.csv, row ")]
    assert len(told) >= 3
    assert all("invalid_auth" in line for line in told)
    assert ["update the secret dx_token" in line for line in told] == [True, *[False] * (len(told) - 1)]
    assert all("update the secret dx_token" in row["advice"] for row in rows(tmp_path / "m.csv.failed.csv"))


def test_changed_files_are_all_kept_however_often(tmp_path, sandbox):
    written(tmp_path, BAD)
    for number in range(3):
        backfill(tmp_path, sandbox, "m.csv")
        mend(tmp_path / "m.csv.failed.csv", number)
    backfill(tmp_path, sandbox, "m.csv")
    kept = [rows(tmp_path / f"m.csv.failed.{number}.csv") for number in (1, 2, 3)]
    assert [[each["deployed_at"] for each in found].index(MENDED) for found in kept] == [0, 1, 2]


def test_a_strangers_file_where_failed_rows_belong_is_kept_too(tmp_path, sandbox):
    written(tmp_path, BAD)
    (tmp_path / "mine.csv").write_text("mine")
    assert backfill(tmp_path, sandbox, "m.csv", "--failures=mine.csv").code == 1
    assert (tmp_path / "mine.1.csv").read_text() == "mine"
    assert services(tmp_path / "mine.csv") == ["a", "b", "c", "d"]
    (tmp_path / "mine.csv").write_text(HEADER)
    written(tmp_path, [GOOD])
    assert backfill(tmp_path, sandbox, "m.csv", "--failures=mine.csv").code == 0
    assert (tmp_path / "mine.csv").read_text() == HEADER


def test_failed_rows_of_another_input_are_not_written_over(tmp_path, sandbox):
    for name in ("a", "b"):
        written(tmp_path, [f"2025,{name},acme/shop,"], f"{name}.csv")
        backfill(tmp_path, sandbox, f"{name}.csv", "--failures=f.csv")
    assert (services(tmp_path / "f.1.csv"), services(tmp_path / "f.csv")) == (["a"], ["b"])


def test_failed_rows_of_standard_input_are_nowhere_else_and_never_written_over(tmp_path, sandbox):
    for name in ("a", "b"):
        backfill(tmp_path, sandbox, "-", stdin=f"{HEADER}\n2025,{name},acme/shop,\n")
    backfill(tmp_path, sandbox, "-", stdin=f"{HEADER}\n{GOOD}\n")
    assert services(tmp_path / "stdin.failed.1.csv") == ["a"]
    assert services(tmp_path / "stdin.failed.csv") == ["b"]


def test_inputs_that_share_a_file_of_failed_rows_lose_none(tmp_path, sandbox):
    for name in ("a", "b"):
        written(tmp_path, [f"2025,{name},acme/shop,"], f"{name}.csv")
    for _ in range(2):
        ended = backfill(tmp_path, sandbox, "a.csv", "b.csv", "--failures=f.csv")
        assert services(tmp_path / "f.csv") == ["a", "b"]
        assert ended.out.count("failures ") == 1
    assert not list(tmp_path.glob("f.1*"))


def test_shards_with_one_name_for_failed_rows_keep_each_others(tmp_path, sandbox):
    written(tmp_path, [f"2025,service-{number},acme/shop," for number in range(20)])
    for number in (1, 2):
        backfill(tmp_path, sandbox, "m.csv", f"--shard={number}/2", "--failures=f.csv", "--journal=off")
    found = services(tmp_path / "f.csv") + services(tmp_path / "f.1.csv")
    assert sorted(found) == sorted(f"service-{number}" for number in range(20))


def test_of_two_runs_at_once_one_has_the_file_and_the_other_says_so(tmp_path):
    first = Failures(tmp_path / "f.csv", ("service",), "one")
    second = Failures(tmp_path / "f.csv", ("service",), "two")
    first.add(("service",), ("a",), "no", "")
    with pytest.raises(FailuresError, match="is in use"):
        second.add(("service",), ("b",), "no", "")
    second.close(whole=False)
    first.close(whole=False)
    third = Failures(tmp_path / "f.csv", ("service",), "three")
    third.add(("service",), ("c",), "no", "")
    third.close(whole=False)
    assert (services(tmp_path / "f.1.csv"), services(tmp_path / "f.csv")) == (["a"], ["c"])


def test_what_a_killed_run_left_is_begun_anew_and_the_mended_file_is_still_there(tmp_path, sandbox):
    written(tmp_path, BAD)
    backfill(tmp_path, sandbox, "m.csv")
    mend(tmp_path / "m.csv.failed.csv")
    (tmp_path / "m.csv.failed.csv.part").write_text("half a ro")
    (tmp_path / "m.csv.failed.1.csv").touch()  # its name was taken, and then the machine went down
    backfill(tmp_path, sandbox, "m.csv")
    assert rows(tmp_path / "m.csv.failed.2.csv")[0]["deployed_at"] == MENDED
    assert services(tmp_path / "m.csv.failed.csv") == ["a", "b", "c", "d"]
    assert not (tmp_path / "m.csv.failed.csv.part").exists()


@pytest.mark.parametrize(
    "make", [os.symlink, os.link, lambda _, path: os.mkfifo(path)], ids=["symlink", "link", "pipe"]
)
def test_what_lies_at_the_name_beside_is_never_written_through(tmp_path, sandbox, make):
    (tmp_path / "precious").write_text("mine")
    make(tmp_path / "precious", tmp_path / "m.csv.failed.csv.part")
    written(tmp_path, BAD)
    assert backfill(tmp_path, sandbox, "m.csv").code == 1
    assert (tmp_path / "precious").read_text() == "mine"
    assert services(tmp_path / "m.csv.failed.csv") == ["a", "b", "c", "d"]


def test_a_file_whose_lock_was_waited_for_is_not_the_one_that_has_its_name_by_now(tmp_path, monkeypatch):
    path = tmp_path / "f.csv"
    part = Path(f"{path}.part")
    part.write_text("another's")
    locked = []

    def meanwhile(descriptor, how):
        if not locked:
            part.replace(path)  # the other one is done between our opening and our lock
        locked.append(descriptor)

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    failures = Failures(path, ("service",), "one")
    failures.add(("service",), ("a",), "no", "")
    assert path.read_text() == "another's"
    failures.close(whole=False)
    assert (services(path), (tmp_path / "f.1.csv").read_text()) == (["a"], "another's")


def test_a_place_in_a_bucket_is_refused_before_anything_is_sent(tmp_path, sandbox):
    written(tmp_path, [GOOD, *BAD])
    ended = backfill(tmp_path, sandbox, "m.csv", "--failures=s3://bucket/failed.csv")
    assert (ended.code, sandbox.ledger.document()["received"]) == (2, 0)
    assert "a place in a bucket" in ended.out


def test_rows_that_dx_refused_and_took_later_leave_no_file(tmp_path, sandbox):
    written(tmp_path, [GOOD])
    refused = response(b'{"ok": false, "error": "repository_not_found"}', status="404 No", Connection="")
    with FaultServer(lambda connection, server: (server.read(connection), connection.sendall(refused))) as server:
        assert backfill(tmp_path, server, "m.csv", "--journal=off").code == 1
    assert services(tmp_path / "m.csv.failed.csv") == ["good"]
    assert backfill(tmp_path, sandbox, "m.csv").code == 0
    assert not list(tmp_path.glob("*.failed*"))


@pytest.mark.parametrize("column", ["service", "repository", "reference_id", "\\ud800"])
@pytest.mark.parametrize("text", ["a\\ud800b", "\\udfff", "\\udc80\\ud83d"])
def test_what_json_says_and_no_file_can_hold_costs_its_row_alone(tmp_path, sandbox, column, text):
    good = '{"service": "good", "deployed_at": %d, "repository": "acme/shop"}'
    bad = f'{{"service": "a", "deployed_at": 1680000001, "repository": "acme/shop", "{column}": "{text}"}}'
    (tmp_path / "m.ndjson").write_text("\n".join([good % 1680000000, bad, good % 1680000002]) + "\n")
    ended = backfill(tmp_path, sandbox, "m.ndjson", "--format=json")
    assert (ended.code, ended.document["rows"]["sent"], ended.document["rows"]["invalid"]) == (1, 2, 1)
    assert (tmp_path / "m.ndjson.failed.csv").read_bytes().count(b"\n") == 2
    again = backfill(tmp_path, sandbox, "m.ndjson.failed.csv", "--format=json").document["rows"]
    assert again["invalid"] == (column != "\\ud800"), "fed back as it is, it is no better"
