"""What the sandbox's DX is sent, and what it was sent."""

from __future__ import annotations

from cibeacon.sandbox import dx_models

METHODS = {
    "/api/deployments.setPullServices": dx_models.PullServices,
    "/api/deployments.create": dx_models.NewDeployment,
    "/api/deployments.upsert": dx_models.DeploymentPatch,
    "/api/pipelineRuns.sync": dx_models.Notification,
    "/api/pipelineRuns.upsert": dx_models.CurrentNotification,
}
"""The arguments by path: the articles' three methods, and the current form's two upserts."""


def records(dx):
    """The bodies of pipeline runs, in order."""
    return [entry["body"] for entry in dx.ledger.document()["requests"] if entry["path"] == "/api/pipelineRuns.sync"]
