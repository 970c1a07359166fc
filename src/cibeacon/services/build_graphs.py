"""Knows the graphs that build tools write: projects, their folders and who needs whom. Runs no tool.

`nx graph --file=graph.json` (https://nx.dev/docs/reference/nx-commands#nx-graph), `turbo run build --dry=json` and
`turbo ls --output=json` (https://turborepo.dev/docs/reference/ls).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from cibeacon.runtime.errors import ServiceMapError
from cibeacon.services.rules import LIBRARY, Rules, service_key
from cibeacon.services.schema_types import Rule

_TOP = "//"
"""How turbo calls the top of the workspace, which is no package."""


class Project(NamedTuple):
    """One project of a build graph."""

    name: str
    root: str
    """Its folder; empty for the top of the repository."""
    uses: tuple[str, ...] = ()
    library: bool = False


def nx(document: Any) -> Iterator[Project]:
    """The projects of nx; those of the type `lib` are libraries."""
    graph = _mapping(_mapping(document).get("graph", document))
    needs = _mapping(graph.get("dependencies"))
    for name, node in _mapping(graph.get("nodes")).items():
        root = _mapping(_mapping(node).get("data")).get("root")
        used = [_mapping(edge).get("target") for edge in _list(needs.get(name))]
        yield from _projects(name, root, used, library=_mapping(node).get("type") == "lib")


def turbo(document: Any) -> Iterator[Project]:
    """The packages of turbo. What a package needs stands with its tasks, and only in a dry run. Its `//` is none."""
    document = _mapping(document)
    packages = document.get("packages")
    for item in _list(_mapping(packages).get("items")) if isinstance(packages, dict) else ():
        yield from _projects(_mapping(item).get("name"), _mapping(item).get("path"), [])
    for task in map(_mapping, _list(document.get("tasks"))):
        used = [str(each).rpartition("#")[0] for each in _list(task.get("dependencies"))]
        yield from _projects(task.get("package"), task.get("directory"), used)


READERS: Mapping[str, Callable[[Any], Iterator[Project]]] = {"nx": nx, "turbo": turbo}
"""Rule → the projects in a document of that tool."""


def with_projects(
    rules: Rules, rule: Rule, claimed: Callable[[str, int], str | None], found: dict[str, tuple[int, str]]
) -> Rules:
    """The rules with a build graph's projects. One whose folder is `claimed` before goes by the name that it has there."""
    content = rules.outside.built(rule.text)
    documents = rules.outside.documents(rule.text, content) if content is not None else []
    projects = list(READERS[rule.kind](documents[0])) if documents else []
    if not projects:
        raise ServiceMapError(
            f"{rule.text} cannot be used", f"it is not here, or no graph of {rule.kind}", "Write it in an earlier step."
        )
    keys = {
        each.name: claimed(each.root, rule.order) or (LIBRARY + each.name if each.library else service_key(each.name))
        for each in projects
    }
    for each in projects:
        if each.root or not each.library:  # a library at the top would own what is nobody's
            found.setdefault(each.root, (rule.order, keys[each.name]))
    libraries = {each.name: LIBRARY + each.name for each in projects if keys[each.name] == LIBRARY + each.name}
    uses = {
        user: tuple(name if name in rules.names else libraries.get(name, name) for name in used)
        for user, used in rules.uses.items()
    }
    for each in projects:
        own = keys[each.name]  # several projects may be one service, which does not use itself
        used = tuple(keys[name] for name in each.uses if name in keys and keys[name] != own)
        uses[own] = tuple(dict.fromkeys((*uses.get(own, ()), *used)))
    return rules._replace(uses=uses)


def _projects(name: Any, root: Any, used: list[Any], *, library: bool = False) -> Iterator[Project]:
    """The project, if it is one: what has no folder, such as a package from elsewhere, is none."""
    if not isinstance(name, str) or not isinstance(root, str) or name == _TOP:
        return
    folder = root.replace("\\", "/").removeprefix("./").strip("/")
    uses = tuple(dict.fromkeys(str(each) for each in used if each and each != name))
    yield Project(name, "" if folder == "." else folder, uses, library)


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
