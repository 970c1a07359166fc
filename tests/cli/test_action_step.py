"""The action's step: the command in its input, and what happens if the command cannot be run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import log_grammar
from cibeacon.cli.action_step import INTERACTIVE, command
from cibeacon.cli.commands import VERBS
from cibeacon.demo.monorepo import Monorepo
from processes import cibeacon


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    monorepo = Monorepo(tmp_path_factory.mktemp("step") / "shop", {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    monorepo.pull_request(1, "merge", [{"services/payments/main.py": "1\n"}], ("payments",))
    return monorepo


@pytest.fixture
def step(shop, tmp_path):
    """Runs a stage of a step with this command; inputs have the names that workflows use."""

    (tmp_path / "event.json").write_text("{}")

    def stage(words, name="main", **inputs):
        environ = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STATE": str(tmp_path / "state"),
            "RUNNER_TEMP": str(tmp_path),
            "INPUT_COMMAND": words,
            **{f"INPUT_{key.upper()}": value for key, value in inputs.items()},
        }
        return cibeacon(environ=environ, cwd=shop.root, stage=name)

    return stage


def outputs(path):
    return dict(log_grammar.assignments(path.read_text()))


def complaints(ended):
    return [each for each in log_grammar.commands(ended.out + ended.err) if each.name in ("warning", "error")]


@pytest.mark.parametrize("words", ["", " ", "report", "report --verbose"])
def test_without_a_command_or_with_report_it_reports_in_both_stages(step, words):
    main, post = step(words, dry_run="true", run_id="7"), step(words, "post", dry_run="true", run_id="7")
    assert (main.code, '"status": "running"' in main.out) == (0, True), main
    assert (post.code, "pipeline-run" in post.out) == (0, True), post


def test_services_is_told_with_its_flags_and_its_outputs(step, tmp_path):
    ended = step("services --base 'HEAD^1' --head HEAD")
    assert (ended.code, complaints(ended)) == (0, [])
    told = outputs(tmp_path / "output")
    assert (json.loads(told["services"]), told["services_status"]) == (["payments"], "ok")


def test_a_verb_of_a_verb_is_a_command_too(step):
    ended = step("services which services/payments/main.py")
    assert (ended.code, "payments" in ended.out) == (0, True)


def test_replay_reads_the_spool_that_is_named(step, tmp_path):
    (tmp_path / "kept pieces").mkdir()
    ended = step(f"replay '{tmp_path}/kept pieces'")
    assert (ended.code, complaints(ended)) == (0, [])


@pytest.mark.parametrize(
    "words", [*sorted(set(VERBS) - {"report"} - INTERACTIVE), "services --nonsense", "nonsense", '"']
)
def test_only_a_report_has_something_to_say_after_the_job(step, tmp_path, words):
    ended = step(words, "post", strict="true")
    assert ended == (0, "", "")
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("stage", ["pre", "main"])
def test_a_step_that_was_skipped_says_so_only_where_it_would_have_reported(shop, stage):
    for words, says in (("", stage == "pre"), ("services", False)):
        environ = {"GITHUB_ACTIONS": "true", "STATE_stage": stage, "INPUT_COMMAND": words, "INPUT_DRY_RUN": "true"}
        ended = cibeacon(environ=environ, cwd=shop.root, stage="post")
        assert (ended.code, "did not run in this job" in ended.out) == (0, says)


WRONG = {
    "nonsense": "No such command 'nonsense'",
    "services lst": "No such command 'lst'",
    "services --nonsense": "--nonsense",
    "services --files-from=/nowhere/list": "/nowhere/list",
    "report 'half": "unclosed quotation mark",
    "''": "contains no command",
    "--nonsense": "--nonsense",
    "services; true": "services;",
    "$(report)": "$(report)",
    "exec -- make": "a command of the job",
    "sandbox": "is interactive",
    "demo --help": "is interactive",
    "init --force": "is interactive",
    "::error::x": "::error::x",
}


@pytest.mark.parametrize(("words", "says"), WRONG.items(), ids=WRONG)
def test_a_command_that_cannot_be_run_is_invalid_and_costs_a_build_only_where_strict(step, tmp_path, words, says):
    for strict, code, level in (("", 0, "warning"), ("true", 1, "error")):
        ended = step(words, strict=strict)
        assert (ended.code, [each.name for each in complaints(ended)]) == (code, [level]), ended
        assert "invalid" in ended.out
        assert says in ended.out
        assert "Nothing was done" in ended.out
        assert outputs(tmp_path / "output")["status"] == "failed"
        (signal,) = json.loads((tmp_path / "cibeacon" / "report.json").read_text())["signals"]
        assert (signal["kind"], signal["outcome"]) == ("command", "invalid")
        (tmp_path / "output").unlink()


def test_a_step_that_reports_loads_no_library_for_flags(tmp_path):
    program = "import sys; from cibeacon.__main__ import main; sys.argv[1:] = []; main('main'); print(*sys.modules)"
    environ = {"GITHUB_ACTIONS": "true", "INPUT_DRY_RUN": "true", "INPUT_COMMAND": " report "}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert not {"click", "requests", "rich"} & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", ["services --nonsense --strict", "report --nonsense --strict"])
def test_the_flag_strict_counts_in_a_command_that_is_wrong(step, words):
    assert step(words).code == 1


@pytest.mark.parametrize(("words", "strict", "code"), [
    ("services --base 0123456789 --head HEAD", "", 0),
    ("services --base 0123456789 --head HEAD --on-unknown fail", "", 3),
    ("dataops wait --dataops-pipeline-id 7", "", 16),
    ("services check --config nowhere.yml", "", 0),
    ("services check --config nowhere.yml", "true", 2),
    ("services --base 0123456789 --head HEAD --strict", "", 0),
])  # fmt: skip
def test_a_step_fails_only_where_that_was_asked_for(step, words, strict, code):
    assert step(words, strict=strict).code == code


def test_the_input_is_not_asked_where_a_verb_is_given_as_in_a_gitlab_job(shop):
    environ = {"INPUT_COMMAND": "nonsense", "CIBEACON_COMMAND": "nonsense", "CIBEACON_INPUT_COMMAND": "nonsense"}
    for argv in (("report",), ()):
        given = environ if argv else {name: text for name, text in environ.items() if not name.startswith("INPUT")}
        ended = cibeacon(*argv, environ=given, cwd=shop.root, stage="main")
        assert (ended.code, "nonsense" in ended.out) == (0, False)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12), max_size=5))
def test_words_in_quotes_are_what_they_were(words):
    import shlex

    assert command({"INPUT_COMMAND": f"report {shlex.join(words)}"}) == ("report", *words)
