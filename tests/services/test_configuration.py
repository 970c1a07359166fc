"""The keys of the configuration file, and the messages about mistakes in it."""

from __future__ import annotations

import pytest

from cibeacon.changes.repository_config import REPORTABLE
from cibeacon.services import Template
from cibeacon.services.schema import from_templates, read

GOOD = {
    "version": 1,
    "services": {"payments": "services/payments/", "web": ["apps/web/", "proto/web"], "pay@eu/1": "eu"},
    "discover": [{"root": "teams/*/{service}/"}],
    "report": {"environment": "production", "signals": ["pull-services"], "metadata": {"tier": 1}},
}


def drawn(services):
    return read({"services": services}, REPORTABLE)


def test_a_whole_configuration_is_read():
    found = read(GOOD, REPORTABLE)
    assert found.faults == ()
    assert not found.map_faulty
    assert found.service_map.roots == {
        "services/payments": "payments",
        "apps/web": "web",
        "proto/web": "web",
        "eu": "pay@eu/1",
    }
    assert found.service_map.templates == (Template.parse("teams/*/{service}/"),)
    assert found.report == GOOD["report"]


@pytest.mark.parametrize("empty", [None, {}, {"version": 1}, {"report": {}}, {"report": None}])
def test_an_empty_file_has_no_map_and_no_fault(empty):
    found = read(empty, REPORTABLE)
    assert found.service_map is None
    assert (found.faults, found.map_faulty, found.report or {}) == ((), False, {})


@pytest.mark.parametrize("drawn_empty", [{"services": {}}, {"discover": []}])
def test_a_map_without_services_is_a_map(drawn_empty):
    """ "No service changed" is then a real answer."""
    found = read(drawn_empty, REPORTABLE)
    assert found.service_map.roots == {}
    assert found.service_map.assign(["a/b"]).unmatched == 1


