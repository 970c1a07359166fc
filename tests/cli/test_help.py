"""The help of every verb: examples that can be run, the common flags first, no flag without effect; and completion."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cibeacon.cli.commands import _spell_out
from cibeacon.cli.commands import cibeacon as command_line
from cibeacon.cli.help_page import SettingFlag
from cibeacon.settings import all_options
from processes import cibeacon


def leaves(command, words=()):
    """Every command that can be run, with its words."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), (*words, name))
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield pytest.param(words, command, id=" ".join(words))


REFERENCE = Path(__file__).parents[2] / "docs/reference.md"
VERBS = list(leaves(command_line))
LONG = [each for each in VERBS if getattr(each.values[1], "common", ())]


def shown(tmp_path, capsys, *argv):
    assert cibeacon(*argv, cwd=tmp_path).code == 0
    return capsys.readouterr().out


def listed(text):
    """Every flag on a help page, in the order of the page."""
    options = text.partition("\nExamples:\n")[2].partition("\n\n")[2]
    lines = re.findall(r"^ {2}(--?\w.*?)(?: {2,}.*)?$", options, re.M)
    return [flag for line in lines for flag in re.findall(r"--[a-z][a-z-]*", line)]


@pytest.mark.parametrize(("words", "command"), VERBS)
def test_a_verb_has_two_examples_that_it_can_read(words, command):
    assert len(set(command.examples)) == 2
    for example in command.examples:
        spelled = _spell_out(shlex.split(example)[1:])
        assert tuple(spelled[: len(words)]) == words
        command.make_context(words[-1], spelled[len(words) :])


@pytest.mark.parametrize(("words", "command"), VERBS)
def test_every_flag_of_a_verb_is_listed_once_by_one_of_the_two_helps(tmp_path, capsys, words, command):
    text = shown(tmp_path, capsys, *words, "--help-all" if command.common else "--help")
    options = [each for each in command.params if isinstance(each, click.Option)]
    names = [name for each in options for name in (*each.opts, *each.secondary_opts)]
    assert sorted(listed(text)) == sorted([*names, "--help", *(["--help-all"] if command.common else [])])


@pytest.mark.parametrize(("words", "command"), LONG)
def test_a_verb_with_many_flags_shows_ten_common_ones_and_where_the_others_are(tmp_path, capsys, words, command):
    text = shown(tmp_path, capsys, *words, "--help")
    assert len(set(command.common)) == 10
    own = {name for each in command.params if type(each) is click.Option for name in each.opts}
    by_name = {each.name: each for each in command.params}
    common = [name for each in command.common for name in (*by_name[each].opts, *by_name[each].secondary_opts)]
    assert [flag for flag in listed(text) if flag not in own] == [*common, "--help", "--help-all"]
    assert shown(tmp_path, capsys, *words, "--help-all").startswith(text[: text.index("\nHelp:")])


def test_help_all_groups_the_flags_by_topic(tmp_path, capsys):
    headings = re.findall(r"^([A-Z].*):$", shown(tmp_path, capsys, "report", "--help-all"), re.M)
    assert headings == [
        *("Examples", "Common options", "General", "Output and exit code", "Run, commit and services", "Deployments"),
        *("Pipeline runs", "GitHub, GitLab and other forges", "DX", "DX workflow API", "DCI", "Instabase Flow"),
        *("OpenTelemetry (OTLP)", "Apache DevLake", "Help"),
    ]


OPTIONS = {each.name: each for group in all_options().values() for each in group}


@pytest.mark.parametrize(("words", "command"), VERBS)
def test_a_setting_shows_its_choices_and_its_default(tmp_path, capsys, words, command):
    text = " ".join(shown(tmp_path, capsys, *words, "--help-all" if command.common else "--help").split())
    for flag in command.params:
        if not isinstance(flag, SettingFlag):
            continue
        choices = getattr(OPTIONS[flag.name].parse, "words", ())
        assert not choices or f"{flag.opts[-1]} [{'|'.join(choices)}] " in text
        default = OPTIONS[flag.name].shown_default if flag.name != "dry_run" else "false"
        assert not default or f"Default: {default}" in text


