"""The configuration file is untrusted: it is found once, read only from inside the checkout, and parsed safely."""

from __future__ import annotations

import json
import os

import pytest

from cibeacon.runtime.errors import ServiceMapError
from cibeacon.services.config_file import LARGEST, NAMES, in_folder, in_tree, parse

DOCUMENT = {
    "version": 1,
    "services": {"payments": "services/payments/", "café": ["a/", "b/"]},
    "discover": [{"root": "teams/*/{service}/"}],
    "report": {"environment": "production", "metadata": {"tier": 1, "live": True}},
}
WRITTEN = {
    ".cibeacon.json": json.dumps(DOCUMENT),
    ".cibeacon.yml": """
version: 1
services:
  payments: services/payments/
  café: [a/, b/]
discover:
  - root: "teams/*/{service}/"
report:
  environment: production
  metadata: {tier: 1, live: true}
""",
    ".cibeacon.toml": """
version = 1
discover = [{root = "teams/*/{service}/"}]
[services]
payments = "services/payments/"
"café" = ["a/", "b/"]
[report]
environment = "production"
metadata = {tier = 1, live = true}
""",
}


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_yaml_json_and_toml_say_the_same(name):
    assert parse(name, WRITTEN[name].encode()) == DOCUMENT


@pytest.mark.parametrize("name", NAMES)
def test_a_byte_order_mark_is_not_part_of_the_document(name):
    assert parse(name, b"\xef\xbb\xbf" + WRITTEN[name].lstrip().encode()) == DOCUMENT


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_found_by_each_of_its_names(name, checkout):
    (checkout / name).write_text("content", "utf-8")
    assert in_folder(checkout, None) == (name, b"content")


def test_a_missing_file_is_not_a_fault(checkout):
    assert in_folder(checkout, None) is None


@pytest.mark.parametrize(("one", "other"), [(NAMES[0], NAMES[1]), (NAMES[0], NAMES[2]), (NAMES[1], NAMES[2])])
def test_two_files_are_refused_by_name_wherever_they_are_read(one, other, checkout):
    contents = {one: b"{}", other: b"{}"}
    for name, content in contents.items():
        (checkout / name).write_bytes(content)
    for look in (lambda: in_folder(checkout, None), lambda: in_tree(contents.get, None)):
        with pytest.raises(ServiceMapError, match=f"{one} and {other} cannot be used: only one of them may exist"):
            look()


def test_a_file_that_the_user_names_is_the_only_one(checkout):
    for name in NAMES:
        (checkout / name).write_text("{}", "utf-8")
    (checkout / "ci").mkdir()
    (checkout / "ci" / "map.yml").write_text("version: 1", "utf-8")
    assert in_folder(checkout, "ci/map.yml") == ("ci/map.yml", b"version: 1")


def test_a_file_that_the_user_names_must_exist(checkout):
    with pytest.raises(ServiceMapError, match="it cannot be read"):
        in_folder(checkout, "ci/map.yml")


@pytest.mark.parametrize("given", ["../secret.yml", "/etc/hostname", "ci/../../secret.yml"])
def test_a_path_out_of_the_checkout_is_refused(given, checkout):
    (checkout / "ci").mkdir()
    (checkout.parent / "secret.yml").write_text("top: secret", "utf-8")
    with pytest.raises(ServiceMapError, match=r"not a regular file inside the repository|cannot be read") as caught:
        in_folder(checkout, given)
    assert "secret: " not in str(caught.value)


def test_a_link_out_of_the_checkout_is_refused(checkout):
    (checkout.parent / "secret.yml").write_text("top: secret", "utf-8")
    (checkout / ".cibeacon.yml").symlink_to("../secret.yml")
    with pytest.raises(ServiceMapError, match="not a regular file inside the repository"):
        in_folder(checkout, None)


