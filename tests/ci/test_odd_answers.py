"""A host's answer of odd shape is no answer, or what is left of it: nothing odd goes on into the run."""

from __future__ import annotations

import json
import time
from typing import get_args, get_type_hints

import pytest

from cibeacon.ci.github_api import GitHubApi
from cibeacon.ci.gitlab_api import GitLabApi
from cibeacon.model.context import Context, PullRequest
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError
from faults import FaultServer, response

HEAD, MERGE, BASE = "1" * 40, "2" * 40, "4" * 40
ODD = ["x", "\ud800", 7, -1, 1.5, 1e300, True, None, [], ["x"], [7], {}, {"x": 1}]
ON_GITHUB = {
    "number": 7,
    "id": 1497468863,
    "merged": True,
    "merged_at": "2026-01-05T10:00:00Z",
    "state": "closed",
    "merge_commit_sha": MERGE,
    "head": {"ref": "pay", "sha": HEAD},
    "base": {"ref": "main", "sha": BASE},
    "commits": 2,
}
ON_GITLAB = {
    "iid": 7,
    "sha": HEAD,
    "state": "merged",
    "source_branch": "pay",
    "target_branch": "main",
    "merge_commit_sha": MERGE,
    "squash_commit_sha": HEAD,
    "diff_refs": {"base_sha": BASE, "head_sha": HEAD},
    "source_project_id": 1,
    "target_project_id": 1,
}
PIPELINE = {
    "id": 9,
    "ref": "main",
    "sha": HEAD,
    "status": "success",
    "web_url": "https://gitlab.example/9",
    "name": "ship",
    "user": {"username": "dana"},
    "tag": False,
    "created_at": "2026-01-05T10:00:00Z",
    "finished_at": "2026-01-05T10:00:00Z",
    "updated_at": "2026-01-05T10:00:00Z",
}


def places(document, path=()):
    """Every place in a document."""
    if path:
        yield path
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*path, key))


def changed(document, path, value):
    """The document with another value at one place."""
    first, *rest = path
    return document | {first: changed(document[first], rest, value) if rest else value}


def has_declared_types(value):
    """Whether every field holds what its type says."""
    hints = get_type_hints(type(value))
    return not [
        name
        for name, hint in hints.items()
        if not isinstance(part := getattr(value, name), get_args(hint) or hint)
        or (isinstance(part, bool) and bool not in (get_args(hint) or (hint,)))
    ]


def deadline():
    return Deadline(30.0, time.monotonic, time.sleep, time.monotonic())


def on_github(url):
    api = GitHubApi(url, {"token": "t0ken"}, "acme/shop", deadline())
    return (*api.merged_prs(MERGE), api.pull_request(7))


def on_gitlab(url):
    api = GitLabApi(url, {"private_token": "t0ken"}, "acme/shop", deadline())
    return (*api.merged_prs(MERGE), api.pull_request(7))


def of_a_pipeline(url):
    bare = Context("gitlab", "gitlab.example", "acme/shop", "upstream", run_id="9")
    return (GitLabApi(url, {"private_token": "t0ken"}, "acme/shop", deadline()).pipeline(bare),)


HOSTS = {
    "github": (on_github, ON_GITHUB),
    "gitlab": (on_gitlab, ON_GITLAB),
    "a pipeline": (of_a_pipeline, PIPELINE),
}


@pytest.mark.parametrize("host", HOSTS)
def test_an_answer_of_odd_shape_is_an_error_or_what_is_left_of_it(host, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    ask, record = HOSTS[host]
    current = {}

    def answer(connection, server):
        path = server.read(connection).split(b" ")[1].partition(b"?")[0]
        listed = path.endswith((b"/pulls", b"/merge_requests"))
        connection.sendall(response(json.dumps([record] if listed else current).encode()))

    with FaultServer(answer) as server:
        current |= record
        assert all(has_declared_types(each) for each in ask(server.url))
        for path in places(record):
            for odd in ODD:
                current.clear()
                current |= changed(record, path, odd)
                try:
                    found = ask(server.url)
                except HostError:
                    continue
                assert all(isinstance(each, PullRequest | Context) and has_declared_types(each) for each in found), (
                    path,
                    odd,
                )
