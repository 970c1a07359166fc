"""Every syntax of a setting, as tables: `parser`, `why` and `cases` of `given` and the `value`, or a part of the `error`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cibeacon.model import identifiers, parsers, status_words

TABLES = [json.loads(path.read_text("utf-8")) for path in sorted((Path(__file__).parent / "values").glob("*.json"))]
ROWS = [
    pytest.param(table["parser"], case, id=f"{table['parser']} {case['given']!a}")
    for table in TABLES
    for case in table["cases"]
]
PARSERS = {
    "text", "token", "boolean", "integer", "text_list", "names", "services", "duration", "timestamp", "sha", "shas", "json_value",
    "metadata", "url", "link", "dx_url", "program", "dci_url", "uuid", "client_id",
    "root", "context", "path", "job_id", "key_values", "status",
}  # fmt: skip
NOUNS = (
    st.text(st.characters(exclude_characters=",\n[", exclude_categories=["C"]), min_size=1).map(str.strip).filter(bool)
)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def parser_of(name):
    (found,) = [getattr(module, name) for module in (parsers, identifiers, status_words) if hasattr(module, name)]
    return found


@pytest.mark.parametrize(("parser", "case"), ROWS)
def test_a_setting_is_read_or_refused_as_its_table_says(parser, case):
    parse = parser_of(parser)
    if "error" in case:
        with pytest.raises(ValueError, match=re.escape(case["error"])):
            parse(case["given"])
    else:
        value = parse(case["given"])
        found = list(value) if isinstance(value, tuple) else value
        assert (found, type(found)) == (case["value"], type(case["value"]))


def test_every_parser_has_a_table_with_both_kinds_of_case():
    assert {table["parser"] for table in TABLES} == PARSERS
    for table in TABLES:
        kinds = {"value" in case for case in table["cases"]}
        assert kinds == {True, False}, table["parser"]


@pytest.mark.parametrize("parser", sorted(PARSERS))
@given(text=st.text())
@example(text="[" * 100_000)
@example(text='{"a":' * 100_000)
@example(text="9" * 5_000)
@example(text="[" + "9" * 5_000 + "]")
@example(text="\udcff\ud800")
def test_whatever_is_given_ends_in_a_value_or_a_clause(parser, text):
    clause = "is so"
    try:
        parser_of(parser)(text)
    except ValueError as error:
        clause = str(error)
    assert clause.split()[0] in ("is", "has", "contains", "starts")


@given(seconds=st.integers(1, 99_999_999_999))
def test_unix_seconds_are_taken_as_they_are(seconds):
    assert parsers.timestamp(str(seconds)) == seconds


@given(seconds=st.integers(100_000_000, 253_402_300_799), rest=st.integers(0, 999))
def test_unix_milliseconds_lose_their_thousandths(seconds, rest):
    assert parsers.timestamp(str(seconds * 1000 + rest)) == seconds


@given(when=st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9999, 12, 30)), zone=ZONES)
def test_a_time_with_a_zone_is_the_same_moment_everywhere(when, zone):
    there = when.replace(tzinfo=UTC).astimezone(zone)
    assert parsers.timestamp(there.isoformat()) == int(when.replace(microsecond=0, tzinfo=UTC).timestamp())


@given(when=st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9999, 12, 30)))
def test_a_time_without_a_zone_is_never_guessed(when):
    with pytest.raises(ValueError, match="without a zone"):
        parsers.timestamp(when.isoformat())


@given(text=st.text(st.characters(codec="ascii", exclude_categories=["C"])))
def test_every_moment_can_be_written_as_iso_time_again(text):
    try:
        moment = parsers.timestamp(text)
    except ValueError:
        return
    assert parsers.timestamp(datetime.fromtimestamp(moment, UTC).isoformat()) == moment


@given(items=st.lists(NOUNS))
def test_a_list_is_the_same_however_it_is_written(items):
    once = tuple(dict.fromkeys(items))
    assert parsers.text_list(json.dumps(items)) == once
    assert parsers.text_list(",".join(items)) == once
    assert parsers.text_list("\n".join(items)) == once
    assert parsers.text_list("".join(f"  {item} ,\r\n" for item in items)) == once


@given(text=st.text())
def test_no_word_of_a_list_is_blank_or_repeated_or_holds_a_line_break(text):
    try:
        found = parsers.text_list(text)
    except ValueError:
        return
    assert len(set(found)) == len(found)
    assert all(word.strip() == word != "" and "\n" not in word for word in found)


@given(text=st.text(max_size=6))
def test_only_eight_words_are_booleans(text):
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    try:
        assert parsers.boolean(text) is known[text.lower()]
    except ValueError:
        assert text.lower() not in known


@pytest.mark.parametrize("word", ["auto", "AUTO", "Auto"])
def test_a_choice_is_taken_in_any_case(word):
    assert parsers.Choice("auto", "never")(word) == "auto"


def test_a_word_that_is_no_choice_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="is not one of auto, never"):
        parsers.Choice("auto", "never")("always")


def test_choices_keep_their_order_and_drop_repeats():
    assert parsers.choices("a", "b", "c")("c,A,c") == ("c", "a")


@pytest.mark.parametrize("text", [",", "[]", "\n"])
def test_choices_are_never_none_at_all(text):
    with pytest.raises(ValueError, match="contains none of a, b"):
        parsers.choices("a", "b")(text)
