"""If git cannot answer, the host's API does, with a merge base or a complete list of files. Otherwise the answer is unknown."""

from __future__ import annotations

import pytest

import githttp
from cibeacon.changes import FallbackHistory
from forge import Forge
from githttp import GitServer
from processes import cibeacon
from queues import Queue, clone
from repositories import Worktree

SHOP = githttp.REPOSITORY
BY_API = "files from the host's API"


@pytest.fixture
def queue(tmp_path):
    return Queue.new(tmp_path / "shop")


class Asked:
    """`cibeacon services` on a runner that has only the last commit (or what was fetched) and cannot reach the git server."""

    def __init__(self, queue, tmp_path, *argv, host="github", forge=None, event=None, besides=(), **environ):
        given = {"pulls": {SHOP: []}, "merge_requests": {SHOP: []}, **queue.known(), **(forge or {})}
        with Forge(**given) as api, GitServer(queue.tree.root, answer=403) as server:
            folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            variables = (
                queue.github(server.url, api.url, folder, **(event or {}))
                if host == "github"
                else queue.gitlab(server.url, api.url, folder)
            )
            root = clone(queue, folder / "clone", "depth 1")
            for sha in besides:
                Worktree(root).git("fetch", "--quiet", "--depth=1", "origin", sha)
            ended = cibeacon("services", "--format=json", *argv, environ=variables | environ, cwd=root)
            assert api.faults == []
            self.compared = [line for line in api.seen if "/compare" in line or "merge_base" in line]
            self.seen, self.fetches = api.seen, server.requests
        self.changes = ended.document["changes"]


def many(queue, count):
    """A direct commit that changes this many files."""
    return queue.tree.commit({f"services/big/{number:04}": "1" for number in range(count)})


# A list of files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_a_push_that_git_cannot_compare_is_compared_by_the_host(host, queue, tmp_path):
    queue.direct("one")
    queue.tree.git("mv", "services/old/a", "services/one/moved")
    queue.tree.commit({"README.md": "2"})

    found = Asked(queue, tmp_path, host=host)

    assert (found.changes["status"], found.changes["services"]) == ("ok", ["old", "one"])
    assert (found.changes["changed_files"], found.changes["unmatched"]) == (4, 1)
    assert (found.changes["base"], found.changes["head"]) == (queue.before, queue.after)
    assert found.changes["how"].startswith("push, before to after")
    assert found.changes["how"].endswith(BY_API)
    assert len(found.compared) == {"github": 1, "gitlab": 2}[host], "GitLab does not say whether it was a force push"


def test_a_comparison_without_a_file_is_none_and_not_unknown(queue, tmp_path):
    queue.tree.commit({})

    assert Asked(queue, tmp_path).changes["status"] == "none"


@pytest.mark.parametrize(("host", "most"), [("github", 299), ("gitlab", 999)])
def test_a_list_is_used_only_while_it_must_be_complete(host, most, queue, tmp_path):
    many(queue, most)

    found = Asked(queue, tmp_path, host=host)

    assert (found.changes["services"], found.changes["changed_files"]) == (["big"], most)


@pytest.mark.parametrize(("host", "count"), [("github", 300), ("github", 301), ("gitlab", 1000), ("gitlab", 1001)])
def test_a_list_that_may_be_truncated_makes_the_services_unknown_with_the_reason(host, count, queue, tmp_path):
    many(queue, count)

    found = Asked(queue, tmp_path, host=host)

    assert (found.changes["status"], found.changes["services"]) == ("unknown", [])
    assert "could not be fetched" in found.changes["reason"]
    assert {"github": "at most 300 changed files", "gitlab": "GitLab"}[host] in found.changes["reason"]


def diverged(queue):
    """A commit that is not in the branch, and the branch."""
    queue.tree.git("checkout", "--quiet", "-b", "beside", queue.before)
    beside = queue.direct("beside")
    queue.tree.git("checkout", "--quiet", "main")
    return beside, queue.direct("one")


def test_githubs_comparison_of_diverged_commits_is_not_used(queue, tmp_path):
    """It starts at the merge base, so changes on the base's side would be missing."""
    base, head = diverged(queue)

    found = Asked(queue, tmp_path, f"--base={base}", f"--head={head}")

    assert found.changes["status"] == "unknown"
    assert "compares with their merge base" in found.changes["reason"]


def test_gitlab_compares_diverged_commits_directly(queue, tmp_path):
    base, head = diverged(queue)

    found = Asked(queue, tmp_path, f"--base={base}", f"--head={head}", host="gitlab")

    assert found.changes["services"] == ["beside", "one"]


def test_a_force_push_is_compared_with_the_merge_base_from_the_host(queue, tmp_path):
    beside, _ = diverged(queue)
    fork, queue.before = queue.before, beside

    found = Asked(queue, tmp_path, event={"forced": True})

    assert (found.changes["base"], found.changes["services"]) == (fork, ["one"])
    assert found.changes["how"] == f"force push, merge base to after, merge base from the host's API, {BY_API}"