UNUSED = {
    "report": "--on-unknown",
    "services": "--signals --spool --pr-merged --run-id --run-attempt --run-scope --matrix --job-run-id --source-url",
    "services list": "--base --dry-run --strict --verbose",
    "dataops wait": "--ref --pipeline-file --variables --wait",
    "dataops schedule": "--wait --pipeline-id --logs",
    "dataops pipeline": "--pipeline-id --log-limit",
    "dci upload": "--comment --source-url --key-values",
    "dci state": "--files --key-values",
    "dci whoami": "--spool --topic --job-id",
    "replay": "--config --services --signals",
    "flow list": "--job-id --spool",
    "backfill deployments": "--config --services --strict --spool",
}


@pytest.mark.parametrize(
    ("words", "flag"), [(words, flag) for words, flags in UNUSED.items() for flag in flags.split()]
)
def test_a_flag_that_would_change_nothing_does_not_exist(tmp_path, words, flag):
    ended = cibeacon(*words.split(), flag, "x", cwd=tmp_path)
    assert (ended.code, "No such option" in ended.err) == (2, True), ended


@pytest.mark.parametrize("git_url", ["--git-url=https://git.example.com", "--head-branch=topic"])
def test_the_flags_of_report_are_those_of_doctor(tmp_path, git_url):
    assert cibeacon("doctor", "--offline", "--only=settings", git_url, cwd=tmp_path).code != 2


# Completion ------------------------------------------------------------------------------------------------------------


def completed(tmp_path, line, without=()):
    """The completions that bash gets for the last word of a line, from a separate process."""
    words = line.split(" ")
    program = f"import sys; sys.modules |= dict.fromkeys({without!r}); from cibeacon.__main__ import console; console()"
    environ = {"PATH": os.environ["PATH"], "_CIBEACON_COMPLETE": "bash_complete"}
    environ |= {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environ, check=True
    )
    assert ended.stderr == ""
    return [each.removeprefix("plain,") for each in ended.stdout.split()]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cibeacon ser", ["services"]),
        ("cibeacon services ", ["list", "which", "check"]),
        ("cibeacon dataops pipe", ["pipelines", "pipeline"]),
        ("cibeacon report --on", []),
        ("cibeacon report --dx-a", ["--dx-api"]),
        ("cibeacon report --dci-u", ["--dci-upload-timeout", "--dci-url"]),
        ("cibeacon report --help", ["--help", "--help-all"]),
        ("cibeacon report --format ", ["text", "json"]),
        ("cibeacon report --dx-api cur", ["current"]),
        ("cibeacon dataops wait --on-manual ", ["fail", "succeed", "wait"]),
        ("cibeacon report --dx-tok", []),
    ],
)
def test_a_shell_is_offered_verbs_flags_and_choices(tmp_path, line, words):
    assert completed(tmp_path, line) == words


def test_completion_needs_no_extra_and_nothing_heavy(tmp_path):
    heavy = ("fastapi", "uvicorn", "requests", "rich", "yaml", "jq", "github", "gitlab")
    assert {"sandbox", "demo", "report"} <= set(completed(tmp_path, "cibeacon ", heavy))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_source_the_script_for_completion(tmp_path, capsys, shell):
    environ = {"_CIBEACON_COMPLETE": f"{shell}_source"}
    ended = subprocess.run(
        [sys.executable, "-m", "cibeacon"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **environ},
        check=True,
    )
    assert "_CIBEACON_COMPLETE" in ended.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=ended.stdout, text=True, check=True)


def test_the_lines_that_the_reference_gives_turn_completion_on(tmp_path):
    (block,) = re.findall(r"^```sh\n(.*?_CIBEACON_COMPLETE.*?)^```", REFERENCE.read_text(), re.S | re.M)
    lines = dict(zip(("bash", "zsh", "fish"), block.splitlines(), strict=True))
    folder = tmp_path / "bin"
    folder.mkdir()
    script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cibeacon "$@"\n'
    (folder / "cibeacon").write_text(script)
    (folder / "cibeacon").chmod(0o755)
    environ = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    ended = subprocess.run(
        ["bash", "-c", f"{lines['bash']}\ncomplete -p cibeacon"],
        capture_output=True,
        text=True,
        env=environ,
        check=True,
    )
    assert ended.stdout.rstrip().endswith(" cibeacon")
    for shell in ("zsh", "fish"):
        assert f"_CIBEACON_COMPLETE={shell}_source cibeacon" in lines[shell]
        if shutil.which(shell):
            subprocess.run([shell, "-c", lines[shell]], env=environ, check=True)
