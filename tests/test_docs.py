"""What the documents say is true: every example is read by what it is meant for, every link leads somewhere."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from cibeacon.changes.repository_config import REPORTABLE
from cibeacon.cli.action_step import command
from cibeacon.cli.commands import VERBS
from cibeacon.cli.commands import cibeacon as cibeacon_command
from cibeacon.sandbox.server import Sandbox
from cibeacon.services import schema
from cibeacon.settings import all_options, load_settings
from processes import cibeacon
from wrapped import CIBEACON, job, observe, only_run

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
OF_CI_SYSTEMS = sorted((ROOT / "docs/ci").glob("*.md"))
"""Their examples are files, which test_integrations.py reads."""
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.S | re.M)


INPUT_TYPES = {"string": str, "number": int | float, "boolean": bool, "array": list}


def blocks(language):
    return [
        pytest.param(match["text"], id=f"{path.name}:{path.read_text()[: match.start()].count(chr(10)) + 1}")
        for path in DOCUMENTS
        for match in BLOCK.finditer(path.read_text())
        if match["language"] == language
    ]


def kind_of(document):
    if "jobs" in document:
        return "workflow"
    if "include" in document:
        return "pipeline"
    return "job" if any(isinstance(part, dict) and "script" in part for part in document.values()) else "configuration"


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_yaml_example_is_understood_by_what_it_is_for(text):
    document = yaml.safe_load(text)
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    if kind_of(document) == "workflow":
        called = [job["uses"] for job in document["jobs"].values() if "uses" in job]
        if called:  # the workflow that it calls is another example
            assert all(name.rpartition("/")[2].startswith("cibeacon.yml@") for name in called)
            return
        steps = [step for job in document["jobs"].values() for step in job["steps"]]
        ours = [step for step in steps if re.search(r"(^|/)cibeacon@", step.get("uses", ""))]
        assert ours or any("cibeacon" in step.get("run", "") for step in steps)
        for step in ours:
            assert set(step["with"]) <= set(action["inputs"])
            plain = {name: value for name, value in step["with"].items() if "${{" not in str(value)}
            environ = {f"CIBEACON_{name.upper()}": str(value) for name, value in plain.items()}
            assert load_settings({}, environ, {}).problems == ()
            assert command({"INPUT_COMMAND": step["with"].get("command", "")})[0] in VERBS
    elif kind_of(document) == "pipeline":
        for include in document["include"]:
            place = include.get("component", "/report@").rpartition("/")[2].partition("@")[0]
            declared = next(yaml.safe_load_all((ROOT / f"templates/{place}.yml").read_text()))["spec"]["inputs"]
            for name, value in include["inputs"].items():
                assert isinstance(value, INPUT_TYPES[declared[name].get("type", "string")]), name
    elif kind_of(document) == "job":
        for job in document.values():
            environ = {name: str(value) for name, value in job["variables"].items()}
            assert {name.removeprefix("CIBEACON_").lower() for name in environ} <= set(action["inputs"])
            assert load_settings({}, environ, {}).problems == ()
            assert any(line.split()[0] == "cibeacon" and line.split()[1] in VERBS for line in job["script"])
    else:
        read = schema.read(document, REPORTABLE)
        assert read.faults == ()
        assert read.service_map


def test_the_documents_hold_an_example_of_each_kind():
    kinds = [kind_of(yaml.safe_load(each.values[0])) for each in blocks("yaml")]
    assert {"workflow", "pipeline", "job", "configuration"} == set(kinds)


@pytest.mark.parametrize("path", [*DOCUMENTS, *OF_CI_SYSTEMS], ids=lambda path: path.name)
def test_every_link_to_a_file_leads_there(path):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def anchors(page):
    """The anchors that GitHub and the site make of a page's headings."""
    text = BLOCK.sub("", page.read_text())
    titles = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in re.findall(r"^#+ (.+)$", text, re.M)]
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", [*DOCUMENTS, *OF_CI_SYSTEMS], ids=lambda path: path.name)
def test_every_link_to_a_heading_leads_to_one(path):
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#([^)]+)\)", path.read_text()):
        page = path.parent / target if target else path
        assert anchor in anchors(page), f"{target}#{anchor}"


@pytest.mark.parametrize("path", [*DOCUMENTS, *OF_CI_SYSTEMS], ids=lambda path: path.name)
def test_every_link_to_another_site_has_the_form_of_an_address(path):
    for target in re.findall(r"\]\((https?:[^)]*)\)", path.read_text()):
        assert re.fullmatch(r"https://[\w.-]+\.[a-z]+(:\d+)?(/[!-~]*)?", target), target


