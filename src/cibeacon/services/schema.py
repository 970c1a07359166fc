"""Knows the format of `.cibeacon.yml`: the service map and the reporting choices. Does not open files or look into the repository.

Whatever is wrong becomes a `Finding` with its path in the document, and is left out. The file can never set a URL, a
token, `strict` or a path outside the repository: otherwise a pull request could send the token elsewhere.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from cibeacon.model.glob import Glob, is_plain
from cibeacon.model.identifiers import SERVICE_NAMES, is_service_name
from cibeacon.services import (
    LIBRARY,
    PLACEHOLDER,
    POLICIES,
    Finding,
    KeyPath,
    Mention,
    Rule,
    Rules,
    Template,
    name_of,
    parse_root,
    parse_rule,
    shown,
    unknown_key,
    unknown_name,
)
from cibeacon.services.service_map import ServiceMap

KEYS = ("version", "services", "discover", "libs", "global", "ignore", "dependents", "unmatched", "report")
MODES = ("none", "direct", "transitive")
MOST_HINTS = 20
"""Faults that suggest the nearest key: finding it is the slowest part."""
_HUGE = 10**18
"""No setting needs such a number, and Python refuses to format very long ones."""


class Configuration(NamedTuple):
    """The repository's configuration: its service map (None if it has none), its reporting choices, and its faults."""

    service_map: ServiceMap | None = None
    report: Mapping[str, Any] | None = None
    findings: tuple[Finding, ...] = ()
    mentions: tuple[Mention, ...] = ()
    """What should exist in the repository."""

    @property
    def faults(self) -> tuple[str, ...]:
        """Every fault as a sentence."""
        return tuple(finding.text for finding in self.findings if finding.weight == "fault")

    @property
    def map_faulty(self) -> bool:
        """True when the service map cannot be trusted: a wrong service is worse than none."""
        return any(finding.about_map for finding in self.findings if finding.weight == "fault")


def read(document: Any, reportable: Collection[str]) -> Configuration:
    """A configuration from the parsed file. `reportable` names the settings that `report:` may contain."""
    if document is None:
        return Configuration()
    if not isinstance(document, dict):
        return Configuration(findings=(Finding((), "The file must be a mapping with keys such as services."),))
    reader = _MapReader()
    for key in document:
        if key not in KEYS:
            reader.fault((key,), unknown_key(key, KEYS))
    if document.get("version", 1) != 1:
        reader.fault(("version",), "version must be 1.")
    service_map = reader.read(document)
    is_map = not reader.findings and ("services" in document or "discover" in document)
    report, faults = _read_report(document.get("report"), reportable)
    findings = (*reader.findings, *faults)
    return Configuration(service_map if is_map else None, report, findings, tuple(reader.mentions))


def from_templates(texts: tuple[str, ...]) -> ServiceMap:
    """A service map of folder templates only, from the setting `services`. Raises `ValueError`."""
    templates = []
    for order, text in enumerate(texts):
        try:
            templates.append(Template.parse(text, order))
        except ValueError as error:
            raise ValueError(f"{shown(text)} {error}") from error
    return ServiceMap({}, tuple(templates))


def _read_report(section: Any, reportable: Collection[str]) -> tuple[Mapping[str, Any], list[Finding]]:
    if section is None:
        return {}, []
    if not isinstance(section, dict):
        return {}, [Finding(("report",), "report must map settings to values.", about_map=False)]
    choices, findings = {}, []
    for key, value in section.items():
        if key not in reportable:
            text = unknown_key(key, sorted(reportable), "report")
            findings.append(Finding(("report", key), text, about_map=False))
        elif isinstance(value, int) and abs(value) >= _HUGE:
            findings.append(Finding(("report", key), f"report: {key} is too large a number.", about_map=False))
        else:
            choices[key] = value
    return choices, findings


