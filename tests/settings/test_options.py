"""How an option is spelled and resolved, with an example group of three options."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.model import parsers
from cibeacon.settings.options import Origin, Problem, Sources, declared, option, resolve


class Small(NamedTuple):
    """A group"""

    paint_colour: str = option(parsers.text, "grey", "Colour.", also=("PAINT",), in_repository=True)
    layers: int = option(parsers.integer, 1, "Layers.")
    recipe: str | None = option(parsers.token, None, "Recipe.", secret=True, also=("RECIPE_KEY",))
    extras: Any = option(parsers.metadata, None, "Extras.", in_repository=True)


LADDER = [
    ("--paint-colour", "flags", "paint_colour"),
    ("input paint_colour", "environ", "INPUT_PAINT_COLOUR"),
    ("CIBEACON_PAINT_COLOUR", "environ", "CIBEACON_PAINT_COLOUR"),
    ("PAINT", "environ", "PAINT"),
    ("repository configuration", "repository", "paint_colour"),
]
"""Every source of one option, best first: its words, and where it stands."""


def settled(flags=None, environ=None, repository=None):
    return resolve(Small, "small", Sources(flags or {}, environ or {}, repository or {}))


def placed(*rungs: tuple[int, str]) -> dict[str, dict[str, str]]:
    sources: dict[str, dict[str, str]] = {"flags": {}, "environ": {"GITHUB_ACTIONS": "true"}, "repository": {}}
    for rung, text in rungs:
        _, source, key = LADDER[rung]
        sources[source][key] = text
    return sources


def test_one_declaration_gives_every_spelling():
    colour = declared(Small)[0]
    assert (colour.dashed, colour.input_variable, colour.variable) == (
        "--paint-colour",
        "INPUT_PAINT_COLOUR",
        "CIBEACON_PAINT_COLOUR",
    )


def test_options_come_in_the_order_of_their_declaration():
    assert [each.name for each in declared(Small)] == ["paint_colour", "layers", "recipe", "extras"]


@pytest.mark.parametrize("best", range(len(LADDER)))
def test_the_best_source_takes_precedence(best):
    group, origins, problems = settled(**placed(*((rung, f"colour {rung}") for rung in range(best, len(LADDER)))))
    assert group.paint_colour == f"colour {best}"
    assert origins["paint_colour"] == Origin(LADDER[best][0], given=True)
    assert problems == ()


@pytest.mark.parametrize("blank", ["", " ", "\n", "\t "])
@pytest.mark.parametrize("best", range(1, len(LADDER)))
def test_an_empty_value_means_unset_in_every_source(best, blank):
    rungs = [(rung, blank) for rung in range(best)]
    group, origins, _ = settled(**placed(*rungs, (best, "red")))
    assert (group.paint_colour, origins["paint_colour"].source) == ("red", LADDER[best][0])


@given(st.dictionaries(st.integers(0, len(LADDER) - 1), st.sampled_from(["", "  ", "red", " blue "])))
def test_the_winner_is_the_first_source_that_is_not_blank(texts):
    group, origins, _ = settled(**placed(*texts.items()))
    winners = [(texts[rung].strip(), words) for rung, (words, _, _) in enumerate(LADDER) if texts.get(rung, "").strip()]
    text, words = winners[0] if winners else ("grey", "default")
    assert (group.paint_colour, origins["paint_colour"]) == (text, Origin(words, given=bool(winners)))


@pytest.mark.parametrize("actions", [None, "", "false", "1", "True"])
def test_action_inputs_count_only_in_github_actions(actions):
    environ = {"INPUT_PAINT_COLOUR": "red"} | ({} if actions is None else {"GITHUB_ACTIONS": actions})
    assert settled(environ=environ)[0].paint_colour == "grey"
    assert settled(environ=environ | {"GITHUB_ACTIONS": "true"})[0].paint_colour == "red"


def test_blanks_around_a_value_are_ignored():
    assert settled(flags={"paint_colour": "  red\n"})[0].paint_colour == "red"


def test_a_secret_is_never_taken_from_a_flag_or_the_repository():
    group, origins, _ = settled(flags={"recipe": "s3cret"}, repository={"recipe": "s3cret"})
    assert (group.recipe, origins["recipe"]) == (None, Origin("default", given=False))


@pytest.mark.parametrize("name", ["INPUT_RECIPE", "CIBEACON_RECIPE", "RECIPE_KEY"])
def test_a_secret_is_taken_from_the_environment(name):
    group, origins, _ = settled(environ={"GITHUB_ACTIONS": "true", name: "s3cret"})
    assert group.recipe == "s3cret"
    assert origins["recipe"].given


def test_the_repository_cannot_set_what_is_not_its_own():
    assert settled(repository={"layers": "7"})[0].layers == 1


@pytest.mark.parametrize(
    ("given", "value"),
    [({"load": 1}, {"load": 1}), ('{"load": 1}', {"load": 1}), ({"é": 1}, None), ([1], None), (float("nan"), None)],
)
def test_the_repository_may_write_json_values_as_they_are(given, value):
    group, _, problems = settled(repository={"extras": given})
    assert group.extras == value
    assert bool(problems) is (value is None)


def test_null_in_the_repository_means_unset():
    group, origins, _ = settled(repository={"paint_colour": None})
    assert (group.paint_colour, origins["paint_colour"].given) == ("grey", False)


def test_a_value_that_cannot_be_used_is_a_problem_and_leaves_the_default():
    group, origins, problems = settled(flags={"layers": "three"})
    assert group.layers == 1
    assert origins["layers"] == Origin("--layers", given=True)
    message = 'layers "three" cannot be used because it is not a whole number above zero (--layers)'
    assert problems == (Problem("small", "layers", message),)


def test_an_invalid_value_is_not_replaced_by_a_valid_one_of_a_lower_source():
    group, _, problems = settled(flags={"layers": "three"}, environ={"CIBEACON_LAYERS": "3"})
    assert group.layers == 1
    assert len(problems) == 1


def test_every_bad_value_has_its_own_problem():
    _, _, problems = settled(flags={"layers": "0", "paint_colour": "a\nb"}, repository={"extras": 1})
    assert [problem.option for problem in problems] == ["paint_colour", "layers", "extras"]


def test_a_problem_never_shows_a_secret():
    _, _, problems = settled(environ={"CIBEACON_RECIPE": "sec ret"})
    assert [problem.option for problem in problems] == ["recipe"]
    assert "sec" not in str(problems)


def test_a_problem_never_shows_credentials_of_a_url():
    _, _, problems = settled(flags={"layers": "https://bot:hunt/er2@host.example/x"})
    assert "hunt" not in problems[0].message
    assert '"https://***@host.example/x"' in problems[0].message


def test_a_problem_shows_a_bounded_part_of_the_value_on_one_line():
    _, _, problems = settled(flags={"layers": "\n\x1b##[error]" + "9" * 10_000})
    assert len(problems[0].message) < 300
    assert problems[0].message.isprintable()
