"""The laws of the house, read from the code: who may import whom, and which doors lead outside."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cibeacon

ROOT = Path(cibeacon.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

PURE = {
    "budget", "call", "changes", "compose", "context", "endpoint", "errors", "filenames", "gitenv", "history", "identifiers",
    "jobs", "logtext", "merges", "options", "outcome", "outputs", "plan", "readiness", "reading", "record",
    "redact", "regexes", "remote", "report", "routing", "sanitise", "sections", "services", "settings", "signals", "situation",
    "span", "speech", "summary", "transport", "values", "world",
}  # fmt: skip
EDGES = {
    "attachments",
    "junit",
    "scrub",
    "scrub_child",
    "watching",
    "backlog",
    "belongings",
    "bucket",
    "bucket_spool",
    "configfile",
    "configlines",
    "courier",
    "dataops",
    "losses",
    "session",
    "signing",
    "deadline",
    "git",
    "gitchild",
    "gitlog",
    "hosts",
    "interrupts",
    "ladder",
    "rehearsal",
    "reshape",
    "reshape_child",
    "scratch",
    "sinks",
    "spool",
    "trees",
}
APP = {
    "assigning",
    "byhand",
    "cleaning",
    "lookup",
    "app",
    "asking",
    "backfill",
    "comparison",
    "delivery",
    "detect",
    "following",
    "inspection",
    "keeping",
    "landing",
    "metadata",
    "repoconfig",
    "replay",
    "sending",
    "survey",
    "outset",
    "search",
    "headstart",
    "fallback",
    "reckoning",
}
ASIDE = {"demo", "sandbox"}
LEVELS = {
    "__init__": 0,
    **dict.fromkeys(PURE, 1),
    **dict.fromkeys(EDGES, 2),
    **dict.fromkeys(APP, 3),
    **dict.fromkeys(ASIDE, 3),
    "cli": 4,
    "__main__": 5,
    "pre": 5,
}

STANDARD_DOORS = {
    "subprocess": {"belongings", "gitchild", "demo", "reshape", "scrub"},
    "resource": {"reshape_child", "scrub_child"},
    "socket": {"sandbox"},
    "threading": {"backfill", "deadline", "sandbox"},
    "signal": {"belongings", "deadline", "interrupts", "reshape", "scrub"},
    "xml": {"junit", "sandbox"},
    "fcntl": {"backfill", "backlog", "spool"},
}
LIBRARY_DOORS = {
    "requests": {"courier", "dataops", "hosts", "losses", "session"},
    "urllib3": {"courier", "losses"},
    "dciauth": {"signing"},
    "github": {"hosts"},
    "gitlab": {"dataops", "hosts"},
    "jq": {"reshape_child"},
    "yaml": {"configfile"},
    "click": {"cli"},
    "fsspec": {"bucket"},
    "rich": {"cli"},
}


def room(path):
    """The top-level part of the package that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path, *, at_import_time=False):
    """(module, name) of every import in a file; with `at_import_time` only those outside functions."""
    tree = TREES[path]
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if at_import_time and id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def own_imports(path):
    """The rooms of ours that a file imports from."""
    for module, name in imports(path):
        if module == "cibeacon":
            yield name if name in LEVELS else "__init__"
        elif module.startswith("cibeacon."):
            yield module.split(".")[1]


def modules_imported(path):
    """Our modules that a file imports, dotted."""
    for module, name in imports(path):
        if module.startswith("cibeacon"):
            full = ROOT.joinpath(*module.split(".")[1:], f"{name}.py") if name else None
            yield f"{module}.{name}" if full and full.exists() else module


