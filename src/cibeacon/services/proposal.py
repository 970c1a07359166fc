"""Proposes a first service map from the files of a repository. Does not know git, and writes nothing.

Whatever is uncertain becomes a comment in the map, for the user to decide. Workspaces: https://pnpm.io/pnpm-workspace_yaml
and https://docs.npmjs.com/cli/using-npm/workspaces.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from cibeacon.model.error_ids import SITE
from cibeacon.model.identifiers import is_service_name
from cibeacon.services import PLACEHOLDER, Template, build_graphs, config_file
from cibeacon.services.codeowners import Owners

Read = Callable[[str], bytes | None]
"""Returns the content of a file of the repository; None if there is no such file."""
_SERVICES = ("services", "apps", "applications", "microservices", "functions", "lambdas")
_SHARED = ("packages", "libs", "modules", "components", "projects", "cmd")
"""Folders whose subfolders are usually services, and folders whose subfolders may be shared code."""
_CODEOWNERS = (".github/CODEOWNERS", ".gitlab/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
_GRAPH = "graph.json"
_GRAPHS = (
    ("nx", f"npx nx graph --file={_GRAPH}", build_graphs.nx),
    ("turbo", f"npx turbo run build --dry=json > {_GRAPH}", build_graphs.turbo),
)
_PLAIN = r"(?a)[A-Za-z_][\w./{}*+-]*"
_YAML_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
_MOST_SKIPPED = 10
_HEADER = f"""\
# Which paths belong to which service, as detected by `cibeacon init`. Correct it, then run: cibeacon services check
# All keys are explained at {SITE}/reference/#repository-configuration
"""
_UNSURE = (
    "# These may be services or shared code: the folder's name fits both. Remove the line if they are not services."
)
_SHARED_CODE = "These folders look like shared code. If one of them is a service, move it to discover or services:"


class _Root(NamedTuple):
    """Where services are: a template of folders, or one folder."""

    text: str
    size: int = 1
    """How many folders it matches."""

    @property
    def is_template(self) -> bool:
        return PLACEHOLDER in self.text

    @property
    def may_be_shared(self) -> bool:
        return not set(_SHARED).isdisjoint(self.text.split("/"))


class _Draft:
    """A service map in the making: services by name, discovery rules, and comments below them."""

    def __init__(self) -> None:
        self.services: list[str] = []
        self.discover: list[str] = []
        self.comments: list[str] = []

    def comment(self, *lines: str) -> None:
        self.comments += ["", *lines]

    @property
    def is_empty(self) -> bool:
        return not any(line.lstrip()[:1] != "#" for line in (*self.services, *self.discover))

    def __str__(self) -> str:
        services = ["services:", *(f"  {line}" for line in self.services)] if self.services else []
        discover = ["discover:", *(f"  {line}" for line in self.discover)] if self.discover else []
        comments = [f"# {line}" if line else "" for line in self.comments]
        return _HEADER + "".join(f"{line}\n" for line in (*services, *discover, *comments))


def propose(paths: Sequence[str], read: Read, name: str) -> str:
    """The configuration file for a repository of this name with these files."""
    draft = _Draft()
    known = frozenset(paths)
    _add_graphs(draft, known, read)
    skipped: list[str] = []
    if draft.is_empty:
        roots, skipped = _workspaces(paths, read)
        _add_roots(draft, roots or list(_conventional(paths)))
    owned = (path for path in _CODEOWNERS if path in known)
    owners = next((path for path in owned if Owners((read(path) or b"").decode(errors="replace")).names), None)
    if owners and draft.is_empty:
        draft.discover += [
            "# No folder looks like a service, so each owner in CODEOWNERS becomes one. Check that this is what you want."
        ]
        draft.discover += [f"- codeowners: {owners}"]
    elif owners:
        draft.comment(
            "The owners in CODEOWNERS can become services for all other files. If you want that, add to discover:",
            f"  - codeowners: {owners}",
        )
    if draft.is_empty:
        draft.services += ["# No folder looks like a service, so the whole repository is one service."]
        draft.services += [f'{_scalar(name if is_service_name(name) else "app")}: ["**"]']
        draft.comment(
            "If it has several services, list their folders instead:", "discover:", f"  - root: services/{PLACEHOLDER}/"
        )
    if skipped:
        shown = (f"  {json.dumps(text)[:80]}" for text in skipped[:_MOST_SKIPPED])
        draft.comment("Workspaces that are not in this file:", *shown)
    return str(draft)


def _add_graphs(draft: _Draft, paths: frozenset[str], read: Read) -> None:
    """Adds the build tool's graph: as a rule if the repository has the file, else as a comment on how to create it."""
    documents = config_file.documents(_GRAPH, read(_GRAPH) or b"")
    for tool, command, projects in _GRAPHS:
        if f"{tool}.json" not in paths:
            continue
        if documents and any(projects(documents[0])):
            draft.discover += [f"- {tool}: {_GRAPH}"]
        else:
            draft.comment(
                f"The repository has {tool}.json, and {tool} knows which project uses which. To use its graph, create",
                f"it in an earlier step of the job ({command}), and put this first in discover:",
                f"  - {tool}: {_GRAPH}",
            )


