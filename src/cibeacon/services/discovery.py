"""Knows how services are found in a repository: marker files, CODEOWNERS, build graphs, programs. Does no I/O itself.

What must be asked is asked through what is handed in: two trees, a jq, a parser. A service of either tree counts, so
new and deleted ones are seen alike. Whatever cannot be answered is an error, never fewer services.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from cibeacon.model.identifiers import SERVICE_NAMES, is_service_name
from cibeacon.runtime.errors import ServiceMapError, SettingsError
from cibeacon.services import build_graphs
from cibeacon.services.codeowners import Owners
from cibeacon.services.patterns import Glob
from cibeacon.services.rules import MISNAMED, Rules, service_key
from cibeacon.services.schema_types import Rule
from cibeacon.services.service_map import ServiceMap

Side: TypeAlias = Literal["head", "base"]
Jq: TypeAlias = Callable[[str, Any], list[Any]]


class Place(NamedTuple):
    """A file in one of the trees."""

    side: Side
    path: str
    blob: str = ""
    """The id of its content, where it is known."""


class Trees(Protocol):
    """The two trees that are compared. Only one of them may be there."""

    @property
    def commits(self) -> Mapping[Side, str]:
        """The commit of each tree."""
        ...

    def named(self, name: str) -> Iterable[Place]:
        """Every file whose last part is this name."""
        ...

    def contents(self, places: Sequence[Place]) -> Iterable[Sequence[tuple[Place, bytes | None]]]:
        """Each file with its content, None where that is not here; a few at a time."""
        ...

    def text(self, side: Side, path: str) -> bytes | None:
        """The content of one file by its path."""
        ...

    def folders(self) -> Iterable[str]:
        """Every folder of both trees."""
        ...


class Outside(NamedTuple):
    """What else may be asked."""

    jq: Jq
    """The results of a program for a value."""
    documents: Callable[[str, bytes], list[Any]]
    """The documents in a file, by its name; text where it is no YAML, JSON or TOML. Nothing for what cannot be read."""
    built: Callable[[str], bytes | None]
    """The content of a file that a build tool left in the checkout."""
    sides: tuple[Side, ...] = ("head", "base")
    """The trees whose CODEOWNERS may be believed, the better one first."""
    gitlab: bool = False
    """Whether GitLab reads the CODEOWNERS, where its place does not say so."""


def discovered(drawn: ServiceMap, trees: Trees) -> ServiceMap:
    """The map with everything found that its rules look for. Raises `ServiceMapError`."""
    rules = drawn.rules
    if not rules.discover and not drawn.templates:
        return drawn
    found: dict[str, tuple[int, str]] = {}
    sought = tuple((rule.order, rule.words) for rule in rules.discover)
    settled = rules._replace(discover=(), sought=sought, folders=trees.folders, found=found)
    claimed = ServiceMap(drawn.roots, drawn.templates, rules._replace(found=found)).claimed  # `found` still grows
    for rule in rules.discover:
        if rule.kind == "marker":
            _add(found, rule.order, _marked(rule, rules.outside, trees))
        elif rule.kind in build_graphs.READERS:
            settled = build_graphs.with_projects(settled, rule, claimed, found)
        elif rule.kind == "codeowners":
            settled = _with_owners(settled, rule, trees)
    programs = tuple(rule for rule in rules.discover if rule.kind == "jq")
    chosen = _chooser(programs, rules.outside, trees) if programs else None
    return ServiceMap(drawn.roots, drawn.templates, settled._replace(chosen=chosen))


def _add(found: dict[str, tuple[int, str]], order: int, roots: Mapping[str, str]) -> None:
    for folder, key in roots.items():
        found.setdefault(folder, (order, key))


def _marked(rule: Rule, outside: Outside, trees: Trees) -> dict[str, str]:
    """Folder → key by marker files. The base tree has a say only where the head makes no service of a folder."""
    glob = Glob(rule.text)
    places = [place for place in trees.named(glob.text.rpartition("/")[2]) if glob.matches(place.path)]
    heads = [place for place in places if place.side == "head"]
    found = _services(rule, heads, outside, trees)
    seen = {(place.path, place.blob) for place in heads}
    older = [
        place
        for place in places
        if place.side == "base" and (place.path, place.blob) not in seen and _folder(place) not in found
    ]
    return {**_services(rule, older, outside, trees), **found}


def _services(rule: Rule, places: list[Place], outside: Outside, trees: Trees) -> dict[str, str]:
    if rule.name is None and rule.when is None:
        names: list[Any] = [_named_after(place) for place in places]
    else:
        names = _told(rule, places, outside, trees) if places else []
    return _keys(map(_folder, places), names)


def _keys(things: Iterable[str], names: Iterable[Any]) -> dict[str, str]:
    """Thing → key by the name that a program gave it, perhaps as something else than text; null and false name nothing."""
    return {
        thing: service_key(name) if isinstance(name, str) else MISNAMED + json.dumps(name)
        for thing, name in zip(things, names, strict=True)
        if name is not None and name is not False
    }


def _told(rule: Rule, places: list[Place], outside: Outside, trees: Trees) -> list[Any]:
    """The name that each marker gives, or None. The program runs once for a piece, over every document of every file."""
    program = f"[.[] | [{_tried(rule.when or 'true')}, {_tried(rule.name or 'null')}]]"
    names: list[Any] = []
    for piece in trees.contents(places):
        documents: list[Any] = []
        owners: list[int] = []
        for place, content in piece:
            if content is None:
                why = f"its content in the {place.side} commit is not here"
                raise ServiceMapError(f"{place.path} cannot be read", why, "Fetch it whole.")
            read = outside.documents(place.path, content)
            documents += read
            owners += [len(names)] * len(read)
            names.append(None)
        told = _one(_asked(rule, outside, program, documents), len(documents))
        for number, (holds, name) in zip(owners, told, strict=True):
            if holds and holds[0] not in (None, False) and names[number] is None:
                own = name[0] if name else None
                names[number] = own if rule.name else _named_after(places[number])
    return names


def _asked(rule: Rule, outside: Outside, program: str, value: Any) -> list[Any]:
    """The results of a program of ours that holds those of a rule. One that is none is told by its own lines, not ours."""
    try:
        return outside.jq(program, value)
    except SettingsError as error:
        for own in filter(None, (rule.when, rule.name)):
            try:
                outside.jq(own, None)
            except SettingsError as alone:
                if alone.what == error.what:
                    raise SettingsError(alone.what, f"discover: {rule.words}: {alone.why}", alone.hint) from error
        raise


def _tried(program: str) -> str:
    """A person's program inside one of ours; the line break ends a comment."""
    return f"[try ({program}\n) catch null]"


