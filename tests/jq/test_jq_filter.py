"""jq programs as tables of `program`, `input` and `output` or part of the `error`; hostile programs; and what no program can reach."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cibeacon.jq import jq_child, jq_filter
from cibeacon.runtime import isolated_child
from cibeacon.runtime.errors import SettingsError

TABLES = Path(__file__).parent / "reshape"
SENTINEL = "sentinel-5e0f3a"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(), parts, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(
    [".", "|", "[", "]", "(", ")", "..", "env", "$ENV", "error", "input", "halt", "1", '"', "\\", "#"]
)


def rows(name):
    return [pytest.param(row, id=row["why"]) for row in json.loads((TABLES / f"{name}.json").read_text("utf-8"))]


def program_of(row):
    """A list describes a program that is too long to write out: opening, count, middle, closing."""
    given = row["program"]
    return given if isinstance(given, str) else given[0] * given[1] + given[2] + given[3] * given[1]


@pytest.mark.parametrize("row", rows("language"))
def test_a_program_gives_what_its_table_says(row):
    assert jq_filter.run(program_of(row), row["input"], seconds=20) == row["output"]


@pytest.mark.parametrize("row", rows("faults"))
def test_a_program_that_cannot_work_says_why_in_one_line(row):
    with pytest.raises(SettingsError) as caught:
        jq_filter.run(program_of(row), row["input"], seconds=20)
    said = str(caught.value)
    assert row["error"] in said
    assert said.isprintable()
    assert len(said) < 400
    assert caught.value.hint


@pytest.mark.parametrize("row", rows("hostile"))
def test_a_hostile_program_ends_within_its_limits(row):
    with pytest.raises(SettingsError) as caught:
        jq_filter.run(row["program"], None, seconds=1 if "it took more than 1 s" in row["error"] else 60)
    wanted = [row["error"]] if isinstance(row["error"], str) else row["error"]
    assert any(text in str(caught.value) for text in wanted), caught.value


def test_the_system_ends_a_program_that_outlives_whoever_started_it(monkeypatch):
    wait = isolated_child.subprocess.Popen.communicate
    monkeypatch.setattr(
        isolated_child.subprocess.Popen, "communicate", lambda child, given, timeout: wait(child, given, 60)
    )
    with pytest.raises(SettingsError, match="it took more than 1 s"):
        jq_filter.run("def f: f; f", None, seconds=1)


@pytest.mark.parametrize("seconds", [0, -1.5])
def test_without_time_nothing_is_started(seconds, monkeypatch):
    monkeypatch.setattr(isolated_child.subprocess, "Popen", None)
    with pytest.raises(SettingsError, match="there is no time left"):
        jq_filter.run(".", None, seconds=seconds)


@pytest.mark.parametrize(
    "program",
    [
        "$ENV",
        "env",
        "$ENV.SENTINEL_TOKEN, env.SENTINEL_TOKEN, (env | tojson), ($ENV | @base64)",
        "leak",
        "sentinel",
        'import "lib" as lib; lib::leak',
        'import "./lib" as lib; lib::leak',
        'import "lib" as lib {search: "FOLDER"}; lib::leak',
        'import "data" as $data; $data',
        'import "data" as $data {search: "FOLDER"}; $data',
        'import "FOLDER/lib" as lib; lib::leak',
        'include "lib"; leak',
        'include "lib" {search: "FOLDER"}; leak',
        'include ".jq" {search: "~"}; leak',
        '"lib" | modulemeta',
        "get_search_list, input_filename, $__loc__, ([inputs]), (try input catch .)",
        '[splits("a")?], getpath(["HOME"])?, ltrimstr("x"), @sh, tojson, (now | type)',
        "builtins | tojson",
    ],
)
def test_no_program_reaches_the_environment_or_a_file(program, tmp_path, monkeypatch):
    for name in ("SENTINEL_TOKEN", "DX_API_TOKEN", "JQ_LIBRARY_PATH", "JQ_COLORS", "PYTHONPATH", "TZ"):
        monkeypatch.setenv(name, SENTINEL if "TOKEN" in name else str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in (".jq", "lib.jq", "sentinel.jq", "jq.py", "sitecustomize.py"):
        text = (
            f'def leak: "{SENTINEL}"; def sentinel: leak;' if name.endswith("jq") else f"raise SystemExit('{SENTINEL}')"
        )
        (tmp_path / name).write_text(text)
    (tmp_path / "data.json").write_text(json.dumps(SENTINEL))
    try:
        said = json.dumps(jq_filter.run(program.replace("FOLDER", str(tmp_path)), None, seconds=20))
    except SettingsError as error:
        said = str(error)
        assert "could not be run" not in said
    if program.startswith(("import", "include")):
        walls = ("module not found", "error loading data file")
        assert any(text in said for text in walls), "the walls keep modules out, not only our wrapping of the program"
    assert SENTINEL not in said
    assert "SENTINEL_TOKEN" not in said.replace(program, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [".jq", "lib.jq", "sentinel.jq", "jq.py", "sitecustomize.py", "data.json"]
    )


def test_the_process_gets_an_empty_environment_and_folder_and_no_other_open_file(monkeypatch, tmp_path):
    seen = tmp_path / "seen.json"
    spy = tmp_path / "spy.py"
    spy.write_text(
        "import json, os, sys\n"
        f"with open({str(seen)!r}, 'w') as file:\n"
        "    fds = sorted(int(name) for name in os.listdir('/proc/self/fd') if int(name) > 2 and int(name) != file.fileno())\n"
        "    json.dump([dict(os.environ), os.listdir('.'), len(fds) > 1, sys.flags.isolated, sys.argv[1:]], file)\n"
        "os.write(1, b'results\\n1')\n"
    )
    monkeypatch.setattr(jq_filter, "_CHILD", spy)
    monkeypatch.setenv("SENTINEL_TOKEN", SENTINEL)
    environ = {"DX_API_TOKEN": SENTINEL, "LD_LIBRARY_PATH": "/opt/python/lib"}
    assert jq_filter.run(".", None, seconds=19.2, environ=environ) == [1]
    variables, folder, more_files, isolated, limits = json.loads(seen.read_text())
    assert {name: text for name, text in variables.items() if name != "LC_CTYPE"} == {
        "LD_LIBRARY_PATH": "/opt/python/lib"
    }
    assert (folder, more_files, isolated) == ([], False, 1)
    assert limits == ["20", str(jq_filter.MEMORY), str(jq_filter.OUTPUT)]


def test_what_python_needs_to_start_is_gone_before_jq_runs():
    environ = {"LD_LIBRARY_PATH": "/nowhere", "LD_PRELOAD": "/nowhere/x.so", "PYTHONHOME": "/nowhere"}
    assert jq_filter.run("$ENV", None, seconds=20, environ=environ) == [{}]


def test_it_works_where_no_folder_can_be_made(monkeypatch):
    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(jq_filter, "OwnFolder", refuse)
    assert jq_filter.run(".a", {"a": 1}, seconds=20) == [1]


@pytest.mark.parametrize("python", ["", "/nowhere/python"])
def test_a_python_that_cannot_be_started_is_an_error_like_any_other(monkeypatch, python):
    monkeypatch.setattr(sys, "executable", python)
    with pytest.raises(SettingsError, match="jq could not be run"):
        jq_filter.run(".", None, seconds=20)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('jq')", "exit code 1"),
        ("print('something else')", "exit code 0"),
        ("import os; os.kill(os.getpid(), 11)", "nested too deeply"),
        ("import os; os.kill(os.getpid(), 6)", "needs more than 512 MiB"),
        ("import os; os.kill(os.getpid(), 9)", "took more than"),
        ("import os; os.kill(os.getpid(), 15)", "ended by signal 15"),
        ("print('results\\n{')", "result cannot be used"),
    ],
)
def test_whatever_becomes_of_the_process_is_told(monkeypatch, tmp_path, code, said):
    (tmp_path / "child.py").write_text(code)
    monkeypatch.setattr(jq_filter, "_CHILD", tmp_path / "child.py")
    with pytest.raises(SettingsError, match=said):
        jq_filter.run(".", None, seconds=20)


@pytest.mark.parametrize(
    "value",
    [{1, 2}, float("nan"), {"a": float("inf")}, 10**5000, {(1, 2): 3}, object()],
    ids=["set", "nan", "infinity", "digits", "key", "object"],
)
def test_what_is_no_json_is_refused(value):
    with pytest.raises(SettingsError, match="input of the jq program is not JSON"):
        jq_filter.run(".", value, seconds=20)


def test_an_input_that_is_nested_too_deeply_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(SettingsError, match="nested too deeply"):
        jq_filter.run(".", value, seconds=20)


def test_an_event_as_large_as_github_sends_them_fits():
    commits = [{"id": "0" * 40, "message": "x" * 500} for _ in range(20_000)]
    assert jq_filter.run(".commits | length", {"commits": commits}, seconds=20) == [20_000]


@settings(max_examples=60, deadline=None)
@given(program=st.text(max_size=30) | st.lists(WORDS, max_size=8).map(" ".join), value=JSON)
@example(program=".", value="\ud800")
@example(program="\ud800", value=None)
def test_nothing_but_a_settings_error_is_ever_raised(program, value):
    with contextlib.suppress(SettingsError):
        json.dumps(jq_filter.run(program, value, seconds=20), allow_nan=False)


class TestChild:
    """The child's own code, here without its limits."""

    @pytest.mark.parametrize("row", rows("language")[:12])
    def test_results_come_a_line_each(self, row):
        document = json.dumps(row["input"], ensure_ascii=False).encode(errors="replace").decode()
        word, *lines = jq_child.answer(program_of(row), document, 1 << 20).split(b"\n")
        assert (word, len(lines)) == (b"results", len(row["output"]))

    @pytest.mark.parametrize(
        ("program", "word"), [("{", b"syntax"), ("error", b"runtime"), ('"xxxxxxxx"', b"output"), ("1", b"results")]
    )
    def test_the_first_word_says_how_it_went(self, program, word):
        assert jq_child.answer(program, "null", 8).split(b"\n")[0] == word
