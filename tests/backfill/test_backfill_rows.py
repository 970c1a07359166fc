"""Reading a row: every cell as in the table of cases, a column for every field of the API, the same id for the same row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.backfill import parsers
from cibeacon.backfill.columns import KINDS
from cibeacon.backfill.journal import SIZE, Journal
from cibeacon.backfill.parsers import TimeRules
from cibeacon.backfill.rows import InvalidRow, ValidRow, read_row
from cibeacon.backfill.shard import Shard, parse_shard, partition_index
from cibeacon.runtime.errors import SettingsError
from cibeacon.sinks import dx
from dx_records import METHODS

RULES = TimeRules(1_700_000_000.0)
CASES = json.loads((Path(__file__).parent / "cells.json").read_text())
BASES = {
    "deployments": {"deployed_at": "1680723287", "service": "cart", "repository": "acme/shop"},
    "pull-services": {"github_pull_id": "7", "services": "cart", "repository": "acme/shop", "pull_number": "3"},
    "pipeline-runs": {
        "pipeline_name": "ci",
        "pipeline_source": "Tekton",
        "started_at": "1680723287",
        "repository": "acme/shop",
    },
}
FULL = {
    "deployments": BASES["deployments"]
    | {
        "reference_id": "r-1", "commit_sha": "d1a34f0", "integration_branch": "develop", "source_url": "https://a.b/1",
        "source_name": "argo", "metadata": '{"v":1}', "environment": "production", "success": "true",
    },
    "pipeline-runs": BASES["pipeline-runs"]
    | {
        "reference_id": "r-1", "finished_at": "1680723300", "status": "success", "commit_sha": "d1a34f0",
        "pr_number": "3", "source_url": "https://a.b/1", "head_branch": "main", "email": "a@b.c",
        "github_username": "a", "gitlab_username": "b",
    },
}  # fmt: skip


def row(kind, cells, rules=RULES):
    return read_row(KINDS[kind], 2, cells, rules)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['column']}={case['cell']!a}")
def test_a_cell_is_what_the_table_says(case):
    rules = TimeRules(RULES.now, parsers.zone(case["tz"]) if "tz" in case else None)
    name = case["column"]
    found = row(case["kind"], BASES[case["kind"]] | {name: case["cell"]}, rules)
    if "fault" in case:
        assert isinstance(found, InvalidRow)
        (fault,) = found.faults
        assert case["fault"] in fault.what
        assert fault.hint.endswith(".")
        assert fault.line == 2
    else:
        assert isinstance(found, ValidRow)
        field = KINDS[case["kind"]].columns[name].field
        assert json.loads(json.dumps(getattr(found.signal, field))) == case["value"]


@pytest.mark.parametrize("form", ["classic", "current"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_columns_are_exactly_the_fields_of_the_call(kind, form):
    names = set(KINDS[kind].columns)
    method = METHODS[f"/api/{dx.METHODS[form][KINDS[kind].signal.kind.fget(None)]}"]
    assert names == set(method.model_fields)


@pytest.mark.parametrize("form", ["classic", "current"])
@pytest.mark.parametrize("kind", FULL)
def test_every_column_reaches_the_wire(kind, form):
    told = row(kind, FULL[kind])
    body = next(dx.send(told.signal, form)).body
    assert set(body) == set(KINDS[kind].columns) - {"merge_commit_shas"}


def test_both_ways_to_name_a_pull_request_reach_the_wire():
    number = {"repository": "acme/shop", "pull_number": "3", "services": "cart", "replace": "true"}
    body = next(dx.send(row("pull-services", number).signal, "classic")).body
    assert body == {"repository": "acme/shop", "pull_number": 3, "services": ["cart"], "replace": True}
    body = next(dx.send(row("pull-services", {"github_pull_id": "9", "services": "cart"}).signal, "current")).body
    assert body == {"github_pull_id": 9, "services": [{"identifier": "cart"}]}


@pytest.mark.parametrize(
    ("kind", "cells", "what"),
    [
        ("pull-services", {"services": "cart"}, "it does not give the pull request"),
        ("pull-services", {"services": "cart", "pull_number": "3"}, "it does not give the pull request"),
        ("deployments", {"deployed_at": "1680723287", "service": "cart"}, "it does not say what was deployed"),
        ("deployments", BASES["deployments"] | {"commit_sha": "d1a34f0", "merge_commit_shas": "d1a34f0"}, "it has both commit_sha and"),
        ("pipeline-runs", {**BASES["pipeline-runs"], "repository": "", "pr_number": "3"}, "but no repository"),
    ],
)  # fmt: skip
def test_a_row_can_be_wrong_as_a_whole(kind, cells, what):
    found = row(kind, cells)
    assert what in found.faults[0].what
    assert found.faults[0].column == ""


def test_an_unknown_field_of_an_object_names_the_nearest():
    found = row("deployments", BASES["deployments"] | {"comit_sha": "d1a34f0"})
    assert found.faults[0].hint == "Did you mean commit_sha?"


# Identity -----------------------------------------------------------------------------------------------------------


def test_the_same_row_has_the_same_id_however_it_is_spelled():
    one = row("deployments", BASES["deployments"] | {"metadata": '{"a": 1, "b": 2}'})
    other = row(
        "deployments", BASES["deployments"] | {"deployed_at": "2023-04-05T19:34:47Z", "metadata": '{"b":2,"a":1}'}
    )
    assert one.signal.reference_id == other.signal.reference_id
    assert not one.signal.own_reference


@pytest.mark.parametrize("kind", ["deployments", "pipeline-runs"])
def test_rows_that_differ_in_anything_have_different_ids(kind):
    whole = {name: cell for name, cell in FULL[kind].items() if name != "reference_id"}
    fewer = [{name: cell for name, cell in whole.items() if name != gone} for gone in whole]
    told = [row(kind, each) for each in (whole, *fewer)]
    ids = [each.signal.reference_id for each in told if isinstance(each, ValidRow)]
    assert len(ids) > 6
    assert len(set(ids)) == len(ids)


def test_an_id_of_ones_own_is_kept_and_known_as_such():
    found = row("deployments", BASES["deployments"] | {"reference_id": "r-1"})
    assert (found.signal.reference_id, found.signal.own_reference) == ("r-1", True)


@given(st.text(max_size=40), st.integers(1, 64))
def test_a_row_is_exactly_one_shards(key, shards):
    assert sum(Shard(number, shards).has(key) for number in range(1, shards + 1)) == 1


def test_shards_are_about_even_and_partitions_do_not_depend_on_them():
    keys = [f"service/acme%2Fshop/service-{number}" for number in range(4000)]
    mine = [key for key in keys if Shard(2, 4).has(key)]
    assert 800 < len(mine) < 1200
    partitions = [partition_index(key, 4) for key in mine]
    assert all(len(mine) / 6 < partitions.count(number) < len(mine) / 3 for number in range(4))


@given(st.lists(st.binary(min_size=SIZE, max_size=SIZE), max_size=60))
def test_a_journal_holds_what_was_added_and_nothing_else(added):
    journal = Journal()
    assert [journal.add_new(mark) for mark in added] == [mark not in added[:index] for index, mark in enumerate(added)]
    assert all(mark in journal for mark in added)
    assert bytes(SIZE) not in journal or bytes(SIZE) in added
    journal.close()


@pytest.mark.parametrize(
    ("flag", "environ", "share"),
    [
        (None, {}, None),
        (None, {"CI_NODE_TOTAL": "1"}, None),
        (None, {"CI_NODE_TOTAL": "4", "CI_NODE_INDEX": "1"}, Shard(1, 4)),
        (None, {"CI_NODE_TOTAL": "4", "CI_NODE_INDEX": "4"}, Shard(4, 4)),
        ("1/1", {"CI_NODE_TOTAL": "4", "CI_NODE_INDEX": "2"}, None),
        ("3/5", {}, Shard(3, 5)),
    ],
)
def test_a_share_comes_from_the_flag_or_the_parallel_job(flag, environ, share):
    assert parse_shard(flag, environ) == share


@pytest.mark.parametrize("flag", ["0/4", "5/4", "1/0", "a/b", "1", "-1/4"])
def test_a_share_that_is_none_is_refused(flag):
    with pytest.raises(SettingsError, match="counted from 1"):
        parse_shard(flag, {})
    with pytest.raises(SettingsError, match="counted from 1"):
        parse_shard(None, {"CI_NODE_TOTAL": "4"})


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "+25:00:00", "../etc/passwd"])
def test_a_zone_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="time zone"):
        parsers.zone(name)
