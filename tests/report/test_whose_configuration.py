"""The configuration is that of the commit which the run is about, whatever the workspace happens to hold on disk."""

from __future__ import annotations

import json

import pytest

import githttp
from cibeacon.demo import runs
from githttp import GitServer
from processes import cibeacon
from repositories import Worktree

CONFIGURATION = "discover: [{root: 'services/{service}/'}]\nreport: {environment: production}\n"
DEPLOYS = (
    "--deploy-services=changed",
    "--signals=deployment",
    "--dx-url=acme",
    "--dry-run",
    "--strict",
    "--repository=acme/shop",
)


@pytest.fixture
def shop(tmp_path):
    """Two commits, of which the second changes one service."""
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({".cibeacon.yml": CONFIGURATION, "services/web/x": "1", "services/pay/x": "1"})
    tree.commit({"services/web/x": "2"})
    return tree


def pushed(shop, tmp_path, server=None):
    """The variables of a run for the push of the second commit."""
    after = shop.tip()
    payload = runs.pushed(shop.tip("HEAD^"), after)
    place = server.github if server else {"GITHUB_SERVER_URL": "http://127.0.0.1:9"}
    return runs.github("push", payload, after, 7, tmp_path / "run") | {"HOME": str(tmp_path), "NO_PROXY": "*"} | place


def services(environ, root, *flags):
    return cibeacon("services", "--format=json", *flags, environ=environ, cwd=root).document["changes"]


@pytest.mark.parametrize("cone", ["--no-cone", "--cone"])
@pytest.mark.parametrize("on_ci", [True, False])
def test_a_sparse_checkout_leaves_files_out_and_no_service(cone, on_ci, shop, tmp_path):
    shop.git("sparse-checkout", "set", cone, "services/web")
    (shop.root / ".cibeacon.yml").unlink(missing_ok=True)
    environ = pushed(shop, tmp_path) if on_ci else {}
    assert services(environ, shop.root)["services"] == ["web"]
    ended = cibeacon("report", *DEPLOYS, "--format=json", "--run-id=7", environ=environ, cwd=shop.root)
    (row,) = ended.document["signals"]
    body = row["request"]["body"]
    assert (body["service"], body["environment"], ended.code) == ("web", "production", 0)


def test_a_configuration_of_another_name_is_looked_for_in_the_commit_as_well(shop, tmp_path):
    shop.commit({"ci/map.json": '{"services": {"all": "services/"}}', "services/web/x": "3"})
    shop.git("sparse-checkout", "set", "--no-cone", "services/web")
    assert services({}, shop.root, "--config=ci/map.json")["services"] == ["all"]
    ended = cibeacon("services", "--config=ci/nope.json", cwd=shop.root)
    assert "nope.json cannot be used: it cannot be read: there is no such file" in ended.out


def test_the_map_itself_is_shown_from_the_commit_where_the_file_is_left_out(shop):
    shop.git("sparse-checkout", "set", "--no-cone", "services/web")
    assert cibeacon("services", "check", cwd=shop.root).out == ".cibeacon.yml: 2 services, 0 problems\n"


@pytest.fixture(params=["empty", "another"])
def workspace(request, tmp_path):
    """A workspace that holds no commit, or a checkout of another repository with a map and settings of its own."""
    tree = Worktree.new(tmp_path / "workspace")
    if request.param == "another":
        other = {".cibeacon.yml": "services: {other: services/}\nreport: {environment: elsewhere}\n", "services/x": ""}
        tree.commit(other)
        tree.git("remote", "add", "origin", "https://github.com/acme/other.git")
    return tree.root


def test_a_workspace_without_the_commit_of_the_run_has_it_fetched(workspace, shop, tmp_path):
    with GitServer(shop.root) as server:
        environ = pushed(shop, tmp_path, server)
        assert services(environ, workspace)["services"] == ["web"]


def test_a_workspace_without_the_commit_of_the_run_is_unknown_where_it_cannot_be_fetched(workspace, shop, tmp_path):
    found = services(pushed(shop, tmp_path), workspace)
    assert (found["status"], found["services"]) == ("unknown", [])
    ended = cibeacon(
        "report", *DEPLOYS, "--format=json", "--services=web", environ=pushed(shop, tmp_path), cwd=workspace
    )
    (row,) = ended.document["signals"]
    assert "environment" not in row["request"]["body"]


def test_a_graph_that_lies_in_another_repository_is_not_read(shop, tmp_path):
    nodes = {"web": {"type": "app", "data": {"root": "services/web"}}}
    tree = Worktree.new(tmp_path / "workspace")
    tree.commit({"graph.json": json.dumps({"nodes": {"other": {"type": "app", "data": {"root": "services"}}}})})
    tree.git("remote", "add", "origin", "https://github.com/acme/other.git")
    shop.commit({".cibeacon.yml": "discover: [{nx: graph.json}]\n", "graph.json": json.dumps({"nodes": nodes})})
    shop.commit({"services/web/x": "3"})
    with GitServer(shop.root) as server:
        assert services(pushed(shop, tmp_path, server), tree.root)["services"] == ["web"]


@pytest.mark.parametrize("origin", [f"https://github.com/{githttp.REPOSITORY.upper()}", "git@github.com:acme/shop.git"])
def test_a_checkout_of_the_same_repository_at_another_commit_speaks_for_itself(origin, shop, tmp_path):
    tree = Worktree.new(tmp_path / "workspace")
    tree.commit({".cibeacon.yml": "services: {mine: services/}\nreport: {environment: here}\n"})
    tree.git("remote", "add", "origin", origin)
    flags = ("--deploy-services=web", "--signals=deployment", "--dx-url=acme", "--dry-run", "--format=json")
    ended = cibeacon("report", *flags, environ=pushed(shop, tmp_path), cwd=tree.root)
    assert ended.document["signals"][0]["request"]["body"]["environment"] == "here"
