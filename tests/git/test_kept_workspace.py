"""A workspace from an earlier job has outdated branches and tags, which must not be used for today's run."""

from __future__ import annotations

import json

import pytest

import githttp
from githttp import GitServer
from processes import cibeacon
from repositories import Worktree

SHOP = githttp.REPOSITORY
HOSTS = ("github", "gitlab")
HERE = "as this checkout has it"


class Kept:
    """A runner's workspace: an earlier job fetched every branch and tag, and the host has newer ones by now."""

    def __init__(self, folder, server: GitServer, host: Worktree, here: Worktree) -> None:
        self.folder, self.server, self.host, self.here = folder, server, host, here

    def checked_out(self, sha: str) -> str:
        """Today's job: like `actions/checkout` and GitLab's `GIT_STRATEGY: fetch`, it fetches only its own commit."""
        self.here.git("fetch", "--quiet", "--no-tags", "origin", sha)
        self.here.git("checkout", "--quiet", "--detach", sha)
        return sha

    def run(self, host: str, sha: str, *argv: str, ref="refs/heads/topic", before=None, forced=False, **environ: str):
        """The changes that `cibeacon services` reports for a push of `sha` to `ref`."""
        self.checked_out(sha)
        made = self._github(sha, ref, before, forced) if host == "github" else self._gitlab(sha, ref, before)
        own = {"HOME": str(self.folder), "CIBEACON_SERVICES": "services/{service}/"}
        ended = cibeacon("services", "--format=json", *argv, environ=made | own | environ, cwd=self.here.root)
        return ended.document["changes"]

    def _github(self, sha, ref, before, forced, event="push", **payload):
        payload = {"repository": {"full_name": SHOP, "default_branch": "main"}, **payload}
        if event == "push":
            zeros = "0" * 40
            payload |= {"ref": ref, "before": before or zeros, "after": sha, "created": not before, "forced": forced}
        (self.folder / "event.json").write_text(json.dumps(payload))
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_REF": ref,
            "GITHUB_SHA": sha,
            "GITHUB_TOKEN": self.server.token or "",
            **self.server.github,
        }

    def pull_request(self, base: str, head: str):
        """The changes of an open pull request whose head the workflow checks out itself."""
        self.checked_out(head)
        sides = {"base": {"ref": "main", "sha": base}, "head": {"ref": "topic", "sha": head}}
        pull = {"number": 7, "id": 70, "state": "open", "merged": False, **sides}
        made = self._github(base, "refs/heads/main", None, False, "pull_request_target", number=7, pull_request=pull)
        own = {"HOME": str(self.folder), "CIBEACON_SERVICES": "services/{service}/"}
        (self.here.root / ".cibeacon.yml").unlink(missing_ok=True)
        return cibeacon("services", "--format=json", environ=made | own, cwd=self.here.root).document["changes"]

    def _gitlab(self, sha, ref, before):
        name = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
        return {
            "GITLAB_CI": "true",
            "CI_COMMIT_BEFORE_SHA": before or "0" * 40,
            "CI_COMMIT_BRANCH" if ref.startswith("refs/heads/") else "CI_COMMIT_TAG": name,
            "CI_COMMIT_SHA": sha,
            "CI_DEFAULT_BRANCH": "main",
            "CI_JOB_TOKEN": self.server.token or "",
            "CI_PIPELINE_SOURCE": "push",
            **self.server.gitlab,
        }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The host's repository and the workspace of `kept`, made once."""
    folder = tmp_path_factory.mktemp("kept")
    host, here = Worktree.new(folder / "host"), Worktree.new(folder / "workspace")
    host.commit({"services/old/a": "1"})
    host.git("tag", "v1")
    here.git("remote", "add", "origin", host.root.as_uri())
    here.git("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
    here.git("branch", "main", "refs/remotes/origin/main")
    host.commit({"services/theirs/a": "1"})
    return host, here


@pytest.fixture
def kept(made, tmp_path):
    """A workspace from when `main` had one commit and the tag `v1`; it now has a second commit, where a new branch starts."""
    host, here = (each.copy(tmp_path / each.root.name) for each in made)
    here.git("remote", "set-url", "origin", host.root.as_uri())
    with GitServer(host.root) as server:
        yield Kept(tmp_path, server, host, here)


def topic(kept: Kept) -> str:
    kept.host.git("checkout", "--quiet", "-b", "topic")
    return kept.host.commit({"services/mine/a": "1"})


# Branches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_a_new_branch_changed_what_it_holds_beyond_the_hosts_default_branch(host, kept):
    found = kept.run(host, topic(kept))

    assert found["services"] == ["mine"]
    assert found["how"].startswith("new branch, merge base with main")
    assert HERE not in found["how"]


def test_a_force_push_whose_old_tip_is_gone_is_compared_with_the_hosts_default_branch(kept):
    found = kept.run("github", topic(kept), before="ab" * 20, forced=True)

    assert found["services"] == ["mine"]


def test_an_open_pull_request_has_the_commits_that_its_base_branch_lost(kept):
    """The base branch was reset: the commits that the workspace still sees on it now belong to the pull request."""
    tree, first = kept.host, kept.host.tip("v1")
    kept.here.git("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
    head = topic(kept)
    tree.git("update-ref", "refs/heads/main", first)

    found = kept.pull_request(first, head)

    assert (found["base"], found["services"]) == (first, ["mine", "theirs"])


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    "base", ["main", "heads/main", "refs/heads/main", "origin/main", "remotes/origin/main", "refs/remotes/origin/main"]
)
def test_a_base_by_name_is_the_hosts_branch(base, host, kept):
    found = kept.run(host, topic(kept), f"--base={base}")

    assert (found["services"], found["base"]) == (["mine"], kept.host.tip("main"))
    assert HERE not in found["how"]


@pytest.mark.parametrize(("base", "services"), [("main~1", ["mine", "theirs"]), ("origin/main^", ["mine", "theirs"])])
def test_a_base_is_counted_back_from_the_hosts_branch(base, services, kept):
    kept.host.commit({"services/more/a": "1"})

    assert kept.run("github", topic(kept), f"--base={base}")["services"] == ["mine", "more"]


@pytest.mark.parametrize("base", ["HEAD^", "HEAD~1", "@~", "short"])
def test_the_checked_out_commit_is_todays_and_needs_no_server(base, kept):
    sha = topic(kept)
    asked = len(kept.server.requests)

    found = kept.run("github", sha, f"--base={kept.host.tip('main')[:9] if base == 'short' else base}")

    assert (found["services"], found["how"]) == (["mine"], "base and head as set")
    assert len(kept.server.requests) == asked


def test_a_tag_of_todays_job_that_the_host_does_not_know_is_this_checkouts(kept):
    sha = topic(kept)
    kept.checked_out(sha)
    kept.here.git("tag", "last-deploy", f"{sha}^")

    found = kept.run("gitlab", sha, "--base=last-deploy")

    assert found["services"] == ["mine"]
    assert f"last-deploy {HERE}" in found["how"]


@pytest.mark.parametrize("base", ["gone", "origin/gone", "refs/heads/gone"])
def test_a_branch_that_the_host_deleted_is_not_used(base, kept):
    kept.here.git("update-ref", "refs/remotes/origin/gone", "v1")

    found = kept.run("github", topic(kept), f"--base={base}")

    assert (found["status"], found["services"]) == ("unknown", [])


def test_an_up_to_date_workspace_is_not_sent_its_history_again(kept):
    """The whole history is here and the server knows it: three requests, and no commit to send."""
    sha = topic(kept)
    kept.here.git("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
    for number in range(60):
        kept.host.commit({"services/mine/a": str(number)}, GIT_AUTHOR_NAME=str(number) * 40)
    sha = kept.host.tip()
    kept.checked_out(sha)
    before = len(kept.server.requests), kept.server.sent

    assert kept.run("gitlab", sha)["services"] == ["mine"]
    assert len(kept.server.requests) - before[0] <= 3
    assert kept.server.sent - before[1] < 3000


# No server to ask ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_if_a_server_with_a_credential_refuses_the_workspaces_branch_is_not_used(host, kept):
    kept.server.token, kept.server.answer = githttp.TOKEN, 403

    found = kept.run(host, topic(kept))

    assert (found["status"], found["services"]) == ("unknown", [])
    assert "could not be fetched" in found["reason"]


@pytest.mark.parametrize("base", [None, "origin/main", "main"])
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("why", ["no credential", "no address", "dry run"])
def test_without_a_server_the_workspaces_branch_is_used_and_how_says_so(why, host, base, kept):
    sha, argv = topic(kept), (f"--base={base}",) if base else ()
    more = {"CIBEACON_DRY_RUN": "true"} if why == "dry run" else {}
    if why == "no address":
        more |= {"GITHUB_SERVER_URL": "http://git.example.com", "CI_SERVER_URL": "http://git.example.com"}
    kept.server.answer = 401 if why == "no credential" else None

    found = kept.run(host, sha, *argv, **more)

    assert found["services"] == ["mine", "theirs"]
    assert f"{base or 'origin/main'} {HERE}" in found["how"]


# Tags ---------------------------------------------------------------------------------------------------------------


def tagged(kept: Kept, name: str, service: str) -> str:
    sha = kept.host.commit({f"services/{service}/{name}": "1"})
    kept.host.git("tag", "--annotate", f"--message={name}", name, sha)
    return sha


@pytest.mark.parametrize("host", HOSTS)
def test_the_previous_tag_is_the_hosts(host, kept):
    """`v2` is newer than the workspace, and the workspace has a `v3` that was deleted since."""
    kept.here.git("fetch", "--quiet", "origin", "main")
    kept.here.git("tag", "v3", "FETCH_HEAD")
    tagged(kept, "v2", "two")
    sha = tagged(kept, "v4", "four")

    found = kept.run(host, sha, ref="refs/tags/v4")

    assert found["services"] == ["four"]
    assert found["how"].startswith("previous tag v2")
    assert HERE not in found["how"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_tag_that_was_moved_is_where_the_host_has_it(host, kept):
    kept.host.git("tag", "--force", "v1", "main")
    sha = tagged(kept, "v2", "two")

    assert kept.run(host, sha, ref="refs/tags/v2")["services"] == ["two"]
    assert kept.run(host, sha, "--base=v1")["services"] == ["two"]
    assert kept.run(host, sha, "--base=refs/tags/v1")["services"] == ["two"]


def test_without_a_server_the_workspaces_tag_is_used_and_how_says_so(kept):
    sha = tagged(kept, "v2", "two")
    kept.server.answer = 401

    found = kept.run("gitlab", sha, ref="refs/tags/v2")

    assert found["services"] == ["theirs", "two"]
    assert found["how"] == f"previous tag v1 {HERE}"


@pytest.mark.parametrize("host", HOSTS)
def test_the_previous_tag_is_of_the_same_series(host, kept):
    tagged(kept, "pay-v1", "pay")
    tagged(kept, "pay-v2", "pay")
    tagged(kept, "web-v1", "web")
    tagged(kept, "nightly", "web")
    sha = tagged(kept, "pay-v3", "pay")

    found = kept.run(host, sha, ref="refs/tags/pay-v3")

    assert found["services"] == ["pay", "web"]
    assert found["how"].startswith("previous tag pay-v2")
