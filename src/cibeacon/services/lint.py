"""Lists the services of a map, looks up paths, and finds rules that match nothing. Does not know how the results are printed.

`list_services` and `look_up` answer the user's questions; `warnings` compares the map with every file of the repository.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from cibeacon.model.glob import Glob, by_folder
from cibeacon.model.identifiers import SERVICE_NAMES
from cibeacon.services import (
    LIBRARY,
    MISNAMED,
    POLICIES,
    Finding,
    KeyPath,
    Mention,
    Rule,
    name_of,
    shown,
    unknown_name,
)
from cibeacon.services.schema import MOST_HINTS
from cibeacon.services.service_map import ServiceMap

_SLIPS = {"fail": "error", "failure": "error", "strict": "error", "skip": "ignore", "none": "ignore", "off": "ignore"}
"""Other tools' words for the policies of `unmatched`."""


class Listed(NamedTuple):
    """A service as `services list` shows it."""

    name: str
    roots: tuple[str, ...]
    rule: str
    """What made it a service: `services`, or a discovery rule."""
    uses: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    """The patterns of paths that it owns or watches."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"name": self.name, "roots": list(self.roots), "rule": self.rule, "uses": list(self.uses)}


class Which(NamedTuple):
    """The owners and watchers of a path, as `services which` shows them."""

    path: str
    owners: tuple[str, ...] = ()
    watchers: tuple[str, ...] = ()
    rule: str | None = None
    """The rule that made the owner a service."""
    ignored: bool = False
    everywhere: bool = False

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "path": self.path,
            "owner": self.owners[0] if self.owners else None,
            "owners": list(self.owners),
            "watchers": list(self.watchers),
            "rule": self.rule,
            "ignored": self.ignored,
            "global": self.everywhere,
        }


def list_services(service_map: ServiceMap, rules: Sequence[Rule]) -> tuple[Listed, ...]:
    """Every service, sorted by name. `rules` are those that looked into the trees."""
    rule_names = {template.order: f"root {template.text}" for template in service_map.templates}
    rule_names |= {rule.order: rule.description for rule in rules}
    roots: dict[str, list[str]] = {}
    origins: dict[str, str] = {}
    for folder, key in service_map.roots.items():
        roots.setdefault(key, []).append(f"{folder}/")
    for folder, key, order in sorted(service_map.discovered_roots(), key=lambda root: root[2]):
        roots.setdefault(key, []).append(f"{folder}/" if folder else "./")
        origins.setdefault(key, f"discover: {rule_names[order]}")
    origins = dict.fromkeys(service_map.rules.owner_keys, "discover: codeowners") | origins
    origins |= dict.fromkeys((*service_map.rules.names, *service_map.roots.values()), "services")
    return tuple(
        Listed(
            name,
            tuple(sorted(roots.get(name, ()))),
            origins.get(name, "unmatched"),
            tuple(map(name_of, service_map.rules.uses.get(name, ()))),
            tuple(glob.text for glob in service_map.rules.watches.get(name, ())),
        )
        for name in sorted(service_map.services())
    )


def look_up(service_map: ServiceMap, services: Mapping[str, Listed], path: str) -> Which:
    """The owners and watchers of one path."""
    touch = service_map.touch(path)
    if touch.ignored:
        return Which(path, ignored=True)
    owner = touch.owners[0] if touch.owners else None
    if owner and owner.startswith(MISNAMED):
        return Which(path, rule=f"{shown(name_of(owner))} is not a valid service name")
    rule = None
    if owner:
        known = services.get(owner)
        rule = "libs" if owner.startswith(LIBRARY) else known.rule if known else _template_of(service_map, path)
    watchers = (key for key in touch.watchers if key not in touch.owners)
    return Which(path, tuple(map(name_of, touch.owners)), tuple(map(name_of, watchers)), rule, False, touch.everywhere)


def _template_of(service_map: ServiceMap, path: str) -> str | None:
    """The template that matches a path that is not in either tree."""
    folders = path.split("/")[:-1]
    for template in service_map.templates:
        if template.service(folders[: len(template.segments)]) is not None:
            return f"discover: root {template.text}"
    return None


def warnings(service_map: ServiceMap, mentions: Sequence[Mention], paths: Sequence[str]) -> list[Finding]:
    """Patterns, templates and names that match nothing in the repository, and services that own no file."""
    rules, services = service_map.rules, service_map.services()
    libraries = {name_of(key) for key in rules.names if key.startswith(LIBRARY)}
    named = {*services, *libraries, *(name_of(key) for _, key, _ in service_map.discovered_roots())}
    findings = [*_unknown_names(mentions, named), *_unmatched(mentions, service_map, paths), *_misnamed(service_map)]
    try:
        TopologicalSorter(rules.uses).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1][::-1]  # graphlib walks from the used to the user
        circle = " → ".join(map(name_of, cycle))
        findings.append(
            Finding(
                (*_written_at(cycle[0]), "uses"), f"these services use each other in a circle: {circle}.", "warning"
            )
        )
    touches = (service_map.touch(path) for path in paths)
    touched = {key for touch in touches for key in (*touch.owners, *touch.watchers)}
    for key in rules.names:
        if key not in touched and key != rules.unmatched:
            section, name = _written_at(key)
            findings.append(Finding((section, name), f"{section}: {name} owns no file in the repository.", "warning"))
    return [*findings, *_differing_by_case(services)]


def _written_at(key: str) -> tuple[str, str]:
    return "libs" if key.startswith(LIBRARY) else "services", name_of(key)


def catch_all(service_map: ServiceMap) -> Iterator[Finding]:
    """A service that only `unmatched` names: it may be a misspelled policy. Every service must be in the map."""
    name = service_map.rules.unmatched
    named = service_map.with_rules(unmatched=POLICIES[0]).services()
    if name in POLICIES or name in named or service_map.rules.choose:
        return
    from difflib import get_close_matches

    near = [_SLIPS[name.lower()]] if name.lower() in _SLIPS else get_close_matches(name, (*POLICIES, *sorted(named)), 1)
    text = f"unmatched: {shown(name)} is not in the service map, so cibeacon adds it as a service."
    hint = f"Did you mean {near[0]!r}? If not," if near else "If that is intended,"
    yield Finding(("unmatched",), f"{text} {hint} add it to services, such as {name}: [].", "warning")


def no_service(service_map: ServiceMap) -> Iterator[Finding]:
    """A map without services: the changed services are then always unknown."""
    if service_map.is_empty():
        path: KeyPath = ("discover",) if service_map.searched else ()
        searched = service_map.searched or "nothing"
        yield Finding(path, f"the map finds no service (looked for: {searched}), so the changed services are unknown.")


def _misnamed(service_map: ServiceMap) -> Iterator[Finding]:
    """Services that were discovered with an invalid name."""
    findings: list[tuple[KeyPath, str, str]] = [
        (("discover", order), f"{folder}/" if folder else "the top", key)
        for folder, key, order in service_map.discovered_roots()
    ]
    findings += [(("discover",), "an owner in CODEOWNERS", key) for key in service_map.rules.owner_keys]
    for path, subject, key in findings:
        if key.startswith(MISNAMED):
            text = (
                f"{subject} would be the service {shown(name_of(key))}, which is not a valid service name, so a change"
            )
            yield Finding(path, f"{text} there makes the services unknown. {SERVICE_NAMES}.")


def _unknown_names(mentions: Sequence[Mention], named: set[str]) -> Iterator[Finding]:
    unknown = (mention for mention in mentions if mention.kind == "uses" and mention.text not in named)
    for count, mention in enumerate(unknown):
        known = sorted(named) if count < MOST_HINTS else ()
        yield Finding(mention.path, f"{mention.path[0]}: {mention.path[1]}: uses: {unknown_name(mention.text, known)}")


def _unmatched(mentions: Sequence[Mention], service_map: ServiceMap, paths: Sequence[str]) -> Iterator[Finding]:
    """Patterns, folders and templates that match no file of the repository."""
    folders = {path[:end] for path in paths for end in _slashes(path)}
    files = set(paths)
    orders = {order for _, _, order in service_map.discovered_roots()}
    filled = {template.text for template in service_map.templates if template.order in orders}
    patterns = {mention: _glob_text(mention.text, folders) for mention in mentions if mention.kind == "pattern"}
    unmet = _matching_no(set(patterns.values()), paths)
    for mention in mentions:
        if mention.kind == "pattern" and patterns[mention] in unmet:
            yield Finding(mention.path, f"{mention.text} matches no file.", "warning")
        elif mention.kind in ("root", "plain") and mention.text not in folders:
            if mention.kind == "root" or mention.text not in files:
                yield Finding(mention.path, f"the repository has no folder {mention.text}.", "warning")
        elif mention.kind == "template" and mention.text not in filled:
            yield Finding(mention.path, f"the template {mention.text} finds no service.", "warning")


def _glob_text(text: str, folders: set[str]) -> str:
    return f"{text}/" if text.removeprefix("./") in folders else text


def _matching_no(texts: set[str], paths: Sequence[str]) -> set[str]:
    """The patterns that match none of the paths. A pattern is not tried again after its first match."""
    unmet = {folder: dict(globs) for folder, globs in by_folder((text, Glob(text)) for text in texts).items()}
    for path in paths:
        for end in (0, *_slashes(path)):
            waiting = unmet.get(path[:end], {})
            for text in [text for text, glob in waiting.items() if glob.matches(path)]:
                del waiting[text]
    return {text for waiting in unmet.values() for text in waiting}


def _slashes(path: str) -> Iterator[int]:
    return (index for index, character in enumerate(path) if character == "/")


def _differing_by_case(services: Iterable[str]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name in sorted(services):
        other = seen.setdefault(name.lower(), name)
        if other != name:
            yield Finding(("services", name), f"the services {other} and {name} differ only in case.", "warning")
