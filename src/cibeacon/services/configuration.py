"""Knows the format of `.cibeacon.yml`, whatever it was written in. Does not open files and knows no setting's meaning.

A repository's file may draw the service map and make reporting choices. It can never name a URL, a token, strictness
or a path outside: a pull request could otherwise send the token elsewhere.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from cibeacon.services.service_map import NAME, ServiceMap, Template, root_of

KEYS = ("version", "services", "discover", "report")


class Configuration(NamedTuple):
    """What the repository says: its service map (None when it draws none), its reporting choices, what is wrong."""

    service_map: ServiceMap | None = None
    report: Mapping[str, Any] | None = None
    faults: tuple[str, ...] = ()
    """Sentences; each spoils the part it is about, which is left out."""
    map_faulty: bool = False
    """True when the service map cannot be trusted: a wrong service is worse than none."""


def read(document: Any, reportable: Collection[str]) -> Configuration:
    """A configuration from the parsed file. `reportable` names the settings that `report:` may hold."""
    if document is None:
        return Configuration()
    if not isinstance(document, dict):
        return Configuration(faults=("The file must be a mapping with keys such as services.",), map_faulty=True)
    map_faults = [_unknown(key, KEYS, "The file") for key in document if key not in KEYS]
    faults: list[str] = []
    if document.get("version", 1) != 1:
        map_faults.append("version must be 1.")
    service_map = _service_map(document, map_faults)
    report = _report(document.get("report"), reportable, faults)
    drawn = "services" in document or "discover" in document
    return Configuration(
        service_map=service_map if drawn and not map_faults else None,
        report=report,
        faults=(*map_faults, *faults),
        map_faulty=bool(map_faults),
    )


def from_templates(texts: tuple[str, ...]) -> ServiceMap:
    """A service map of directory templates alone, as the `services` setting gives them. May raise `ValueError`."""
    return ServiceMap({}, tuple(Template.parse(text) for text in texts))


def _service_map(document: Mapping[str, Any], faults: list[str]) -> ServiceMap:
    roots: dict[str, str] = {}
    services = document.get("services", {})
    if not isinstance(services, dict):
        faults.append("services must map names to folders.")
        services = {}
    for name, places in services.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            faults.append(f"services: {str(name)[:80]!r} is no service name (letters, digits, space, . _ / @ -).")
            continue
        for place in places if isinstance(places, list) else [places]:
            _add_root(roots, name, place, faults)
    return ServiceMap(roots, _templates(document.get("discover", []), faults))


def _add_root(roots: dict[str, str], name: str, place: Any, faults: list[str]) -> None:
    try:
        if not isinstance(place, str):
            raise ValueError("is not text")
        if any(mark in place for mark in "*?[{!"):
            raise ValueError("is a pattern; a service is a folder here")
        folder = root_of(place)
    except ValueError as error:
        faults.append(f"services: {name}: {str(place)[:80]!r} {error}.")
        return
    if roots.get(folder, name) != name:
        faults.append(f"services: {folder} belongs to both {roots[folder]} and {name}.")
    roots[folder] = name


def _templates(rules: Any, faults: list[str]) -> tuple[Template, ...]:
    if not isinstance(rules, list):
        faults.append("discover must be a list of rules such as {root: 'services/{service}/'}.")
        return ()
    found = []
    for rule in rules:
        try:
            if not isinstance(rule, dict) or set(rule) != {"root"} or not isinstance(rule["root"], str):
                raise ValueError("is not of the form {root: 'services/{service}/'}")
            found.append(Template.parse(rule["root"]))
        except ValueError as error:
            faults.append(f"discover: {str(rule)[:80]} {error}.")
    return tuple(found)


def _report(section: Any, reportable: Collection[str], faults: list[str]) -> Mapping[str, Any]:
    if section is None:
        return {}
    if not isinstance(section, dict):
        faults.append("report must map settings to values.")
        return {}
    faults += [_unknown(key, sorted(reportable), "report") for key in section if key not in reportable]
    return {key: value for key, value in section.items() if key in reportable}


def _unknown(key: Any, known: Collection[str], where: str) -> str:
    from difflib import get_close_matches  # only a faulty file needs it

    near = get_close_matches(str(key), known, 1)
    hint = f" Did you mean {near[0]}?" if near else f" It may hold {', '.join(known)}."
    return f"{where} may not hold {str(key)[:80]!r}; it is not used.{hint}"
