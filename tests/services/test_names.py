"""One rule for service names from every source: a name is valid everywhere or nowhere, and is never silently dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cibeacon.backfill.columns import KINDS
from cibeacon.backfill.parsers import TimeRules, service_names
from cibeacon.model.identifiers import names as deployed
from cibeacon.model.identifiers import services
from processes import cibeacon
from repositories import Worktree

TABLE = json.loads((Path(__file__).parent / "names.json").read_text("utf-8"))
TEXT = {name: json.dumps([name]) for name in (*TABLE["names"], *TABLE["others"])}
"""Each as the one item of a list, whatever parts the items of a list otherwise."""
MARKED = {"discover": [{"marker": "**/package.json", "name": ".name"}]}
WAYS = {
    "a folder": ({"discover": [{"root": "all/{service}/"}]}, lambda name: {f"all/{name}/x": ""}),
    "a key": (lambda name: {"services": {name: "a/"}}, lambda _: {"a/x": ""}),
    "a marker": (MARKED, lambda name: {"a/package.json": json.dumps({"name": name})}),
    "nx": ({"discover": [{"nx": "g.json"}]}, lambda name: {"g.json": json.dumps({"nodes": {name: {"data": {"root": "a"}}}}), "a/x": ""}),
    "turbo": (
        {"discover": [{"turbo": "g.json"}]},
        lambda name: {"g.json": json.dumps({"packages": {"items": [{"name": name, "path": "a"}]}}), "a/x": ""},
    ),
    "CODEOWNERS": (lambda name: {"discover": [{"codeowners": "CODEOWNERS", "name": json.dumps(name)}]},
                   lambda _: {"CODEOWNERS": "* @a/x"}),
    "jq": (lambda name: {"discover": [{"jq": json.dumps(name)}]}, lambda _: {"x": ""}),
    "unmatched": (lambda name: {"services": {"other": "o/"}, "unmatched": name}, lambda _: {"x": ""}),
}  # fmt: skip


def changed(root, way, name):
    """The changes of a commit that adds a service with this name."""
    config, files = WAYS[way]
    tree = Worktree.new(root)
    tree.commit({".cibeacon.json": json.dumps(config(name) if callable(config) else config), "keep": ""})
    tree.commit(files(name))
    ended = cibeacon("services", "--base=HEAD^", "--head=HEAD", "--format=json", cwd=root)
    return ended.document["changes"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["@acme/web", "payments:api", "API (v2)", "支払い"])
def test_a_name_is_never_rewritten_whichever_way_it_came(tmp_path, way, name):
    if way == "a folder" and "/" in name:
        name = name.replace("/", " ")
    found = changed(tmp_path / "shop", way, name)
    assert (found["status"], found["services"]) == ("ok", [name]), found["reason"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["$(id)", "a::error::b"])
def test_a_change_below_an_invalid_name_makes_the_services_unknown(tmp_path, way, name):
    found = changed(tmp_path / "shop", way, name)
    assert (found["status"], found["services"]) == ("unknown", [])
    assert name in found["reason"]


def cell(text):
    """The service in a row's cell."""
    return KINDS["deployments"].columns["service"].parse(text, TimeRules(0))


@pytest.mark.parametrize("name", TABLE["names"])
def test_a_name_is_one_to_settings_and_to_rows(name):
    assert (deployed(TEXT[name]), services(TEXT[name])) == ((name,), (name,))
    assert (cell(name), service_names(TEXT[name])) == (name, (name,))


@pytest.mark.parametrize("name", TABLE["others"])
def test_an_invalid_name_is_invalid_in_settings_and_in_rows(name):
    for ask in (lambda: deployed(TEXT[name]), lambda: services(TEXT[name]), lambda: service_names(TEXT[name])):
        with pytest.raises(ValueError, match="is not a valid service name"):
            ask()
    with pytest.raises(ValueError, match="is not a valid service name"):
        cell(name)


