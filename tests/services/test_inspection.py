"""`services list`, `which` and `check`: the map itself, every fault with its line, and rules that match nothing."""

from __future__ import annotations

import json
import re

import pytest

from processes import cibeacon
from repositories import Worktree

FILES = (
    "apps/web/x", "services/pay/a", "services/cart/b", "libs/ui/c", "docs/r.md", "go.work", "Apps/Web/x",
)  # fmt: skip
GOOD = """\
services:
  web:
    paths: [apps/web/, "**/*.work"]
    uses: [ui]
discover:
  - root: services/{service}/
libs:
  ui: libs/ui/
global: [go.work]
ignore: ["**/*.md"]
"""


@pytest.fixture
def shop(tmp_path):
    tree = Worktree.new(tmp_path / "shop")
    tree.commit(dict.fromkeys(FILES, ""))
    return tree


def checked(shop, text, name=".cibeacon.yml", *flags):
    (shop.root / name).write_text(text)
    return cibeacon("services", "check", *flags, cwd=shop.root)


def test_every_service_is_listed_with_its_folders_and_its_rule(shop):
    (shop.root / ".cibeacon.yml").write_text(GOOD)
    ended = cibeacon("services", "list", cwd=shop.root)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "cart  services/cart/  discover: root services/{service}/",
        "pay   services/pay/   discover: root services/{service}/",
        "web   apps/web/       services                            uses: ui",
    ]


def test_a_service_without_a_folder_is_listed_with_its_patterns(shop):
    (shop.root / ".cibeacon.yml").write_text("services: {all: '**', go: ['**/*.go', '**/go.mod']}\n")
    assert cibeacon("services", "list", cwd=shop.root).out.splitlines() == [
        "all  ** (the whole repository)  services",
        "go   **/*.go **/go.mod          services",
    ]


def test_the_list_as_json(shop):
    (shop.root / ".cibeacon.yml").write_text(GOOD)
    document = cibeacon("services", "list", "--format=json", cwd=shop.root).document
    assert document["version"] == 1
    assert document["services"][2] == {"name": "web", "roots": ["apps/web/"], "rule": "services", "uses": ["ui"]}


def test_services_of_markers_graphs_and_codeowners_are_listed(shop):
    rules = [{"marker": "**/service.yaml"}, {"codeowners": "CODEOWNERS"}]
    config = {"discover": rules, "unmatched": "platform"}
    shop.commit({"x/service.yaml": "", "CODEOWNERS": "*.go @acme/gophers\n", ".cibeacon.json": json.dumps(config)})
    ended = cibeacon("services", "list", "--format=json", cwd=shop.root)
    assert [(each["name"], each["rule"]) for each in ended.document["services"]] == [
        ("gophers", "discover: codeowners"),
        ("platform", "unmatched"),
        ("x", "discover: marker **/service.yaml"),
    ]


def test_a_folder_that_is_written_down_is_listed_once_and_may_be_called_anything_by_a_marker(shop):
    shop.commit({"apps/web/package.json": '{"name": "web!"}'})
    text = 'services: {web: apps/web/}\ndiscover:\n  - {marker: "**/package.json", name: .name}\n'
    ended = checked(shop, text)
    assert (ended.code, ended.out) == (0, ".cibeacon.yml: 1 service, 0 problems\n")
    assert cibeacon("services", "list", cwd=shop.root).out == "web  apps/web/  services\n"


def test_projects_that_are_one_service_do_not_use_each_other(shop):
    graph = {
        "nodes": {name: {"data": {"root": root}} for name, root in (("shop", "apps/web"), ("ui", "libs/ui"))},
        "dependencies": {"shop": [{"target": "ui"}]},
    }
    (shop.root / "graph.json").write_text(json.dumps(graph))
    ended = checked(shop, "services: {web: [apps/web/, libs/ui/]}\ndiscover:\n  - nx: graph.json\n")
    assert ended.out == ".cibeacon.yml: 1 service, 0 problems\n"
    assert cibeacon("services", "list", cwd=shop.root).out == "web  apps/web/ libs/ui/  services\n"