def dotted(path):
    """A file's module name."""
    return ".".join(("cibeacon", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def test_every_file_stands_in_a_room_that_the_laws_know():
    assert {room(path) for path in FILES} <= set(LEVELS)


@pytest.mark.parametrize("path", FILES, ids=dotted)
def test_imports_go_down_only(path):
    mine = LEVELS[room(path)]
    upward = {other for other in own_imports(path) if LEVELS[other] > mine}
    assert not upward


def test_there_is_no_cycle_of_imports():
    graph = {dotted(path): {name for name in modules_imported(path) if name != dotted(path)} for path in FILES}
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


def test_hosts_and_sinks_never_import_a_sibling():
    for family in ("hosts", "sinks"):
        for path in (ROOT / family).glob("*.py"):
            if path.stem == "__init__":
                continue
            kin = path.stem.partition("_")[0]
            others = [name for name in modules_imported(path) if name.startswith(f"cibeacon.{family}.")]
            assert all(name.split(".")[2].partition("_")[0] == kin for name in others), path


@pytest.mark.parametrize("library", sorted(STANDARD_DOORS | LIBRARY_DOORS))
def test_each_way_outside_has_one_door(library):
    doors = (STANDARD_DOORS | LIBRARY_DOORS)[library]
    users = {room(path) for path in FILES for module, _ in imports(path) if module.split(".")[0] == library}
    assert users <= doors


def test_the_process_is_read_by_main_alone():
    for path in FILES:
        names = {(node.value.id, node.attr) for node in ast.walk(TREES[path]) if _is_attribute_of_a_name(node)}
        readers = names & {("os", "environ"), ("os", "getenv"), ("sys", "argv"), ("sys", "stdout"), ("sys", "stdin")}
        processes = ("__main__", "pre", "reshape_child", "scrub_child")
        assert not readers or room(path) in processes, path


def test_nobody_imports_the_file_that_is_run_as_a_process():
    assert not [path for path in FILES if {"reshape_child", "scrub_child"} & set(own_imports(path))]


def test_nobody_prints_but_through_the_world():
    for path in FILES:
        calls = [node for node in ast.walk(TREES[path]) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"], path


def test_clock_sleep_and_chance_are_handed_in():
    allowed = {"__main__", "pre", "sandbox"}
    for path in FILES:
        used = {module for module, _ in imports(path)} & {"time", "random", "secrets"}
        assert not used or room(path) in allowed, (path, used)


def test_settings_stop_at_the_top():
    readers = {room(path) for path in FILES if "settings" in set(own_imports(path))}
    assert readers <= {
        "app",
        "asking",
        "assigning",
        "backfill",
        "byhand",
        "cleaning",
        "cli",
        "comparison",
        "compose",
        "delivery",
        "detect",
        "endpoint",
        "inspection",
        "keeping",
        "landing",
        "lookup",
        "plan",
        "readiness",
        "reckoning",
        "repoconfig",
        "replay",
        "sending",
        "headstart",
        "outset",
        "search",
        "settings",
        "situation",
        "survey",
    }


def test_there_is_one_firebreak():
    catching = [
        dotted(path)
        for path in FILES
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node) and room(path) != "sandbox"
    ]
    assert catching == ["cibeacon.cli.present", "cibeacon.deadline"]  # a deadline hands on what its work raised


def test_heavy_libraries_are_imported_only_where_they_are_used():
    heavy = {"requests", "github", "gitlab", "yaml", "rich", "jq"}
    light = [
        path
        for path in FILES
        if room(path) in PURE | APP | {"__main__", "pre", "configfile", "git", "gitchild", "sinks"}
    ]
    for path in light:
        found = {module.split(".")[0] for module, _ in imports(path, at_import_time=True)} & heavy
        assert not found, path
        courier = {module for module, _ in imports(path, at_import_time=True)} & {"cibeacon.courier"}
        assert not courier, path


def test_every_module_and_public_name_is_documented():
    for path, tree in TREES.items():
        assert ast.get_docstring(tree), path


def test_rooms_are_small():
    for path in FILES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 260, f"{path} has {lines} lines"


def test_no_room_is_named_after_nothing():
    assert not {path.stem for path in FILES} & {"utils", "helpers", "common", "constants", "types", "base", "misc"}


def _is_attribute_of_a_name(node):
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)


def _catches_everything(node):
    return node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
