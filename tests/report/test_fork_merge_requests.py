"""A fork's merge request on GitLab: the target project says what the services are, at the commit that GitLab names."""

from __future__ import annotations

import pytest

import githttp
from githttp import GitServer
from processes import cibeacon
from repositories import Worktree

THEIRS = "discover:\n  - root: services/{service}/\n"
STOLEN = "services: {stolen: services/}\n"


class Fork:
    """The target project, a fork's branch with another map, and the runner's clone of it."""

    def __init__(self, folder, *, mapped: bool) -> None:
        self.folder, self.target = folder, Worktree.new(folder / "target")
        self.base = self.target.commit({"services/old/a": "1"} | ({".cibeacon.yml": THEIRS} if mapped else {}))
        self.target.git("checkout", "--quiet", "-b", "fork")
        self.head = self.target.commit({"services/mine/a": "1", ".cibeacon.yml": STOLEN})
        self.target.git("checkout", "--quiet", "main")
        self.tip = self.target.commit({"services/theirs/a": "1"})
        self.target.git("update-ref", "refs/merge-requests/7/head", self.head)

    def run(self, server: GitServer, *, results: bool = False, **environ: str):
        """`cibeacon services` in a pipeline of the merge request: by default not one for merged results."""
        clone = Worktree.new(self.folder / "clone")
        clone.git("fetch", "--quiet", "--depth=1", self.target.root.as_uri(), self.head)
        clone.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
        variables = {
            "GITLAB_CI": "true",
            "CI_COMMIT_BEFORE_SHA": "0" * 40,
            "CI_COMMIT_SHA": self.head,
            "CI_DEFAULT_BRANCH": "main",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": self.base,
            "CI_MERGE_REQUEST_IID": "7",
            "CI_MERGE_REQUEST_PROJECT_ID": "1",
            "CI_MERGE_REQUEST_PROJECT_PATH": githttp.REPOSITORY,
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": self.head if results else "",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": self.tip if results else "",
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_PROJECT_PATH": "hubot/shop",
            "CI_SERVER_URL": server.url,
            "HOME": str(self.folder),
        }
        ended = cibeacon("services", "--format=json", environ=variables | environ, cwd=clone.root)
        return ended.document["changes"]


@pytest.mark.parametrize("results", [False, True], ids=["detached", "merged results"])
def test_the_map_is_the_target_projects_in_every_kind_of_pipeline(results, tmp_path):
    fork = Fork(tmp_path, mapped=True)
    with GitServer(fork.target.root) as server:
        found = fork.run(server, results=results)

    assert (found["services"], found["reason"]) == (["mine"], None)


def test_a_map_from_the_setting_needs_no_commit_of_the_target(tmp_path):
    """The job token of a fork cannot read a private parent: what is checked out holds the head alone."""
    fork = Fork(tmp_path, mapped=True)
    clone = Worktree.new(tmp_path / "clone")
    clone.git("fetch", "--quiet", fork.target.root.as_uri(), fork.head)
    with GitServer(fork.target.root, answer=404) as server:
        setting = {"CIBEACON_SERVICES": "services/{service}/", "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "ab" * 20}
        found = fork.run(server, **setting)

    assert (found["services"], found["how"]) == (["mine"], "merge request's diff base")


def test_where_the_target_cannot_be_read_the_advice_is_gitlabs(tmp_path):
    fork = Fork(tmp_path, mapped=True)
    with GitServer(fork.target.root, token="another") as server:
        found = fork.run(server, CI_JOB_TOKEN=githttp.TOKEN)

    assert found["status"] == "unknown"
    assert "gitlab_token" in found["reason"]
    assert "contents: read" not in found["reason"]
