"""Knows the graphs that build tools write: projects, their folders and who needs whom. Runs no tool.

`nx graph --file=graph.json` (https://nx.dev/docs/reference/nx-commands#nx-graph), `turbo run build --dry=json` and
`turbo ls --output=json` (https://turborepo.dev/docs/reference/ls).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple


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
        yield _project(name, root, used, library=_mapping(node).get("type") == "lib")


def turbo(document: Any) -> Iterator[Project]:
    """The packages of turbo. What a package needs stands with its tasks, and only in a dry run."""
    document = _mapping(document)
    packages = document.get("packages")
    for item in _list(_mapping(packages).get("items")) if isinstance(packages, dict) else ():
        yield _project(_mapping(item).get("name"), _mapping(item).get("path"), [])
    for task in map(_mapping, _list(document.get("tasks"))):
        used = [str(each).rpartition("#")[0] for each in _list(task.get("dependencies"))]
        yield _project(
            task.get("package"), task.get("directory"), [name for name in used if name != task.get("package")]
        )


READERS: Mapping[str, Callable[[Any], Iterator[Project]]] = {"nx": nx, "turbo": turbo}
"""Rule → the projects in a document of that tool."""


def _project(name: Any, root: Any, used: list[Any], *, library: bool = False) -> Project:
    folder = root.replace("\\", "/").removeprefix("./").strip("/") if isinstance(root, str) else ""
    uses = tuple(dict.fromkeys(_short(each) for each in used if each))
    return Project(_short(name), "" if folder == "." else folder, uses, library)


def _short(name: Any) -> str:
    """A scoped package without its sign: no service's name begins with @."""
    return str(name).removeprefix("@")


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
