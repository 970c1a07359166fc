"""The house stays small and speaks one language: budgets, and the glossary of docs/architecture.md."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path
from typing import get_args

import pytest

from cibeacon.model.report import OutcomeStatus
from cibeacon.report_text import OUTPUTS
from cibeacon.settings import all_options
from cibeacon.settings.general import SIGNAL_KINDS
from house import house

PAGE = (Path(__file__).parent.parent / "docs/architecture.md").read_text(encoding="utf-8")
GLOSSARY = {
    word: (meaning, [each.strip() for each in instead.split(",") if each.strip()])
    for word, meaning, instead in re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| ?([^|]*) \|$", PAGE.partition("## Glossary")[2], re.M
    )
    if word not in ("word", "---")
}
BUDGETS = {"code": 22_610, "lines": 32_460, "longest file": 300, "longest function": 50, "levels": 6}
"""The most of each figure that scripts/house prints."""
MODULES_OF_A_REPORT = 70
"""A sink that is off costs the module of its options, which say that it is off."""
PRIVATE = {
    "told", "found", "drawn", "mend", "teller", "hire", "hired", "carry", "carried", "strays", "landed", "landing", "settle",
    "settled", "courier", "rehearsed", "rehearsal", "doubtful", "unsaid", "byhand", "mouth", "mouths", "stretch",
}  # fmt: skip
"""Words that this code once had for things that have a name."""


@pytest.mark.parametrize("figure", BUDGETS)
def test_the_house_stays_within_its_budget(figure):
    assert house.figures()[figure] <= BUDGETS[figure], "find what can go, or raise the budget in the same change"


def test_packages_form_no_cycle():
    assert house.figures()["cycle"] == ""


def test_a_report_loads_few_modules():
    assert house.modules_of_a_report() <= MODULES_OF_A_REPORT


def test_no_identifier_is_a_private_word():
    used = set()
    for path in house.files():
        if house.package(path) not in house.ASIDE:
            tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
            names = {token.string for token in tokens if token.type == tokenize.NAME}
            used |= {f"{path.name}: {name}" for name in names if PRIVATE & set(name.lower().strip("_").split("_"))}
    assert used == set()


def test_a_class_name_exists_once():
    names = [
        node.name
        for path in house.files()
        if house.package(path) not in house.ASIDE
        for node in house.classes(path)
        if not node.name.startswith("_")
    ]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_the_glossary_lists_the_outcomes_and_the_signals():
    assert set(re.findall(r"`([\w-]+)`", GLOSSARY["outcome"][0])) == set(get_args(OutcomeStatus))
    assert set(re.findall(r"`([\w-]+)`", GLOSSARY["signal"][0])) == set(SIGNAL_KINDS)


@pytest.mark.parametrize("word", GLOSSARY)
def test_settings_and_outputs_say_it_in_the_word_of_the_glossary(word):
    texts = [f"{option.name} {option.help}" for group in all_options().values() for option in group]
    texts += [f"{name} {text}" for name, text in OUTPUTS.items()]
    for instead in GLOSSARY[word][1]:
        pattern = re.compile(rf"\b{re.escape(instead)}s?\b", re.I)
        assert [text for text in texts if pattern.search(text.replace("_", " "))] == []
