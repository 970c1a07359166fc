"""Reports what `cibeacon services check` found in the service map. Reads no file."""

from __future__ import annotations

from cibeacon.checks import Answer, View, fail, ok, warn

_HINT = "Run cibeacon services check to see every finding with its line."


def service_map(view: View) -> Answer:
    """Whether the map is valid and matches files of the repository."""
    facts = view.service_map
    for findings, judge in ((facts.faults, fail), (facts.warnings, warn)):
        if findings:
            more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
            return judge(f"{findings[0].rstrip('.')}{more}", _HINT, facts.name)
    if not facts.name and not facts.services:
        message = "no services are configured, so cibeacon does not report which services changed"
        return ok(message, "To report them, run cibeacon init or set services, such as services/{service}/.")
    return ok(
        f"{facts.services} {'service' if facts.services == 1 else 'services'}",
        source=facts.name or "the setting services",
    )
