"""The files of failed rows: none is ever overwritten, whatever runs again or in parallel, and each can be sent unchanged."""

from __future__ import annotations

import csv
import os
import re

import pytest

from backfills import run_backfill
from cibeacon.backfill.failed_rows import FailedRows
from faults import FaultServer, response

HEADER = "deployed_at,service,repository,commit_sha"
BAD = [f"2025,{name},acme/shop," for name in ("a", "b", "c", "d")]
GOOD = "1680000000,good,acme/shop,"


def written(folder, lines, name="m.csv"):
    (folder / name).write_text("\n".join([HEADER, *lines]) + "\n")


def backfill(folder, server, *argv, **more):
    return run_backfill(folder, server.url, *argv, **more)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def services(path):
    return [row["service"] for row in rows(path)]


def test_a_file_of_failed_rows_is_never_written_over_and_never_removed(tmp_path, sandbox):
    """A person's changes in it survive any number of runs, and each run names the file that it wrote."""
    written(tmp_path, [GOOD, *BAD])
    names = ["m.csv.failed.csv", "m.csv.failed-2.csv", "m.csv.failed-3.csv"]
    for number, name in enumerate(names):
        ended = backfill(tmp_path, sandbox, "m.csv")
        assert ended.code == 1
        assert re.search(rf"^failures +{re.escape(str(tmp_path / name))}$", ended.out, re.M)
        assert services(tmp_path / name) == ["a", "b", "c", "d"]
        (tmp_path / name).write_text(f"corrected by hand {number}")
    written(tmp_path, [GOOD])
    ended = backfill(tmp_path, sandbox, "m.csv", "--format=json")
    assert (ended.code, ended.document["files"][0]["failures"]) == (0, None)
    assert [(tmp_path / name).read_text() for name in names] == [f"corrected by hand {number}" for number in range(3)]


