"""The owner of a path: a table of maps and paths, and random maps compared with a naive implementation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.model.identifiers import is_service_name
from cibeacon.services import PLACEHOLDER, Rules, Template, name_of, parse_root
from cibeacon.services.service_map import ServiceMap

PAY = {"services/pay": "pay", "services/pay/worker": "worker", "web": "web"}


def drawn(roots=None, *templates):
    return ServiceMap(roots or {}, tuple(Template.parse(text) for text in templates))


def owner(service_map, path):
    """The name of the path's owner, whether valid or not."""
    owners = service_map.touch(path).owners
    return name_of(owners[0]) if owners else None


@pytest.mark.parametrize(
    ("roots", "templates", "path", "owned_by"),
    [
        (PAY, (), "services/pay/api.py", "pay"),
        (PAY, (), "services/pay/deep/er/api.py", "pay"),
        (PAY, (), "services/pay/worker/main.py", "worker"),
        (PAY, (), "services/pay/worker/a/b/c", "worker"),
        (PAY, (), "services/pay/workers/main.py", "pay"),
        (PAY, (), "services/payments/api.py", None),
        (PAY, (), "services/pa/y", None),
        (PAY, (), "services/pay", "pay"),
        (PAY, (), "services/README.md", None),
        (PAY, (), "README.md", None),
        (PAY, (), "web/index.html", "web"),
        (PAY, (), "website/index.html", None),
        (PAY, (), "other/web/index.html", None),
        (PAY, (), "Web/index.html", None),
        ({}, ("services/{service}/",), "services/pay/api.py", "pay"),
        ({}, ("services/{service}/",), "services/pay/a/b.py", "pay"),
        ({}, ("services/{service}/",), "services/README.md", None),
        ({}, ("services/{service}/",), "service/pay/a", None),
        ({}, ("services/{service}/",), "x/services/pay/a", None),
        ({}, ("{service}/",), "pay/a", "pay"),
        ({}, ("{service}/",), "go.work", None),
        ({}, ("services/*/{service}/",), "services/team-1/pay/a", "pay"),
        ({}, ("services/*/{service}/",), "services/team-1/a", None),
        ({}, ("*/{service}/src/",), "any/pay/src/a", "pay"),
        ({}, ("*/{service}/src/",), "any/pay/test/a", None),
        ({}, ("a/{service}/", "{service}/"), "a/pay/x", "pay"),
        ({}, ("{service}/", "a/{service}/"), "a/pay/x", "pay"),
        ({}, ("{service}/", "a/{service}/"), "a/x", "a"),
        ({}, ("services/*/{service}/", "services/{service}/*/"), "services/a/b/x", "b"),
        ({}, ("services/{service}/*/", "services/*/{service}/"), "services/a/b/x", "a"),
        ({"services/pay": "payments"}, ("services/{service}/",), "services/pay/a", "payments"),
        ({"services/pay": "payments"}, ("services/{service}/",), "services/web/a", "web"),
        ({"services": "all"}, ("services/{service}/",), "services/web/a", "web"),
        ({"services": "all"}, ("services/{service}/",), "services/a", "all"),
        ({"services/web/api": "api"}, ("services/{service}/",), "services/web/api/a", "api"),
        ({"services/web/api": "api"}, ("services/{service}/",), "services/web/b", "web"),
        ({"a/b": "low"}, ("a/*/{service}/",), "a/b/-bad/x", "-bad"),
        ({"a/b": "low"}, ("a/*/{service}/",), "a/b/.hidden/x", "low"),
        ({}, (), "a/b", None),
        ({}, (), "", None),
    ],
)
def test_the_deepest_root_owns_a_path(roots, templates, path, owned_by):
    assert owner(drawn(roots, *templates), path) == owned_by


@pytest.mark.parametrize(
    "folder",
    [
        "$(id)",
        "-rf",
        "a\nb",
        "a::b",
        "##[error]",
        "a|b",
        "a" * 129,
        "a;b",
        "a'b",
        "\udcff",
        "a\x1bb",
        " a",
        "a*",
    ],
)
def test_a_hostile_folder_name_is_not_a_service(folder):
    asked = drawn({}, "services/{service}/")
    found = asked.assign([f"services/{folder}/x"])
    assert (found.why, found.misnamed, found.unmatched) == ({}, {folder: f"services/{folder}/x"}, 0)
    assert asked.services() == frozenset()


@pytest.mark.parametrize("folder", [".hidden", "..", "."])
def test_a_template_matches_no_folder_that_starts_with_a_dot(folder):
    found = drawn({}, "services/{service}/").assign([f"services/{folder}/x"])
    assert (found.why, found.misnamed, found.unmatched) == ({}, {}, 1)


@pytest.mark.parametrize(
    "folder", ["pay", "Pay", "pay-2", "pay.api", "pay_api", "pay api", "a@b", "a" * 3, "a" * 128, "0", "é", "_a", "@a"]
)
def test_an_ordinary_folder_name_is_a_service(folder):
    assert owner(drawn({}, "services/{service}/"), f"services/{folder}/x") == folder


