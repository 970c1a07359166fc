"""Builds the environment and event payload that a CI system gives to cibeacon. Does not know git or the sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cibeacon.demo.monorepo import Merged

REPOSITORY = "acme/shop"
PULL_ID_BASE = 1_497_468_000
"""GitHub's database ids of pull requests are large and unrelated to their numbers."""


def github(event: str, payload: Mapping[str, Any], sha: str, run_id: int, folder: Path) -> dict[str, str]:
    """The variables of a GitHub Actions run; the payload is written to a file, as the runner does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "event.json"
    path.write_text(json.dumps(payload), encoding="utf-8")
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "dana",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_JOB": "deploy",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_RUN_ID": str(run_id),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": sha,
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "GITHUB_WORKFLOW": "ship",
        "RUNNER_TEMP": str(folder),
    }


def closed(merged: Merged) -> dict[str, Any]:
    """The payload of a merged pull request's `closed` event."""
    repository = {"full_name": REPOSITORY, "default_branch": "main"}
    return {
        "action": "closed",
        "number": merged.number,
        "pull_request": {
            "id": PULL_ID_BASE + merged.number,
            "number": merged.number,
            "state": "closed",
            "merged": True,
            "merge_commit_sha": merged.merge_sha,
            "base": {"ref": "main", "sha": merged.base_sha, "repo": repository},
            "head": {"ref": merged.head_ref, "sha": merged.head_sha, "repo": repository},
        },
        "repository": repository,
    }


def pushed(before: str, after: str) -> dict[str, Any]:
    """The payload of a push to main."""
    repository = {"full_name": REPOSITORY, "default_branch": "main"}
    return {"ref": "refs/heads/main", "before": before, "after": after, "repository": repository}


def gitlab(before: str, after: str, pipeline_id: int, api: str, folder: Path) -> dict[str, str]:
    """The variables of a GitLab job after a push to main."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "CI": "true",
        "GITLAB_CI": "true",
        "GITLAB_USER_LOGIN": "dana",
        "CI_API_V4_URL": f"{api}/api/v4",
        "CI_COMMIT_BEFORE_SHA": before,
        "CI_COMMIT_BRANCH": "main",
        "CI_COMMIT_SHA": after,
        "CI_DEFAULT_BRANCH": "main",
        "CI_JOB_ID": str(pipeline_id * 10),
        "CI_JOB_NAME": "deploy",
        "CI_JOB_STATUS": "success",
        "CI_JOB_TOKEN": "demo-job-token",
        "CI_PIPELINE_CREATED_AT": "2026-01-05T10:00:00Z",
        "CI_PIPELINE_ID": str(pipeline_id),
        "CI_PIPELINE_SOURCE": "push",
        "CI_PIPELINE_URL": f"https://gitlab.example.com/{REPOSITORY}/-/pipelines/{pipeline_id}",
        "CI_PROJECT_DIR": str(folder),
        "CI_PROJECT_PATH": REPOSITORY,
        "CI_SERVER_URL": "https://gitlab.example.com",
    }
