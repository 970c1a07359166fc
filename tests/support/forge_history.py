"""Knows how GitHub and GitLab list what happened long ago: closed requests, deployments, releases, tags. Does not know git.

https://docs.github.com/en/rest/deployments/deployments, https://docs.github.com/en/rest/releases/releases,
https://docs.gitlab.com/api/deployments/, https://docs.gitlab.com/api/releases/ and https://docs.gitlab.com/api/tags/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

from forge_payloads import github_pull, gitlab_merge_request

Record: TypeAlias = Mapping[str, Any]


@dataclass
class Past:
    """What happened in repositories, by full name; lists as the real APIs have them, newest first.

    `deployments` of GitHub hold `id`, `sha`, `environment`, `created_at` and `statuses` (each `state`, `created_at`);
    those of GitLab `id`, `sha`, `environment`, `created_at`, `status` and, if anything, `finished_at`. Releases hold
    `tag`, `at` and on GitLab `sha`; tags `name` and `sha`. `moments` are the times of commits. Times are ISO 8601.
    """

    deployments: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    releases: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    tags: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    moments: Mapping[str, str] = field(default_factory=dict)
    refused: int = 0
    """So many requests are answered first with a rate limit that is over at once."""

    def named(self, name: str, revision: str) -> str:
        """The commit that a revision names: a tag's, or itself."""
        return next((str(tag["sha"]) for tag in self.tags.get(name, ()) if tag["name"] == revision), revision)


def github(past: Past, pulls: Sequence[Record], name: str, what: str, query: str, url: str) -> list[dict[str, Any]]:
    """One of GitHub's lists: `pulls`, `deployments`, `releases` or `tags`."""
    if what == "pulls":
        return github_closed(pulls, name, asked(query), url)
    return {"deployments": github_deployments, "releases": github_releases, "tags": github_tags}[what](past, name, url)


def gitlab(past: Past, path: str, what: str, query: str, url: str) -> list[dict[str, Any]]:
    """One of GitLab's lists: `deployments`, `releases` or `repository/tags`."""
    if what == "deployments":
        return gitlab_deployments(past, path, asked(query), url)
    return gitlab_releases(past, path, url) if what == "releases" else gitlab_tags(past, path)


def github_deployments(past: Past, name: str, url: str) -> list[dict[str, Any]]:
    """https://docs.github.com/en/rest/deployments/deployments#list-deployments"""
    base = f"{url}/repos/{name}/deployments"
    return [
        {
            "url": f"{base}/{each['id']}",
            "id": each["id"],
            "sha": each["sha"],
            "ref": "main",
            "task": "deploy",
            "payload": {},
            "original_environment": each["environment"],
            "environment": each["environment"],
            "description": None,
            "creator": None,
            "created_at": each["created_at"],
            "updated_at": each["created_at"],
            "statuses_url": f"{base}/{each['id']}/statuses",
            "repository_url": f"{url}/repos/{name}",
        }
        for each in past.deployments.get(name, ())
    ]


def github_statuses(past: Past, name: str, number: str, url: str) -> list[dict[str, Any]] | None:
    """https://docs.github.com/en/rest/deployments/statuses#list-deployment-statuses"""
    deployment = next((each for each in past.deployments.get(name, ()) if str(each["id"]) == number), None)
    if deployment is None:
        return None
    return [
        {
            "id": place,
            "state": each["state"],
            "environment": deployment["environment"],
            "description": "",
            "log_url": f"{url}/{name}/actions/runs/{number}",
            "created_at": each["created_at"],
            "updated_at": each["created_at"],
        }
        for place, each in enumerate(deployment["statuses"], start=1)
    ]


def github_releases(past: Past, name: str, url: str) -> list[dict[str, Any]]:
    """https://docs.github.com/en/rest/releases/releases#list-releases"""
    return [
        {
            "id": place,
            "tag_name": each["tag"],
            "name": each["tag"],
            "draft": each.get("draft", False),
            "prerelease": False,
            "created_at": each["at"],
            "published_at": None if each.get("draft") else each["at"],
            "html_url": f"{url}/{name}/releases/tag/{each['tag']}",
        }
        for place, each in enumerate(past.releases.get(name, ()), start=1)
    ]


