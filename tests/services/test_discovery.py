"""Discovery with real git and real jq: in both trees, and never too few services."""

from __future__ import annotations

import json

import pytest

from cibeacon.services.build_graphs import nx, turbo
from cibeacon.services.codeowners import Owners
from processes import cibeacon
from repositories import Worktree


def told(tmp_path, config, before, after, *flags):
    """The changes between two commits, as `cibeacon services` reports them."""
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({".cibeacon.json": json.dumps(config), "keep": "", **before})
    tree.commit(after)
    ended = cibeacon("services", "--base=HEAD^", "--head=HEAD", "--format=json", *flags, cwd=tree.root)
    assert ended.code == 0, ended.err
    return ended.document["changes"]


def marked(**rule):
    return {"discover": [{"marker": "**/catalog-info.yaml", **rule}]}


COMPONENT = "kind: Component\nmetadata:\n  name: {}\n  created: 2024-01-01\n"


def test_a_marker_makes_its_folder_a_service_in_either_tree(tmp_path):
    before = {"a/pay/catalog-info.yaml": "", "a/pay/x": "", "a/old/catalog-info.yaml": "", "a/old/x": ""}
    after = {"a/pay/x": "1", "b/new/catalog-info.yaml": "", "a/old/catalog-info.yaml": None, "a/old/x": None, "c/x": ""}
    found = told(tmp_path, marked(), before, after)
    assert found["services"] == ["new", "old", "pay"]
    assert found["unmatched"] == 1


def test_a_marker_may_name_its_service_and_exclude_itself(tmp_path):
    before = {
        "a/catalog-info.yaml": COMPONENT.format("payments"),
        "b/catalog-info.yaml": "kind: Location\nmetadata: {name: nothing}\n",
        "c/catalog-info.yaml": "kind: Location\n---\n" + COMPONENT.format("second"),
        "e/catalog-info.yaml": "kind: [Component\n",
    }
    rule = marked(name=".metadata.name # the name", when='.kind == "Component"')
    found = told(tmp_path, rule, before, {f"{folder}/x": "" for folder in "abce"})
    assert found["why"] == {"payments": "a/x", "second": "c/x"}
    assert found["unmatched"] == 2


def test_a_service_that_stops_being_one_is_seen_in_the_base(tmp_path):
    rule = marked(name=".metadata.name", when='.kind == "Component"')
    before = {"a/catalog-info.yaml": COMPONENT.format("gone"), "b/catalog-info.yaml": COMPONENT.format("old")}
    after = {"a/catalog-info.yaml": "kind: Location\n", "b/catalog-info.yaml": COMPONENT.format("renamed")}
    assert told(tmp_path, rule, before, after)["services"] == ["gone", "renamed"]


def test_explicit_wins_over_a_marker_and_the_first_rule_over_the_second(tmp_path):
    config = {
        "services": {"payments": "a/pay/"},
        "discover": [{"marker": "**/service.yaml"}, {"root": "*/{service}/"}],
    }
    before = {"a/pay/service.yaml": "", "b/service.yaml": "", "b/cart/service.yaml": "", "a/web/y": ""}
    found = told(tmp_path, config, before, {"a/pay/x": "", "b/x": "", "b/cart/x": "", "a/web/x": ""})
    assert found["services"] == ["b", "cart", "payments", "web"]


def test_a_marker_that_is_a_link_is_none(tmp_path):
    tree = Worktree.new(tmp_path / "shop")
    (tree.root / "a").mkdir()
    (tree.root / "a/catalog-info.yaml").symlink_to("/etc/hostname")
    tree.commit({".cibeacon.json": json.dumps(marked(name="."))})
    ended = cibeacon("services", "--files-from=-", "--format=json", stdin="a/x\n", cwd=tree.root)
    assert ended.document["changes"]["services"] == []


def test_a_global_file_changes_every_service_of_both_trees(tmp_path):
    config = {"discover": [{"root": "services/{service}/"}], "global": ["go.work"]}
    before = {"services/a/x": "", "services/old/x": "", "services/README": ""}
    found = told(tmp_path, config, before, {"go.work": "1", "services/old/x": None})
    assert found["why"] == {"a": "global: go.work", "old": "services/old/x"}


OWNERS = """
* @acme/everyone
/services/pay/ @acme/payments you@example.com
*.md
docs/* @writer  # only files there
"""


