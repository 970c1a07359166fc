"""Records as a spool holds them, for tests of the spool and of its replay."""

from __future__ import annotations

import os

from cibeacon.model import spool_record
from cibeacon.model.report import Outcome
from cibeacon.model.signals import Deployment, PipelineRun, PullServices
from cibeacon.sinks import dx


def fresh():
    """A name that no other process uses."""
    return os.urandom(16).hex()


def told(number=0, **fields):
    """A record of a pull request's services."""
    body = {"repository": "acme/shop", "pull_number": number, "services": ["cart"]}
    made = spool_record.Record(
        f"pull-services/{number}", "pull-services", "dx", "POST", "/api/deployments.setPullServices", body, 1.0
    )
    return made._replace(**fields)


def kept(signal, created_at=1.0, form="classic", **fields):
    """The record of a signal."""
    outcome = Outcome(signal.kind, "dx", "skipped", subject=signal.subject, key=signal.key)
    own = isinstance(signal, Deployment) and signal.own_reference
    record = spool_record.Record.of(next(dx.send(signal, form)), outcome, created_at, own_reference=own)
    return record._replace(**fields)


def run(number=1, **fields):
    """A pipeline run."""
    return PipelineRun(
        **{"pipeline_name": "ci", "pipeline_source": "x", "reference_id": f"r{number}", "started_at": 5, **fields}
    )


def deployment(number=1, **fields):
    """A deployment."""
    return Deployment(
        **{"service": "cart", "deployed_at": 5, "reference_id": f"d{number}", "repository": "o/r", **fields}
    )


def pull(*services, **fields):
    """A pull request's services."""
    return PullServices(services, **{"repository": "o/r", "pr_number": 7, **fields})