def _one(results: list[Any], length: int) -> list[Any]:
    if len(results) != 1 or not isinstance(results[0], list) or len(results[0]) != length:
        raise ServiceMapError("A jq program of the service map is no filter", "it does more than answer", "Mend it.")
    return results[0]


def _folder(place: Place) -> str:
    return place.path.rpartition("/")[0]


def _named_after(place: Place) -> str | None:
    """The name of the folder that a file is in; the top of the repository has none."""
    return _folder(place).rpartition("/")[2] or None


def _with_owners(rules: Rules, rule: Rule, trees: Trees) -> Rules:
    """The rules with a CODEOWNERS file: it speaks where no root does, and the first such rule that knows the path."""
    contents = (trees.text(side, rule.text) for side in rules.outside.sides if side in trees.commits)
    content = next((each for each in contents if each is not None), None)
    if content is None:
        raise ServiceMapError(f"{rule.text} cannot be used", "it is in neither tree", "Mend the path, or the rule.")
    text = content.decode("utf-8-sig", "surrogateescape")
    owners = Owners(text, gitlab=_read_by_gitlab(rule.text, rules.outside))
    names = _owner_names(rule, owners.names, rules.outside)
    first = rules.owners

    def of(path: str) -> tuple[str, ...]:
        told = first(path) if first else ()
        return told or tuple(dict.fromkeys(names[owner] for owner in owners.of(path) if owner in names))

    return rules._replace(owners=of, owner_names=(*rules.owner_names, *names.values()))


def _read_by_gitlab(path: str, outside: Outside) -> bool:
    """Which host reads the file: each has a folder of its own for it; elsewhere the CI system decides."""
    return path.startswith(".gitlab/") or (outside.gitlab and not path.startswith(".github/"))


def _owner_names(rule: Rule, owners: tuple[str, ...], outside: Outside) -> dict[str, str]:
    """Owner → key: what the program makes of it, else the team without its organisation or top group.

    Where that is another owner's name as well, each goes by its whole name.
    """
    if rule.name is None:
        names: list[Any] = [owner.partition("/")[2] or owner.removeprefix("@") for owner in owners]
        shared = {name for name, count in Counter(names).items() if count > 1}
        pairs = zip(owners, names, strict=True)
        names = [owner.removeprefix("@") if name in shared else name for owner, name in pairs]
    else:
        told = _one(_asked(rule, outside, f"[.[] | {_tried(rule.name)}]", list(owners)), len(owners))
        names = [name[0] if name else None for name in told]
    return _keys(owners, names)


def _chooser(
    programs: tuple[Rule, ...], outside: Outside, trees: Trees
) -> Callable[[list[str], list[str]], Mapping[str, str]]:
    """What asks the programs of the map, each once with everything."""

    def chosen(paths: list[str], services: list[str]) -> Mapping[str, str]:
        given = {"files": [{"path": path} for path in paths], "services": services, **_commits(trees)}
        why: dict[str, str] = {}
        for rule in programs:
            for result in outside.jq(rule.text, given):
                for name in result if isinstance(result, list) else [result]:
                    if not isinstance(name, str) or not is_service_name(name):
                        raise ServiceMapError(
                            f"discover: jq rule {rule.order + 1} gave what is no service name",
                            repr(name)[:80],
                            f"Mend it: {SERVICE_NAMES}.",
                        )
                    why.setdefault(name, f"chosen by jq, discover rule {rule.order + 1}")
        return why

    return chosen


def _commits(trees: Trees) -> dict[str, str | None]:
    return {"base": trees.commits.get("base"), "head": trees.commits.get("head")}