def test_a_folder_that_is_a_link_leads_nowhere_either(checkout):
    outside = checkout.parent / "outside"
    outside.mkdir()
    (outside / "map.yml").write_text("a: b", "utf-8")
    (checkout / "ci").symlink_to(outside)
    with pytest.raises(ServiceMapError, match="not a regular file inside the repository"):
        in_folder(checkout, "ci/map.yml")


def test_a_link_inside_the_checkout_is_followed(checkout):
    (checkout / "map.yml").write_text("a: b", "utf-8")
    (checkout / ".cibeacon.yml").symlink_to("map.yml")
    assert in_folder(checkout, None) == (".cibeacon.yml", b"a: b")


@pytest.mark.parametrize("target", ["nowhere.yml", ".cibeacon.yml"])
def test_a_broken_link_is_a_fault_and_not_an_absent_file(target, checkout):
    (checkout / ".cibeacon.yml").symlink_to(target)
    with pytest.raises(ServiceMapError, match="it cannot be read"):
        in_folder(checkout, None)


def test_a_folder_of_that_name_is_refused(checkout):
    (checkout / ".cibeacon.yml").mkdir()
    with pytest.raises(ServiceMapError, match="not a regular file"):
        in_folder(checkout, None)


def test_a_pipe_of_that_name_is_refused_and_not_waited_for(checkout):
    os.mkfifo(checkout / ".cibeacon.yml")
    with pytest.raises(ServiceMapError, match="not a regular file"):
        in_folder(checkout, None)


def test_a_checkout_behind_a_link_is_the_checkout(checkout):
    (checkout / ".cibeacon.yml").write_text("a: b", "utf-8")
    link = checkout.parent / "link"
    link.symlink_to(checkout)
    assert in_folder(link, None) == (".cibeacon.yml", b"a: b")


@pytest.mark.parametrize("name", NAMES)
def test_an_oversized_file_is_refused(name, checkout):
    (checkout / name).write_bytes(b" " * (LARGEST + 2))
    found = in_folder(checkout, None)
    assert len(found[1]) == LARGEST + 1, "no more is read than it takes to know"
    with pytest.raises(ServiceMapError, match="it is larger than 1 MiB"):
        parse(*found)


