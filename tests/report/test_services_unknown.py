"""`cibeacon services` never lets "nobody knows" pass for "nothing changed": not with a faulty map, and not without one."""

from __future__ import annotations

import json
from functools import partial

import pytest

import processes
from cibeacon.demo import runs
from cibeacon.runtime.errors import OutOfTime
from processes import cibeacon
from repositories import Worktree

UNUSABLE = [
    pytest.param("servces: {a: services/a/}", (), "unknown key 'servces'", id="unknown key"),
    pytest.param("services:\n\ta: services/a/", (), "line 2 is indented with a tab", id="tab"),
    pytest.param(None, ("--config=nope.yml",), "nope.yml cannot be used: it cannot be read", id="no such file"),
    pytest.param("", (), ".cibeacon.yml has no service map; add services", id="empty file"),
    pytest.param("report: {environment: x}", (), ".cibeacon.yml has no service map", id="report alone"),
    pytest.param(None, (), "there is no service map; add .cibeacon.yml", id="no file"),
    pytest.param(None, ("--services=/services/{service}/",), "services '/services/{service}/' is not", id="template"),
    pytest.param(None, ("--services=services/{service}/,a",), "services mixes names", id="names and templates"),
    pytest.param("services: {a: services/a/}", ("--base=a\tb",), "contains a control character", id="base"),
    pytest.param("services: {a: services/a/}", ("--pr-number=one",), "pr_number", id="pull request"),
    pytest.param(None, ('--services=["a"',), "starts like a JSON array", id="list of services"),
]


@pytest.fixture
def shop(tmp_path):
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({"services/a/x": "1"})
    tree.commit({"services/a/x": "2"})
    return tree


def asked(shop, config, *flags, **more):
    if config is not None:
        (shop.root / ".cibeacon.yml").write_text(config)
    return cibeacon("services", *flags, cwd=shop.root, **more)


@pytest.mark.parametrize(("config", "flags", "why"), UNUSABLE)
def test_without_a_map_that_can_be_used_the_services_are_unknown_and_that_can_fail(shop, config, flags, why):
    ended = asked(shop, config, *flags, "--on-unknown=fail", "--format=json")
    assert ended.code == 3
    assert ended.document["changes"]["status"] == "unknown"
    assert why in ended.document["changes"]["reason"]
    assert asked(shop, config, *flags).code == 0


@pytest.mark.parametrize(("config", "flags", "why"), UNUSABLE)
def test_why_they_are_unknown_is_one_paragraph_wherever_it_is_told(shop, tmp_path, config, flags, why):
    assert asked(shop, config, *flags).out.count(why) == 1
    environ = runs.github("push", {}, "1" * 40, 7, tmp_path)
    said = asked(shop, config, *flags, environ=environ).out.splitlines()
    assert len([line for line in said if line.startswith("::") and why in line]) == 1
    assert len([line for line in said if why in line]) == 2
    told = (tmp_path / "output").read_text()
    assert ("\n[]\n" in told, "\nunknown\n" in told) == (True, True)
    assert (tmp_path / "summary.md").read_text().replace("&#95;", "_").count(why.partition("'")[0]) == 1


def test_paths_that_are_given_need_a_map_as_well(shop):
    ended = asked(shop, "", "--files-from=-", "--on-unknown=fail", stdin="services/a/x\n")
    assert (ended.code, "has no service map" in ended.out) == (3, True)


def test_services_by_name_need_no_map(shop):
    ended = asked(shop, "servces: {}", "--services=pay", "--on-unknown=fail", "--format=json")
    assert (ended.code, ended.document["changes"]["services"]) == (0, ["pay"])


@pytest.mark.parametrize("word", ["fial", "true", "Fail!"])
def test_a_misspelt_on_unknown_fails_where_they_are_unknown_and_nowhere_else(shop, word):
    unknown = asked(shop, None, "--on-unknown", word)
    assert (unknown.code, f'on_unknown "{word}" cannot be used' in unknown.out) == (3, True)
    assert asked(shop, "services: {a: services/a/}", environ={"CIBEACON_ON_UNKNOWN": word}).code == 0


def test_a_step_of_the_action_fails_by_a_misspelt_on_unknown_as_well(shop, tmp_path):
    environ = runs.github("push", {}, "1" * 40, 7, tmp_path)
    environ |= {"INPUT_COMMAND": "services --on-unknown fial"}
    assert cibeacon(environ=environ, cwd=shop.root, stage="main").code == 3


