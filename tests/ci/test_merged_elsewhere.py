"""A push on a CI system that does not say what was there before: the forge says which merge request it merged."""

from __future__ import annotations

from cibeacon.sandbox.server import Sandbox
from forge import Forge
from processes import cibeacon
from repositories import Worktree

TOKEN = "sandbox-token-1"


def test_services_are_those_of_the_merge_request_that_the_forge_names(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"services/payments/a.py": "1\n", "services/cart/a.py": "1\n"})
    made.git("checkout", "--quiet", "-b", "topic")
    head = made.commit({"services/payments/a.py": "2\n"})
    made.git("checkout", "--quiet", "main")
    made.commit({"services/cart/a.py": "2\n"})
    made.git("merge", "--quiet", "--no-ff", "--message=merged", "topic")
    record = {"iid": 7, "state": "merged", "merge_commit_sha": made.tip(), "sha": head, "target_branch": "main"}
    with Forge(merge_requests={"acme/shop": [record]}) as forge, Sandbox(token=TOKEN) as dx:
        environ = {
            "DRONE": "true",
            "DRONE_REPO": "acme/shop",
            "DRONE_REPO_BRANCH": "main",
            "DRONE_GIT_HTTP_URL": f"{forge.url}/acme/shop.git",
            "DRONE_BUILD_EVENT": "push",
            "DRONE_BRANCH": "main",
            "DRONE_COMMIT_SHA": made.tip(),
            "DRONE_BUILD_NUMBER": "42",
            "CIBEACON_SERVICES": "services/{service}/",
            "CIBEACON_GIT_URL": forge.url,
            "GITLAB_TOKEN": "forge-token",
            "CIBEACON_DX_URL": dx.url,
            "DX_API_TOKEN": TOKEN,
        }
        ended = cibeacon("report", "--format", "json", environ=environ | {"HOME": str(tmp_path)}, cwd=made.root)
        without = cibeacon("services", "--format", "json", environ=environ | {"GITLAB_TOKEN": ""}, cwd=made.root)
    signals = {signal["kind"]: signal for signal in ended.document["signals"]}
    assert signals["pull-services"]["request"]["body"] == {
        "repository": "acme/shop",
        "pull_number": 7,
        "services": ["payments"],
    }
    assert ended.document["changes"]["services"] == ["payments"]
    assert without.document["changes"]["status"] == "unknown"
    assert "set base" in without.err
