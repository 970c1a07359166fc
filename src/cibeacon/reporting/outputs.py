"""The outputs that every host gets, by name: what later steps and jobs may read. Does not know how a host takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cibeacon.model.report import Report

DESCRIPTIONS: Mapping[str, str] = {
    "status": "sent, partial, failed, skipped or dry-run.",
    "services": "The changed services, as a JSON array.",
    "services_status": "ok, none or unknown; from report empty when no service map is drawn.",
    "deployment_reference_ids": "Ids of the deployments that were announced, as a JSON array.",
    "dci_job_id": "Id of the job of DCI that this is; empty when there is none.",
    "spooled": "How many signals wait in the spool for cibeacon replay.",
    "report": "Path of the JSON report.",
    "pipeline_id": "Id of the pipeline that was started or followed (DataOps.live), told before any waiting.",
    "web_url": "Page of that pipeline.",
    "pipeline_status": "How the wait for it ended; empty when nobody waited.",
}
"""Every output with its meaning; the surfaces are written from it."""


def values(report: Report, report_path: str) -> dict[str, str]:
    """The outputs of a run; each is one line of ASCII. Who only looked for services tells nothing of signals."""
    changes = report.changes
    found = {
        "services": _listed(changes.services if changes else ()),
        "services_status": changes.status if changes else "",
    }
    if report.verb == "services":
        return {**found, "report": report_path}
    return {
        "status": report.status,
        **found,
        "deployment_reference_ids": _listed(report.reference_ids),
        "dci_job_id": report.dci_job_id or "",
        "spooled": str(sum(row.retryable for row in report.outcomes)),
        "report": report_path,
    }


def _listed(names: Sequence[str]) -> str:
    """A JSON array. No dollar sign stands in it: hosts and shells put the value of a variable there."""
    return json.dumps(list(names)).replace("$", "\\u0024")
