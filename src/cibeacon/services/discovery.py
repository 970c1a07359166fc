"""Discovers services in a repository: by templates, marker files, CODEOWNERS, build graphs and jq programs.

A service in either tree counts, so new and deleted services are both found. A question without an answer is an error,
never fewer services.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from cibeacon.model.glob import Glob
from cibeacon.model.identifiers import SERVICE_NAMES, is_service_name
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import ServiceMapError, SettingsError
from cibeacon.services import MISNAMED, Rule, Rules, config_file, service_key
from cibeacon.services.service_map import ServiceMap
from cibeacon.services.trees import Side, Source, TreeFile, Trees

Jq: TypeAlias = Callable[[str, Any], list[Any]]
_PROGRAM_SECONDS = 10.0


class Tools(NamedTuple):
    """What discovery may use besides the trees."""

    jq: Jq
    """Returns the results of a program for a value."""
    read_built: Callable[[str], bytes | None]
    """Returns the content of a file that a build tool wrote to the checkout."""
    sides: tuple[Side, ...] = ("head", "base")
    """The trees whose CODEOWNERS can be trusted, in order of preference."""
    gitlab: bool = False
    """Whether CODEOWNERS follows GitLab's syntax, if its path does not decide that."""


def with_tools(
    service_map: ServiceMap,
    deadline: Deadline,
    read_built: Callable[[str], bytes | None],
    *sides: Side,
    gitlab: bool = False,
) -> ServiceMap:
    """The map with the tools that its rules need. `sides`: trees whose CODEOWNERS can be trusted, in GitLab's syntax if `gitlab`."""
    if not service_map.rules.discover:
        return service_map

    def jq(program: str, value: Any) -> list[Any]:
        from cibeacon.jq import jq_filter

        return jq_filter.run(program, value, seconds=min(_PROGRAM_SECONDS, deadline.remaining()))

    return service_map.with_rules(tools=Tools(jq, read_built, sides or ("head", "base"), gitlab))


def checkout_reader(root: Path) -> Callable[[str], bytes | None]:
    """Reads files that a build tool wrote to the checkout."""

    def read_built(path: str) -> bytes | None:
        try:
            file = config_file.in_folder(root, path)
        except ServiceMapError:
            return None
        return file[1] if file else None

    return read_built


def discover_services(service_map: ServiceMap, source: Source, base: str | None, head: str | None) -> ServiceMap:
    """The map with everything that its rules find in the trees of two commits, either of which may be missing.

    Raises `ServiceMapError`, and `SettingsError` for a faulty jq program.
    """
    rules, trees = service_map.rules, Trees(source, base, head)
    if not rules.discover:
        return (
            service_map.with_rules(list_folders=trees.folders)
            if service_map.templates and trees.commits
            else service_map
        )
    discovered: dict[str, tuple[int, str]] = {}
    claimed = service_map.with_rules(discovered=discovered).claimed  # `discovered` still grows
    searched = tuple((rule.order, rule.description) for rule in rules.discover)
    programs = [rule for rule in rules.discover if rule.kind == "jq"]
    rules = rules._replace(discover=(), searched=searched, list_folders=trees.folders, discovered=discovered)
    for rule in service_map.rules.discover:
        if rule.kind == "marker":
            for folder, key in _marked_folders(rule, rules.tools, trees).items():
                discovered.setdefault(folder, (rule.order, key))
        elif rule.kind == "codeowners":
            rules = _with_owners(rules, rule, trees)
        elif rule.kind != "jq":
            from cibeacon.services import build_graphs

            rules = build_graphs.with_projects(rules, rule, claimed, discovered)
    if programs:
        rules = rules._replace(choose=_chooser(programs, rules.tools, trees))
    return ServiceMap(service_map.roots, service_map.templates, rules)


# Marker files


def _marked_folders(rule: Rule, tools: Tools, trees: Trees) -> dict[str, str]:
    """Folder → key. The base tree counts only for folders that are not services in the head."""
    glob = Glob(rule.text)
    files = [file for file in trees.files_named(glob.text.rpartition("/")[2]) if glob.matches(file.path)]
    heads = [file for file in files if file.side == "head"]
    keys = _keys_of_markers(rule, heads, tools, trees)
    seen = {(file.path, file.blob) for file in heads}
    bases = [
        file for file in files if file.side == "base" and (file.path, file.blob) not in seen and file.folder not in keys
    ]
    return {**_keys_of_markers(rule, bases, tools, trees), **keys}


def _keys_of_markers(rule: Rule, files: list[TreeFile], tools: Tools, trees: Trees) -> dict[str, str]:
    if rule.name is None and rule.when is None:
        names: list[Any] = [_folder_name(file) for file in files]
    else:
        names = _names_by_program(rule, files, tools, trees) if files else []
    return _keys((file.folder for file in files), names)