def test_a_map_that_needs_the_trees_uses_no_list(queue, tmp_path):
    queue.tree.write({".cibeacon.yml": "discover:\n  - marker: '**/service.json'\n"})
    queue.tree.git("add", "--all")
    queue.tree.git("commit", "--quiet", "--message=map")
    queue.before = queue.after
    queue.tree.commit({"services/one/service.json": "{}"})

    found = Asked(queue, tmp_path, CIBEACON_SERVICES="")

    assert found.changes["status"] == "unknown"
    assert found.changes["services"] == []


@pytest.mark.parametrize("status", [401, 403, 404, 422, 500, 502])
def test_a_host_that_refuses_to_compare_is_named_in_the_reason(status, queue, tmp_path):
    queue.direct("one")
    compare = f"/repos/{SHOP}/compare/{queue.before}...{queue.after}"

    found = Asked(queue, tmp_path, forge={"troubles": {compare: status}})

    assert found.changes["status"] == "unknown"
    assert "could not be fetched" in found.changes["reason"]
    assert "GitHub" in found.changes["reason"]


@pytest.mark.parametrize("more", [{"GITHUB_TOKEN": ""}, {"CIBEACON_DRY_RUN": "true"}], ids=["no token", "dry run"])
def test_the_host_is_not_asked_without_a_token_or_in_a_dry_run(more, queue, tmp_path):
    queue.direct("one")

    found = Asked(queue, tmp_path, **more)

    assert found.changes["status"] == "unknown"
    assert found.seen == []


# A merge base -------------------------------------------------------------------------------------------------------


def test_a_merge_base_comes_from_the_host_if_git_has_none_and_git_compares_the_trees(queue, tmp_path):
    """Both trees are in the checkout, but its history is incomplete and cannot be fetched."""
    pull = queue.merge(1, "squash")
    event = {"pull_request": pull_event(pull), "action": "closed"}

    found = Asked(queue, tmp_path, event=event, besides=(queue.before, pull.head), GITHUB_EVENT_NAME="pull_request")

    assert found.changes["services"] == ["s1"]
    assert found.changes["how"] == "merge base to head (squash or rebase), merge base from the host's API"
    assert (found.changes["base"], found.changes["head"]) == (queue.before, pull.head)
    assert len(found.seen) == 1


def pull_event(pull):
    """The payload's pull request, merged."""
    repository = {"full_name": SHOP}
    record = pull.at_github()
    return {
        **record,
        "merged": True,
        "state": "closed",
        "commits": len(pull.commits),
        "head": record["head"] | {"repo": repository},
        "base": record["base"] | {"repo": repository},
    }


def test_gitlab_provides_a_merge_base_too(queue, tmp_path):
    beside, _ = diverged(queue)
    fork, queue.before = queue.before, beside

    found = Asked(queue, tmp_path, host="gitlab", besides=(fork, beside))

    assert (found.changes["base"], found.changes["services"]) == (fork, ["one"])
    assert found.changes["how"] == "force push, merge base to after, merge base from the host's API"
    assert f"GET /api/v4/projects/{SHOP.replace('/', '%2F')}/repository/merge_base" in found.compared


def test_a_merge_base_that_the_host_does_not_have_either_is_unknown_with_the_reason(queue, tmp_path):
    pull = queue.merge(1, "squash")
    event = {"pull_request": pull_event(pull), "action": "closed"}
    troubles = {f"/repos/{SHOP}/compare/{pull.head}...{pull.merge}": 404}
    forge = {"troubles": troubles, "pulls": {SHOP: [pull.at_github() | {"changed_files": 3000}]}}

    found = Asked(queue, tmp_path, event=event, besides=(queue.before, pull.head), forge=forge)

    assert found.changes["status"] == "unknown"


class Source:
    """A repository that answers nothing."""

    def __getattr__(self, name):
        return lambda *_: None


class Host:
    """An API that counts requests."""

    def __init__(self):
        self.asked = []

    def merge_base(self, one, other):
        self.asked.append((one, other))
        return min(one, other)


def test_each_pair_is_asked_about_once():
    host = Host()
    history = FallbackHistory(Source(), host)
    one, other = "a" * 40, "b" * 40

    assert history.is_ancestor(one, other) is True
    assert history.is_ancestor(other, one) is False
    assert history.merge_base(other, one) == one
    assert len(host.asked) == 1
    assert history.relied


@pytest.mark.parametrize("odd", ["main", "-x", "", "a" * 39, "a" * 41, "../x"])
def test_only_full_ids_are_asked_about(odd):
    host = Host()

    assert FallbackHistory(Source(), host).merge_base("a" * 40, odd) is None
    assert host.asked == []