@pytest.mark.parametrize("document", ["services", 7, True, ["services"], [], ""])
def test_a_file_that_is_not_a_mapping_is_a_fault_of_the_map(document):
    found = read(document, REPORTABLE)
    assert found.faults == ("The file must be a mapping with keys such as services.",)
    assert found.map_faulty


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"service": {}}, "unknown key 'service'. Did you mean 'services'?"),
        ({"discovery": []}, "unknown key 'discovery'. Did you mean 'discover'?"),
        ({"reports": {}}, "unknown key 'reports'. Did you mean 'report'?"),
        ({"zzz": 1}, "unknown key 'zzz'. Known are version, services, discover, libs,"),
        ({1: 1}, "unknown key '1'."),
        ({"version": 2}, "version must be 1."),
        ({"version": "1"}, "version must be 1."),
        ({"services": ["a"]}, "services must map names to folders."),
        ({"services": None}, "services must map names to folders."),
        ({"services": {"a": None}}, "services: a: 'None' is not a string."),
        ({"services": {"a": 7}}, "services: a: '7' is not a string."),
        ({"services": {"a": {"path": ["b"]}}}, "services.a: unknown key 'path'. Did you mean 'paths'?"),
        ({"services": {"a": {"paths": [{"b": 1}]}}}, "services: a: \"{'b': 1}\" is not a string."),
        ({"services": {"a": {"uses": [1]}}}, "services: a: uses: '1' is not a string."),
        (
            {"services": {"a": {"uses": "goof"}, "good": "b"}},
            "services: a: uses: 'goof' is neither a service nor a library. Did you mean 'good'?",
        ),
        ({"services": {"a": ["b", "!"]}}, "services: a: '!' is empty."),
        ({"services": {"a": "b/{c,d}/*"}}, "services: a: 'b/{c,d}/*' contains braces; write one pattern for each"),
        ({"services": {"a": "b\\*"}}, "contains a backslash; separate folders with /"),
        (
            {"services": {"a": "b/../*"}},
            "services: a: 'b/../*' points outside the repository, or has an empty folder name.",
        ),
        ({"services": {"a": "/b/*"}}, "services: a: '/b/*' begins with a slash"),
        ({"services": {"a": "b/[z-a]"}}, "services: a: 'b/[z-a]' contains [z-a], which is not a range of characters."),
        ({"services": {"a": "*?" * 9}}, "contains over 16 wildcards."),
        ({"libs": {"good": "b/"}}, "services: good is already in libs."),
        ({"libs": ["a"]}, "libs must map names to folders."),
        ({"libs": {"a": "b/", "c": "b/"}}, "libs: b belongs to both a and c."),
        ({"libs": {"a": "good/"}}, "good belongs to both a and good."),
        ({"global": 7}, "global: '7' is not a string."),
        ({"global": ["!a"]}, "global: '!a' starts with !, which is allowed only in the paths of a service."),
        ({"ignore": {"a": 1}}, "ignore: \"{'a': 1}\" is not a string."),
        ({"ignore": ["*.md", ""]}, "ignore: '' is empty."),
        ({"dependents": "all"}, "dependents must be none, direct, transitive, not 'all'."),
        ({"dependents": None}, "dependents must be none, direct, transitive, not 'None'."),
        ({"services": {"web/": "services/web/"}}, "services: 'web/' is not a valid service name"),
        ({"unmatched": True}, "unmatched must be ignore, warn, error, or a service's name, not true (YAML reads"),
        (
            {"services": {False: "a"}},
            "services: false (YAML reads no and off as false) is not a string: put the name in",
        ),
        ({"on": {}} | {True: {}}, "unknown key true (YAML reads yes and on as true)"),
        ({"unmatched": "$(id)"}, "unmatched must be ignore, warn, error, or a service's name, not '$(id)'."),
        (
            {"libs": {"auth": "auth/"}, "unmatched": "auth"},
            "unmatched: 'auth' is in libs, which are never reported",
        ),
        ({"services": {"a": ["b", None]}}, "services: a: 'None' is not a string."),
        (
            {"services": {"a": "services/{service}/"}},
            "services: a: 'services/{service}/' is a template; move it to",
        ),
        ({"services": {"a": "../other"}}, "services: a: '../other' is not a folder below the top of the repository."),
        (
            {"services": {"a": "/etc"}},
            "services: a: '/etc' is not a folder below the top of the repository; remove the leading slash.",
        ),
        ({"services": {"a": "."}}, "services: a: '.' is not a folder below the top of the repository."),
        ({"services": {"a": ""}}, "services: a: '' is not a folder below the top of the repository."),
        ({"services": {"$(id)": "a"}}, "services: '$(id)' is not a valid service name"),
        ({"services": {"-a": "a"}}, "services: '-a' is not a valid service name"),
        ({"services": {"": "a"}}, "services: '' is not a valid service name"),
        ({"services": {7: "a"}}, "services: '7' is not a string: put the name in quotes."),
        ({"services": {"a\n": "a"}}, "services: 'a\\n' is not a valid service name"),
        ({"services": {"a": "x", "b": "./x/"}}, "services: x belongs to both a and b."),
        ({"discover": {"root": "{service}/"}}, "discover must be a list of rules such as"),
        ({"discover": "{service}/"}, "discover must be a list of rules such as"),
        ({"discover": ["{service}/"]}, "discover: {service}/ must have exactly one of root, marker, codeowners"),
        ({"discover": [{"root": "a/"}]}, "discover: {'root': 'a/'} must contain the folder {service} exactly once."),
        ({"discover": [{"root": 7}]}, "discover: {'root': 7} must have a non-empty string for root."),
        (
            {"discover": [{"root": "{service}/", "marker": "b"}]},
            "must have exactly one of root, marker, codeowners, nx, turbo, jq",
        ),
        (
            {"discover": [{"marker": "**/a", "nam": ".x"}]},
            "has the unknown key 'nam'; marker accepts name and when.",
        ),
        ({"discover": [{"marker": "**/a", "when": True}]}, "must have a non-empty string for when."),
        ({"discover": [{"marker": "**/*.yaml"}]}, "must end in a file name."),
        ({"discover": [{"marker": "a/"}]}, "must end in a file name."),
        ({"discover": [{"nx": "dist/*.json"}]}, "must be the path of one file."),
        (
            {"discover": [{"codeowners": "../CODEOWNERS"}]},
            "points outside the repository, or has an empty folder name.",
        ),
        ({"discover": [{"jq": ""}]}, "must have a non-empty string for jq."),
        (
            {"discover": [{"root": "{service}/", "name": "x"}]},
            "has the unknown key 'name'; root accepts no other key.",
        ),
        ({"discover": [{}]}, "discover: {} must have exactly one of"),
    ],
)
def test_a_fault_says_what_is_wrong_and_disables_the_map(document, fault):
    """A wrong service is worse than none."""
    found = read({"services": {"good": "good/"}} | document, REPORTABLE)
    assert [text for text in found.faults if fault in text], found.faults
    assert found.map_faulty
    assert found.service_map is None


