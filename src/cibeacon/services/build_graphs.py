"""Reads the graphs that build tools write: projects, their folders and their dependencies. Runs no tool.

`nx graph --file=graph.json` (https://nx.dev/docs/reference/nx-commands#nx-graph), `turbo run build --dry=json` and
`turbo ls --output=json` (https://turborepo.dev/docs/reference/ls).
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cibeacon.runtime.errors import ServiceMapError
from cibeacon.services import LIBRARY, Rule, Rules, config_file, service_key

_TOP = "//"
"""turbo's name for the root of the workspace, which is not a package."""


class Project(NamedTuple):
    """One project of a build graph."""

    name: str
    root: str
    """The folder; empty for the top of the repository."""
    uses: tuple[str, ...] = ()
    library: bool = False


def nx(document: Any) -> Iterator[Project]:
    """The projects in an nx graph; those of type `lib` are libraries."""
    graph = _mapping(_mapping(document).get("graph", document))
    needs = _mapping(graph.get("dependencies"))
    for name, node in _mapping(graph.get("nodes")).items():
        root = _mapping(_mapping(node).get("data")).get("root")
        used = [_mapping(edge).get("target") for edge in _list(needs.get(name))]
        yield from _project(name, root, used, library=_mapping(node).get("type") == "lib")


def turbo(document: Any) -> Iterator[Project]:
    """The packages in turbo's output. Only a dry run has tasks, and only tasks have dependencies."""
    document = _mapping(document)
    for package in map(_mapping, _list(_mapping(document.get("packages")).get("items"))):
        yield from _project(package.get("name"), package.get("path"), [])
    for task in map(_mapping, _list(document.get("tasks"))):
        used = [str(dependency).rpartition("#")[0] for dependency in _list(task.get("dependencies"))]
        yield from _project(task.get("package"), task.get("directory"), used)


def with_projects(
    rules: Rules, rule: Rule, claimed: Callable[[str, int], str | None], discovered: dict[str, tuple[int, str]]
) -> Rules:
    """The rules with a graph's projects. A project whose folder an earlier rule `claimed` keeps the name from that rule."""
    content = rules.tools.read_built(rule.text)
    documents = config_file.documents(rule.text, content) if content is not None else []
    projects = list((nx if rule.kind == "nx" else turbo)(documents[0])) if documents else []
    if not projects:
        reason = f"it does not exist, or is not a graph of {rule.kind}"
        raise ServiceMapError(f"{rule.text} cannot be used", reason, "Create it in an earlier step.")
    own_keys = {p.name: LIBRARY + p.name if p.library else service_key(p.name) for p in projects}
    keys = {p.name: claimed(p.root, rule.order) or own_keys[p.name] for p in projects}
    for project in projects:
        if project.root or not project.library:  # a library at the top would own every unowned path
            discovered.setdefault(project.root, (rule.order, keys[project.name]))
    libraries = {name: key for name, key in keys.items() if key == LIBRARY + name}
    uses = {
        user: tuple(name if name in rules.names else libraries.get(name, name) for name in used)
        for user, used in rules.uses.items()
    }
    for project in projects:
        key = keys[project.name]  # several projects may form one service, which does not use itself
        used = (keys[name] for name in project.uses if keys.get(name, key) != key)
        uses[key] = tuple(dict.fromkeys((*uses.get(key, ()), *used)))
    return rules._replace(uses=uses)


def _project(name: Any, root: Any, used: list[Any], *, library: bool = False) -> Iterator[Project]:
    """The project, if it is one: an entry without a folder, such as an external package, is not."""
    if isinstance(name, str) and isinstance(root, str) and name != _TOP:
        folder = root.replace("\\", "/").removeprefix("./").strip("/")
        uses = tuple(dict.fromkeys(str(other) for other in used if other and other != name))
        yield Project(name, "" if folder == "." else folder, uses, library)


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
