"""The page: one document, no strangers, and no way for a string to become markup."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from cibeacon.sandbox import page
from cibeacon.sandbox.vendors import VENDORS

TEXT = page.content().decode()


def policy(sandbox, http) -> dict[str, str]:
    header = http.get(sandbox.url + "/").headers["Content-Security-Policy"]
    return {name: sources for name, _, sources in (part.partition(" ") for part in header.split("; "))}


def inside(tag: str) -> str:
    (found,) = re.findall(f"<{tag}>(.*?)</{tag}>", TEXT, re.DOTALL)
    return found


def test_the_page_is_served_as_utf8_html(sandbox, http):
    reply = http.get(sandbox.url + "/")
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.content.decode("utf-8") == TEXT
    assert reply.text.startswith("<!doctype html>")


def test_the_policy_lets_in_nothing_that_it_does_not_name(sandbox, http):
    told = policy(sandbox, http)
    assert told["default-src"] == "'none'"
    assert told["connect-src"] == "'self'"
    assert {told[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert told["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in " ".join(told.values())


def test_the_policy_names_the_very_script_and_style_of_the_page(sandbox, http):
    told = policy(sandbox, http)
    for directive, tag in (("script-src", "script"), ("style-src", "style")):
        digest = base64.b64encode(hashlib.sha256(inside(tag).encode()).digest()).decode()
        assert told[directive] == f"'sha256-{digest}'"


def test_the_page_asks_nobody_else():
    assert "//" not in re.sub(r"^\s*// .*$|; // .*$", "", TEXT, flags=re.MULTILINE)
    addresses = set(re.findall(r"(?:src|href|action)=\"([^\"]*)\"", TEXT))
    assert {address for address in addresses if not address.startswith("#")} == {"data:,", "docs"}
    assert set(re.findall(r"fetch\(([^,)]*)", TEXT)) == {
        '"ledger"',
        "FAULTS",
        '`sandbox/stories/${button.id.replace("story-"',
    }
    assert 'FAULTS = "sandbox/faults"' in TEXT
    assert "@import" not in TEXT
    assert "url(" not in TEXT


def test_a_string_of_the_ledger_can_only_become_text():
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "setAttribute"):
        assert way not in TEXT
    assert not re.search(r"\son\w+=|style=", TEXT)


def test_the_page_follows_light_and_dark():
    assert "prefers-color-scheme: dark" in inside("style")
    assert '<meta name="color-scheme" content="light dark">' in TEXT


def test_every_tab_that_can_be_chosen_is_there():
    chosen = re.findall(r'<a id="to-(\w+)" href="#(\w+)"', TEXT)
    assert chosen
    assert all(name == target and f'<div id="tab-{name}"' in TEXT for name, target in chosen)


def test_what_a_screen_reader_needs_is_there():
    assert "<nav aria-label=" in TEXT
    assert set(re.findall(r'aria-labelledby="([^"]+)"', TEXT)) <= set(re.findall(r'id="([^"]+)"', TEXT))
    assert 'role="status"' in TEXT


def test_every_element_that_the_page_fills_is_there():
    filled = set(re.findall(r'(?:find|new Table)\("([\w-]+)"', TEXT))
    assert {"requests", "spool", "fault-vendor", "begin"} <= filled
    assert filled <= set(re.findall(r' id="([\w-]+)"', TEXT))


def test_every_vendor_has_a_table_on_a_tab_of_a_vendor():
    tabs, tables = re.findall(r'addTab\("(\w+)"', TEXT), re.findall(r'addTable\("(\w+)", "([\w-]+)"', TEXT)
    assert {tab for tab, _ in tables} == set(tabs) <= VENDORS.keys()
    assert len({table for _, table in tables}) == len(tables)
    assert all((Path(page.__file__).parent / f"page_{name}.js").is_file() for name in VENDORS)
