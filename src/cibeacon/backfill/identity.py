"""Knows what makes two rows the same, which id a row without one gets, and which shard and worker it belongs to.

Pure: the same row has the same identity on every machine and at every run, wherever in a file it stands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from cibeacon.model.signals import Deployment, PipelineRun, PullServices, reference

Told: TypeAlias = Deployment | PullServices | PipelineRun
SIZE = 14
"""Bytes of an address: two of a billion rows share one with a chance of one in 10^16."""


def signal(kind: type[Told], values: Mapping[str, Any]) -> tuple[Told, bytes]:
    """The signal that the values of a row say, and its content: the values, in one spelling."""
    content = json.dumps(dict(values), separators=(",", ":"), sort_keys=True).encode("ascii")
    if kind is PullServices:
        return PullServices(**values), content
    named, began = ("service", "deployed_at") if kind is Deployment else ("pipeline_name", "started_at")
    made = reference("backfill", values[named], values[began], text(content))
    whole = {"reference_id": made, **values}
    if kind is Deployment:
        return Deployment(**whole, own_reference="reference_id" in values), content
    return PipelineRun(**whole), content


def order(kind: type[Told], values: Mapping[str, Any]) -> str | None:
    """What a row's calls must keep their order for; None where that is the row alone, or cannot be told.

    What a pull request has depends on which of two statements came last; what a deployment ships depends on which
    deployments of the service DX has already.
    """
    if kind is PullServices:
        if (pull := values.get("github_pull_id")) is not None:
            return reference("pull", pull)
        pair = (values.get("repository"), values.get("pr_number"))
        return reference("pull", *pair) if all(pair) else None
    if kind is Deployment:
        service = values.get("service")
        return reference("service", values.get("repository") or "", service) if service else None
    run = values.get("reference_id")
    return reference("run", run) if run else None


def text(content: bytes) -> str:
    """A short name of a content, for an id."""
    return hashlib.sha256(content).hexdigest()[:32]


def address(place: str, kind: str, content: bytes, repetition: int = 0) -> bytes:
    """Where a row stands in a journal: what it says, to whom, and for which time."""
    head = json.dumps([place, kind, repetition]).encode("ascii")
    return hashlib.sha256(head + b"\0" + content).digest()[:SIZE]


def shard(order: str, shards: int) -> int:
    """The shard, from 0, that a row belongs to."""
    return _hashed(order, 0) % shards


def lane(order: str, workers: int) -> int:
    """The worker, from 0, that a row belongs to; it does not depend on the shard."""
    return _hashed(order, 8) % workers


def _hashed(order: str, at: int) -> int:
    digest = hashlib.sha256(order.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[at : at + 8], "big")
