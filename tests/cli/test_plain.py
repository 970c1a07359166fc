"""The plainest command lines are read without click, and mean what click would make of them."""

from __future__ import annotations

from unittest.mock import patch

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.cli import plain, verbs
from cibeacon.cli.commands import Refused, _spelled_out, cibeacon, obeyed

VALUES = st.sampled_from(
    ["main", "", " ", "a=b", "-1", "--head", "services/{service}/", "🚀", "true", "False", "No", "maybe"]
)
NAMES = st.sampled_from(
    (
        *("--base", "--head", "--strict", "--no-strict", "--dry-run", "--no-dry-run", "--no-base", "--format", "--pr"),
        *(
            "--dx-token",
            "--services",
            "--pr-number",
            "--on-unknown",
            "--nonsense",
            "--no-",
            "--",
            "-h",
            "list",
            "base",
            "strict",
        ),
        *("--pipeline-name", "--send-email", "--deploy-services", "--files-from", "--no-no-strict"),
    )
)
WORDS = st.one_of(NAMES, VALUES, st.builds("{}={}".format, NAMES, VALUES))


def read_by_click(argv):
    """What click gives to the verb; None where it refuses the command line, or calls another command."""
    seen = []

    def note(_, told, paths=None):
        seen.append((told, paths))
        return 0

    with patch.object(verbs, "report", note), patch.object(verbs, "services", note):
        try:
            obeyed(argv, None)
        except (Refused, AttributeError):
            return None
    return (argv[0], *seen[0]) if seen else None


@given(verb=st.sampled_from(["report", "services"]), words=st.lists(WORDS, max_size=4))
def test_what_is_read_without_click_is_read_as_click_reads_it(verb, words):
    understood = plain.read([verb, *words])
    if understood:
        assert (*understood, None) == read_by_click([verb, *words])


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["services"], {}),
        (["services", "--base=v1", "--head", "v2"], {"base": "v1", "head": "v2"}),
        (["services", "--base=a", "--base=b=c"], {"base": "b=c"}),
        (["report", "--strict", "--no-dry-run", "--dx-url="], {"strict": "true", "dry_run": "false", "dx_url": ""}),
        (["report", "--strict", "--no-strict"], {"strict": "false"}),
        (["report", "--strict=true", "--dry-run=FALSE"], {"strict": "true", "dry_run": "false"}),
        (["report", "--strict=off", "--dry-run=1"], {"strict": "false", "dry_run": "true"}),
        (["report", "--strict", "--strict=", "--dry-run= "], {"strict": "true"}),
        (["report", "--deploy-success", "false", "--strict", "True"], {"deploy_success": "false", "strict": "true"}),
    ],
)
def test_a_plain_command_line_needs_no_library(argv, told):
    assert plain.read(argv) == (argv[0], told)
    assert read_by_click(argv) == (argv[0], told, None)


def test_of_two_values_for_one_flag_the_last_one_counts():
    assert _spelled_out(["flow", "assign", "--clear", "--clear=false"]) == ["flow", "assign"]
    assert _spelled_out(["flow", "assign", "--clear=false", "--clear"]) == ["flow", "assign", "--clear"]


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--help"],
        ["dci", "--strict"],
        ["services", "list"],
        ["services", "strict"],
        ["report", "dry-run"],
        ["services", "--base"],
        ["services", "--base", "--head"],
        ["services", "--strict=maybe"],
        ["services", "--no-strict=true"],
        ["services", "--no-base=x"],
        ["services", "--dx-url=x"],
        ["report", "--dx-token=x"],
        ["report", "--pr=7"],
    ],
)
def test_everything_else_is_left_to_click(argv):
    assert plain.read(argv) is None


def leaves(command, words=()):
    """Every command without commands of its own, and those that do something by themselves, with their words."""
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
    """What a command's parser makes of a flag once it is spelled out; None where it is not given."""
    spelled = _spelled_out([*words, *flags])
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
        with pytest.raises(Refused, match=f"^{name}=maybe cannot be used because 'maybe' is none of true, false"):
            obeyed([*words, f"{name}=maybe"], None)


def test_what_belongs_to_another_option_is_no_flag():
    words = ["report", "--jq", "--strict=true", "--environment=--strict=maybe"]
    assert _spelled_out(words) == words
    words = ["replay", "--strict", "--", "--strict=maybe"]
    assert _spelled_out(words) == words
    words = ["report", "--jq", "--strict", "--environment", "true"]
    assert _spelled_out(words) == words


@pytest.mark.parametrize("argument", ["1", "0", "yes", "no", "on", "off"])
def test_an_argument_behind_a_flag_stays_one(argument):
    words = ["dataops", "jobs", "--all", argument]
    assert _spelled_out(words) == words


@pytest.mark.parametrize(
    ("words", "given", "is_strict"),
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
def test_a_command_line_that_cannot_be_read_is_strict_by_its_last_word_on_it(words, given, is_strict):
    assert plain.strict(("report", *words), {"CIBEACON_STRICT": given}) is is_strict
