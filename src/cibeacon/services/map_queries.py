"""Knows what a service map says of its services and of a path, and what in it leads nowhere. Does not know how it prints.

`listed` and `which` answer a person; `warnings` compares the map with every file of the repository.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cibeacon.model.identifiers import SERVICE_NAMES
from cibeacon.services import dependents
from cibeacon.services.patterns import Glob, below
from cibeacon.services.rules import LIBRARY, MISNAMED
from cibeacon.services.schema import HINTS, POLICIES
from cibeacon.services.schema_types import Finding, Mention, Rule, shown, unknown_name
from cibeacon.services.service_map import ServiceMap

_SLIPS = {"fail": "error", "failure": "error", "strict": "error", "skip": "ignore", "none": "ignore", "off": "ignore"}
"""Words that other tools have for the policies of `unmatched`."""


class Listed(NamedTuple):
    """A service as `services list` shows it."""

    name: str
    roots: tuple[str, ...]
    rule: str
    """What made it a service: `services`, or a rule of discovery."""
    uses: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"name": self.name, "roots": list(self.roots), "rule": self.rule, "uses": list(self.uses)}


class Which(NamedTuple):
    """What a path means, as `services which` shows it."""

    path: str
    owners: tuple[str, ...] = ()
    watchers: tuple[str, ...] = ()
    rule: str | None = None
    """What made its owner one."""
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


def listed(drawn: ServiceMap, rules: Sequence[Rule]) -> tuple[Listed, ...]:
    """Every service, by name. `rules` are those that were looked for."""
    roots: dict[str, list[str]] = {}
    origin: dict[str, str] = {}
    words = {rule.order: f"discover: {rule.words}" for rule in rules}
    for folder, key in drawn.roots.items():
        roots.setdefault(key, []).append(f"{folder}/")
    for folder, name, template in drawn.template_roots():
        roots.setdefault(name, []).append(f"{folder}/")
        origin.setdefault(name, f"discover: root {template.text}")
    for folder, key, order in drawn.found_roots():
        roots.setdefault(key, []).append(f"{folder}/" if folder else "./")
        origin.setdefault(key, words.get(order, "discover"))
    origin |= {name: "discover: codeowners" for name in drawn.rules.owner_names if name not in origin}
    origin |= dict.fromkeys((*drawn.rules.names, *drawn.roots.values()), "services")
    return tuple(
        Listed(
            name,
            tuple(sorted(roots.get(name, ()))),
            origin.get(name, "unmatched"),
            tuple(used.removeprefix(LIBRARY) for used in drawn.rules.uses.get(name, ())),
        )
        for name in sorted(drawn.services())
    )


def which(drawn: ServiceMap, services: Mapping[str, Listed], path: str) -> Which:
    """What the map says of one path."""
    touch = drawn.touch(path)
    if touch.ignored:
        return Which(path, ignored=True)
    if touch.owners and touch.owners[0].startswith(MISNAMED):
        return Which(path, rule=f"{shown(touch.owners[0].removeprefix(MISNAMED))} is no service name")
    owners = tuple(key.removeprefix(LIBRARY) for key in touch.owners)
    rule = None
    if touch.owners:
        known = services.get(touch.owners[0])
        rule = "libs" if touch.owners[0].startswith(LIBRARY) else known.rule if known else _template(drawn, path)
    watchers = tuple(key.removeprefix(LIBRARY) for key in touch.watchers if key not in touch.owners)
    return Which(path, owners, watchers, rule, everywhere=touch.everywhere)


def _template(drawn: ServiceMap, path: str) -> str | None:
    """The template that finds a service in a path that is in no tree."""
    folders = path.split("/")[:-1]
    found = (each for each in drawn.templates if each.service(folders[: len(each.segments)]) is not None)
    return next((f"discover: root {template.text}" for template in found), None)


def warnings(drawn: ServiceMap, mentions: Sequence[Mention], paths: Sequence[str]) -> list[Finding]:
    """What leads nowhere in the repository as it is: patterns, templates, names; and services that own nothing."""
    services = drawn.services()
    libraries = {key.removeprefix(LIBRARY) for key in drawn.rules.names if key.startswith(LIBRARY)}
    named = {*services, *libraries, *(key.removeprefix(LIBRARY) for _, key, _ in drawn.found_roots())}
    found = [*_unknown(mentions, named), *_matching_nothing(mentions, drawn, paths), *_misnamed(drawn)]
    circle = dependents.cycle(drawn.rules.uses)
    if circle:
        section = "libs" if circle[0].startswith(LIBRARY) else "services"
        names = " → ".join(key.removeprefix(LIBRARY) for key in circle)
        found.append(
            Finding(
                (section, circle[0].removeprefix(LIBRARY), "uses"),
                f"these use each other in a circle: {names}.",
                "warning",
            )
        )
    touches = (drawn.touch(path) for path in paths)
    touched = {key for touch in touches for key in (*touch.owners, *touch.watchers)}
    for key in drawn.rules.names:
        if key not in touched and key != drawn.rules.unmatched:
            where = ("libs" if key.startswith(LIBRARY) else "services", key.removeprefix(LIBRARY))
            found.append(Finding(where, f"{where[0]}: {where[1]} owns no file of the repository.", "warning"))
    return [*found, *_alike(services)]


def catch_all(drawn: ServiceMap) -> Iterable[Finding]:
    """A service that only `unmatched` names: a policy, perhaps, that is called otherwise. The map must know every name."""
    name, rules = drawn.rules.unmatched, drawn.rules
    named = ServiceMap(drawn.roots, drawn.templates, rules._replace(unmatched=POLICIES[0])).services()
    if name in POLICIES or name in named or rules.chosen:
        return
    from difflib import get_close_matches

    near = [_SLIPS[name.lower()]] if name.lower() in _SLIPS else get_close_matches(name, (*POLICIES, *sorted(named)), 1)
    text = f"unmatched: {shown(name)} is no service of this map, so it becomes one."
    hint = f"Did you mean {near[0]}? Else" if near else "If that is meant,"
    yield Finding(("unmatched",), f"{text} {hint} name it under services, such as {name}: [].", "warning")


def nothing_found(drawn: ServiceMap) -> Iterable[Finding]:
    """A map without a service: whoever asks it what changed is never answered."""
    if drawn.is_empty():
        where = ("discover",) if drawn.templates or drawn.rules.sought else ()
        text = (
            f"the map finds no service (looked for: {drawn.sought or 'nothing'}), so the changed services are unknown."
        )
        yield Finding(where, text)


def _misnamed(drawn: ServiceMap) -> Iterable[Finding]:
    """What was discovered under a name that no service may have."""
    found = [(("discover", order), f"{folder}/", key) for folder, key, order in drawn.found_roots()]
    found += [(("discover", template.order), f"{folder}/", key) for folder, key, template in drawn.template_roots()]
    owners = [(("discover",), "what an owner of CODEOWNERS owns", key) for key in drawn.rules.owner_names]
    for where, what, key in (*found, *owners):
        if key.startswith(MISNAMED):
            name = shown(key.removeprefix(MISNAMED))
            text = f"{what.lstrip('/') or 'the top'} would be {name}, which is no service name: a change there makes"
            yield Finding(where, f"{text} the services unknown. {SERVICE_NAMES}.")


def _unknown(mentions: Sequence[Mention], named: set[str]) -> Iterable[Finding]:
    unknown = (mention for mention in mentions if mention.kind == "uses" and mention.text not in named)
    for count, mention in enumerate(unknown):
        words = ": ".join(str(part) for part in mention.where[:2])
        known = sorted(named) if count < HINTS else ()
        yield Finding(mention.where, f"{words}: uses: {unknown_name(mention.text, known)}")


def _matching_nothing(mentions: Sequence[Mention], drawn: ServiceMap, paths: Sequence[str]) -> Iterable[Finding]:
    """Patterns, folders and templates that no file of the repository is in."""
    folders = {path[:at] for path in paths for at in _slashes(path)}
    files = set(paths)
    filled = {template.text for _, _, template in drawn.template_roots()}
    wanted = [mention for mention in mentions if mention.kind == "pattern"]
    unmet = _unmet({_glob_text(mention.text, folders) for mention in wanted}, paths)
    for mention in mentions:
        if mention.kind == "pattern" and _glob_text(mention.text, folders) in unmet:
            yield Finding(mention.where, f"{mention.text} matches no file.", "warning")
        elif mention.kind in ("root", "plain") and mention.text not in folders:
            if mention.kind == "root" or mention.text not in files:
                yield Finding(mention.where, f"{mention.text} is no folder of the repository.", "warning")
        elif mention.kind == "template" and mention.text not in filled:
            yield Finding(mention.where, f"the template {mention.text} finds no service.", "warning")


def _glob_text(text: str, folders: set[str]) -> str:
    return f"{text}/" if text.removeprefix("./") in folders else text


def _unmet(texts: set[str], paths: Sequence[str]) -> set[str]:
    """The patterns that no path matches. One that has matched is not asked again."""
    buckets = {folder: dict(globs) for folder, globs in below((text, Glob(text)) for text in texts).items()}
    for path in paths:
        for at in (0, *_slashes(path)):
            waiting = buckets.get(path[:at], {})
            for text in [text for text, glob in waiting.items() if glob.matches(path)]:
                del waiting[text]
    return {text for waiting in buckets.values() for text in waiting}


def _slashes(path: str) -> Iterable[int]:
    return (at for at, character in enumerate(path) if character == "/")


def _alike(services: Iterable[str]) -> Iterable[Finding]:
    seen: dict[str, str] = {}
    for name in sorted(services):
        other = seen.setdefault(name.lower(), name)
        if other != name:
            text = f"the services {other} and {name} differ only by case."
            yield Finding(("services", name), text, "warning")
