"""A pull request that may be a fork's, on a CI system that names no base commit: its own configuration is never read."""

from __future__ import annotations

import pytest

from processes import cibeacon
from repositories import Worktree

MAP = "services:\n  {name}: {{paths: services/payments/}}\n"
DRONE = {
    "DRONE": "true", "DRONE_REPO": "acme/shop", "DRONE_BUILD_EVENT": "pull_request", "DRONE_PULL_REQUEST": "7",
    "DRONE_TARGET_BRANCH": "main", "DRONE_SOURCE_BRANCH": "topic", "DRONE_BUILD_NUMBER": "42",
    "DRONE_BUILD_LINK": "https://drone.example.com/acme/shop/42",
}  # fmt: skip


@pytest.fixture
def clone(tmp_path):
    """The head of a pull request, which renames the service that it changed."""
    made = Worktree.new(tmp_path / "shop")
    made.commit({".cibeacon.yml": MAP.format(name="ours"), "services/payments/a.py": "1\n"})
    made.git("checkout", "--quiet", "-b", "topic")
    head = made.commit({".cibeacon.yml": MAP.format(name="theirs"), "services/payments/a.py": "2\n"})
    return made, head


def services(made, head):
    ended = cibeacon(
        "report", "--dry-run", "--format", "json", environ=DRONE | {"DRONE_COMMIT_SHA": head}, cwd=made.root
    )
    return ended.document["changes"]


def test_the_configuration_is_read_from_the_branch_that_it_is_for(clone):
    made, head = clone
    made.git("update-ref", "refs/remotes/origin/main", "main")
    assert services(made, head)["services"] == ["ours"]


def test_where_that_branch_is_out_of_reach_the_services_are_unknown(clone):
    made, head = clone
    made.git("branch", "--quiet", "-D", "main")
    changes = services(made, head)
    assert (changes["status"], changes["services"]) == ("unknown", [])


def test_a_merge_that_the_strangers_code_made_chooses_no_other_configuration(clone):
    made, head = clone
    made.git("update-ref", "refs/remotes/origin/main", "main")
    made.git("checkout", "--quiet", "--orphan", "evil")
    base = made.commit({".cibeacon.yml": MAP.format(name="evil"), "services/payments/a.py": "1\n"})
    made.git("checkout", "--quiet", "--detach", base)
    made.git("merge", "--quiet", "--allow-unrelated-histories", "--strategy=ours", "--message=made up", head)
    assert services(made, head)["services"] != ["evil"]


@pytest.mark.parametrize("host", ["tekton", "argo", "concourse"])
class TestGivenBySettings:
    """A pull request that the settings give, with the branch that it is for."""

    def services(self, host, made, head, **more):
        environ = {
            "CIBEACON_HOST": host, "CIBEACON_RUN_ID": "42", "CIBEACON_REPOSITORY": "https://github.com/acme/shop",
            "CIBEACON_COMMIT_SHA": head, "CIBEACON_PR_NUMBER": "7", "CIBEACON_PR_BASE": "main",
        }  # fmt: skip
        made.git("checkout", "--quiet", "--detach", head)
        ended = cibeacon("report", "--dry-run", "--format", "json", environ=environ | more, cwd=made.root)
        return ended.document["changes"]

    def test_the_configuration_is_read_from_the_branch_that_it_is_for(self, host, clone):
        made, head = clone
        made.git("update-ref", "refs/remotes/origin/main", "main")
        assert self.services(host, made, head)["services"] == ["ours"]

    def test_where_that_branch_is_out_of_reach_the_services_are_unknown(self, host, clone):
        made, head = clone
        made.git("branch", "--quiet", "-D", "main")
        changes = self.services(host, made, head)
        assert (changes["status"], changes["services"]) == ("unknown", [])


def test_a_person_at_a_laptop_tries_the_configuration_that_is_there(clone):
    made, _ = clone
    made.git("checkout", "--quiet", "topic")
    made.git("update-ref", "refs/remotes/origin/main", "main")
    said = ("report", "--format", "json", "--pr-number=7", "--pr-base=main")
    assert cibeacon(*said, cwd=made.root).document["changes"]["services"] == ["theirs"]
