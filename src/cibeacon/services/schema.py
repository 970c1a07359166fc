"""Knows the notation of a service map: names, places, uses, rules of discovery. Does not know what is in the repository.

Whatever is wrong becomes a `Finding` with its place in the document, and is left out of the map.
"""

from collections.abc import Mapping
from typing import Any

from cibeacon.model.identifiers import SERVICE_NAMES, is_service_name
from cibeacon.services.patterns import Glob, is_plain
from cibeacon.services.rules import LIBRARY, Rules
from cibeacon.services.schema_types import Finding, Mention, Rule, Where, listed, rule, shown, unknown_key, unknown_name
from cibeacon.services.service_map import ServiceMap
from cibeacon.services.template import PLACEHOLDER, Template, root_of

MODES = ("none", "direct", "transitive")
HINTS = 20
"""Faults that are told with the nearest name: to look for it takes longest of all."""
POLICIES = ("ignore", "warn", "error")


class _Draft:
    """A map while it is being read: everything by key, and every fault so far."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings, self.mentions = findings, list[Mention]()
        self.names: dict[str, None] = {}
        self.claims: dict[str, list[tuple[str, bool, Where]]] = {}
        self.watches: dict[str, list[Glob]] = {}
        self.minus: dict[str, list[Glob]] = {}
        self.uses: dict[str, list[tuple[str, Where]]] = {}

    def fault(self, where: Where, text: str) -> None:
        """Notes a fault."""
        self.findings.append(Finding(where, text))


def draw(document: Mapping[str, Any], findings: list[Finding]) -> tuple[ServiceMap, tuple[Mention, ...]]:
    """The service map that a document draws, and what it mentions. What is wrong is added to `findings`."""
    draft = _Draft(findings)
    for section in ("libs", "services"):
        _section(section, document.get(section, {}), draft)
    templates, discover = _rules(document.get("discover", []), draft)
    roots = _roots(draft)
    rules = Rules(
        names=tuple(draft.names),
        watches={key: tuple(globs) for key, globs in draft.watches.items()},
        minus={key: tuple(globs) for key, globs in draft.minus.items()},
        uses=_uses(draft, closed=not templates and not discover),
        everywhere=_patterns("global", document.get("global", []), draft),
        ignore=_patterns("ignore", document.get("ignore", []), draft),
        dependents=_word("dependents", document.get("dependents", "transitive"), MODES, draft),
        unmatched=_word("unmatched", document.get("unmatched", "ignore"), POLICIES, draft),
        discover=discover,
    )
    return ServiceMap(roots, templates, rules), tuple(draft.mentions)


def _section(section: str, units: Any, draft: _Draft) -> None:
    if not isinstance(units, dict):
        draft.fault((section,), f"{section} must map names to folders.")
        return
    libraries = frozenset(draft.names) if section == "services" else frozenset()
    for name, unit in units.items():
        where = (section, name)
        if not isinstance(name, str):
            draft.fault(where, f"{section}: {shown(name)} is not text: put the name in quotes.")
            continue
        if not is_service_name(name):
            draft.fault(where, f"{section}: {shown(name)} is no service name; {SERVICE_NAMES}.")
            continue
        if LIBRARY + name in libraries:
            draft.fault(where, f"services: {name} is one of libs already.")
            continue
        key = LIBRARY + name if section == "libs" else name
        draft.names[key] = None
        _unit(key, unit, where, draft)


def _unit(key: str, unit: Any, where: Where, draft: _Draft) -> None:
    words = f"{where[0]}: {where[1]}"
    paths, at = unit, where
    if isinstance(unit, dict):
        for each in unit:
            if each not in ("paths", "uses"):
                draft.fault((*where, each), unknown_key(each, ("paths", "uses"), words))
        paths, at = unit.get("paths", []), (*where, "paths")
        for place, name in listed(unit.get("uses", []), (*where, "uses")):
            if isinstance(name, str):
                draft.uses.setdefault(key, []).append((name, place))
            else:
                draft.fault(place, f"{words}: uses: {shown(name)} is not text.")
    for place, path in listed(paths, at):
        try:
            _path(key, path, place, draft)
        except ValueError as error:
            draft.fault(place, f"{words}: {shown(path)} {error}.")


def _path(key: str, path: Any, where: Where, draft: _Draft) -> None:
    if not isinstance(path, str):
        raise ValueError("is not text")
    if PLACEHOLDER in path:
        raise ValueError("is a template; it stands under discover, as root")
    if path.startswith("!"):
        draft.minus.setdefault(key, []).extend(_globs(path[1:]))
        draft.mentions.append(Mention(where, "pattern", path[1:]))
    elif is_plain(path):
        folder = root_of(path)
        Glob(folder)
        draft.claims.setdefault(folder, []).append((key, path.endswith("/"), where))
        draft.mentions.append(Mention(where, "root" if path.endswith("/") else "plain", folder))
    else:
        draft.watches.setdefault(key, []).append(Glob(path))
        draft.mentions.append(Mention(where, "pattern", path))


def _roots(draft: _Draft) -> dict[str, str]:
    """Folder → key. A plain path that several name may be a file: all of them watch it, and what is below it."""
    roots = {}
    for folder, claims in draft.claims.items():
        keys = list(dict.fromkeys(key for key, _, _ in claims))
        if len(keys) == 1:
            roots[folder] = keys[0]
        elif any(slash for _, slash, _ in claims):
            one, other = (key.removeprefix(LIBRARY) for key in keys[:2])
            where = next(where for key, _, where in claims if key == keys[1])
            draft.fault(where, f"{where[0]}: {folder} belongs to both {one} and {other}.")
        else:
            for key in keys:
                draft.watches.setdefault(key, []).extend(_globs(folder))
    return roots


def _uses(draft: _Draft, *, closed: bool) -> dict[str, tuple[str, ...]]:
    """Key → keys. What is discovered has a name too, so an unknown name is a fault only where nothing is."""
    found = {}
    for key, names in draft.uses.items():
        used = []
        for name, where in names:
            other = LIBRARY + name if LIBRARY + name in draft.names else name
            if other not in draft.names and closed:
                known = [each.removeprefix(LIBRARY) for each in draft.names if len(draft.findings) < HINTS]
                draft.fault(where, f"{where[0]}: {where[1]}: uses: {unknown_name(name, known)}")
            draft.mentions.append(Mention(where, "uses", name))
            used.append(other)
        found[key] = tuple(used)
    return found


def _patterns(section: str, value: Any, draft: _Draft) -> tuple[Glob, ...]:
    found: list[Glob] = []
    for where, text in listed(value, (section,)):
        try:
            if not isinstance(text, str):
                raise ValueError("is not text")
            if text.startswith("!"):
                raise ValueError("subtracts; only the paths of a service can")
            found += _globs(text)
            draft.mentions.append(Mention(where, "pattern", text))
        except ValueError as error:
            draft.fault(where, f"{section}: {shown(text)} {error}.")
    return tuple(found)


def _globs(text: str) -> tuple[Glob, ...]:
    """A plain path is that file, or everything below that folder: only the repository knows which."""
    glob = Glob(text)
    return (glob, Glob(f"{text}/")) if is_plain(text) and not text.endswith("/") else (glob,)


def _word(key: str, value: Any, known: tuple[str, ...], draft: _Draft) -> str:
    named = key == "unmatched" and isinstance(value, str) and is_service_name(value)
    if named and LIBRARY + value in draft.names:
        draft.fault((key,), f"{key}: {shown(value)} is one of libs, which are never reported: name a service.")
        return known[0]
    if isinstance(value, str) and (value in known or named):
        return value
    more = ", or a service's name" if key == "unmatched" else ""
    draft.fault((key,), f"{key} must be {', '.join(known)}{more}, not {shown(value)}.")
    return known[0]


def _rules(rules: Any, draft: _Draft) -> tuple[tuple[Template, ...], tuple[Rule, ...]]:
    templates, discover = [], []
    if not isinstance(rules, list):
        draft.fault(("discover",), "discover must be a list of rules such as {root: 'services/{service}/'}.")
        return (), ()
    for order, written in enumerate(rules):
        try:
            read = rule(order, written)
            if isinstance(read, Template):
                templates.append(read)
                draft.mentions.append(Mention(("discover", order, "root"), "template", read.text))
            else:
                discover.append(read)
                if read.kind == "marker":
                    draft.mentions.append(Mention(("discover", order, "marker"), "pattern", read.text))
        except ValueError as error:
            draft.fault(("discover", order), f"discover: {str(written)[:80]} {error}.")
    return tuple(templates), tuple(discover)
