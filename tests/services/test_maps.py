"""The whole format: cases as data, and random maps compared with a naive implementation of the rules."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.changes.repository_config import REPORTABLE
from cibeacon.model.glob import Glob
from cibeacon.services import Rules
from cibeacon.services.schema import read
from cibeacon.services.service_map import ServiceMap

CASES = [
    pytest.param(case, id=f"{path.stem}: {case['case']}")
    for path in sorted((Path(__file__).parent / "maps").glob("*.json"))
    for case in json.loads(path.read_text("utf-8"))
]


def drawn(config):
    found = read(config, REPORTABLE)
    assert found.faults == ()
    return found.service_map


@pytest.mark.parametrize("case", CASES)
def test_a_map_means_what_its_case_says(case):
    found = drawn(case["config"]).assign(iter(case["paths"]))
    assert list(found.why) == case["services"]
    assert {name: found.why[name] for name in case.get("why", {})} == case.get("why", {})
    assert (found.unmatched, found.ignored) == (case.get("unmatched", 0), case.get("ignored", 0))
    assert (found.paths, found.misnamed) == (len(case["paths"]), case.get("misnamed", {}))


def test_the_first_unmatched_paths_are_reported():
    found = drawn({"services": {}, "unmatched": "warn", "ignore": "i*"}).assign(["i", *(f"x{n}" for n in range(9))])
    assert found.unowned == ("x0", "x1", "x2", "x3", "x4")


def test_a_path_may_be_deeper_than_python_can_recurse():
    assert drawn({"services": {"a": "a/"}}).touch("a/" * 5000 + "x").owners == ("a",)


@pytest.mark.parametrize("text", ["**/" * 5 + "x", "*a*a*a*a*a*a*a*b", "**/*a*/**/*a*/**/b"])
def test_no_pattern_keeps_the_processor_busy(text):
    """Patterns are untrusted, and backtracking would take forever."""
    glob = Glob(text)
    assert not glob.matches("a" * 3000)
    assert not glob.matches("a/" * 1500 + "c")


# Random maps against a naive implementation ------------------------------------------------------------------------


def naive_match(text, path):
    """Matches a pattern by plain recursion over segments and characters."""
    if text.endswith("/"):
        text += "**"

    def characters(wanted, found):
        if not wanted:
            return not found
        if wanted[0] == "*":
            return any(characters(wanted[1:], found[at:]) for at in range(len(found) + 1))
        if wanted[0] == "[":
            end = wanted.index("]")
            inside = wanted[1:end]
            hit = bool(found) and (found[0] in inside.lstrip("!")) != inside.startswith("!")
            return hit and characters(wanted[end + 1 :], found[1:])
        return bool(found) and wanted[0] in ("?", found[0]) and characters(wanted[1:], found[1:])

    def segments(wanted, found):
        if not wanted:
            return not found
        if wanted[0] == "**":
            if len(wanted) == 1:
                return bool(found)
            return any(segments(wanted[1:], found[at:]) for at in range(len(found) + 1))
        return bool(found) and characters(wanted[0], found[0]) and segments(wanted[1:], found[1:])

    return segments(text.split("/"), path.split("/"))


SEGMENT = st.sampled_from(["a", "b", "ab", "*", "a*", "*b", "*a*b", "?", "[ab]", "[!a]b", "**", "**", "a.b"])
PATTERN = st.builds(
    lambda parts, slash: "/".join(parts) + slash, st.lists(SEGMENT, min_size=1, max_size=4), st.sampled_from(["", "/"])
)
PATH = st.lists(st.sampled_from(["a", "b", "ab", "ba", "aab", "a.b", "axb"]), min_size=1, max_size=5).map("/".join)


@given(text=PATTERN, path=PATH)
def test_a_pattern_matches_what_it_says_segment_by_segment(text, path):
    assert Glob(text).matches(path) == naive_match(text, path)


@given(texts=st.lists(PATTERN, max_size=4), path=PATH)
def test_a_set_of_patterns_matches_what_one_of_them_matches(texts, path):
    globs = tuple(Glob(text) for text in texts)
    ignored = ServiceMap({}, (), Rules(ignore=globs)).touch(path).ignored
    assert ignored == any(naive_match(text, path) for text in texts)


NAMES = ("one", "two", "three")
ENTRY = st.one_of(PATTERN, PATTERN.map("!{}".format), PATH.map("{}/".format), PATH)
CONFIG = st.fixed_dictionaries(
    {
        "services": st.dictionaries(
            st.sampled_from(NAMES),
            st.fixed_dictionaries(
                {"paths": st.lists(ENTRY, max_size=3), "uses": st.lists(st.sampled_from([*NAMES, "lib"]), max_size=2)}
            ),
        ),
        "libs": st.fixed_dictionaries({"lib": st.lists(ENTRY, max_size=2)}),
        "discover": st.sampled_from(
            [[], [{"root": "{service}/"}], [{"root": "a/{service}/"}, {"root": "*/{service}/"}]]
        ),
        "global": st.lists(PATTERN, max_size=1),
        "ignore": st.lists(PATTERN, max_size=1),
        "dependents": st.sampled_from(["none", "direct", "transitive"]),
        "unmatched": st.sampled_from(["ignore", "fallback"]),
    }
)


def meant(text):
    """A plain path means the file and the folder."""
    return [text] if re.search(r"[*?\[]|/$", text) else [text, f"{text}/"]


def naive(config, paths):
    """(why, unmatched, ignored): tries every rule on every path, without caching."""
    units = {"lib": {"paths": config["libs"]["lib"], "uses": []}} | config["services"]
    plain, roots = {}, []
    for name, unit in units.items():
        for text in unit["paths"]:
            if not re.search(r"[*?\[]|^!", text):
                plain.setdefault(text.rstrip("/"), {}).setdefault(name)
    for folder, names in plain.items():
        roots += [(folder, name) for name in names] if len(names) == 1 else []
    own, counts = {}, {"unmatched": 0, "ignored": 0}
    everywhere = None

    def minus(name, path):
        texts = [each for text in units.get(name, {"paths": []})["paths"] if text[0] == "!" for each in meant(text[1:])]
        return any(naive_match(text, path) for text in texts)

    for path in paths:
        if any(naive_match(each, path) for text in config["ignore"] for each in meant(text)):
            counts["ignored"] += 1
            continue
        folders = path.split("/")[:-1]
        claims = [(folder.count("/") + 1, 1, 0, name) for folder, name in roots if f"{path}/".startswith(f"{folder}/")]
        for order, rule in enumerate(config["discover"]):
            wanted = rule["root"].strip("/").split("/")
            pairs = list(zip(wanted, folders, strict=False))
            if len(folders) >= len(wanted) and all(one in ("*", "{service}", other) for one, other in pairs):
                name = next(other for one, other in pairs if one == "{service}")
                claims.append((len(wanted), 0, -order, f"{name}"))
        by_depth = {}
        for claim in sorted(claims):
            by_depth[claim[0]] = claim
        owner = next((c[3] for _, c in sorted(by_depth.items(), reverse=True) if not minus(c[3], path)), None)
        touched = {owner} - {None}
        for name, unit in units.items():
            texts = [text for text in unit["paths"] if re.search(r"[*?\[]", text) and text[0] != "!"]
            texts += [
                each for folder, names in plain.items() if len(names) > 1 and name in names for each in meant(folder)
            ]
            if any(naive_match(text, path) for text in texts) and not minus(name, path):
                touched.add(name)
        if any(naive_match(each, path) for text in config["global"] for each in meant(text)):
            everywhere = everywhere or path
        elif not touched and config["unmatched"] == "fallback":
            touched.add("fallback")
        elif not touched:
            counts["unmatched"] += 1
        for name in touched:
            own.setdefault(name, path)
    if everywhere:
        known = {*config["services"], *(["fallback"] if config["unmatched"] == "fallback" else [])}
        own = dict.fromkeys(known, f"global: {everywhere}") | own
    wave, why = set(own), dict(own)
    while wave and config["dependents"] != "none":
        users = {name: sorted(wave & set(unit["uses"])) for name, unit in config["services"].items() if name not in why}
        reached = {name: f"uses: {used[0]}" for name, used in users.items() if used}
        why |= reached
        wave = set(reached) if config["dependents"] == "transitive" else set()
    return {name: why[name] for name in sorted(why) if name != "lib"}, counts["unmatched"], counts["ignored"]


@given(config=CONFIG, paths=st.lists(PATH, max_size=8))
def test_every_map_agrees_with_a_naive_implementation_of_the_rules(config, paths):
    found = read(config, REPORTABLE)
    if found.faults:
        assert all("belongs to both" in fault or "neither a service nor a library" in fault for fault in found.faults)
        return
    got = found.service_map.assign(paths)
    assert (dict(got.why), got.unmatched, got.ignored) == naive(config, paths)
    assert found.service_map.assign(paths) == got