def test_rows_that_were_corrected_there_are_sent_with_the_columns_that_a_run_added(tmp_path, sandbox):
    written(tmp_path, BAD)
    backfill(tmp_path, sandbox, "m.csv")
    path = tmp_path / "m.csv.failed.csv"
    corrected = rows(path)
    corrected[0]["deployed_at"] = "1680000001"
    with path.open("w", newline="") as file:  # as a spreadsheet does; version 0.1 had another column
        writer = csv.DictWriter(file, [*corrected[0], "seal"], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(corrected)
    sent = backfill(tmp_path, sandbox, path.name, "--format=json").document["rows"]
    assert (sent["sent"], sent["invalid"]) == (1, 3)
    assert services(tmp_path / "m.csv.failed-2.csv") == ["b", "c", "d"]


def test_the_names_of_rows_that_fail_again_and_again_do_not_grow(tmp_path, sandbox):
    written(tmp_path, BAD)
    name, names = "m.csv", ["m.csv.failed.csv", "m.csv.failed-2.csv", "m.csv.failed-3.csv"]
    for following in names:
        document = backfill(tmp_path, sandbox, name, "--format=json").document
        assert document["files"][0]["failures"] == str(tmp_path / following)
        assert services(tmp_path / following) == ["a", "b", "c", "d"]
        name = following
    assert sorted(path.name for path in tmp_path.glob("*.failed*.csv")) == sorted(names)


def test_shards_of_failed_rows_have_names_of_their_own(tmp_path, sandbox):
    written(tmp_path, BAD)
    for name in ("m.csv", "m.csv.failed.csv", "m.csv.1of2.failed-2.csv"):
        (tmp_path / name).write_text((tmp_path / "m.csv").read_text())
        backfill(tmp_path, sandbox, name, "--shard=1/2")
    found = {path.name for path in tmp_path.glob("*.1of2.failed*.csv")}
    assert found == {"m.csv.1of2.failed.csv", "m.csv.1of2.failed-2.csv", "m.csv.1of2.failed-3.csv"}


def test_advice_that_holds_for_many_rows_is_said_once(tmp_path, sandbox):
    written(tmp_path, [f"{1680000000 + number},web,acme/shop," for number in range(50)])
    ended = backfill(tmp_path, sandbox, "m.csv", environ={"DX_API_TOKEN": "other"})
    told = [line for line in ended.out.splitlines() if line.startswith("m.csv, line ")]
    assert len(told) >= 3
    assert all("invalid_auth" in line for line in told)
    assert ["update the secret dx_token" in line for line in told] == [True, *[False] * (len(told) - 1)]
    assert all("update the secret dx_token" in row["advice"] for row in rows(tmp_path / "m.csv.failed.csv"))


def test_failed_rows_of_another_input_are_not_written_over(tmp_path, sandbox):
    for name in ("a", "b"):
        written(tmp_path, [f"2025,{name},acme/shop,"], f"{name}.csv")
        backfill(tmp_path, sandbox, f"{name}.csv", "--failures=f.csv")
    assert (services(tmp_path / "f.csv"), services(tmp_path / "f-2.csv")) == (["a"], ["b"])


def test_failed_rows_of_standard_input_are_nowhere_else_and_never_written_over(tmp_path, sandbox):
    for name in ("a", "b"):
        backfill(tmp_path, sandbox, "-", stdin=f"{HEADER}\n2025,{name},acme/shop,\n")
    backfill(tmp_path, sandbox, "-", stdin=f"{HEADER}\n{GOOD}\n")
    assert services(tmp_path / "stdin.failed.csv") == ["a"]
    assert services(tmp_path / "stdin.failed-2.csv") == ["b"]


def test_inputs_that_share_a_file_of_failed_rows_lose_none(tmp_path, sandbox):
    for name in ("a", "b"):
        written(tmp_path, [f"2025,{name},acme/shop,"], f"{name}.csv")
    ended = backfill(tmp_path, sandbox, "a.csv", "b.csv", "--failures=f.csv")
    assert services(tmp_path / "f.csv") == ["a", "b"]
    assert ended.out.count("failures ") == 1


def test_shards_with_one_name_for_failed_rows_keep_each_others(tmp_path, sandbox):
    written(tmp_path, [f"2025,service-{number},acme/shop," for number in range(20)])
    for number in (1, 2):
        backfill(tmp_path, sandbox, "m.csv", f"--shard={number}/2", "--failures=f.csv", "--journal=off")
    found = services(tmp_path / "f.csv") + services(tmp_path / "f-2.csv")
    assert sorted(found) == sorted(f"service-{number}" for number in range(20))


def test_of_two_runs_at_once_each_has_a_file_of_its_own(tmp_path):
    first, second = (FailedRows(tmp_path / "f.csv", ("service",)) for _ in range(2))
    for failed_rows, name in ((first, "a"), (second, "b"), (first, "c")):
        failed_rows.add(("service",), (name,), "no", "")
    first.close()
    second.close()
    assert (services(tmp_path / "f.csv"), services(tmp_path / "f-2.csv")) == (["a", "c"], ["b"])


@pytest.mark.parametrize(
    "make", [os.symlink, os.link, lambda _, path: os.mkfifo(path)], ids=["symlink", "link", "pipe"]
)
def test_what_lies_at_the_name_is_never_written_through(tmp_path, sandbox, make):
    (tmp_path / "precious").write_text("mine")
    make(tmp_path / "precious", tmp_path / "m.csv.failed.csv")
    written(tmp_path, BAD)
    assert backfill(tmp_path, sandbox, "m.csv").code == 1
    assert (tmp_path / "precious").read_text() == "mine"
    assert services(tmp_path / "m.csv.failed-2.csv") == ["a", "b", "c", "d"]


def test_a_place_in_a_bucket_is_refused_before_anything_is_sent(tmp_path, sandbox):
    written(tmp_path, [GOOD, *BAD])
    ended = backfill(tmp_path, sandbox, "m.csv", "--failures=s3://bucket/failed.csv")
    assert (ended.code, sandbox.ledger.document()["received"]) == (2, 0)
    assert "--failures is a bucket URL" in ended.out


def test_rows_that_dx_refused_are_sent_by_a_later_run(tmp_path, sandbox):
    written(tmp_path, [GOOD])
    refused = response(b'{"ok": false, "error": "repository_not_found"}', status="404 No", Connection="")
    with FaultServer(lambda connection, server: (server.read(connection), connection.sendall(refused))) as server:
        assert backfill(tmp_path, server, "m.csv", "--journal=off").code == 1
    assert services(tmp_path / "m.csv.failed.csv") == ["good"]
    sent = backfill(tmp_path, sandbox, "m.csv", "--format=json")
    assert (sent.code, sent.document["rows"]["sent"]) == (0, 1)


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