def test_codeowners_apply_below_no_root_and_the_last_match_wins(tmp_path):
    config = {"services": {"web": "web/"}, "discover": [{"codeowners": ".github/CODEOWNERS"}]}
    after = {"services/pay/x": "", "web/x": "", "docs/a/b": "", "docs/c": "", "services/pay/r.md": ""}
    found = told(tmp_path, config, {".github/CODEOWNERS": OWNERS}, after)
    assert found["why"] == {
        "everyone": "docs/a/b",
        "payments": "services/pay/x",
        "web": "web/x",
        "writer": "docs/c",
        "you@example.com": "services/pay/x",
    }
    assert found["unmatched"] == 1


def test_a_program_may_name_the_owners_service(tmp_path):
    config = {"discover": [{"codeowners": "CODEOWNERS", "name": 'ltrimstr("@acme/") | "team-" + .'}]}
    found = told(tmp_path, config, {"CODEOWNERS": "/a/ @acme/pay\n"}, {"a/x": ""})
    assert found["services"] == ["team-pay"]


@pytest.mark.parametrize(
    ("text", "path", "owners"),
    [
        ("* @a\n*.js @b", "x/y.js", ("@b",)),
        ("/build/ @a", "x/build/y", ()),
        ("build/ @a", "x/build/y", ("@a",)),
        ("docs @a", "x/docs/y/z", ("@a",)),
        ("/a/b @a", "a/b", ("@a",)),
        ("a/b @a", "x/a/b", ()),
        ("**/logs @a", "x/y/logs/z", ("@a",)),
        ("/a\\ b/ @a", "a b/x", ("@a",)),
        ("# * @a", "x", ()),
        ("* @a\n/x", "x", ()),
        ("[Docs] @d\n/x\n[Code]\n/x @c @e", "x", ("@d", "@c", "@e")),
        ("[Docs][2] @d @e\n/x\n", "x", ("@d", "@e")),
        ("^[Docs]\n/x @a\n!/x\n", "x", ()),
        ("* @a\n/[ab]/{c} @b\n", "a/c", ("@a",)),
        ("/lib/ @a\n/* @b", "lib/x", ("@a",)),
        ("/* @b", "x", ("@b",)),
        ("* @a\n/ @b", "x", ("@a",)),
        ("/f\\*o @a", "f*o", ("@a",)),
        ("/f\\*o @a", "foo", ()),
        ("[R]\n*.rb @a\n!/config/**/*.rb\n/config/routes.rb @b", "config/routes.rb", ()),
        ("[R]\n!/x\n[S]\n/x @b", "x", ("@b",)),
    ],
)
def test_codeowners_have_the_meaning_that_the_hosts_document(text, path, owners):
    assert Owners(text).of(path) == owners


@pytest.mark.parametrize(
    ("text", "path", "owners"),
    [
        ("a/b @a", "x/a/b", ("@a",)),
        ("internal/README.md @a", "docs/api/internal/README.md", ("@a",)),
        ("/internal/README.md @a", "docs/internal/README.md", ()),
        ("docs/ @a", "x/docs/y/z", ("@a",)),
        ("docs/*.md @a", "x/docs/y.md", ("@a",)),
        ("/docs @a", "docs/x", ()),
        ("/docs @a", "docs", ("@a",)),
        ("/docs/** @a", "docs/x", ("@a",)),
        ("/docs/** @a", "docs/x/y", ()),
        ("/docs/**/x.md @a", "docs/a/b/x.md", ("@a",)),
        ("* @a", "x/y", ("@a",)),
        ("* @a\n*.rb @b", "x/y.rb", ("@b",)),
        ("[R]\n*.rb @a\n!config/*.rb", "x/config/y.rb", ()),
        ("/x @a # @b", "x", ("@a", "@b")),
        ("\\#x @a", "y/#x", ("@a",)),
        ("path\\ with/ @a", "y/path with/x", ("@a",)),
    ],
)
def test_codeowners_on_gitlab_have_the_meaning_that_gitlab_documents(text, path, owners):
    assert Owners(text, gitlab=True).of(path) == owners