def test_the_list_shows_a_folder_under_the_first_rule_that_names_it(shop):
    shop.commit({"apps/web/package.json": '{"name": "@acme/web"}'})
    text = 'discover:\n  - root: apps/{service}/\n  - {marker: "**/package.json", name: .name}\n'
    (shop.root / ".cibeacon.yml").write_text(text)
    assert cibeacon("services", "list", cwd=shop.root).out == "web  apps/web/  discover: root apps/{service}/\n"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("apps/web/x", "apps/web/x  web (services)"),
        ("./apps/web", "apps/web/  web (services)"),
        ("services/pay/new/file", "services/pay/new/file  pay (discover: root services/{service}/)"),
        ("services/later/x", "services/later/x  later (discover: root services/{service}/)"),
        ("libs/ui/c", "libs/ui/c  ui (libs)"),
        ("docs/r.md", "docs/r.md  ignored"),
        ("go.work", "go.work  no service; watched by web; global: changes every service"),
        ("libs/ui/go.work", "libs/ui/go.work  ui (libs); watched by web"),
        ("nowhere", "nowhere  no service"),
        ("../outside", "../outside  no service"),
    ],
)
def test_a_path_has_its_owner_its_rule_and_its_other_watchers(shop, path, words):
    (shop.root / ".cibeacon.yml").write_text(GOOD)
    assert cibeacon("services", "which", path, cwd=shop.root).out == f"{words}\n"


def test_several_paths_are_shown_in_columns(shop):
    (shop.root / ".cibeacon.yml").write_text(GOOD)
    ended = cibeacon("services", "which", "apps/web/x", "docs/r.md", cwd=shop.root)
    assert ended.out.splitlines() == ["apps/web/x  web (services)", "docs/r.md   ignored"]


def test_a_path_is_relative_to_the_current_folder(shop):
    (shop.root / ".cibeacon.yml").write_text(GOOD)
    ended = cibeacon("services", "which", "c", "--format=json", cwd=shop.root / "libs/ui")
    assert ended.document["paths"] == [
        {
            "path": "libs/ui/c", "owner": "ui", "owners": ["ui"], "watchers": [], "rule": "libs",
            "ignored": False, "global": False,
        }
    ]  # fmt: skip


def test_a_good_map_passes(shop):
    ended = checked(shop, GOOD)
    assert (ended.code, ended.out) == (0, ".cibeacon.yml: 3 services, 0 problems\n")


FAULTY = """\
version: 1
service: {}
services:
  web: {paths: apps/web/, uses: [ui, kart]}
  cart: services/cart/
  $(id): x/
  web: apps/
global:
  - "[z-a]"
dependents: all
report:
  enviroment: x
"""


def test_every_fault_has_its_line(shop):
    ended = checked(shop, FAULTY)
    assert ended.code == 2
    assert [line.split(": ", 2)[:2] for line in ended.out.splitlines()[:-1]] == [
        [f".cibeacon.yml:{number}", "fault"] for number in (2, 6, 7, 9, 10, 12)
    ]
    assert "Did you mean 'services'?" in ended.out
    assert "the key 'web' appears twice in one mapping" in ended.out
    assert "Did you mean 'environment'?" in ended.out


@pytest.mark.parametrize(
    ("config", "findings"),
    [
        (
            "services:\n  web: apps/web/\n  old:\n    - old/",
            ["4: warning: the repository has no folder old", "3: warning: services: old owns"],
        ),
        ("services:\n  web: [apps/web/, 'x/**']", ["2: warning: x/** matches no file."]),
        ("services:\n  web: [apps/web/, '!apps/web/gen/']", ["2: warning: apps/web/gen/ matches no file."]),
        ("services:\n  web: apps/web/\nignore:\n- '*.nothing'", ["4: warning: *.nothing matches no file."]),
        ("discover:\n- root: '{service}/src/'", ["2: warning: the template {service}/src/", "1: fault: the map finds no service"]),
        ("discover:\n- marker: '**/nothing.yaml'", ["2: warning: **/nothing.yaml matches no file.", "1: fault: the map finds no service"]),
        ("services:\n  a: {paths: apps/, uses: b}\n  b: {paths: docs/, uses: a}", ["circle: a → b → a."]),
        ("version: 1\nservices: {web: apps/web/}\nunmatched: fail", ["3: warning: unmatched: 'fail'", "Did you mean 'error'?"]),
        ("services: {web: apps/web/}\nunmatched: wbe", ["2: warning: unmatched: 'wbe' is not in the service map", "mean 'web'?"]),
        ("services: {web: apps/web/}\nunmatched: platform", ["If that is intended, add it to services, such as platform: []"]),
        ("", ["1: warning: it maps no service"]),
        ("version: 1", ["1: warning: it maps no service"]),
        ("services: {}\ndiscover: []", ["1: fault: the map finds no service (looked for: nothing)"]),
        ("discover:\n- root: '{service}/'", ["1: warning: the services Apps and apps differ only in case."]),
        (
            "services:\n  web:\n    uses: [pai]\ndiscover:\n- root: services/{service}/",
            ["3: fault: services: web: uses: 'pai' is neither a service nor a library. Did you mean 'pay'?"],
        ),
        ("services: [", ["2: fault: .cibeacon.yml cannot be used:"]),
        ("services:\n\tx: y", ["2: fault: .cibeacon.yml cannot be used:"]),
        ("discover:\n- codeowners: NOWHERE", ["fault: NOWHERE cannot be used: it is not in the commits that cibeacon reads."]),
    ],
)  # fmt: skip
def test_rules_that_match_nothing_are_found(shop, config, findings):
    ended = checked(shop, config)
    for finding in findings:
        assert finding in ended.out
    assert ended.code == (2 if any("fault" in finding for finding in findings) else 0)


