"""The outputs that every host gets, by name: what later steps and jobs may read. Does not know how a host takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cibeacon.report import Report

DESCRIPTIONS: Mapping[str, str] = {
    "status": "sent, partial, failed, skipped or dry-run.",
    "services": "The changed services, as a JSON array.",
    "services_status": "ok, none or unknown; empty when no service map is drawn.",
    "deployment_reference_ids": "Ids of the deployments that were announced, as a JSON array.",
    "report": "Path of the JSON report.",
}
"""Every output with its meaning; the surfaces are written from it."""


def values(report: Report, report_path: str) -> dict[str, str]:
    """The outputs of a run; each is one line of ASCII."""
    changes = report.changes
    return {
        "status": report.status,
        "services": json.dumps(list(changes.services) if changes else []),
        "services_status": changes.status if changes else "",
        "deployment_reference_ids": json.dumps(list(report.reference_ids)),
        "report": report_path,
    }
