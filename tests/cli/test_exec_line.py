"""The command line of `exec` is read without click, and means what click's help says."""

from __future__ import annotations

import click
import pytest

from cibeacon.cli.exec import command
from cibeacon.cli.exec_line import FLAGS, ExecLine, read

GIVEN = {"TEXT": "some text", "LIST": "0,3", "SECONDS": "1.5"}
READ = {
    "--name": {"name": "some text"},
    "--success-codes": {"success_codes": (0, 3)},
    "--kill-after": {"kill_after": 1.5},
    "--group": {"group": True},
    "--leave-running": {"leave_running": True},
    "--hide-token": {"hide_token": True},
    "--report-timeout": {"report_timeout": 1.5},
    "--dry-run": {"settings": {"dry_run": "true"}},
    "--no-dry-run": {"settings": {"dry_run": "false"}},
    "--quiet": {"quiet": True},
    "--verbose": {"settings": {"verbose": "true"}},
}


def understood_by_click(argv):
    try:
        command.make_context("exec", list(argv))
    except click.UsageError:
        return False
    return True


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_every_flag_is_read_in_each_of_its_spellings_and_click_knows_it(flag):
    value = GIVEN.get(flag.metavar)
    spellings = [[flag.name, value], [f"{flag.name}={value}"]] if value else [[flag.name]]
    for words in spellings:
        argv = [*words, "--", "make", "--name", "x"]
        line = read(argv)
        assert line == ExecLine(("make", "--name", "x"))._replace(**READ[flag.name])
        assert understood_by_click(argv)


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_a_flag_with_a_value_too_many_or_too_few_is_not_read(flag):
    argv = [flag.name, "--", "make"] if flag.metavar else [f"{flag.name}=yes", "--", "make"]
    assert read(argv) is None


@pytest.mark.parametrize("argv", [["--other", "--", "make"], ["make"], ["word", "--", "make"], ["--"], [], ["--help"]])
def test_what_cannot_be_read_is_left_to_click(argv):
    assert read(argv) is None


def test_an_empty_value_is_none_given():
    line = read(["--name=", "--kill-after=", "--success-codes=", "--report-timeout=", "--", "make"])
    assert line == ExecLine(("make",))


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "soon", "1,5", "٣x"])
def test_a_time_that_is_none_is_named_and_not_used(value):
    line = read([f"--kill-after={value}", "--", "make"])
    assert line.kill_after is None
    assert line.complaints == (f"--kill-after was ignored: {value!r} is not a number of seconds",)


@pytest.mark.parametrize(
    ("command", "program"), [("make", "make"), ("/usr/bin/make", "make"), ("./run.sh", "run.sh"), ("dir/", "dir/")]
)
def test_the_program_is_called_by_its_last_part(command, program):
    assert read(["--", command, "argument"]).program == program