def test_findings_as_json(shop):
    document = checked(shop, "services:\n  web: x/", ".cibeacon.yml", "--format=json").document
    assert document["services"] == 1
    assert document["findings"][0] == {
        "file": ".cibeacon.yml", "line": 2, "weight": "warning", "text": "the repository has no folder x.",
    }  # fmt: skip


def test_a_program_filters_the_answer(shop):
    (shop.root / ".cibeacon.yml").write_text(GOOD)
    assert cibeacon("services", "list", "--jq=.services[].name", cwd=shop.root).out == "cart\npay\nweb\n"
    ended = cibeacon("services", "list", "--jq=.[", cwd=shop.root)
    assert (ended.code, ended.out) == (1, "")
    assert "jq" in ended.err


def test_a_map_can_be_checked_outside_a_repository(tmp_path):
    (tmp_path / ".cibeacon.yml").write_text("services: {web: nowhere/}\n")
    assert cibeacon("services", "check", cwd=tmp_path).code == 0
    (tmp_path / ".cibeacon.yml").write_text("servces: {}\n")
    assert cibeacon("services", "check", cwd=tmp_path).code == 2


@pytest.mark.parametrize(
    "config",
    [
        "services: {web: apps/web/, platform: []}\nunmatched: platform\n",
        "discover: [{root: services/{service}/}]\nunmatched: pay\n".replace(
            "services/{service}/", "'services/{service}/'"
        ),
        "services: {web: apps/web/}\ndiscover: [{jq: empty}]\nunmatched: chosen\n",
        "services: {web: apps/web/}\nunmatched: error\n",
        "report: {environment: live}\n",
    ],
)
def test_a_name_that_the_map_knows_or_may_discover_is_not_a_finding(shop, config):
    ended = checked(shop, config)
    assert (ended.code, ended.out.endswith(", 0 problems\n")) == (0, True), ended.out


def test_a_single_finding_is_counted_in_the_singular(shop):
    assert checked(shop, "services: {web: apps/web/, old: 'old/**'}").out.endswith(".yml: 2 services, 2 problems\n")
    assert checked(shop, "services: {web: [apps/web/, 'old/**']}").out.endswith(".yml: 1 service, 1 problem\n")


def test_templates_of_the_setting_are_checked_as_those_of_the_file(shop):
    ended = cibeacon("services", "check", "--services=service/{service}/", cwd=shop.root)
    assert (ended.code, ended.out.splitlines()) == (
        2,
        [
            "warning: services: the template service/{service}/ finds no service.",
            "fault: services: the map finds no service (looked for: root service/{service}/), so the changed services are "
            "unknown.",
            "No configuration file: 0 services, 2 problems",
        ],
    )
    good = cibeacon("services", "check", "--services=services/{service}/", cwd=shop.root)
    assert good.out == "No configuration file: 2 services, 0 problems\n"
    document = cibeacon("services", "check", "--services=x/{service}/", "--format=json", cwd=shop.root).document
    assert [(each["file"], each["line"], each["weight"]) for each in document["findings"]] == [
        ("", 0, each) for each in ("warning", "fault")
    ]


def test_templates_that_the_file_overrides_are_a_finding(shop):
    ended = checked(shop, GOOD, ".cibeacon.yml", "--services=services/{service}/")
    assert ended.out.splitlines()[0].startswith("warning: .cibeacon.yml maps the services, so the templates")
    assert len(ended.out.splitlines()) == 2