LINES_OF_SHELL = [line for each in blocks("sh") for line in each.values[0].splitlines()]


@pytest.mark.parametrize("line", [line for line in LINES_OF_SHELL if "_CIBEACON_COMPLETE=" not in line])
def test_every_command_in_a_shell_example_exists(line):
    assert (ROOT / line.split()[0]).is_file()


def spelled(command, context=None):
    """Every flag of a command and of those below it."""
    context = click.Context(command, parent=context)
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        yield from spelled(command.get_command(context, name), context)


SPELLED = frozenset(spelled(cibeacon_command))


@pytest.mark.parametrize("text", blocks("console"))
def test_every_command_line_that_is_shown_can_be_typed(text):
    for line in text.splitlines():
        name, *argv = shlex.split(line)
        assert name == "cibeacon"
        command, context = cibeacon_command, click.Context(cibeacon_command)
        while isinstance(command, click.Group) and argv and command.get_command(context, argv[0]):
            command, argv = command.get_command(context, argv[0]), argv[1:]
        command.make_context(name, argv, obj=None)  # raises where a word or flag does not exist


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_verb_and_setting_that_is_named_exists(path):
    text = path.read_text()
    for verb in re.findall(r"`cibeacon ([a-z]+)", text):
        assert verb in VERBS
    flags = {each.dashed for group in all_options().values() for each in group}
    negated = {each.dashed.replace("--", "--no-", 1) for group in all_options().values() for each in group if each.flag}
    for flag in re.findall(r"(?:cibeacon[^`\n]* |`)(--[a-z-]+)", text):
        assert flag in flags | negated | SPELLED | {"--format", "--help", "--help-all"}


def test_every_test_that_shows_what_the_threat_model_claims_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/security.md").read_text())
    assert named
    for path, name in named:
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.M), f"{path}::{name}"


def test_every_actor_of_the_threat_model_has_a_test():
    rows = [line for line in (ROOT / "docs/security.md").read_text().splitlines() if line.startswith("| ")][1:]
    actors = ("Fork", "Branch pusher", "Repository file", "Earlier step", "CI host", "Vendor", "Network")
    for actor in actors:
        assert any(row.startswith(f"| {actor}") and "::test_" in row.rpartition(" | ")[2] for row in rows), actor


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_changelog_has_a_place_for_what_comes():
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_example_configuration_gives_the_services_that_the_readme_promises(tmp_path):
    text = next(each.values[0] for each in blocks("yaml") if each.values[0].startswith("services:"))
    (tmp_path / ".cibeacon.yml").write_text(text)
    paths = "apps/storefront/index.ts\nservices/payments/api.py\nREADME.md\n"
    ended = cibeacon("services", "--files-from=-", "--format=json", stdin=paths, cwd=tmp_path)
    assert ended.document["changes"]["services"] == ["payments", "storefront"]
    assert ended.document["changes"]["unmatched"] == 1
    assert json.loads(ended.out)["signals"] == []


@pytest.mark.parametrize("name", ["README.md", "docs/reference.md", "docs/sandbox.md", "action.yml"])
def test_which_of_its_keys_dx_wants_is_said_where_people_set_it(name):
    text = " ".join((ROOT / name).read_text().split())
    assert "Data Cloud API key" in text
    assert "Web API token" in text


EXAMPLES_OF_EXEC = [
    shlex.split(line)
    for block in BLOCK.finditer((ROOT / "docs/exec.md").read_text())
    for line in block["text"].splitlines()
]


@pytest.mark.parametrize("words", EXAMPLES_OF_EXEC, ids=" ".join)
def test_every_example_of_exec_runs_its_command_and_reports_a_success(words, tmp_path):
    """The programs are stand-ins; one has an exit code that its example counts as a success."""
    codes = {"make": 0, "pytest": 0, "terraform": 2}
    for name, code in codes.items():
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\nexit {code}\n')
        (tmp_path / name).chmod(0o755)
    with Sandbox(token="good") as dx:
        environ = job(dx.url, tmp_path)
        path = f"{tmp_path}:{environ['PATH']}"
        end = observe((), [CIBEACON, *words[1:]], environ={**environ, "PATH": path}, cwd=tmp_path)
        assert only_run(dx)["status"] == "success"
    program = words[words.index("--") + 1]
    assert end.code == codes.get(program, 0)
    assert end.out.decode().split()[0] == (program if program in codes else "make")
