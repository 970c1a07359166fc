"""Knows how to write down what DX would conclude from what the ledger holds. Does not know how it came there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from cibeacon.sandbox.attribution import Attribution, Deployed, MergedPull, attribute

Records: TypeAlias = Mapping[str, Mapping[str, Any]]


class Conclusions:
    """The conclusions of a ledger, computed again only where it has changed."""

    def __init__(self, default_branch: str) -> None:
        self._default_branch = default_branch
        self._last: tuple[tuple[Any, ...], dict[str, Any]] | None = None

    def of(self, ledger: Mapping[str, Any]) -> dict[str, Any]:
        """What DX would conclude from a ledger's document."""
        known = (ledger["deployments"], ledger["pull_requests"], ledger["pull_services"])
        last = self._last
        if last is None or last[0] != known:
            last = self._last = (known, conclusions(*known, self._default_branch))
        return last[1]


def conclusions(
    deployments: Records, pulls: Records, services: Mapping[str, Sequence[str]], default_branch: str
) -> dict[str, Any]:
    """The pull requests by `repository#number` (or GitHub's id), and the attributions by the deployment's reference.

    A pull request: what is known of it, `imported`, its `services` (none where every service may claim it), and
    `deployed_by`, the references of the deployments that brought it. An attribution: the `mode` in words, its
    `pull_requests`, each with `key` and `lead_time` (seconds from the merge to the deployment), and why it `waits`.
    """
    merged = {key: _merged(record) for key, record in pulls.items()}
    branches = dict.fromkeys((pull.repository for pull in merged.values()), default_branch)
    branches |= {
        record["repository"]: record["default_branch"] for record in pulls.values() if "default_branch" in record
    }
    deployed = {reference: _deployed(reference, record) for reference, record in deployments.items()}
    attributed = attribute(deployed.values(), merged.values(), services, branches)
    attributions = {reference: _attribution(attributed[reference], deployed[reference]) for reference in deployments}
    return {"pull_requests": _pulls(pulls, merged, services, attributions), "attributions": attributions}


def _merged(record: Mapping[str, Any]) -> MergedPull:
    shas = [record.get("merge_commit_sha"), record.get("head_sha"), *record.get("commits", ())]
    return MergedPull(
        repository=record["repository"],
        number=record["number"],
        base_ref=record["base_ref"],
        merged_at=record["merged_at"],
        shas=tuple(dict.fromkeys(filter(None, shas))),
        github_pull_id=record.get("github_pull_id"),
    )


def _deployed(reference: str, record: Mapping[str, Any]) -> Deployed:
    return Deployed(
        reference_id=reference,
        service=record["service"],
        deployed_at=record["deployed_at"],
        repository=record.get("repository"),
        commit_sha=record.get("commit_sha"),
        merge_commit_shas=tuple(record.get("merge_commit_shas", ())),
        integration_branch=record.get("integration_branch"),
    )


def _attribution(attribution: Attribution, deployed: Deployed) -> dict[str, Any]:
    pulls = [{"key": pull.keys[0], "lead_time": deployed.deployed_at - pull.merged_at} for pull in attribution.pulls]
    return {"mode": attribution.mode, "pull_requests": pulls, "waits": attribution.waits}


def _pulls(
    pulls: Records,
    merged: Mapping[str, MergedPull],
    services: Mapping[str, Sequence[str]],
    attributions: Records,
) -> dict[str, Any]:
    deployed_by = defaultdict(list)
    for reference, attribution in attributions.items():
        for pull in attribution["pull_requests"]:
            deployed_by[pull["key"]].append(reference)
    imported = {
        key: {
            **record,
            "imported": True,
            "services": sorted({name for each in merged[key].keys for name in services.get(each, ())}),
            "deployed_by": deployed_by[key],
        }
        for key, record in pulls.items()
    }
    known = {each for pull in merged.values() for each in pull.keys}
    others = {
        key: {"imported": False, "services": list(names), "deployed_by": []}
        for key, names in services.items()
        if key not in known
    }
    return others | imported
