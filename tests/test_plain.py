"""The plainest command lines are read without click, and mean what click would make of them."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.cli import plain, verbs
from cibeacon.cli.commands import Refused, obeyed

VALUES = st.sampled_from(["main", "", " ", "a=b", "-1", "--head", "services/{service}/", "🚀", "true"])
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
    ],
)
def test_a_plain_command_line_needs_no_library(argv, told):
    assert plain.read(argv) == (argv[0], told)
    assert read_by_click(argv) == (argv[0], told, None)


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
        ["services", "--strict=true"],
        ["services", "--no-base=x"],
        ["services", "--dx-url=x"],
        ["report", "--dx-token=x"],
        ["report", "--pr=7"],
    ],
)
def test_everything_else_is_left_to_click(argv):
    assert plain.read(argv) is None
