"""The laws of the house, read from the code: who may import whom, and which doors lead outside."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import cibeacon
from cibeacon.sinks import KINDS
from house import house

ROOT = Path(cibeacon.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py"))

MOST_LEVELS = 6
STORIES = {
    "backfill", "changed_services", "checks", "cli", "dci_steps", "delivery", "doctor", "exec", "export", "flow_assign", "init",
    "manual_run", "replay", "report", "run", "service_lint", "sink_query",
}  # fmt: skip
"""Packages that may read settings: below them a function takes the values it needs."""
READ_SETTINGS_TOO = {
    "changes",
    "ci",
    "files",
    "http",
    "settings",
    "signals",
    "dataops",
    "report_text",
}
LIGHT = {
    "changes", "ci.detect", "ci.github", "ci.gitlab", "git", "jq.jq_filter", "model", "report_text", "runtime", "services",
    "settings", "signals", "sinks", "__main__", "pre",
} | STORIES - {"backfill", "cli", "delivery"}  # fmt: skip
"""Modules that are imported without any heavy library."""

STANDARD_DOORS = {
    "subprocess": {
        "demo",
        "files.redaction",
        "git.git_process",
        "jq.jq_filter",
        "runtime.shutdown",
        "runtime.isolated_child",
    },
    "resource": {"files.redaction_child", "git.git_process", "jq.jq_child"},
    "asyncio": {"sandbox"},
    "socket": {"sandbox"},
    "threading": {"backfill", "runtime.deadline", "sandbox"},
    "signal": {
        "files.redaction",
        "jq.jq_filter",
        "runtime.command_process",
        "runtime.forked_answer",
        "runtime.group_witness",
        "runtime.shutdown",
        "runtime.signal_handling",
        "runtime.supervisor",
    },
    "xml": {"files.junit", "sandbox"},
    "fcntl": {"spool"},
    "sqlite3": {"backfill.journal", "sandbox.store"},
}
LIBRARY_DOORS = {
    "requests": {"dataops", "http"},
    "urllib3": {"http"},
    "github": {"ci"},
    "gitlab": {"ci", "dataops"},
    "jq": {"jq.jq_child"},
    "regex": {"files.redaction_child"},
    "yaml": {"services.config_file"},
    "click": {"cli"},
    "fsspec": {"spool.object_store"},
    "rich": {"cli"},
    "fastapi": {"demo.gitlab", "sandbox"},
    "pydantic": {"sandbox"},
    "starlette": {"sandbox"},
    "uvicorn": {"sandbox"},
}
CHILDREN = {"files.redaction_child", "jq.jq_child"}
"""Files that are run as processes of their own."""


def name_of(path):
    """A file's module name inside the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(name, rooms):
    """The innermost of the rooms that a module is in; None where it is in none of them."""
    while name not in rooms and "." in name:
        name = name.rpartition(".")[0]
    return name if name in rooms else None