def test_every_fault_is_reported_at_once():
    found = read({"service": 1, "services": {"-": "a", "b": "{"}, "discover": [1], "report": {"strict": 1}}, REPORTABLE)
    assert len(found.faults) == 5


def test_a_fault_of_the_map_leaves_the_reporting_choices():
    assert read({"zzz": 1, "report": {"environment": "x"}}, REPORTABLE).report == {"environment": "x"}


@pytest.mark.parametrize(
    ("section", "report", "faults"),
    [
        (
            {"environment": "x", "enviroment": "y"},
            {"environment": "x"},
            ["report: unknown key 'enviroment'. Did you mean 'environment'?"],
        ),
        ({"dx_url": "https://evil.example"}, {}, ["report: unknown key 'dx_url'."]),
        (
            {"strict": True, "dx_token": "x"},
            {},
            ["report: unknown key 'strict'", "report: unknown key 'dx_token'"],
        ),
        ({"zzz": 1}, {}, ["deploy_services, environment, metadata, pipeline_name, run_scope, signals, source_name."]),
        ({1: 1}, {}, ["report: unknown key '1'"]),
        (["environment"], {}, ["report must map settings to values."]),
        ("environment", {}, ["report must map settings to values."]),
    ],
)
def test_a_fault_of_the_reporting_choices_leaves_the_map_and_the_good_choices(section, report, faults):
    found = read(GOOD | {"report": section}, REPORTABLE)
    assert found.report == report
    assert len(found.faults) == len(faults)
    for text, part in zip(found.faults, faults, strict=True):
        assert part in text
    assert not found.map_faulty
    assert found.service_map.touch("services/payments/a").owners == ("payments",)


def test_what_is_reportable_is_the_allowlist():
    assert {
        "signals", "deploy_services", "environment", "pipeline_name", "source_name", "run_scope", "metadata",
    } == REPORTABLE  # fmt: skip


def test_a_huge_value_is_shown_in_part():
    found = read(
        {"x" * 9999: 1, "services": {"y" * 9999: "a", "b": "/" + "z" * 9999}, "discover": ["w" * 9999]}, REPORTABLE
    )
    assert len(found.faults) == 4
    assert max(map(len, found.faults)) < 300


def test_a_folder_named_twice_for_one_service_is_no_conflict():
    assert drawn({"a": ["x", "x/"]}).faults == ()


def test_templates_alone_are_a_map():
    found = from_templates(("services/{service}/", "libs/{service}"))
    owners = [found.touch(path).owners for path in ("services/a/x", "libs/b/x", "docs/c/x")]
    assert owners == [("a",), ("b",), ()]


def test_an_invalid_template_raises():
    with pytest.raises(ValueError, match="must contain the folder"):
        from_templates(("services/",))