def test_scoped_packages_of_a_workspace_are_services(tmp_path):
    tree = Worktree.new(tmp_path / "shop")
    packages = {f"packages/{each}/package.json": json.dumps({"name": f"@acme/{each}"}) for each in ("web", "api")}
    tree.commit({".cibeacon.json": json.dumps(MARKED), "package.json": "{}", **packages})
    tree.commit({"packages/web/index.js": ""})
    flags = ("services", "--base=HEAD^", "--head=HEAD", "--format=json")
    assert cibeacon(*flags, cwd=tree.root).document["changes"]["services"] == ["@acme/web"]
    assert cibeacon("services", "check", cwd=tree.root).out == ".cibeacon.json: 2 services, 0 problems\n"


@pytest.mark.parametrize("given", ["7", "[]", "{}", "true"])
def test_a_name_that_is_not_text_is_not_dropped_either(tmp_path, given):
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({".cibeacon.json": json.dumps(MARKED), "keep": ""})
    tree.commit({"a/package.json": f'{{"name": {given}}}'})
    ended = cibeacon("services", "--base=HEAD^", "--head=HEAD", "--format=json", cwd=tree.root)
    assert ended.document["changes"]["status"] == "unknown"


@pytest.mark.parametrize(
    ("config", "files", "finding"),
    [
        (
            {"discover": [{"root": "s/{service}/"}]},
            {"s/$(id)/x": "", "s/a/x": ""},
            "s/$(id)/ would be the service '$(id)'",
        ),
        (
            MARKED,
            {"a/package.json": '{"name": "a::b"}', "b/package.json": '{"name": "b"}'},
            "a/ would be the service 'a::b'",
        ),
        (
            {"services": {"a": "a/"}, "discover": [{"codeowners": "CODEOWNERS", "name": '"-x"'}]},
            {"CODEOWNERS": "* @acme/x", "a/x": ""},
            "CODEOWNERS would be the service '-x'",
        ),
    ],
)
def test_check_finds_invalid_service_names(tmp_path, config, files, finding):
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({".cibeacon.json": json.dumps(config), **files})
    ended = cibeacon("services", "check", cwd=tree.root)
    (line,) = [line for line in ended.out.splitlines() if "fault" in line]
    assert (finding in line, "which is not a valid service name" in line, ended.code) == (True, True, 2)


@pytest.mark.parametrize(
    ("config", "files", "change"),
    [
        ({"discover": [{"root": "s/{service}/"}], "global": ["go.work"]}, {"s/a;b/x": "", "s/a/x": ""}, "go.work"),
        (
            {"discover": [{"turbo": "g.json"}]},
            {
                "g.json": json.dumps(
                    {
                        "tasks": [
                            {"package": "a;b", "directory": "a", "dependencies": ["ui#build"]},
                            {"package": "ui", "directory": "ui", "dependencies": []},
                        ]
                    }
                )
            },
            "ui/x",
        ),
    ],
)
def test_a_change_that_reaches_an_invalid_name_is_not_lost(tmp_path, config, files, change):
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({".cibeacon.json": json.dumps(config), **files})
    tree.commit({change: ""})
    ended = cibeacon("services", "--base=HEAD^", "--head=HEAD", "--format=json", cwd=tree.root)
    assert (ended.document["changes"]["status"], "'a;b' changed" in ended.document["changes"]["reason"]) == (
        "unknown",
        True,
    )


def test_a_change_elsewhere_is_reported_all_the_same(tmp_path):
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({".cibeacon.json": '{"discover": [{"root": "{service}/"}]}', "$(id)/x": "", "a/x": "", ".github/x": ""})
    tree.commit({"a/x": "1", ".github/x": "1"})
    ended = cibeacon("services", "--base=HEAD^", "--head=HEAD", "--format=json", cwd=tree.root)
    assert (ended.document["changes"]["services"], ended.document["changes"]["unmatched"]) == (["a"], 1)
    assert (
        cibeacon("services", "which", "$(id)/x", cwd=tree.root).out
        == "$(id)/x  no service ('$(id)' is not a valid service name)\n"
    )