def test_from_a_tree_the_first_name_or_the_given_one_is_read():
    tree = {".cibeacon.json": b"{}", "ci/map.yml": b"a: b"}
    assert in_tree(tree.get, None) == (".cibeacon.json", b"{}")
    assert in_tree(tree.get, "ci/map.yml") == ("ci/map.yml", b"a: b")
    assert in_tree(tree.get, "ci/other.yml") is None
    assert in_tree({}.get, None) is None


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (".cibeacon.yml", b"services: [a", "line 1"),
        (".cibeacon.yml", b"a: b\n\tc: d", "line 2"),
        (".cibeacon.yml", b"services:\n\ta: b", "line 2 is indented with a tab; use spaces"),
        (".cibeacon.yml", b"a: b\n\tc: d", "line 2 is indented with a tab; use spaces"),
        (".cibeacon.yml", b"a:\n- |\n\tb", "line 3 is indented with a tab; use spaces"),
        (".cibeacon.yml", b"a: b\nc: @d", "found character that cannot start any token at line 2, column 4"),
        (".cibeacon.yml", b"a: b\n---\nc: d", "single document"),
        (".cibeacon.yml", b"a: *b", "undefined alias"),
        (".cibeacon.yml", b"? [a]\n: b", "unhashable"),
        (".cibeacon.yml", b"!!python/object/apply:os.system [id]", "could not determine a constructor"),
        (".cibeacon.yml", b"a: 2024-13-45", "month must be in 1..12"),
        (".cibeacon.yml", b'!!int ""', "a tag does not fit its value"),
        (".cibeacon.yml", b"!!bool maybe", "a tag does not fit its value"),
        (".cibeacon.yml", b"!!timestamp noon", "a tag does not fit its value"),
        (".cibeacon.yml", b"a: \x00", "control characters are not allowed"),
        (".cibeacon.yml", b"a: " + b"9" * 5000, "Exceeds the limit"),
        (".cibeacon.yml", b"a: 2024-01-02", "put it in quotes"),
        (".cibeacon.yml", b"2024-01-02: a", "put it in quotes"),
        (".cibeacon.yml", b"a: !!binary aGk=", "put it in quotes"),
        (".cibeacon.yml", b"a: !!set {b}", "put it in quotes"),
        (".cibeacon.toml", b"a = 2024-01-02T03:04:05Z", "put it in quotes"),
        (".cibeacon.json", b'{"a": 1,}', "line 1"),
        (".cibeacon.json", b"", "line 1"),
        (".cibeacon.json", b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (".cibeacon.toml", b"a = ", "at end of document"),
        (".cibeacon.toml", b"a = 1\na = 2", "Cannot overwrite"),
        *((name, "a: é".encode("latin-1"), "can't decode byte 0xe9") for name in NAMES),
        *((name, "a: b".encode("utf-16"), "can't decode byte 0xff") for name in NAMES),
    ],
)
def test_what_cannot_be_parsed_says_where_or_why(name, content, why):
    with pytest.raises(ServiceMapError, match=f"{name} cannot be used") as caught:
        parse(name, content)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "unicode string" not in str(caught.value)
    assert "docs/reference.md" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".cibeacon.yml", b"[" * 100_000),
        (".cibeacon.yml", b"[" * 50_000 + b"]" * 50_000),
        (".cibeacon.yml", b'{"a":' * 50_000),
        (".cibeacon.yml", b"- " * 100_000 + b"x"),
        (".cibeacon.yml", b"? " * 50_000 + b"x"),
        (".cibeacon.yml", b"[" * 60 + b"]" * 60),
        (".cibeacon.yml", b"&a [*a]"),
        (".cibeacon.yml", b"report: &a {metadata: *a}"),
        (".cibeacon.json", b"[" * 100_000),
        (".cibeacon.json", b'{"a":' * 100_000),
        (".cibeacon.json", b"[" * 60 + b"]" * 60),
        (".cibeacon.toml", b"a = " + b"[" * 100_000),
        (".cibeacon.toml", b"a = " + b"{b = " * 60 + b"1" + b"}" * 60),
    ],
    ids=lambda value: value[:12].decode() if isinstance(value, bytes) else value,
)
def test_a_file_that_is_nested_too_deeply_is_refused_and_the_process_lives(name, content):
    with pytest.raises(ServiceMapError, match="it is nested too deeply"):
        parse(name, content)


def bomb(first: str) -> bytes:
    lines = [f"a0: &a0 [{first}]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("content", [bomb("lol"), b"a: &a " + b"x" * 100_000 + b"\nb: [" + b"*a," * 100 + b"]"])
def test_aliases_that_expand_like_a_bomb_are_refused(content):
    with pytest.raises(ServiceMapError, match="its aliases expand to more than 1 MiB"):
        parse(".cibeacon.yml", content)


def test_a_small_alias_is_accepted():
    document = parse(".cibeacon.yml", b"a: &one [x, y]\nb: *one\nc: {<<: {d: 1}, e: *one}")
    assert document == {"a": ["x", "y"], "b": ["x", "y"], "c": {"d": 1, "e": ["x", "y"]}}


@pytest.mark.parametrize("name", NAMES)
def test_the_format_is_far_from_the_limit_of_nesting(name):
    deepest = {
        ".cibeacon.yml": "report: {metadata: {a: {b: {c: {d: [1]}}}}}",
        ".cibeacon.json": '{"report": {"metadata": {"a": {"b": {"c": {"d": [1]}}}}}}',
        ".cibeacon.toml": "report.metadata.a.b.c.d = [1]",
    }[name]
    assert parse(name, deepest.encode())["report"]["metadata"]["a"]["b"]["c"]["d"] == [1]
