"""A line of the spool: what goes in comes out to the byte, and nothing else is believed. Lines: delivery/records.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.model import parsers
from cibeacon.model.report import Outcome
from cibeacon.model.request import Request
from cibeacon.model.spool_record import LARGEST, Record, SpoolRecordError, UnsupportedRecordVersion, read

LINES = json.loads((Path(__file__).parent.parent / "delivery" / "records.json").read_text("utf-8"))
BY_HAND = {
    "version": 1,
    "key": "pull-services/acme%2Fshop/7/cart",
    "kind": "pull-services",
    "sink": "dx",
    "method": "POST",
    "path": "/api/deployments.setPullServices",
    "body": {"repository": "acme/shop", "pull_number": 7, "services": ["cart"]},
    "created_at": 1700000000.25,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(st.characters(), max_size=20)
"""Surrogates too: a branch or file name may be no UTF-8."""
RECORDS = st.builds(
    Record,
    key=st.text(st.characters(), min_size=1, max_size=20),
    kind=TEXT,
    sink=TEXT,
    method=TEXT,
    path=TEXT,
    body=st.none() | st.dictionaries(TEXT, JSON, max_size=4),
    created_at=st.floats(0, 4e9).map(lambda seconds: round(seconds, 3)),
    subject=TEXT,
    reference_id=st.none() | TEXT,
    own_reference=st.booleans(),
    signal=st.none() | st.dictionaries(TEXT, JSON, max_size=4),
)


def nested(levels):
    return json.loads('{"a":' * levels + "1" + "}" * levels)


def record(**fields):
    return Record(**{name: value for name, value in BY_HAND.items() if name != "version"} | fields)


@given(RECORDS)
def test_what_is_written_is_read_back_and_written_the_same(written):
    line = written.line()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert line.isascii()
    again = read(line)
    assert again.line() == line
    assert again.created_at == written.created_at
    assert again.name == written.name


@given(RECORDS)
def test_a_body_is_the_same_on_the_wire_to_the_byte(written):
    first = Request("POST", "/", written.body).content()
    assert Request("POST", "/", read(written.line()).body).content() == first


def test_a_record_is_made_of_the_call_and_the_row():
    call = Request("POST", "/api/deployments.create", {"b": 1, "a": "ö"})
    row = Outcome("deployment", "dx", "skipped", subject="cart → prod", key="deployment/r", reference_id="r")
    made = Record.of(call, row, 1_700_000_000.123456, own_reference=True)
    assert made == Record(
        "deployment/r", "deployment", "dx", "POST", "/api/deployments.create", {"b": 1, "a": "ö"},
        1_700_000_000.123, "cart → prod", "r", True,
    )  # fmt: skip
    document = json.loads(made.line())
    assert next(iter(document)) == "version"
    assert set(document) == {*Record._fields, "version", "checksum"}


@pytest.mark.parametrize("row", LINES, ids=lambda row: row["why"])
def test_a_line_is_believed_or_it_is_said_why_not(row):
    document = {name: value for name, value in BY_HAND.items() if name != row.get("without")} | row.get("change", {})
    line = row["raw"].encode() if "raw" in row else json.dumps(document).encode()
    if row.get("reads"):
        assert read(line).key == document["key"]
        return
    with pytest.raises(SpoolRecordError, match=row["says"]) as error:
        read(line)
    assert isinstance(error.value, UnsupportedRecordVersion) is row.get("newer", False)
    assert str(error.value).isprintable()


@given(RECORDS, st.data())
def test_a_line_that_was_cut_anywhere_is_never_believed(written, data):
    line = written.line()
    end = data.draw(st.integers(0, len(line) - 2))
    with pytest.raises(SpoolRecordError):
        read(line[:end])


def test_a_line_cut_at_every_byte_is_never_believed():
    line = record().line()
    for end in range(len(line) - 1):  # the line break alone may be missing
        with pytest.raises(SpoolRecordError):
            read(line[:end])
    assert read(line[:-1]) == record()


def test_no_byte_can_be_changed_unnoticed():
    """A changed byte may spell the same JSON in another way; what is believed is what was written."""
    line = record().line()
    for place in range(len(line) - 1):
        for byte in b'0A"}':
            changed = line[:place] + bytes([byte]) + line[place + 1 :]
            try:
                assert read(changed) == record()
            except SpoolRecordError:
                continue


def test_two_halves_of_two_lines_are_no_record():
    """What comes out all the same is one of the two, whole."""
    one, two = record().line(), record(key="other").line()
    for cut in range(len(one)):
        try:
            assert read(one[:cut] + two[cut:]) in (record(), record(key="other"))
        except SpoolRecordError:
            continue


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | JSON.map(lambda value: json.dumps(value).encode())
)
def test_nothing_else_raises_anything_else(line):
    with pytest.raises(SpoolRecordError):
        read(line)


def test_the_deepest_metadata_that_is_taken_can_be_kept_and_a_deeper_one_is_no_record():
    deepest = parsers.metadata(json.dumps(nested(parsers.DEEPEST)))
    assert read(record(body={"metadata": deepest}).line()).body == {"metadata": deepest}
    for levels in (parsers.DEEPEST + 1, 900, 100_000):
        line = record(body={"x": 1}).line().replace(b'"x":1', b'"x":' + b'{"a":' * levels + b"1" + b"}" * levels)
        with pytest.raises(SpoolRecordError, match=r"nested too deeply|not JSON"):
            read(line)


def test_giant_numbers_are_no_time_and_no_crash():
    for number in ("1" * 400, "1" * 10_000, "-" + "9" * 400):
        with pytest.raises(SpoolRecordError, match=r"not a time|not JSON"):
            read(json.dumps(BY_HAND).encode().replace(b"1700000000.25", number.encode()))


def test_a_line_that_no_vendor_would_take_is_not_read():
    with pytest.raises(SpoolRecordError, match="over 1 MiB"):
        read(record(body={"x": "a" * LARGEST}).line())


def test_each_key_has_a_file_name_that_names_no_folder():
    names = {record(key=key).name for key in ("a", "b", "../a", "a/b", "\udc80", "ö", "a" * 10_000)}
    assert len(names) == 7
    assert all(len(name) == 71 and name.endswith(".ndjson") and "/" not in name for name in names)


def test_a_later_statement_of_the_same_fact_has_the_same_file():
    assert record(created_at=1.0).name == record(created_at=2.0, body={}).name
