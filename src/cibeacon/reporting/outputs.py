"""The outputs that every CI system gets, by name: what later steps and jobs may read. Does not know how a CI system takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cibeacon.model.report import Report

DESCRIPTIONS: Mapping[str, str] = {
    "status": "sent, partial, failed, skipped or dry-run.",
    "services": "The changed services, as a JSON array.",
    "services_status": "ok, none or unknown; from report empty when there is no service map.",
    "deployment_reference_ids": "Ids of the deployments that were announced, as a JSON array.",
    "dci_job_id": "Id of the job of DCI that this is; empty when there is none.",
    "spooled": "How many signals wait in the spool for cibeacon replay.",
    "report": "Path of the JSON report.",
    "pipeline_id": "Id of the pipeline that was started or followed (DataOps.live), written before any waiting.",
    "web_url": "Page of that pipeline.",
    "pipeline_status": "How the wait for it ended; empty without a wait.",
}
"""Every output with its meaning; the surfaces are written from it."""


def values(report: Report, report_path: str) -> dict[str, str]:
    """The outputs of a run; each is one line of ASCII. The verb `services` has none about signals."""
    changes = report.changes
    services = {
        "services": _json_array(changes.services if changes else ()),
        "services_status": changes.status if changes else "",
    }
    if report.verb == "services":
        return {**services, "report": report_path}
    return {
        "status": report.status,
        **services,
        "deployment_reference_ids": _json_array(report.reference_ids),
        "dci_job_id": report.dci_job_id or "",
        "spooled": str(sum(outcome.retryable for outcome in report.outcomes)),
        "report": report_path,
    }


def _json_array(names: Sequence[str]) -> str:
    """A JSON array. No dollar sign stands in it: CI systems and shells put the value of a variable there."""
    return json.dumps(list(names)).replace("$", "\\u0024")
