"""Strangers' text at every mouth, read back by the grammar of the one who listens there: nothing fires."""

from __future__ import annotations

import html
import json
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cibeacon.runtime.safe_text import cell, clipped, command_data, command_property, json_text, line
from hostile import ANYTHING, ESC, TEXTS, called
from log_grammar import Command, commands, sections


def dangerous(character: str) -> bool:
    """True for what moves a cursor, ends a line or reorders text, and for what cannot be encoded."""
    kind = unicodedata.category(character)
    bidirectional = character in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return kind in ("Cc", "Zl", "Zp", "Cs") or bidirectional


def obeys_nobody(text):
    shown = line(text)
    assert commands(shown) == sections(shown) == []
    assert "##[" not in shown
    assert not any(map(dangerous, shown))
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")


def is_one_command(title, data):
    log = f"::warning title={command_property(title)},line=1::{command_data(data)}"
    (command,) = commands(log)
    assert command.name == "warning"
    assert command.properties == {"title": clipped(title, 200), "line": "1"}
    assert command.data == clipped(data, 4000)
    assert sections(log) == []


def is_one_plain_cell(text):
    shown = cell(text)
    assert not re.search(r"[|`<>\[\]*_\\~@!$\r\n]|://|www\.", shown, re.IGNORECASE)
    assert re.fullmatch(r"(?:[^&#]|&#[0-9]+;)*", shown), "no entity but our own, and no heading or reference"
    assert html.unescape(shown) == clipped(text, 300).strip()
    assert commands(shown) == []


@pytest.mark.parametrize("text", TEXTS, ids=called)
def test_nothing_is_changed_that_is_not_dangerous(text):
    """It also proves the corpus: whatever is changed does something where it is read raw."""
    risky = commands(text) or sections(text) or any(map(dangerous, text)) or "\ufeff" in text or "##[" in text
    assert risky or line(text) in (text, f"\\{text}")


def test_the_grammar_fires_on_what_the_runners_obey():
    log = f"::set-output name=a::b%0Ac\r  ::ERROR file=x%2Cy,line=1::z\nx ##[warning code=1;]w\nsection_start:1:a[b=c]\r{ESC}[0K"
    assert commands(log) == [
        Command("set-output", {"name": "a"}, "b\nc"),
        Command("ERROR", {"file": "x,y", "line": "1"}, "z"),
        Command("warning", {"code": "1"}, "w"),
    ]
    assert len(sections(log)) == 1


@given(text=ANYTHING)
@example(text="#\x00#[error]x")
def test_a_line_obeys_nobody_and_stays_one_line(text):
    obeys_nobody(text)


@pytest.mark.parametrize("text", TEXTS, ids=called)
def test_no_hostile_line_fires(text):
    obeys_nobody(text)


@given(text=ANYTHING)
def test_a_line_passed_twice_is_the_same_line(text):
    assert line(line(text)) == line(text)


@given(text=st.text(st.characters(categories=["L", "N", "Zs", "Pd", "Sc"])))
def test_ordinary_text_is_left_alone(text):
    assert line(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        (f"{ESC}[31m", "\\x1b[31m"),
        ("\u2028\u202e", "\\u2028\\u202e"),
        ("\udcff", "\\udcff"),
        ("::error::x", "\\::error::x"),
        ("a ::error::x", "a ::error::x"),
        ("##[error]", "# #[error]"),
        (None, "None"),
        (7, "7"),
    ],
)
def test_what_was_taken_out_can_be_seen(text, shown):
    assert line(text) == shown


@given(text=ANYTHING, limit=st.integers(1, 80))
def test_a_clipped_line_keeps_to_its_limit_and_obeys_nobody(text, limit):
    shown = clipped(text, limit)
    assert len(shown) <= limit
    assert commands(shown) == [] == sections(shown)
    assert shown == line(text) or (shown[-1] == "…" and line(text).startswith(shown[:-1]))


@given(title=ANYTHING, data=ANYTHING)
@example(title="a::error::b", data="%0A::error::x")
@example(title="x,file=/etc/passwd", data="x")
@example(title="%3A%3A", data="%25")
def test_an_annotation_is_one_command_that_says_exactly_our_text(title, data):
    is_one_command(title, data)


@pytest.mark.parametrize("text", TEXTS, ids=called)
def test_no_hostile_annotation_breaks_out(text):
    is_one_command(text, text)


def test_an_annotation_fits_what_the_runner_keeps():
    (command,) = commands(f"::error title={command_property('%' * 9999)}::{command_data('%' * 9999)}")
    assert len(command.data) <= 4096
    assert len(command.properties["title"]) <= 200


JSON = st.recursive(
    ANYTHING | st.sampled_from(TEXTS) | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANYTHING, inner, max_size=3),
    max_leaves=5,
)


@given(value=JSON, indent=st.sampled_from([None, 2]))
@example(value="##[error]", indent=None)
@example(value="\\##[error]\\", indent=None)
def test_json_in_a_log_obeys_nobody_and_says_the_same(value, indent):
    shown = json_text(value, indent)
    assert commands(shown) == [] == sections(shown)
    assert "##[" not in shown
    assert shown.isascii()
    assert json.loads(shown) == value
    assert len(json_text(value).splitlines()) == 1


@given(text=ANYTHING)
def test_a_cell_is_one_cell_of_plain_text(text):
    is_one_plain_cell(text)


@pytest.mark.parametrize("text", TEXTS, ids=called)
def test_no_hostile_cell_takes_effect(text):
    is_one_plain_cell(text)


def test_a_cell_is_cut_before_it_is_escaped_so_that_no_escape_is_halved():
    assert cell("|" * 999, 10) == "&#124;" * 9 + "…"


def test_no_character_that_is_made_visible_counts_as_printable():
    """Printable text is passed through without a look at each character."""
    assert not [character for code in range(0x110000) if dangerous(character := chr(code)) and character.isprintable()]