def _add_roots(draft: _Draft, roots: Sequence[_Root]) -> None:
    """Adds folders of services. Folders that may be shared code become comments, unless there are no others."""
    certain = [root for root in roots if not root.may_be_shared]
    if not certain:
        certain = list(roots)
        draft.discover += [_UNSURE] if any(root.is_template for root in roots) else []
    names = Counter(root.text.rpartition("/")[2] for root in certain)
    lines = {root: _line(root, names) for root in roots}
    draft.discover += [f"{lines[root]}  # {root.size} here" for root in certain if root.is_template]
    draft.services += [lines[root] for root in certain if not root.is_template]
    if shared := [root for root in roots if root not in certain]:
        draft.comment(_SHARED_CODE, *(f"  {lines[root]}" for root in shared))


def _line(root: _Root, names: Counter[str]) -> str:
    if root.is_template:
        return f"- root: {_scalar(root.text)}"
    name = root.text.rpartition("/")[2]
    return f"{_scalar(name if names[name] < 2 else root.text)}: {_scalar(root.text + '/')}"


def _workspaces(paths: Sequence[str], read: Read) -> tuple[list[_Root], list[str]]:
    """The workspaces of pnpm or npm as roots, and those that do not exist or cannot be roots."""
    document: Any = next(iter(config_file.documents("pnpm-workspace.yaml", read("pnpm-workspace.yaml") or b"")), None)
    given = document.get("packages") if isinstance(document, dict) else None
    if given is None:
        document = next(iter(config_file.documents("package.json", read("package.json") or b"{}")), None)
        given = document.get("workspaces") if isinstance(document, dict) else None
        given = given.get("packages") if isinstance(given, dict) else given
    folders = _all_folders(paths)
    roots: dict[str, _Root] = {}
    skipped = []
    for text in (text for text in given if isinstance(text, str)) if isinstance(given, list) else ():
        root = _root(text, folders)
        if root is None:
            skipped.append(text)
        else:
            roots[root.text] = root
    return list(roots.values()), skipped


def _root(text: str, folders: frozenset[str]) -> _Root | None:
    """A workspace as a root: the last `*` of its pattern is the name. None if it cannot be a root, or does not exist."""
    segments = re.sub(r"/\*\*$", "/*", text.strip().removeprefix("./").rstrip("/")).split("/")
    if "*" not in segments:
        return _Root("/".join(segments)) if "/".join(segments) in folders and is_service_name(segments[-1]) else None
    segments[len(segments) - 1 - segments[::-1].index("*")] = PLACEHOLDER
    return _sized("/".join(segments) + "/", folders)


def _sized(text: str, folders: frozenset[str]) -> _Root | None:
    """The template with the number of folders that it matches; None if it is not a template or matches none."""
    try:
        template = Template.parse(text)
    except ValueError:
        return None
    beginning = re.split(r"[*{]", text)[0]
    size = sum(template.service(folder.split("/")) is not None for folder in folders if folder.startswith(beginning))
    return _Root(text, size) if size else None


def _conventional(paths: Sequence[str]) -> Iterator[_Root]:
    """Top-level folders with conventional names. Services may be one level deeper, in folders of teams."""
    folders = _all_folders(paths)
    for top in (*_SERVICES, *_SHARED):
        depths = {path.count("/") for path in paths if path.startswith(f"{top}/")}
        level = "*/" if depths and not depths & {1, 2} else ""
        if root := _sized(f"{top}/{level}{PLACEHOLDER}/", folders):
            yield root


def _all_folders(paths: Sequence[str]) -> frozenset[str]:
    folders: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in folders:
            folders.add(path)
    return frozenset(folders)


def _scalar(text: str) -> str:
    """A text in YAML: in quotes if it could be read as anything else."""
    is_plain = re.fullmatch(_PLAIN, text) and text.lower() not in _YAML_WORDS
    return text if is_plain else json.dumps(text)
