"""What a row of a file says: every cell as the table has it, every field of the API a column, the same row the same id."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.backfill import identity, parsers
from cibeacon.backfill.columns import KINDS
from cibeacon.backfill.digests import Digests
from cibeacon.backfill.parsers import About
from cibeacon.backfill.rows import Refused, Row, read
from cibeacon.backfill.shard import Shard, shard
from cibeacon.runtime.errors import SettingsError
from cibeacon.sandbox.methods import METHODS
from cibeacon.sinks import dx

NOW = About(1_700_000_000.0)
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


def row(kind, given, about=NOW):
    return read(KINDS[kind], 2, given, about)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['column']}={case['cell']!a}")
def test_a_cell_is_what_the_table_says(case):
    about = About(NOW.now, parsers.zone(case["tz"]) if "tz" in case else None)
    name = case["column"]
    found = row(case["kind"], BASES[case["kind"]] | {name: case["cell"]}, about)
    if "fault" in case:
        assert isinstance(found, Refused)
        (fault,) = found.faults
        assert case["fault"] in fault.what
        assert fault.mend.endswith(".")
        assert fault.row == 2
    else:
        assert isinstance(found, Row)
        field = KINDS[case["kind"]].by_name[name].field or name
        assert json.loads(json.dumps(getattr(found.signal, field))) == case["value"]


@pytest.mark.parametrize("form", ["classic", "current"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_columns_are_exactly_the_fields_of_the_call(kind, form):
    names = set(KINDS[kind].by_name)
    method = METHODS[f"/api/{dx.METHODS[form][KINDS[kind].signal.kind.fget(None)]}"]
    assert names == set(method.fields)


@pytest.mark.parametrize("form", ["classic", "current"])
@pytest.mark.parametrize("kind", FULL)
def test_every_column_reaches_the_wire(kind, form):
    told = row(kind, FULL[kind])
    body = next(dx.send(told.signal, form)).body
    assert set(body) == set(KINDS[kind].by_name) - {"merge_commit_shas"}


def test_both_ways_to_name_a_pull_request_reach_the_wire():
    number = {"repository": "acme/shop", "pull_number": "3", "services": "cart", "replace": "true"}
    body = next(dx.send(row("pull-services", number).signal, "classic")).body
    assert body == {"repository": "acme/shop", "pull_number": 3, "services": ["cart"], "replace": True}
    body = next(dx.send(row("pull-services", {"github_pull_id": "9", "services": "cart"}).signal, "current")).body
    assert body == {"github_pull_id": 9, "services": [{"identifier": "cart"}]}


@pytest.mark.parametrize(
    ("kind", "cells", "what"),
    [
        ("pull-services", {"services": "cart"}, "it does not say which pull request"),
        ("pull-services", {"services": "cart", "pull_number": "3"}, "it does not say which pull request"),
        ("deployments", {"deployed_at": "1680723287", "service": "cart"}, "it does not say what was deployed"),
        ("deployments", BASES["deployments"] | {"commit_sha": "d1a34f0", "merge_commit_shas": "d1a34f0"}, "it has commit_sha and"),
        ("pipeline-runs", {**BASES["pipeline-runs"], "repository": "", "pr_number": "3"}, "and no repository"),
    ],
)  # fmt: skip
def test_a_row_can_be_wrong_as_a_whole(kind, cells, what):
    found = row(kind, cells)
    assert what in found.faults[0].what
    assert found.faults[0].column == ""


def test_an_unknown_field_of_an_object_names_the_nearest():
    found = row("deployments", BASES["deployments"] | {"comit_sha": "d1a34f0"})
    assert found.faults[0].mend == "Did you mean commit_sha?"


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
    ids = [each.signal.reference_id for each in told if isinstance(each, Row)]
    assert len(ids) > 6
    assert len(set(ids)) == len(ids)


def test_an_id_of_ones_own_is_kept_and_known_as_such():
    found = row("deployments", BASES["deployments"] | {"reference_id": "r-1"})
    assert (found.signal.reference_id, found.signal.own_reference) == ("r-1", True)


@given(st.text(max_size=40), st.integers(1, 64))
def test_a_row_is_exactly_one_shards(order, shards):
    takers = [number for number in range(1, shards + 1) if Shard(number, shards).takes(order)]
    assert len(takers) == 1


def test_shards_are_about_even_and_lanes_do_not_depend_on_them():
    orders = [f"service/acme%2Fshop/service-{number}" for number in range(4000)]
    mine = [order for order in orders if Shard(2, 4).takes(order)]
    assert 800 < len(mine) < 1200
    lanes = [identity.lane(order, 4) for order in mine]
    assert all(len(mine) / 6 < lanes.count(lane) < len(mine) / 3 for lane in range(4))


@given(st.lists(st.binary(min_size=identity.SIZE, max_size=identity.SIZE), max_size=60))
def test_a_set_of_digests_holds_what_was_added_and_nothing_else(added):
    digests = Digests()
    assert [digests.add(each) for each in added] == [each not in added[:place] for place, each in enumerate(added)]
    assert all(each in digests for each in added)
    shifted = [(one + other)[3 : 3 + identity.SIZE] for one, other in itertools.pairwise(added)]
    assert all((each in digests) == (each in added) for each in shifted)
    assert len(digests) == len(set(added))


def test_digests_in_one_bucket_are_not_found_across_their_borders():
    digests, prefix = Digests(), b"\x00\x00"
    digests.add(prefix + bytes(range(12)))
    digests.add(prefix + bytes(12))
    assert prefix + bytes(12) in digests
    assert prefix + bytes([11, 0, 0] + [0] * 9) not in digests


@pytest.mark.parametrize(
    ("given", "environ", "found"),
    [
        (None, {}, None),
        (None, {"CI_NODE_TOTAL": "1"}, None),
        (None, {"CI_NODE_TOTAL": "4", "CI_NODE_INDEX": "1"}, Shard(1, 4)),
        (None, {"CI_NODE_TOTAL": "4", "CI_NODE_INDEX": "4"}, Shard(4, 4)),
        ("1/1", {"CI_NODE_TOTAL": "4", "CI_NODE_INDEX": "2"}, None),
        ("3/5", {}, Shard(3, 5)),
    ],
)
def test_a_share_comes_from_the_flag_or_the_parallel_job(given, environ, found):
    assert shard(given, environ) == found


@pytest.mark.parametrize("given", ["0/4", "5/4", "1/0", "a/b", "1", "-1/4"])
def test_a_share_that_is_none_is_refused(given):
    with pytest.raises(SettingsError, match="counted from 1"):
        shard(given, {})
    with pytest.raises(SettingsError, match="counted from 1"):
        shard(None, {"CI_NODE_TOTAL": "4"})


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "+25:00:00", "../etc/passwd"])
def test_a_zone_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="time zone"):
        parsers.zone(name)