def _names_by_program(rule: Rule, files: list[TreeFile], tools: Tools, trees: Trees) -> list[Any]:
    """The name from each marker, or None. The program runs once for several files, on each of their documents."""
    program = f"[.[] | [{_caught(rule.when or 'true')}, {_caught(rule.name or 'null')}]]"
    names: list[Any] = []
    for batch in trees.contents(files):
        documents: list[Any] = []
        file_of: list[int] = []  # the index of the file that each document is in
        for file, content in batch:
            if content is None:
                reason = f"its content in the {file.side} commit is missing here"
                raise ServiceMapError(f"{file.path} cannot be read", reason, "Fetch the commit with its files.")
            read = config_file.documents(file.path, content)
            documents += read
            file_of += [len(names)] * len(read)
            names.append(None)
        for index, (holds, name) in zip(file_of, _run(rule, tools, program, documents), strict=True):
            if holds and holds[0] not in (None, False) and names[index] is None:
                own = name[0] if name else None
                names[index] = own if rule.name else _folder_name(files[index])
    return names


def _folder_name(file: TreeFile) -> str | None:
    """The name of the folder that a file is in; None at the top of the repository."""
    return file.folder.rpartition("/")[2] or None


def _keys(things: Iterable[str], names: Iterable[Any]) -> dict[str, str]:
    """Thing → key. A program may return a name that is not text; null and false mean no service."""
    return {
        thing: service_key(name) if isinstance(name, str) else MISNAMED + json.dumps(name)
        for thing, name in zip(things, names, strict=True)
        if name is not None and name is not False
    }


# Programs


def _caught(program: str) -> str:
    """The user's program as a part of ours; the line break ends a comment."""
    return f"[try ({program}\n) catch null]"


def _run(rule: Rule, tools: Tools, program: str, values: list[Any]) -> list[Any]:
    """One result per value. A compile error has the line numbers of the rule's own program, not of ours."""
    try:
        results = tools.jq(program, values)
    except SettingsError as error:
        for own in filter(None, (rule.when, rule.name)):
            try:
                tools.jq(own, None)
            except SettingsError as alone:
                if alone.what == error.what:
                    raise SettingsError(alone.what, f"discover: {rule.description}: {alone.why}", alone.hint) from error
        raise
    if len(results) != 1 or not isinstance(results[0], list) or len(results[0]) != len(values):
        what = "A jq program of the service map is not a plain filter"
        raise ServiceMapError(what, "it does more than return a result", "Correct it: it may only return results.")
    return results[0]


def _chooser(programs: list[Rule], tools: Tools, trees: Trees) -> Callable[[list[str], list[str]], Mapping[str, str]]:
    """Runs each program of the map once, with all paths and services."""

    def choose(paths: list[str], services: list[str]) -> Mapping[str, str]:
        commits = {side: trees.commits.get(side) for side in ("base", "head")}
        value = {"files": [{"path": path} for path in paths], "services": services, **commits}
        why: dict[str, str] = {}
        for rule in programs:
            for result in tools.jq(rule.text, value):
                for name in result if isinstance(result, list) else [result]:
                    if not isinstance(name, str) or not is_service_name(name):
                        what = f"discover: jq rule {rule.order + 1} returned an invalid service name"
                        raise ServiceMapError(what, repr(name)[:80], f"Correct it: {SERVICE_NAMES}.")
                    why.setdefault(name, f"chosen by jq, discover rule {rule.order + 1}")
        return why

    return choose


# CODEOWNERS


def _with_owners(rules: Rules, rule: Rule, trees: Trees) -> Rules:
    """The rules with a CODEOWNERS file. It applies to paths below no root; the first such rule with an owner decides."""
    from cibeacon.services.codeowners import Owners

    tools: Tools = rules.tools
    contents = (trees.text(side, rule.text) for side in tools.sides if side in trees.commits)
    content = next((content for content in contents if content is not None), None)
    if content is None:
        raise ServiceMapError(
            f"{rule.text} cannot be used",
            "it is not in the commits that cibeacon reads",
            "Correct the path or the rule.",
        )
    # GitHub and GitLab each have their own folder for the file; elsewhere the CI system decides
    gitlab = rule.text.startswith(".gitlab/") or (tools.gitlab and not rule.text.startswith(".github/"))
    owners = Owners(content.decode("utf-8-sig", "surrogateescape"), gitlab=gitlab)
    keys = _keys(owners.names, _names_of_owners(rule, owners.names, tools))
    earlier = rules.owners_of

    def owners_of(path: str) -> tuple[str, ...]:
        services = earlier(path) if earlier else ()
        return services or tuple(dict.fromkeys(keys[owner] for owner in owners.of(path) if owner in keys))

    return rules._replace(owners_of=owners_of, owner_keys=(*rules.owner_keys, *keys.values()))


def _names_of_owners(rule: Rule, owners: tuple[str, ...], tools: Tools) -> list[Any]:
    """The program's result for each owner; without a program, the team without its organisation or top group.

    If two owners would get the same name, both keep their full names.
    """
    if rule.name is not None:
        return [name[0] if name else None for name in _run(rule, tools, f"[.[] | {_caught(rule.name)}]", list(owners))]
    teams = [owner.partition("/")[2] or owner.removeprefix("@") for owner in owners]
    counts = Counter(teams)
    return [team if counts[team] == 1 else owner.removeprefix("@") for owner, team in zip(owners, teams, strict=True)]
