"""What the sandbox keeps: the same in memory and in a file, and after a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cibeacon.sandbox.store import Store

KEYS = st.text(max_size=3) | st.sampled_from(["\ud800", "a\x00b", "__proto__"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)
STEPS = st.lists(st.tuples(KEYS, st.just(None) | st.tuples(VALUES)), max_size=12)


@settings(deadline=None, database=None, max_examples=40)
@given(STEPS)
def test_a_file_holds_after_a_restart_what_memory_held_in_its_order(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("store") / "kept.db"
    store, memory, expected = Store(path), Store(), {}
    for key, change in steps:
        for table in (store.table("rows"), memory.table("rows"), expected):
            if change:
                table[key] = change[0]
            else:
                table.pop(key, None)
    store.close()
    again = Store(path)
    assert list(again.table("rows").items()) == list(memory.table("rows").items()) == list(expected.items())
    again.close()


def test_tables_and_bytes_of_different_names_do_not_mix(tmp_path):
    store = Store(tmp_path / "kept.db")
    store.table("a")["1"], store.table("b")["1"], store.blobs("files")["1"] = "of a", "of b", b"\x00\xff"
    store.close()
    again = Store(tmp_path / "kept.db")
    assert [again.table("a")["1"], again.table("b")["1"], again.blobs("files")["1"]] == ["of a", "of b", b"\x00\xff"]
    again.close()


def test_a_value_changed_after_it_was_assigned_changes_nothing():
    table, value = Store().table("rows"), {"status": ["new"]}
    table["1"] = value
    value["status"].append("running")
    assert table["1"] == {"status": ["new"]}


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object()])
def test_what_is_no_json_is_refused_and_leaves_what_was_there(value):
    table = Store().table("rows")
    table["1"] = "kept"
    with pytest.raises((TypeError, ValueError)):
        table["1"] = value
    assert dict(table) == {"1": "kept"}


def test_a_file_in_use_or_of_another_kind_is_refused_and_not_changed(tmp_path):
    store = Store(tmp_path / "kept.db")
    with pytest.raises(OSError, match="locked"):
        Store(tmp_path / "kept.db")
    store.close()
    (tmp_path / "notes.txt").write_text("no database at all\n" * 100)
    with pytest.raises(OSError, match="not a database"):
        Store(tmp_path / "notes.txt")
    with pytest.raises(OSError, match="unable to open"):
        Store(tmp_path / "missing" / "kept.db")
    assert (tmp_path / "notes.txt").read_text() == "no database at all\n" * 100


def test_many_threads_lose_nothing(tmp_path):
    store = Store(tmp_path / "kept.db")

    def work(number):
        store.table("rows")[str(number)] = number
        return len(list(store.table("rows").items()))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    store.close()
    again = Store(tmp_path / "kept.db")
    assert sorted(again.table("rows").values()) == list(range(200))
    again.close()
