"""What the sandbox's DX was sent."""

from __future__ import annotations


def records(dx):
    """The bodies of pipeline runs, in order."""
    return [entry["body"] for entry in dx.ledger.document()["requests"] if entry["path"] == "/api/pipelineRuns.sync"]
