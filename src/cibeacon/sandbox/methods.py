"""Knows the fields of DX's methods in both forms, and what telling them changes. Does not know HTTP or API keys.

Articles: https://help.getdx.com/en/articles/7669458-deployments-api and 8691575-pipelines-api. Beyond them, `replace`,
`environment` and `success` are taken, and the `.upsert` methods of https://docs.getdx.com/datacloudapi/overview.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cibeacon.sandbox import rules
from cibeacon.sandbox.account import Account
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.rules import Refusal, Rule


@dataclass(frozen=True, slots=True)
class Method:
    """The fields of a method, and what telling them changes in the ledger."""

    fields: Mapping[str, Rule]
    required: tuple[str, ...]
    settle: Callable[[dict[str, Any], Account, Ledger], None]


def _set_pull_services(told: dict[str, Any], account: Account, ledger: Ledger) -> None:
    pull, services, replace = _pull(told), told["services"], told.get("replace", False)
    _know_repository(told, account, "repo_not_found")
    if not services and not replace:
        raise Refusal("required_params_missing", "services is empty; only replace may wipe what is held.")
    change = ledger.replace_services if replace else ledger.add_services
    change(pull, services)


def _pull(told: Mapping[str, Any]) -> str:
    by_number = sorted({"repository", "pull_number"} & told.keys())
    if "github_pull_id" in told and by_number:
        raise Refusal("invalid_arguments", f"{' and '.join(by_number)} cannot go with github_pull_id.")
    if "github_pull_id" in told:
        return str(told["github_pull_id"])
    rules.require(told, ("repository", "pull_number") if by_number else ("github_pull_id",))
    return f"{told['repository']}#{told['pull_number']}"


def _create(told: dict[str, Any], account: Account, ledger: Ledger) -> None:
    _one_attribution(told)
    _attributable(told, account)
    deployment = {"reference_id": str(uuid.uuid4())} | told

    def new_or_same(held: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if held is not None and _canonical(held) != _canonical(deployment):
            raise Refusal("reference_id_exists", "This reference_id was told before with other values.")
        return deployment

    ledger.change_deployment(deployment["reference_id"], new_or_same)


def _upsert(told: dict[str, Any], account: Account, ledger: Ledger) -> None:
    _one_attribution(told)
    outdated = {_OTHER[name] for name in _OTHER.keys() & told.keys()}

    def patched(held: Mapping[str, Any] | None) -> Mapping[str, Any]:
        deployment = {name: value for name, value in (held or {}).items() if name not in outdated} | told
        rules.require(deployment, ("service", "deployed_at"))
        _attributable(deployment, account)
        return deployment

    ledger.change_deployment(told["reference_id"], patched)


_OTHER: Mapping[str, str] = {"commit_sha": "merge_commit_shas", "merge_commit_shas": "commit_sha"}
"""Telling one way of attribution forgets the other."""


def _one_attribution(told: Mapping[str, Any]) -> None:
    if _OTHER.keys() <= told.keys():
        raise Refusal("ambiguous_commit_sha_arguments", "Give either commit_sha or merge_commit_shas.")


def _attributable(deployment: Mapping[str, Any], account: Account) -> None:
    if "merge_commit_shas" not in deployment:
        rules.require(deployment, ("repository",))
    _know_repository(deployment, account, "repository_not_found")
    if deployment.get("integration_branch") == account.default_branch:
        raise Refusal("integration_branch_not_valid", "integration_branch must not be the default branch.")
    for sha in deployment.get("merge_commit_shas", ()):
        if account.commits is not None and not any(known.startswith(sha.lower()) for known in account.commits):
            raise Refusal("merge_commit_shas_not_found", f"{sha} is not a known commit.")


def _know_repository(told: Mapping[str, Any], account: Account, code: str) -> None:
    repository = told.get("repository")
    if repository is not None and account.repositories is not None and repository not in account.repositories:
        raise Refusal(code, "repository is not a known one.")


def _canonical(deployment: Mapping[str, Any]) -> str:
    return json.dumps(deployment, sort_keys=True)


def _notify(told: dict[str, Any], account: Account, ledger: Ledger) -> None:
    if {"commit_sha", "pr_number"} & told.keys():
        rules.require(told, ("repository",))
    ledger.notify(told["reference_id"], told)


_PULL_SERVICES: Mapping[str, Rule] = {
    "github_pull_id": rules.number,
    "repository": rules.text,
    "pull_number": rules.number,
    "services": rules.services,
    "replace": rules.truth,
}
_DEPLOYMENT: Mapping[str, Rule] = {
    "reference_id": rules.text,
    "deployed_at": rules.seconds,
    "service": rules.service,
    "repository": rules.text,
    "commit_sha": rules.deployed_sha,
    "merge_commit_shas": rules.merge_shas,
    "integration_branch": rules.branch,
    "source_url": rules.text,
    "source_name": rules.text,
    "metadata": rules.metadata,
    "environment": rules.text,
    "success": rules.truth,
}
_RUN: Mapping[str, Rule] = {
    "pipeline_name": rules.text,
    "pipeline_source": rules.text,
    "reference_id": rules.text,
    "started_at": rules.seconds_text,
    "finished_at": rules.seconds_text,
    "status": rules.status,
    "repository": rules.text,
    "commit_sha": rules.run_sha,
    "pr_number": rules.number,
    "source_url": rules.text,
    "head_branch": rules.text,
    "email": rules.text,
    "github_username": rules.text,
    "gitlab_username": rules.text,
}
_RUN_REQUIRED = ("pipeline_name", "pipeline_source", "reference_id", "started_at")
_CURRENT_TIMES: Mapping[str, Rule] = {"started_at": rules.moment_text, "finished_at": rules.moment_text}
_CURRENT_DEPLOYMENT: Mapping[str, Rule] = {"reference_id": rules.reference, "deployed_at": rules.moment}

METHODS: Mapping[str, Method] = {
    "/api/deployments.setPullServices": Method(_PULL_SERVICES, ("services",), _set_pull_services),
    "/api/deployments.create": Method(_DEPLOYMENT, ("deployed_at", "service"), _create),
    "/api/deployments.upsert": Method({**_DEPLOYMENT, **_CURRENT_DEPLOYMENT}, ("reference_id",), _upsert),
    "/api/pipelineRuns.sync": Method(_RUN, _RUN_REQUIRED, _notify),
    "/api/pipelineRuns.upsert": Method({**_RUN, **_CURRENT_TIMES}, _RUN_REQUIRED, _notify),
}
"""By path: the articles' three methods, and the current form's two upserts."""