@pytest.mark.parametrize(
    ("place", "environ", "origin", "services"),
    [
        (".gitlab/CODEOWNERS", {}, "", ["deep"]),
        (".github/CODEOWNERS", {"GITLAB_CI": "true"}, "", []),
        ("CODEOWNERS", {"GITLAB_CI": "true"}, "", ["deep"]),
        ("docs/CODEOWNERS", {}, "", []),
        ("CODEOWNERS", {}, "https://gitlab.example.com/acme/shop.git", ["deep"]),
        ("CODEOWNERS", {}, "git@github.com:acme/shop.git", []),
    ],
)
def test_the_folder_of_codeowners_or_the_ci_system_decides_whose_syntax_applies(
    tmp_path, place, environ, origin, services
):
    tree = Worktree.new(tmp_path / "shop")
    tree.git("remote", "add", "origin", origin or "/nowhere")
    tree.commit({".cibeacon.json": json.dumps({"discover": [{"codeowners": place}]}), place: "a/b @acme/deep\n"})
    tree.commit({"x/a/b": ""})
    flags = ("--base=HEAD^", "--head=HEAD", "--format=json")
    ended = cibeacon("services", *flags, environ=environ, cwd=tree.root)
    assert ended.document["changes"]["services"] == services
    path = cibeacon("services", "which", "x/a/b", "--format=json", environ=environ, cwd=tree.root)
    assert path.document["paths"][0]["owners"] == services


def test_nested_groups_with_the_same_last_name_are_separate_services(tmp_path):
    config = {"discover": [{"codeowners": "CODEOWNERS"}]}
    owners = "/a/ @acme/pay/team\n/b/ @acme/web/team\n/c/ @acme/team\n/d/ @other/team\n/e/ @acme/ops\n/f/ @team\n"
    found = told(tmp_path, config, {"CODEOWNERS": owners}, {f"{folder}/x": "" for folder in "abcdef"})
    assert found["services"] == ["acme/team", "ops", "other/team", "pay/team", "team", "web/team"]


NX = {
    "graph": {
        "nodes": {
            "shop": {"name": "shop", "type": "app", "data": {"root": "apps/shop"}},
            "ui": {"name": "ui", "type": "lib", "data": {"root": "libs/ui"}},
        },
        "dependencies": {"shop": [{"source": "shop", "target": "ui", "type": "static"}], "ui": []},
    }
}
TURBO = {
    "tasks": [
        {"taskId": "@acme/web#build", "package": "@acme/web", "directory": "apps/web", "dependencies": ["ui#build"]},
        {"taskId": "ui#build", "package": "ui", "directory": "packages/ui", "dependencies": []},
    ]
}


def test_nx_provides_projects_and_their_dependencies(tmp_path):
    config = {"discover": [{"nx": "graph.json"}]}
    found = told(tmp_path, config, {"graph.json": json.dumps(NX)}, {"libs/ui/x": ""})
    assert found["why"] == {"shop": "uses: ui"}


def test_a_listed_service_may_use_a_library_from_nx(tmp_path):
    config = {"services": {"web": {"paths": "apps/web/", "uses": ["ui"]}}, "discover": [{"nx": "graph.json"}]}
    found = told(tmp_path, config, {"graph.json": json.dumps(NX)}, {"libs/ui/x": ""})
    assert found["why"] == {"shop": "uses: ui", "web": "uses: ui"}


def test_turbo_provides_packages_and_a_listed_folder_keeps_its_name(tmp_path):
    config = {"discover": [{"turbo": "graph.json"}], "libs": {"design": "packages/ui/"}}
    found = told(tmp_path, config, {"graph.json": json.dumps(TURBO)}, {"packages/ui/x": ""})
    assert found["why"] == {"@acme/web": "uses: design"}


@pytest.mark.parametrize(
    "first",
    [{"services": {"web": "packages/web/", "ui": "packages/ui/"}}, {"discover": [{"root": "packages/{service}/"}]}],
    ids=["written down", "an earlier rule"],
)
def test_a_folder_has_one_name_and_that_of_a_later_rule_is_not_a_service(tmp_path, first):
    marker = {"marker": "packages/*/package.json", "name": ".name"}
    config = {**first, "discover": [*first.get("discover", []), marker], "global": ["go.work"]}
    before = {f"packages/{name}/package.json": json.dumps({"name": f"@acme/{name}"}) for name in ("web", "ui")}
    assert told(tmp_path, config, before, {"go.work": "1"})["services"] == ["ui", "web"]