@pytest.mark.parametrize(
    ("stop", "why"), [(ZeroDivisionError(), "because of a bug"), (OutOfTime(), "the time ran out")]
)
def test_a_failure_of_our_own_or_the_end_of_time_is_unknown_too(shop, tmp_path, monkeypatch, stop, why):
    def broken(*_, **__):
        raise stop

    monkeypatch.setattr("cibeacon.ci.detect.read_context", broken)
    ended = asked(shop, None, "--on-unknown=fail", "--format=json")
    assert (ended.code, ended.document["changes"]["status"]) == (3, "unknown")
    assert why in ended.document["changes"]["reason"]
    assert asked(shop, None).out.count(why) == 1
    asked(shop, None, environ=runs.github("push", {}, "1" * 40, 7, tmp_path))
    assert "\nunknown\n" in (tmp_path / "output").read_text()
    assert json.loads((tmp_path / "cibeacon" / "services.json").read_text())["changes"]["status"] == "unknown"


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--strict",), 1), (("--on-unknown=fail", "--strict"), 3)])
def test_a_process_that_has_to_be_ended_exits_as_one_that_does_not_know(shop, monkeypatch, flags, code):
    codes = []
    alarmed = partial(processes.Environment, alarm=lambda _, code: codes.append(code), closing=codes.append)
    monkeypatch.setattr(processes, "Environment", alarmed)
    asked(shop, "services: {a: services/a/}", *flags)
    assert codes == [code, 0]  # before it is known what changed, and after
    asked(shop, "servces: {}", *flags)
    assert codes[2:] == [code, code]


def test_a_report_tells_a_fault_of_the_map_once(shop):
    (shop.root / ".cibeacon.yml").write_text("servces: {}\nglobl: []\n")
    flags = ("--pr-number=1", "--pr-merged", "--signals=pull-services", "--dx-url=acme", "--strict")
    ended = cibeacon("report", *flags, cwd=shop.root)
    assert [ended.out.count(each) for each in ("'servces'", "'globl'")] == [1, 1]
    assert ended.code == 1
    alone = cibeacon("report", "--signals=pipeline-run", "--dx-url=acme", cwd=shop.root)  # no row has need of the map
    assert [alone.out.count(each) for each in ("'servces'", "'globl'")] == [1, 1]


@pytest.mark.parametrize("verb", ["services", "report"])
def test_templates_that_a_file_stands_before_are_said_to_be_unused(shop, verb):
    (shop.root / ".cibeacon.yml").write_text("services: {a: services/a/}\n")
    said = "i .cibeacon.yml maps the services, so the templates in the setting services are not used"
    assert cibeacon(verb, "--services=apps/{service}/", cwd=shop.root).out.count(said) == 1
    assert said not in cibeacon(verb, cwd=shop.root).out
    (shop.root / ".cibeacon.yml").write_text("report: {environment: x}\n")
    assert said not in cibeacon(verb, "--services=services/{service}/", cwd=shop.root).out


def test_a_missing_checkout_is_said_once(tmp_path):
    environ = runs.github("push", runs.pushed("1" * 40, "2" * 40), "2" * 40, 7, tmp_path) | {"INPUT_GITHUB_TOKEN": ""}
    environ |= {"GITHUB_SERVER_URL": "http://127.0.0.1:9"}
    (tmp_path / "empty").mkdir()
    ended = cibeacon("services", "--services=services/{service}/", environ=environ, cwd=tmp_path / "empty")
    (line,) = [line for line in ended.out.splitlines() if line.startswith("services ")]
    assert line.count("there is no git repository here") == 1


# Maps that find nothing ---------------------------------------------------------------------------------------------

LIB, ROOT = {"type": "lib", "data": {"root": "services/a"}}, {"type": "app", "data": {"root": "."}}
TURBO = {"tasks": [{"package": "//", "directory": "", "dependencies": []}]}
FIND_NOTHING = [
    pytest.param({"discover": [{"root": "servces/{service}/"}]}, "root servces/{service}/", id="mistyped template"),
    pytest.param(
        {"discover": [{"root": "x/{service}/"}, {"marker": "**/x.yaml"}]},
        "root x/{service}/, marker **/x.yaml",
        id="two",
    ),
    pytest.param({"discover": [{"marker": "**/service.yml"}]}, "marker **/service.yml", id="marker"),
    pytest.param({"discover": [{"marker": "**/x", "name": ".name?"}]}, "marker **/x", id="marker without a name"),
    pytest.param({"discover": [{"codeowners": "OWNERS"}]}, "codeowners OWNERS", id="CODEOWNERS without an owner"),
    pytest.param({"discover": [{"nx": "lib.json"}]}, "nx lib.json", id="nx, libraries alone"),
    pytest.param({"discover": [{"turbo": "turbo.json"}]}, "not a graph of turbo", id="turbo, the top alone"),
    pytest.param({"services": {}}, "looked for: nothing", id="nothing at all"),
    pytest.param({"libs": {"a": "services/a/"}, "services": {}}, "looked for: nothing", id="libraries alone"),
]
GRAPHS = {"OWNERS": "# nobody", "lib.json": json.dumps({"nodes": {"a": LIB}}), "turbo.json": json.dumps(TURBO)}