def github_tags(past: Past, name: str, url: str) -> list[dict[str, Any]]:
    """https://docs.github.com/en/rest/repos/repos#list-repository-tags"""
    base = f"{url}/repos/{name}"
    return [
        {
            "name": each["name"],
            "commit": {"sha": each["sha"], "url": f"{base}/commits/{each['sha']}"},
            "zipball_url": f"{base}/zipball/refs/tags/{each['name']}",
            "tarball_url": f"{base}/tarball/refs/tags/{each['name']}",
        }
        for each in past.tags.get(name, ())
    ]


def github_closed(pulls: Sequence[Record], name: str, query: Mapping[str, str], url: str) -> list[dict[str, Any]]:
    """https://docs.github.com/en/rest/pulls/pulls#list-pull-requests"""
    found = [github_pull(each, name, url) for each in pulls]
    if query.get("state", "open") != "all":
        found = [each for each in found if each["state"] == query.get("state", "open")]
    key = "updated_at" if query.get("sort") == "updated" else "created_at"
    found.sort(key=lambda each: str(each[key]), reverse=query.get("direction", "desc") == "desc")
    return [
        {name: value for name, value in each.items() if name not in ("merged", "commits", "changed_files")}
        for each in found
    ]


def gitlab_deployments(past: Past, path: str, query: Mapping[str, str], url: str) -> list[dict[str, Any]]:
    """https://docs.gitlab.com/api/deployments/#list-project-deployments"""
    found = [
        {
            "id": each["id"],
            "iid": place,
            "ref": "main",
            "sha": each["sha"],
            "created_at": each["created_at"],
            "updated_at": each.get("finished_at") or each["created_at"],
            "status": each["status"],
            "environment": {"id": 1, "name": each["environment"], "external_url": None},
            "deployable": {
                "id": each["id"],
                "status": each["status"],
                "finished_at": each.get("finished_at"),
                "web_url": f"{url}/{path}/-/jobs/{each['id']}",
            },
        }
        for place, each in enumerate(past.deployments.get(path, ()), start=1)
    ]
    newest_first = query.get("sort", "asc") == "desc"
    return sorted(found, key=lambda each: str(each["created_at"]), reverse=newest_first)


def gitlab_releases(past: Past, path: str, url: str) -> list[dict[str, Any]]:
    """https://docs.gitlab.com/api/releases/#list-releases"""
    return [
        {
            "tag_name": each["tag"],
            "name": each["tag"],
            "created_at": each["at"],
            "released_at": each["at"],
            "upcoming_release": False,
            "commit": {"id": each["sha"], "short_id": str(each["sha"])[:8], "parent_ids": []},
            "_links": {"self": f"{url}/{path}/-/releases/{each['tag']}"},
        }
        for each in past.releases.get(path, ())
    ]


def gitlab_tags(past: Past, path: str) -> list[dict[str, Any]]:
    """https://docs.gitlab.com/api/tags/#list-all-project-repository-tags"""
    return [
        {
            "name": each["name"],
            "message": "",
            "target": each["sha"],
            "commit": {"id": each["sha"], "committed_date": past.moments.get(str(each["sha"]))},
            "release": None,
            "protected": False,
        }
        for each in past.tags.get(path, ())
    ]


def gitlab_merged(requests: Sequence[Record], path: str, number: int, queried: str, url: str) -> list[dict[str, Any]]:
    """https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests"""
    query = asked(queried)
    found = [gitlab_merge_request(each, path, number, url) for each in requests]
    if "state" in query:
        found = [each for each in found if each["state"] == query["state"]]
    found = [each for each in found if str(each["updated_at"]) >= query.get("updated_after", "")]
    key = query.get("order_by", "created_at")
    found.sort(key=lambda each: str(each[key]), reverse=query.get("sort", "desc") == "desc")
    return [
        {name: value for name, value in each.items() if name not in ("diff_refs", "changes_count")} for each in found
    ]


def asked(query: str) -> dict[str, str]:
    """A query string as names and values."""
    return {unquote(name): values[-1] for name, values in parse_qs(query).items()}


LAB_LISTS = re.compile(r"/api/v4/projects/([^/]+)/(merge_requests|deployments|releases|repository/tags)\?(.*)")
LAB_COMMIT = re.compile(r"/api/v4/projects/([^/]+)/repository/commits/([^/]+)")
HUB_LISTS = re.compile(r"(/api/v3)?/repos/([^/]+/[^/]+)/(pulls|deployments|releases|tags)\?(.*)")
HUB_STATUSES = re.compile(r"(/api/v3)?/repos/([^/]+/[^/]+)/deployments/([^/]+)/statuses")