@pytest.mark.parametrize("first", [{"root": "packages/{service}/"}, {"marker": "packages/*/service.yaml"}])
def test_dependencies_use_the_name_that_an_earlier_rule_gave_a_project(tmp_path, first):
    graph = json.dumps(TURBO).replace('"ui', '"@acme/ui')
    before = {"graph.json": graph, "packages/ui/service.yaml": "", "apps/web/x": ""}
    found = told(tmp_path, {"discover": [first, {"turbo": "graph.json"}]}, before, {"packages/ui/x": "1"})
    assert found["why"] == {"@acme/web": "uses: ui", "ui": "packages/ui/x"}


def test_graphs_are_read_from_the_checkout(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/graph.json").write_text(json.dumps(NX))
    found = told(tmp_path, {"discover": [{"nx": "graph.json"}]}, {}, {"apps/shop/x": ""})
    assert found["services"] == ["shop"]


@pytest.mark.parametrize("document", [None, 7, [], {"graph": 1}, {"tasks": [1]}, {"nodes": {"a": 1}}, {"packages": {}}])
def test_a_graph_of_another_shape_is_harmless(document):
    for reader in (nx, turbo):
        for project in reader(document):
            assert project.root == ""


def test_turbo_also_lists_packages():
    listed = {"packages": {"items": [{"name": "web", "path": "apps/web"}]}}
    assert [(each.name, each.root) for each in turbo(listed)] == [("web", "apps/web")]


def test_a_program_may_choose_services_and_runs_once_with_everything(tmp_path):
    program = '[.files[] | select(.path | endswith(".sql")) | "database"] + [.services[] | select(. == "a") | "chosen"]'
    config = {"services": {"a": "a/"}, "discover": [{"jq": program}]}
    found = told(tmp_path, config, {}, {"x/1.sql": "", "x/2.sql": ""})
    assert found["services"] == ["chosen", "database"]
    assert found["why"]["database"] == "chosen by jq, discover rule 1"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"codeowners": "CODEOWNERS"}, "CODEOWNERS cannot be used (it is not in the commits that cibeacon reads)"),
        ({"nx": "graph.json"}, "graph.json cannot be used (it does not exist, or is not a graph of nx)"),
        ({"jq": ".nonsense |"}, "The jq program cannot be compiled"),
        ({"jq": '"$(id)"'}, "returned an invalid service name"),
        ({"marker": "**/keep", "name": ".["}, "The jq program cannot be compiled"),
    ],
)
def test_an_unanswered_question_is_unknown_and_never_fewer_services(tmp_path, rule, says):
    found = told(tmp_path, {"services": {"a": "a/"}, "discover": [rule]}, {}, {"a/x": ""})
    assert found["status"] == "unknown"
    assert says in found["reason"]


@pytest.mark.parametrize("rule", [{"name": ".foo |"}, {"name": ".x", "when": ".foo |"}])
def test_an_invalid_program_is_reported_with_its_own_lines(tmp_path, rule):
    found = told(tmp_path, {"discover": [{"marker": "**/x.yaml", **rule}]}, {}, {"a/x.yaml": "a: 1"})
    assert found["reason"].startswith("The jq program cannot be compiled (discover: marker **/x.yaml: ")
    assert "unexpected end of file at line 1, column 6" in found["reason"]


def test_an_invalid_program_for_owners_is_reported_with_its_own_lines(tmp_path):
    config = {"discover": [{"codeowners": "CODEOWNERS", "name": ".foo |"}]}
    found = told(tmp_path, config, {"CODEOWNERS": "* @acme/a\n"}, {"x": ""})
    assert "discover: codeowners CODEOWNERS: syntax error, unexpected end of file at line 1" in found["reason"]


@pytest.mark.parametrize(("policy", "weight"), [("warn", "info"), ("error", "error"), ("ignore", None)])
def test_unmatched_files_are_reported_as_the_map_says(tmp_path, policy, weight):
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({".cibeacon.json": json.dumps({"services": {"a": "a/"}, "unmatched": policy})})
    stdin = "".join(f"x{number}\n" for number in range(7))
    ended = cibeacon("services", "--files-from=-", "--format=json", "--strict", stdin=stdin, cwd=tree.root)
    said = [notice for notice in ended.document["notices"] if "belong" in notice["text"]]
    text = "7 changed files belong to no service: x0, x1, x2, x3, x4 and 2 more"
    assert said == ([{"weight": weight, "text": text}] if weight else [])
    assert ended.code == (1 if policy == "error" else 0)