def test_the_first_path_is_the_reason():
    paths = ["README.md", "web/b", "services/pay/z", "web/a", "services/pay/a", "docs/x", "services/pay/worker/q"]
    found = drawn(PAY).assign(iter(paths))
    assert list(found.why.items()) == [("pay", "services/pay/z"), ("web", "web/b"), ("worker", "services/pay/worker/q")]
    assert (found.paths, found.unmatched) == (7, 2)


def test_no_path_is_no_service():
    found = drawn(PAY, "{service}/").assign([])
    assert (found.why, found.paths, found.unmatched) == ({}, 0, 0)


def test_one_service_may_have_several_roots():
    found = drawn({"a/pay": "pay", "b/pay": "pay"}).assign(["b/pay/x", "a/pay/x"])
    assert found.why == {"pay": "b/pay/x"}


def test_a_service_discovered_below_a_root_is_found_after_the_root_has_changed():
    found = ServiceMap({"pay": "pay"}, (), Rules(discovered={"pay/jobs/worker": (0, "worker")}))
    assert found.assign(["pay/a", "pay/jobs/a", "pay/jobs/worker/b"]).why == {
        "pay": "pay/a",
        "worker": "pay/jobs/worker/b",
    }


FOLDERS = st.sampled_from(["a", "b", "c", "ab", "-x", ""])
PATHS = st.lists(FOLDERS.filter(bool), min_size=1, max_size=5).map("/".join)
ROOTS = st.dictionaries(
    st.lists(FOLDERS.filter(bool), min_size=1, max_size=4).map("/".join), st.sampled_from(["one", "two", "three"])
)


@st.composite
def templates(draw):
    segments = draw(st.lists(st.sampled_from(["a", "b", "*"]), max_size=3))
    segments.insert(draw(st.integers(0, len(segments))), PLACEHOLDER)
    return "/".join(segments) + "/"


def naive_owner(roots, texts, path):
    """Every candidate as (depth, explicit, order); the owner is their `max`."""
    folders = path.split("/")[:-1]
    candidates = []
    for root, name in roots.items():
        if path == root or path.startswith(f"{root}/"):
            candidates.append((root.count("/") + 1, 1, 0, name))
    for order, text in enumerate(texts):
        segments = text.strip("/").split("/")
        if len(folders) >= len(segments):
            pairs = list(zip(segments, folders, strict=False))
            name = next(found for wanted, found in pairs if wanted == PLACEHOLDER)
            if all(wanted in ("*", PLACEHOLDER, found) for wanted, found in pairs):
                candidates.append((len(segments), 0, -order, name))
    return max(candidates)[3] if candidates else None


@given(roots=ROOTS, texts=st.lists(templates(), max_size=3), paths=st.lists(PATHS, max_size=12))
def test_every_map_agrees_with_a_naive_implementation(roots, texts, paths):
    found = drawn(roots, *texts).assign(paths)
    owners = [naive_owner(roots, texts, path) for path in paths]
    first = {name: paths[owners.index(name)] for name in owners if name}
    assert list(found.why.items()) == sorted(each for each in first.items() if is_service_name(each[0]))
    assert found.misnamed == {name: path for name, path in first.items() if not is_service_name(name)}
    assert (found.paths, found.unmatched) == (len(paths), owners.count(None))


@given(roots=ROOTS, texts=st.lists(templates(), max_size=3), paths=st.lists(PATHS, min_size=1, max_size=12))
def test_earlier_questions_change_no_answer(roots, texts, paths):
    asked = drawn(roots, *texts)
    asked.assign(paths)
    assert [owner(asked, path) for path in paths] == [owner(drawn(roots, *texts), path) for path in paths]


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("services/pay/", "services/pay"),
        ("services/pay", "services/pay"),
        ("./services/pay/", "services/pay"),
        ("a b//", "a b"),
        (".github", ".github"),
    ],
)
def test_a_root_is_a_folder_with_or_without_its_slash(text, folder):
    assert parse_root(text) == folder


@pytest.mark.parametrize(
    "text", ["", "/", ".", "./", "..", "../other", "a/../b", "a//b", "/etc", "a/./b", "./../x", ".//a"]
)
def test_a_root_is_never_outside_or_the_whole_repository(text):
    with pytest.raises(ValueError, match="is not a folder below the top"):
        parse_root(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("services/", "must contain the folder"),
        ("{service}/{service}/", "must contain the folder"),
        ("services/x-{service}/", "must contain the folder"),
        ("services/**/{service}/", r"has the folder \*\*"),
        ("services/a*/{service}/", r"has the folder a\*"),
        ("{team}/{service}/", "has the folder {team}"),
        ("[ab]/{service}", r"has the folder \[ab\]"),
        ("?/{service}", r"has the folder \?"),
        ("../{service}/", "is not a folder below the top"),
        ("/{service}/", "is not a folder below the top"),
        ("", "is not a folder below the top"),
    ],
)
def test_a_template_that_means_something_else_is_refused(text, error):
    with pytest.raises(ValueError, match=error):
        Template.parse(text)