class _MapReader:
    """Reads one map and collects every fault."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.mentions: list[Mention] = []
        self._names: dict[str, None] = {}
        self._claims: dict[str, list[tuple[str, bool, KeyPath]]] = {}
        """Folder → (key, whether it was written with a slash, where) for each claim on it."""
        self._watches: dict[str, list[Glob]] = {}
        self._excludes: dict[str, list[Glob]] = {}
        self._uses: dict[str, list[tuple[str, KeyPath]]] = {}

    def fault(self, path: KeyPath, text: str) -> None:
        """Adds a fault."""
        self.findings.append(Finding(path, text))

    @contextmanager
    def _faults(self, path: KeyPath, subject: str) -> Iterator[None]:
        """Turns a `ValueError`, whose text says what is wrong with the subject, into a fault."""
        try:
            yield
        except ValueError as error:
            self.fault(path, f"{subject} {error}.")

    def read(self, document: Mapping[str, Any]) -> ServiceMap:
        """The service map without its faulty parts."""
        for section in ("libs", "services"):
            self._read_section(section, document.get(section, {}))
        templates, discover = self._read_discover(document.get("discover", []))
        roots = self._roots()  # also adds watched paths
        rules = Rules(
            names=tuple(self._names),
            watches={key: tuple(globs) for key, globs in self._watches.items()},
            excludes={key: tuple(globs) for key, globs in self._excludes.items()},
            uses=self._resolve_uses(may_be_discovered=bool(templates or discover)),
            everywhere=self._read_globs("global", document.get("global", [])),
            ignore=self._read_globs("ignore", document.get("ignore", [])),
            dependents=self._read_word("dependents", document.get("dependents", "transitive"), MODES),
            unmatched=self._read_word("unmatched", document.get("unmatched", "ignore"), POLICIES),
            discover=discover,
        )
        return ServiceMap(roots, templates, rules)

    def _read_section(self, section: str, units: Any) -> None:
        if not isinstance(units, dict):
            self.fault((section,), f"{section} must map names to folders.")
            return
        libraries = frozenset(self._names)
        for name, unit in units.items():
            path = (section, name)
            if not isinstance(name, str):
                self.fault(path, f"{section}: {shown(name)} is not a string: put the name in quotes.")
            elif not is_service_name(name):
                self.fault(path, f"{section}: {shown(name)} is not a valid service name; {SERVICE_NAMES}.")
            elif LIBRARY + name in libraries:
                self.fault(path, f"services: {name} is already in libs.")
            else:
                key = LIBRARY + name if section == "libs" else name
                self._names[key] = None
                self._read_unit(key, unit, path)

    def _read_unit(self, key: str, unit: Any, path: KeyPath) -> None:
        owner = f"{path[0]}: {path[1]}"
        paths, paths_at = unit, path
        if isinstance(unit, dict):
            for other in unit:
                if other not in ("paths", "uses"):
                    self.fault((*path, other), unknown_key(other, ("paths", "uses"), ".".join(map(str, path))))
            paths, paths_at = unit.get("paths", []), (*path, "paths")
            for at, name in _items(unit.get("uses", []), (*path, "uses")):
                with self._faults(at, f"{owner}: uses: {shown(name)}"):
                    self._uses.setdefault(key, []).append((_text(name), at))
        for at, text in _items(paths, paths_at):
            with self._faults(at, f"{owner}: {shown(text)}"):
                self._read_path(key, _text(text), at)

    def _read_path(self, key: str, text: str, at: KeyPath) -> None:
        if PLACEHOLDER in text:
            raise ValueError("is a template; move it to discover, as root")
        if text.startswith("!"):
            self._excludes.setdefault(key, []).extend(_globs(text[1:]))
            self.mentions.append(Mention(at, "pattern", text[1:]))
        elif is_plain(text):
            folder = parse_root(text)
            Glob(folder)
            self._claims.setdefault(folder, []).append((key, text.endswith("/"), at))
            self.mentions.append(Mention(at, "root" if text.endswith("/") else "plain", folder))
        else:
            self._watches.setdefault(key, []).append(Glob(text))
            self.mentions.append(Mention(at, "pattern", text))

    def _roots(self) -> dict[str, str]:
        """Folder → key. A plain path that several services claim may be a file: all of them watch it, and everything below it."""
        roots = {}
        for folder, claims in self._claims.items():
            keys = list(dict.fromkeys(key for key, _, _ in claims))
            if len(keys) == 1:
                roots[folder] = keys[0]
            elif any(slash for _, slash, _ in claims):
                at = next(at for key, _, at in claims if key == keys[1])
                self.fault(at, f"{at[0]}: {folder} belongs to both {name_of(keys[0])} and {name_of(keys[1])}.")
            else:
                for key in keys:
                    self._watches.setdefault(key, []).extend(_globs(folder))
        return roots

    def _resolve_uses(self, *, may_be_discovered: bool) -> dict[str, tuple[str, ...]]:
        """Key → keys. Discovered services have names, too, so an unknown name is a fault only if nothing is discovered."""
        uses: dict[str, tuple[str, ...]] = {}
        for key, names in self._uses.items():
            keys = []
            for name, at in names:
                used = LIBRARY + name if LIBRARY + name in self._names else name
                if used not in self._names and not may_be_discovered:
                    known = map(name_of, self._names) if len(self.findings) < MOST_HINTS else ()
                    self.fault(at, f"{at[0]}: {at[1]}: uses: {unknown_name(name, [*known])}")
                self.mentions.append(Mention(at, "uses", name))
                keys.append(used)
            uses[key] = tuple(keys)
        return uses

    def _read_globs(self, section: str, value: Any) -> tuple[Glob, ...]:
        globs: list[Glob] = []
        for at, text in _items(value, (section,)):
            with self._faults(at, f"{section}: {shown(text)}"):
                if _text(text).startswith("!"):
                    raise ValueError("starts with !, which is allowed only in the paths of a service")
                globs += _globs(text)
                self.mentions.append(Mention(at, "pattern", text))
        return tuple(globs)

    def _read_word(self, key: str, value: Any, words: tuple[str, ...]) -> str:
        if isinstance(value, str) and value in words:
            return value
        may_be_service = key == "unmatched"
        if not may_be_service or not isinstance(value, str) or not is_service_name(value):
            more = ", or a service's name" if may_be_service else ""
            self.fault((key,), f"{key} must be {', '.join(words)}{more}, not {shown(value)}.")
        elif LIBRARY + value in self._names:
            self.fault((key,), f"{key}: {shown(value)} is in libs, which are never reported: use a service.")
        else:
            return value
        return words[0]

    def _read_discover(self, rules: Any) -> tuple[tuple[Template, ...], tuple[Rule, ...]]:
        templates, discover = [], []
        if not isinstance(rules, list):
            self.fault(("discover",), "discover must be a list of rules such as {root: 'services/{service}/'}.")
            return (), ()
        for order, written in enumerate(rules):
            with self._faults(("discover", order), f"discover: {str(written)[:80]}"):
                rule = parse_rule(order, written)
                if isinstance(rule, Template):
                    templates.append(rule)
                    self.mentions.append(Mention(("discover", order, "root"), "template", rule.text))
                else:
                    discover.append(rule)
                    if rule.kind == "marker":
                        self.mentions.append(Mention(("discover", order, "marker"), "pattern", rule.text))
        return tuple(templates), tuple(discover)


def _globs(text: str) -> tuple[Glob, ...]:
    """The patterns for a path: a plain path may be a file or a folder, which only the repository shows."""
    glob = Glob(text)
    return (glob, Glob(f"{text}/")) if is_plain(text) and not text.endswith("/") else (glob,)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is not a string")
    return value


def _items(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """The values of a list with their paths, or the single value."""
    if isinstance(value, list):
        yield from (((*path, index), item) for index, item in enumerate(value))
    else:
        yield path, value
