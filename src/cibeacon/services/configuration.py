"""Knows the format of `.cibeacon.yml`, whatever it was written in. Does not open files and knows no setting's meaning.

A repository's file may draw the service map and make reporting choices. It can never name a URL, a token, strictness
or a path outside: a pull request could otherwise send the token elsewhere.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from cibeacon.services.schema import draw
from cibeacon.services.schema_types import Finding, Mention, shown, unknown_key
from cibeacon.services.service_map import ServiceMap
from cibeacon.services.template import Template

KEYS = ("version", "services", "discover", "libs", "global", "ignore", "dependents", "unmatched", "report")

_HUGE = 10**18
"""No setting holds such a number, and Python refuses to write very long ones."""


class Configuration(NamedTuple):
    """What the repository says: its service map (None when it draws none), its reporting choices, what is wrong."""

    service_map: ServiceMap | None = None
    report: Mapping[str, Any] | None = None
    findings: tuple[Finding, ...] = ()
    """Each fault spoils the part it is about, which is left out."""
    mentions: tuple[Mention, ...] = ()
    """What ought to be found in the repository."""

    @property
    def faults(self) -> tuple[str, ...]:
        """Every fault as a sentence."""
        return tuple(finding.text for finding in self.findings if finding.weight == "fault")

    @property
    def map_faulty(self) -> bool:
        """True when the service map cannot be trusted: a wrong service is worse than none."""
        return any(finding.about_map for finding in self.findings if finding.weight == "fault")


def read(document: Any, reportable: Collection[str]) -> Configuration:
    """A configuration from the parsed file. `reportable` names the settings that `report:` may hold."""
    if document is None:
        return Configuration()
    if not isinstance(document, dict):
        return Configuration(findings=(Finding((), "The file must be a mapping with keys such as services."),))
    findings = [Finding((key,), unknown_key(key, KEYS, "The file")) for key in document if key not in KEYS]
    if document.get("version", 1) != 1:
        findings.append(Finding(("version",), "version must be 1."))
    service_map, mentions = draw(document, findings)
    drawn = not findings and ("services" in document or "discover" in document)
    report = _report(document.get("report"), reportable, findings)
    return Configuration(service_map if drawn else None, report, tuple(findings), mentions)


def from_templates(texts: tuple[str, ...]) -> ServiceMap:
    """A service map of directory templates alone, as the `services` setting gives them. May raise `ValueError`."""
    return ServiceMap({}, tuple(_template(text, order) for order, text in enumerate(texts)))


def _template(text: str, order: int) -> Template:
    try:
        return Template.parse(text, order)
    except ValueError as error:
        raise ValueError(f"{shown(text)} {error}") from error


def _report(section: Any, reportable: Collection[str], findings: list[Finding]) -> Mapping[str, Any]:
    if section is None:
        return {}
    if not isinstance(section, dict):
        findings.append(Finding(("report",), "report must map settings to values.", about_map=False))
        return {}
    findings += [
        Finding(("report", key), unknown_key(key, sorted(reportable), "report"), about_map=False)
        for key in section
        if key not in reportable
    ]
    huge = [key for key, value in section.items() if isinstance(value, int) and abs(value) >= _HUGE]
    findings += [Finding(("report", key), f"report: {key} is too large a number.", about_map=False) for key in huge]
    return {key: value for key, value in section.items() if key in reportable and key not in huge}