@pytest.mark.parametrize("verb", [("check",), ("list",), ("which", "a")])
@pytest.mark.parametrize("config", [None, "discover: [{root: 'services/{service}/'}]\n"])
def test_outside_a_repository_a_warning_says_so(tmp_path, verb, config):
    (tmp_path / "services" / "a").mkdir(parents=True)
    if config:
        (tmp_path / ".cibeacon.yml").write_text(config)
    ended = cibeacon("services", *verb, cwd=tmp_path)
    said = (ended.out if verb == ("check",) else ended.err).splitlines()
    assert ended.code == 0
    assert len([line for line in said if line.startswith("warning: there is no git repository here: ")]) == 1


def test_a_repository_without_a_commit_gets_a_warning(tmp_path):
    tree = Worktree.new(tmp_path / "new")
    ended = cibeacon("services", "list", "--services=services/{service}/", cwd=tree.root)
    assert ended.err.startswith("warning: the repository has no commits yet: ")


def test_a_fault_in_a_program_has_the_line_of_the_rules_and_not_of_the_program(shop):
    ended = checked(shop, "version: 1\nservices: {}\ndiscover:\n- marker: '**/a'\n  name: .foo |\n")
    assert ended.out.startswith(".cibeacon.yml:3: fault: The jq program cannot be compiled: discover: marker **/a: ")


def test_a_missing_configuration_is_reported(shop):
    assert cibeacon("services", "check", cwd=shop.root).out == "No configuration file: 0 services, 0 problems\n"
    assert cibeacon("services", "list", cwd=shop.root).out == "No services found.\n"


def test_a_faulty_map_answers_nothing_wrong(shop):
    (shop.root / ".cibeacon.yml").write_text("servces: {}\n")
    for verb in (("list",), ("which", "apps/web/x")):
        ended = cibeacon("services", *verb, cwd=shop.root)
        assert (ended.code, ended.out) == (2, "")
        assert ".cibeacon.yml:1: fault: unknown key 'servces'" in ended.err


def test_names_of_strangers_stay_on_their_line(shop):
    ended = checked(shop, '{"services": {"a\\n::error::b": "x"}}', ".cibeacon.json")
    assert ended.code == 2
    assert not [line for line in ended.out.splitlines() if line.startswith("::")]


# Lines --------------------------------------------------------------------------------------------------------------

BY_KEYS = {
    ".cibeacon.json": '{"services": {"web": ["x/", "apps/web/"]}, "zzz": 1, "report": {"strict": 1, "strict": 2}}',
    ".cibeacon.toml": 'zzz = 1\n[services]\nweb = ["x/", "apps/web/"]\n[report]\nstrict = 1\n',
}


@pytest.mark.parametrize("name", BY_KEYS)
def test_in_json_and_toml_a_finding_names_its_keys(shop, name):
    ended = checked(shop, BY_KEYS[name], name)
    assert (ended.code, ended.out.count(f"{name}: fault: unknown key 'zzz'")) == (2, 1)
    assert f"{name}: fault: report: unknown key 'strict'" in ended.out
    assert ("the key 'strict' appears twice in one mapping." in ended.out) == name.endswith(".json")


def test_a_finding_without_a_line_says_where_it_is(shop):
    ended = checked(shop, '{"services": {"web": ["x/", "apps/web/"]}}', ".cibeacon.json")
    assert ended.out.startswith(".cibeacon.json: warning: services: web: the repository has no folder x.\n")


def test_an_alias_has_the_line_of_its_anchor(shop):
    ended = checked(shop, "services:\n  web: &paths\n    - apps/web/\n    - old/\n  cart: *paths\n")
    assert ".cibeacon.yml:4: fault: services: old belongs to both web and cart." in ended.out


@pytest.mark.parametrize("text", ["[", "]]}}", '"', "a: *b", "[[[", "= 1", '{"a": [1, {"b": }', "\0", "&a [*a]"])
@pytest.mark.parametrize("name", [".cibeacon.yml", ".cibeacon.json", ".cibeacon.toml"])
def test_a_broken_file_is_a_finding(shop, name, text):
    ended = checked(shop, text, name)
    assert (ended.code, ended.out.count("fault")) == (2, 1)
    assert re.match(rf"{re.escape(name)}:[12]: fault: ", ended.out)
