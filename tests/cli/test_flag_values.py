"""Boolean flags take a value on every verb; and a command line that cannot be parsed is strict if its flag says so."""

from __future__ import annotations

import click
import pytest

from cibeacon.cli.commands import CommandLineError, _spell_out, cibeacon, run_or_raise
from cibeacon.cli.report_view import is_strict


def test_of_two_values_for_one_flag_the_last_one_counts():
    assert _spell_out(["flow", "assign", "--clear", "--clear=false"]) == ["flow", "assign"]
    assert _spell_out(["flow", "assign", "--clear=false", "--clear"]) == ["flow", "assign", "--clear"]


def leaves(command, words=()):
    """Every command without subcommands, and groups that work without one, with their words."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), (*words, name))
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield words, command


FLAGS = [
    pytest.param(words, command, option, id=f"{' '.join(words)} {option.opts[0]}")
    for words, command in leaves(cibeacon)
    for option in command.params
    if isinstance(option, click.Option) and option.is_flag
]


def value_read(words, command, option, *flags):
    """The parsed value of a flag after spelling it out; None if it is not given."""
    spelled = _spell_out([*words, *flags])
    assert spelled[: len(words)] == list(words)
    options, _, _ = command.make_parser(click.Context(command)).parse_args(spelled[len(words) :])
    return options.get(option.name)


@pytest.mark.parametrize(("words", "command", "option"), FLAGS)
def test_every_boolean_flag_of_every_verb_takes_its_value_after_an_equals_sign_or_as_the_next_word(
    words, command, option
):
    for name in option.opts:
        if not name.startswith("--"):
            continue
        assert value_read(words, command, option, f"{name}=yes") is True
        assert value_read(words, command, option, f"{name}=0") is (False if option.secondary_opts else None)
        assert value_read(words, command, option, f"{name}=") is None
        assert value_read(words, command, option, name, "true") is True
        assert value_read(words, command, option, name, "False") is (False if option.secondary_opts else None)
        with pytest.raises(
            CommandLineError, match=f"^{name}=maybe cannot be used because 'maybe' is not one of true, false"
        ):
            run_or_raise([*words, f"{name}=maybe"], None)


def test_what_belongs_to_another_option_is_no_flag():
    words = ["report", "--jq", "--strict=true", "--environment=--strict=maybe"]
    assert _spell_out(words) == words
    words = ["replay", "--strict", "--", "--strict=maybe"]
    assert _spell_out(words) == words
    words = ["report", "--jq", "--strict", "--environment", "true"]
    assert _spell_out(words) == words


@pytest.mark.parametrize("argument", ["1", "0", "yes", "no", "on", "off"])
def test_an_argument_behind_a_flag_stays_one(argument):
    words = ["dataops", "jobs", "--all", argument]
    assert _spell_out(words) == words


@pytest.mark.parametrize(
    ("words", "given", "strict"),
    [
        ((), "", False),
        ((), "true", True),
        (("--strict",), "", True),
        (("--strict=yes",), "", True),
        (("--strict=no",), "true", False),
        (("--no-strict",), "true", False),
        (("--strict", "--no-strict"), "", False),
        (("--strict", "--strict="), "", True),
        (("--strict=",), "true", True),
        (("--strict=maybe",), "", False),
        (("--strict", "false"), "true", False),
        (("--strict", "true"), "", True),
        (("--strict", "other"), "", True),
    ],
)
def test_a_command_line_that_cannot_be_read_is_strict_by_its_last_word_on_it(words, given, strict):
    assert is_strict(("report", *words), {"CIBEACON_STRICT": given}) is strict
