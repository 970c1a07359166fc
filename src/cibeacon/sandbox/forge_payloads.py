"""Knows the shape of GitHub's and GitLab's answers, and fills in what nobody told. Does not know who asked, or why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

_ZERO = "0" * 40


def gitlab_project(path: str, number: int, url: str) -> dict[str, Any]:
    """https://docs.gitlab.com/api/projects/"""
    name = path.rpartition("/")[2]
    return {
        "id": number,
        "name": name,
        "path": name,
        "path_with_namespace": path,
        "default_branch": "main",
        "visibility": "private",
        "web_url": f"{url}/{path}",
    }


def gitlab_merge_request(told: Mapping[str, Any], path: str, number: int, url: str) -> dict[str, Any]:
    """https://docs.gitlab.com/api/merge_requests/"""
    made_up = {
        "id": number * 1000 + told["iid"],
        "project_id": number,
        "title": f"Merge request {told['iid']}",
        "state": "merged",
        "source_branch": "feature",
        "target_branch": "main",
        "source_project_id": number,
        "target_project_id": number,
        "sha": _ZERO,
        "merge_commit_sha": None,
        "squash_commit_sha": None,
        "diff_refs": {"base_sha": None, "head_sha": told.get("sha", _ZERO), "start_sha": None},
        "references": {"full": f"{path}!{told['iid']}"},
        "web_url": f"{url}/{path}/-/merge_requests/{told['iid']}",
    }
    return made_up | {name: value for name, value in told.items() if name != "commits"}


def github_repository(name: str, url: str) -> dict[str, Any]:
    """https://docs.github.com/en/rest/repos/repos"""
    owner, _, short = name.partition("/")
    return {
        "id": crc32(name.encode()),
        "name": short,
        "full_name": name,
        "owner": {"login": owner, "id": crc32(owner.encode()), "type": "Organization"},
        "private": True,
        "default_branch": "main",
        "url": f"{url}/repos/{name}",
        "html_url": f"{url}/{name}",
    }


def github_commit(sha: str, parents: Sequence[str], name: str, url: str) -> dict[str, Any]:
    """https://docs.github.com/en/rest/commits/commits"""
    base = f"{url}/repos/{name}/commits"
    return {
        "sha": sha,
        "url": f"{base}/{sha}",
        "html_url": f"{url}/{name}/commit/{sha}",
        "commit": {"message": f"Commit {sha[:7]}", "url": f"{url}/repos/{name}/git/commits/{sha}"},
        "parents": [{"sha": parent, "url": f"{base}/{parent}"} for parent in parents],
    }


def github_pull(told: Mapping[str, Any], name: str, url: str) -> dict[str, Any]:
    """https://docs.github.com/en/rest/pulls/pulls; `base` and `head` are filled in field by field."""
    number = told["number"]
    merged = told.get("merged_at", "2026-01-01T00:00:00Z")
    repository = github_repository(name, url)
    made_up = {
        "id": crc32(f"{name}#{number}".encode()),
        "url": f"{url}/repos/{name}/pulls/{number}",
        "html_url": f"{url}/{name}/pull/{number}",
        "title": f"Pull request {number}",
        "state": "closed" if merged else "open",
        "merged": merged is not None,
        "merged_at": merged,
        "merge_commit_sha": None,
        "commits": len(told.get("commits", ())) or 1,
    }
    ends = {
        "base": {"ref": "main", "sha": _ZERO, "repo": repository, **told.get("base", {})},
        "head": {"ref": "feature", "sha": _ZERO, "repo": repository, **told.get("head", {})},
    }
    return made_up | {field: value for field, value in told.items() if field != "commits"} | ends
