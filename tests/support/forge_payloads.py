"""Knows the shape of GitHub's and GitLab's answers, and fills in what is not given. Does not know who asked, or why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

_ZERO = "0" * 40
NOT_IN_THE_PAYLOAD = frozenset({"commits", "introduced", "files"})
MOST_COMPARED_COMMITS = 250
MOST_COMPARED_FILES = 300
MOST_PULL_FILES = 3000
MOST_MERGE_REQUEST_FILES = 1000


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
        "created_at": "2025-01-01T00:00:00Z",
        "web_url": f"{url}/{path}",
    }


def gitlab_merge_request(record: Mapping[str, Any], path: str, number: int, url: str) -> dict[str, Any]:
    """https://docs.gitlab.com/api/merge_requests/"""
    made_up = {
        "id": number * 1000 + record["iid"],
        "project_id": number,
        "title": f"Merge request {record['iid']}",
        "state": "merged",
        "created_at": "2025-12-31T00:00:00Z",
        "updated_at": record.get("merged_at") or "2025-12-31T00:00:00Z",
        "merged_at": None,
        "source_branch": "feature",
        "target_branch": "main",
        "source_project_id": number,
        "target_project_id": number,
        "sha": _ZERO,
        "merge_commit_sha": None,
        "squash_commit_sha": None,
        "diff_refs": {"base_sha": None, "head_sha": record.get("sha", _ZERO), "start_sha": None},
        "changes_count": _counted(len(record.get("files", ()))),
        "references": {"full": f"{path}!{record['iid']}"},
        "web_url": f"{url}/{path}/-/merge_requests/{record['iid']}",
    }
    return made_up | {name: value for name, value in record.items() if name not in NOT_IN_THE_PAYLOAD}


def gitlab_commit(sha: str, parents: Sequence[str], path: str, url: str) -> dict[str, Any]:
    """https://docs.gitlab.com/api/commits/"""
    return {
        "id": sha,
        "short_id": sha[:8],
        "title": f"Commit {sha[:7]}",
        "message": f"Commit {sha[:7]}",
        "created_at": "2025-12-31T00:00:00Z",
        "parent_ids": list(parents),
        "web_url": f"{url}/{path}/-/commit/{sha}",
    }


def gitlab_diff(path: str, *, old: bool, new: bool, **more: object) -> dict[str, Any]:
    """https://docs.gitlab.com/api/repositories/#compare-branches-tags-or-commits"""
    return {
        "old_path": path,
        "new_path": path,
        "a_mode": "100644" if old else "0",
        "b_mode": "100644" if new else "0",
        "diff": "@@ -1 +1 @@\n",
        "new_file": not old,
        "renamed_file": False,
        "deleted_file": not new,
        "collapsed": False,
        "too_large": False,
    } | more


def gitlab_comparison(
    commits: Sequence[Mapping[str, Any]], diffs: Sequence[Mapping[str, Any]], url: str
) -> dict[str, Any]:
    """https://docs.gitlab.com/api/repositories/#compare-branches-tags-or-commits"""
    return {
        "commit": commits[-1] if commits else None,
        "commits": commits,
        "diffs": diffs[:MOST_MERGE_REQUEST_FILES],
        "compare_timeout": len(diffs) > MOST_MERGE_REQUEST_FILES,
        "compare_same_ref": not commits,
        "web_url": url,
    }


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


def github_pull(record: Mapping[str, Any], name: str, url: str) -> dict[str, Any]:
    """https://docs.github.com/en/rest/pulls/pulls; `base` and `head` are filled in field by field."""
    number = record["number"]
    merged = record.get("merged_at", "2026-01-01T00:00:00Z")
    repository = github_repository(name, url)
    made_up = {
        "id": crc32(f"{name}#{number}".encode()),
        "url": f"{url}/repos/{name}/pulls/{number}",
        "html_url": f"{url}/{name}/pull/{number}",
        "title": f"Pull request {number}",
        "state": "closed" if merged else "open",
        "merged": merged is not None,
        "merged_at": merged,
        "created_at": "2025-12-31T00:00:00Z",
        "updated_at": merged or "2025-12-31T00:00:00Z",
        "merge_commit_sha": None,
        "commits": len(record.get("commits", ())) or 1,
        "changed_files": len(record.get("files", ())),
    }
    ends = {
        "base": {"ref": "main", "sha": _ZERO, "repo": repository, **record.get("base", {})},
        "head": {"ref": "feature", "sha": _ZERO, "repo": repository, **record.get("head", {})},
    }
    return made_up | {field: value for field, value in record.items() if field not in NOT_IN_THE_PAYLOAD} | ends


def github_file(path: str, *, old: bool, new: bool) -> dict[str, Any]:
    """https://docs.github.com/en/rest/commits/commits#compare-two-commits"""
    return {
        "filename": path,
        "status": "modified" if old and new else "added" if new else "removed",
        "additions": 1,
        "deletions": 1,
        "changes": 2,
        "patch": "@@ -1 +1 @@",
    }


def github_comparison(
    base: Mapping[str, Any],
    merge_base: Mapping[str, Any],
    commits: Sequence[Mapping[str, Any]],
    files: Sequence[Mapping[str, Any]],
    behind_by: int,
) -> dict[str, Any]:
    """https://docs.github.com/en/rest/commits/commits#compare-two-commits; without paging, the last of the commits."""
    words = {(False, False): "identical", (True, False): "ahead", (False, True): "behind", (True, True): "diverged"}
    return {
        "base_commit": base,
        "merge_base_commit": merge_base,
        "status": words[bool(commits), bool(behind_by)],
        "ahead_by": len(commits),
        "behind_by": behind_by,
        "total_commits": len(commits),
        "commits": commits[-MOST_COMPARED_COMMITS:],
        "files": files[:MOST_COMPARED_FILES],
    }


def _counted(files: int) -> str:
    """GitLab counts as far as it keeps."""
    return f"{MOST_MERGE_REQUEST_FILES}+" if files > MOST_MERGE_REQUEST_FILES else str(files)