@pytest.mark.parametrize(("config", "sought"), FIND_NOTHING)
def test_a_map_that_finds_no_service_is_unknown_and_says_what_it_looked_for(shop, config, sought):
    shop.commit({".cibeacon.json": json.dumps(config), **GRAPHS})
    shop.commit({"services/a/x": "3"})
    for more in ({}, {"stdin": "services/a/x\n"}):
        flags = ("--files-from=-",) if more else ("--base=HEAD^", "--head=HEAD")
        ended = cibeacon("services", *flags, "--on-unknown=fail", "--format=json", cwd=shop.root, **more)
        assert (ended.code, ended.document["changes"]["status"]) == (3, "unknown")
        assert sought in ended.document["changes"]["reason"]
    checked = cibeacon("services", "check", cwd=shop.root)
    assert (checked.code, sought in checked.out) == (2, True)


def test_a_mistyped_template_of_the_setting_is_unknown_as_well(shop):
    ended = cibeacon("services", "--services=servces/{service}/", "--on-unknown=fail", cwd=shop.root)
    assert (ended.code, "looked for: root servces/{service}/" in ended.out) == (3, True)


def test_a_map_that_finds_nothing_deploys_nothing_in_silence(shop):
    flags = ("--services=servces/{service}/", "--deploy-services=changed", "--signals=deployment", "--dx-url=acme")
    ended = cibeacon("report", *flags, "--run-id=7", "--format=json", cwd=shop.root)
    (row,) = ended.document["signals"]
    assert (row["outcome"], "finds no service" in row["reason"]) == ("failed", True)


@pytest.mark.parametrize(
    ("config", "files", "before"),
    [
        pytest.param({"discover": [{"root": "services/{service}/"}]}, {"README": ""}, {}, id="another file"),
        pytest.param({"discover": [{"root": "s/{service}/"}]}, {"README": ""}, {"s/old/x": ""}, id="a template's"),
        pytest.param({"discover": [{"jq": "empty"}]}, {"README": ""}, {}, id="a program that chose none"),
        pytest.param({"services": {"b": "nowhere/"}}, {"README": ""}, {}, id="one that is written down"),
        pytest.param({"discover": [{"root": "s/{service}/"}]}, {}, {}, id="no file changed"),
    ],
)
def test_a_map_that_names_a_service_may_say_that_none_changed(shop, config, files, before):
    shop.commit({".cibeacon.json": json.dumps(config), **before})
    shop.commit(files)
    ended = cibeacon("services", "--base=HEAD^", "--head=HEAD", "--format=json", cwd=shop.root)
    assert ended.document["changes"]["status"] == "none"


def test_the_last_service_that_is_deleted_is_one_of_the_base(shop):
    shop.commit({".cibeacon.json": '{"discover": [{"root": "services/{service}/"}]}'})
    shop.commit({"services/a/x": None, "README": ""})
    ended = cibeacon("services", "--base=HEAD^", "--head=HEAD", "--format=json", cwd=shop.root)
    assert ended.document["changes"]["services"] == ["a"]


def test_nx_with_its_project_at_the_top_owns_everything(shop):
    graph = json.dumps({"nodes": {"shop": ROOT, "a": LIB}})
    shop.commit({".cibeacon.json": '{"discover": [{"nx": "g.json"}]}', "g.json": graph})
    shop.commit({"src/main.ts": ""})
    ended = cibeacon("services", "--base=HEAD^", "--head=HEAD", "--format=json", cwd=shop.root)
    assert ended.document["changes"]["why"] == {"shop": "src/main.ts"}


# Services that are deployed, and that the map does not know ---------------------------------------------------------