@cache
def imports(path, *, at_import_time=False):
    """(module, name) of every import in a file; with `at_import_time` only those outside functions."""
    found, waiting = [], [house.tree(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name) for alias in node.names]
        elif not (at_import_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            waiting += ast.iter_child_nodes(node)
    return tuple(found)


@cache
def modules_imported(path):
    """Our modules that a file imports, by their names inside the package."""
    found = set()
    for module, name in imports(path):
        if module.partition(".")[0] == "cibeacon":
            parts = module.split(".")[1:]
            whole = ROOT.joinpath(*parts, name or "")
            is_module = name and (whole.with_suffix(".py").exists() or whole.is_dir())
            found.add(".".join([*parts, name] if is_module else parts) or "__init__")
    return found


LISTS = {"sinks/__init__.py", "settings/__init__.py", "checks/table.py", "sandbox/vendors.py"}
"""Where every sink has an import and a line."""
COMMANDS = {"dx", "dci", "flow"}
"""Sinks with commands of their own, which have more than files of a sink."""
SINK_ELSEWHERE = {"otlp": {"exec.py", "cli/exec_line.py"}}
"""`exec` gives its command a place in the trace."""


def is_own(name, sink):
    """Whether a file belongs to a sink: it has its name, or that of a vendor whose part the sink is (`dx.py`)."""
    stem = Path(name).stem.removeprefix("page_")
    is_of_it = stem == sink or stem.startswith(f"{sink}_") or sink.startswith(f"{stem}_")
    return is_of_it and Path(name).parent.name in ("sinks", "settings", "checks", "sandbox")


@pytest.mark.parametrize("sink", sorted(KINDS.keys() - COMMANDS))
def test_a_sink_is_named_in_its_own_files_and_with_a_line_in_each_list_and_nowhere_else(sink):
    spelled = re.compile(sink.replace("_", "[ _-]?"), re.I)
    lines = {
        path.relative_to(ROOT).as_posix(): sum(map(bool, map(spelled.search, path.read_text("utf-8").splitlines())))
        for path in ROOT.rglob("*.*")
        if path.suffix in (".py", ".js", ".html", ".css", ".json")
    }
    named = {name for name, number in lines.items() if number}
    elsewhere = {name for name in named if not is_own(name, sink)} - LISTS - SINK_ELSEWHERE.get(sink, set())
    assert not elsewhere, f"{sink} is named in {', '.join(sorted(elsewhere))}: derive that from a list that has it"
    assert {name: lines[name] for name in LISTS if lines[name] not in (1, 2)} == {}, "not an import and a line"


def test_the_page_about_the_rooms_names_every_package():
    page = (ROOT.parent.parent / "docs/architecture.md").read_text(encoding="utf-8")
    assert not [path.parent.name for path in ROOT.glob("*/__init__.py") if f"`{path.parent.name}/`" not in page]


def test_imports_between_packages_go_down_only():
    assert max(house.levels().values()) <= MOST_LEVELS  # which raises where there is a cycle


def test_there_is_no_cycle_of_imports():
    graph = {name_of(path): {name for name in modules_imported(path) if name != name_of(path)} for path in FILES}
    done, walking = set(), []

    def walk(module):
        assert module not in walking, " → ".join([*walking, module])
        if module in done:
            return
        walking.append(module)
        for other in sorted(graph.get(module, ())):
            walk(other)
        walking.pop()
        done.add(module)

    for module in graph:
        walk(module)


@pytest.mark.parametrize("family", [("ci", {"github", "gitlab", "other"}), ("sinks", {"dx", "dci", "flow"})])
def test_a_ci_system_or_a_sink_never_imports_a_sibling(family):
    package, kinds = family
    for path in (ROOT / package).glob("*.py"):
        mine = path.stem.partition("_")[0]
        kin = {
            name.split(".")[1].partition("_")[0] for name in modules_imported(path) if name.startswith(f"{package}.")
        }
        assert mine not in kinds or not (kin & kinds) - {mine}, path


@pytest.mark.parametrize("library", sorted(STANDARD_DOORS | LIBRARY_DOORS))
def test_each_way_outside_has_one_door(library):
    doors = (STANDARD_DOORS | LIBRARY_DOORS)[library]
    users = [path for path in FILES for module, _ in imports(path) if module.split(".")[0] == library]
    assert {room(name_of(path), doors) for path in users} == doors


def test_the_process_is_read_by_main_alone():
    for path in FILES:
        names = {(node.value.id, node.attr) for node in ast.walk(house.tree(path)) if _is_attribute_of_a_name(node)}
        readers = names & {("os", "environ"), ("os", "getenv"), ("sys", "argv"), ("sys", "stdout"), ("sys", "stdin")}
        assert not readers or name_of(path) in {"__main__", "pre", *CHILDREN}, path


def test_nobody_imports_the_file_that_is_run_as_a_process():
    assert not [path for path in FILES if CHILDREN & set(modules_imported(path))]


def test_nobody_prints_but_through_the_world():
    for path in FILES:
        calls = [node for node in ast.walk(house.tree(path)) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"], path


def test_clock_sleep_and_chance_are_handed_in():
    allowed = {"__main__", "pre", "sandbox"}
    for path in FILES:
        used = {module for module, _ in imports(path)} & {"time", "random", "secrets"}
        assert not used or room(name_of(path), allowed), (path, used)


def test_settings_stop_at_the_top():
    readers = {
        name_of(path) for path in FILES if any(name.partition(".")[0] == "settings" for name in modules_imported(path))
    }
    allowed = STORIES | READ_SETTINGS_TOO
    assert not {name for name in readers if room(name, allowed) is None}


def test_there_is_one_firebreak():
    catching = [
        name_of(path)
        for path in FILES
        for node in ast.walk(house.tree(path))
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node) and house.package(path) != "sandbox"
    ]
    assert sorted(catching) == ["runtime.deadline", "runtime.errors"]  # a deadline hands on what its work raised


def test_heavy_libraries_are_imported_only_where_they_are_used():
    heavy = {"requests", "github", "gitlab", "yaml", "rich", "jq"}
    for path in FILES:
        if room(name_of(path), LIGHT):
            found = {module.split(".")[0] for module, _ in imports(path, at_import_time=True)} & heavy
            assert not found, path
            ours = {module for module, _ in imports(path, at_import_time=True)}
            assert not ours & {"cibeacon.http", "cibeacon.http.client"}, path


def test_no_named_tuple_of_a_report_has_annotations_as_text_since_each_is_compiled():
    started = LIGHT - {"checks", "doctor", "exec", "export"} | {"delivery", "http"}
    for path in FILES:
        if room(name_of(path), started) and ("__future__", "annotations") in imports(path):
            assert not [
                node.name
                for node in ast.walk(house.tree(path))
                if isinstance(node, ast.ClassDef)
                and any(getattr(base, "id", "") == "NamedTuple" for base in node.bases)
            ], path


def test_every_module_and_public_name_is_documented():
    for path in FILES:
        assert ast.get_docstring(house.tree(path)), path


def test_rooms_are_small():
    for path in FILES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 300, f"{path} has {lines} lines"


def test_no_room_is_named_after_nothing():
    assert not {path.stem for path in FILES} & {"utils", "helpers", "common", "constants", "types", "base", "misc"}


def _is_attribute_of_a_name(node):
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)


def _catches_everything(node):
    return node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
