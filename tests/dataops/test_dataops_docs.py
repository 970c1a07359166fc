"""docs/dataops.md lists the exit codes and tokens of the code."""

from __future__ import annotations

import re
from pathlib import Path

from cibeacon.cli.commands import cibeacon
from cibeacon.cli.dataops import VERBS
from cibeacon.dataops.access import TOKENS
from cibeacon.dataops.errors import ENDINGS

TEXT = (Path(__file__).parent.parent.parent / "docs/dataops.md").read_text()


def test_the_table_of_exit_codes_is_the_one_in_the_code():
    rows = re.findall(r"^\| (\d+) \| `([a-z-]+)` \| (.*) \|$", TEXT, re.M)
    assert rows == [(str(ending.code), word, ending.meaning) for word, ending in ENDINGS.items()]


def test_each_ending_has_a_code_of_its_own():
    codes = [ending.code for ending in ENDINGS.values()]
    assert len(set(codes)) == len(codes)


def test_each_token_and_each_verb_is_told_of():
    for name in TOKENS:
        assert f"`{name}`" in TEXT
    for verb in VERBS:
        assert re.search(rf"dataops {verb}\b|`{verb}`", TEXT), verb


def test_the_help_names_every_exit_code():
    help = cibeacon.get_command(None, "dataops").help
    for ending in ENDINGS.values():
        assert re.search(rf"\b{ending.code} ", help)
