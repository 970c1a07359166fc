"""Checks the service map by its own checker. Reads no file."""

from __future__ import annotations

from cibeacon.checks import Answer, View, fail, ok, warn

_HINT = "cibeacon services check shows every finding with its line."


def service_map(view: View) -> Answer:
    """Whether the map can be used, and leads somewhere."""
    facts = view.service_map
    for findings, judge in ((facts.faults, fail), (facts.warnings, warn)):
        if findings:
            more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
            return judge(f"{findings[0].rstrip('.')}{more}", _HINT, facts.name)
    if not facts.name and not facts.services:
        return ok("there is no service map, so changed services are not looked for")
    return ok(
        f"{facts.services} {'service' if facts.services == 1 else 'services'}",
        source=facts.name or "the setting services",
    )