def deployed(shop, config, names, *flags):
    """The services of the deployments that a report would send, and what it says of their names."""
    (shop.root / ".cibeacon.json").write_text(json.dumps(config))
    shop.git("add", "--all")
    shop.git("commit", "--quiet", "--message=configuration")
    shop.commit({"services/a/x": "3", "README": ""})
    wanted = ("--signals=deployment", "--dx-url=acme", "--repository=acme/shop", "--run-id=7", "--strict")
    ended = cibeacon("report", *wanted, f"--deploy-services={names}", "--format=json", *flags, cwd=shop.root)
    assert ended.code == 0
    said = [notice for notice in ended.document["notices"] if "deploy_services" in notice["text"]]
    return [row["request"]["body"]["service"] for row in ended.document["signals"]], said


@pytest.mark.parametrize(
    "config",
    [
        {"services": {"a": "services/a/", "payments": "pay/"}},
        {"services": {"payments": "pay/"}, "discover": [{"root": "services/{service}/"}]},
        {"services": {"payments": "pay/"}, "discover": [{"marker": "services/*/x"}]},
    ],
)
def test_a_service_that_is_deployed_and_that_no_map_knows_is_sent_with_a_warning(shop, config):
    services, said = deployed(shop, config, "paymnts,a,payments,changed")
    assert services == ["paymnts", "a", "payments"]
    text = "warning: deploy_services: 'paymnts' is not in the service map. Did you mean 'payments'?"
    assert said == [{"weight": "info", "text": text}]


@pytest.mark.parametrize(
    ("config", "flags"),
    [
        pytest.param(
            {"services": {"a": "services/a/"}, "discover": [{"jq": "empty"}]}, (), id="a program may name more"
        ),
        pytest.param({}, (), id="no map"),
        pytest.param({"services": {"a": "services/a/"}}, ("--services=web",), id="services by name"),
    ],
)
def test_where_it_cannot_be_told_which_names_a_map_has_there_is_no_warning(shop, config, flags):
    assert deployed(shop, config, "elsewhere", *flags) == (["elsewhere"], [])


OUTSIDE = {
    "a laptop": ({}, "run inside the repository"),
    "a fork's pull request on Drone": (
        {
            "CI": "true", "DRONE": "true", "DRONE_BUILD_EVENT": "pull_request", "DRONE_PULL_REQUEST": "7",
            "DRONE_TARGET_BRANCH": "main", "DRONE_COMMIT": "1" * 40, "DRONE_BUILD_NUMBER": "1",
        },
        "let the pipeline clone (clone: disable: false)",
    ),
    "CircleCI": (
        {"CI": "true", "CIRCLECI": "true", "CIRCLE_WORKFLOW_ID": "w", "CIRCLE_SHA1": "1" * 40, "CIRCLE_BRANCH": "main"},
        "add the step checkout",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("environ", "hint"), OUTSIDE.values(), ids=OUTSIDE)
def test_without_a_repository_one_line_says_so_and_how_this_ci_system_checks_out(tmp_path, environ, hint):
    ended = cibeacon("report", "--services=services/{service}/", cwd=tmp_path, environ=environ)
    assert [line for line in ended.out.splitlines() if "no git repository" in line] == [
        f"services    unknown: there is no git repository here; {hint}"
    ]


def test_a_report_with_a_faulty_map_says_that_the_services_are_unknown(shop):
    (shop.root / ".cibeacon.yml").write_text("servces: {}\n")
    flags = ("--dx-url=acme", "--run-id=7", "--repository=acme/shop")
    alone = cibeacon("report", "--signals=pipeline-run", *flags, cwd=shop.root)
    assert "\nservices    unknown: .cibeacon.yml: unknown key 'servces'." in alone.out
    deploying = cibeacon("report", "--deploy-services=changed", *flags, cwd=shop.root)
    assert "\nservices    unknown: the service map cannot be used\n" in deploying.out
    assert (deploying.out.count("'servces'"), deploying.code) == (1, 0)


@pytest.mark.parametrize("verb", ["services", "report"])
def test_a_template_in_a_folder_that_does_not_exist_is_named_if_a_changed_file_is_unowned(shop, verb):
    said = "i .cibeacon.yml: the template servces/{service}/ finds no service, because servces/ does not exist"
    other = "services:\n  ghost: services/b/\n"
    (shop.root / ".cibeacon.yml").write_text(f"discover:\n  - root: servces/{{service}}/\n{other}")
    assert cibeacon(verb, cwd=shop.root).out.count(said) == 1
    (shop.root / ".cibeacon.yml").write_text(f"discover:\n  - root: services/{{service}}/\n{other}")
    assert "finds no service" not in cibeacon(verb, cwd=shop.root).out
