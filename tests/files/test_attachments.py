"""The files that DCI gets, with their types and names."""

from __future__ import annotations

import json
import os
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.files import attachments as module
from cibeacon.files import junit
from cibeacon.files.attachments import LARGEST, find_attachments
from cibeacon.sinks.dci_files import unique_names

TABLES = Path(__file__).parent / "attachments"
KINDS = json.loads((TABLES / "kinds.json").read_text(encoding="utf-8"))
HOSTILE = json.loads((TABLES / "hostile.json").read_text(encoding="utf-8"))
SUITE = b"<testsuite/>"


def write(root, path, content=b"x"):
    whole = root / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(content)
    return whole


def names(root, *patterns, **how):
    return [each.name for each in find_attachments(patterns, root, **how)[0]]


@pytest.mark.parametrize("case", KINDS, ids=lambda case: case["path"])
def test_a_file_goes_with_the_name_and_the_type_that_users_of_dci_know(tmp_path, case):
    content = case["content"].encode(case.get("encoding", "utf-8"))
    path = write(tmp_path, case["path"], content)
    found, said = find_attachments([case.get("pattern", case["path"])], tmp_path)
    assert [(each.path, each.name, each.mime, each.size) for each in found] == [
        (path, case["name"], case["mime"], len(content))
    ]
    assert said == ()


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case["title"])
def test_a_report_that_no_parser_would_read_is_sent_as_a_file_and_said_to_be(tmp_path, case):
    write(tmp_path, "r.xml", case["content"].encode(case.get("encoding", "utf-8")))
    found, said = find_attachments(["r.xml"], tmp_path)
    assert [(each.name, each.mime) for each in found] == [("r.xml", "text/xml")]
    assert len(said) == 1
    assert said[0].startswith("r.xml is sent as text/xml")
    assert case["fault"] in said[0]


def endless(part, piece=b"x" * (1 << 20)):
    """Something of 64 MiB that a parser would keep in memory."""
    yield part
    for _ in range(64):
        yield piece


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"<testsuite a='", b"x" * (1 << 20)),
        (b"<testsuite><!--", b"x" * (1 << 20)),
        (b"<testsuite", b"x" * (1 << 20)),
        (b"<testsuite>", b"<a>" * (1 << 18)),
        (b"<testsuite>", b"".join(b"<a%d/>" % number for number in range(1 << 17))),
        (b"<testsuite>", b"".join(b"<a b%d='c'/>" % number for number in range(1 << 17))),
    ],
    ids=["attribute", "comment", "name", "depth", "names", "attribute names"],
)
def test_what_a_parser_would_hoard_is_refused_early(tmp_path, start, piece):
    path = tmp_path / "r.xml"
    with path.open("wb") as file:
        file.writelines(endless(start, piece))
    tracemalloc.start()
    with path.open("rb") as file:
        seen = junit.check(file)
        read = file.tell()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen.fault or not seen.is_junit
    assert read < 16 << 20
    assert peak < 32 << 20


def test_text_of_any_length_is_no_fault(tmp_path):
    path = tmp_path / "r.xml"
    with path.open("wb") as file:
        file.writelines(endless(b"<testsuite><system-out>"))
        file.write(b"</system-out><system-err><![CDATA[")
        file.writelines(endless(b""))
        file.write(b"]]></system-err></testsuite>")
    tracemalloc.start()
    with path.open("rb") as file:
        assert junit.check(file) == junit.Check(is_junit=True)
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("pattern", ["reports/*", "reports/", "reports/**", "**/*", "reports/l*"])
def test_a_link_that_leads_to_itself_keeps_no_other_file_from_being_taken(tmp_path, pattern):
    write(tmp_path, "reports/last.log")
    (tmp_path / "reports/loop").symlink_to("loop")
    (tmp_path / "reports/round").symlink_to("trip")
    (tmp_path / "reports/trip").symlink_to("round")
    assert names(tmp_path, pattern) == ["reports/last.log"]


@pytest.mark.parametrize("anywhere", [False, True])
@pytest.mark.parametrize(
    "pattern", ["a\0b", "a\0b/*", "\0", "a\ud800b", "a\ud800b/*.log", "x" * 300, "x" * 300 + "/*", "x/" * 3000 + "*"]
)
def test_a_name_that_no_file_can_have_keeps_no_other_from_being_taken(tmp_path, pattern, anywhere):
    write(tmp_path, "last.log")
    found, said = find_attachments([pattern, "*.log"], tmp_path, anywhere=anywhere)
    assert [each.name for each in found] == ["last.log"]
    assert len(said) == 1


def test_patterns_are_read_as_everywhere_else(tmp_path):
    for path in ("a/1.log", "a/b/2.log", "3.log", "a/x.txt", ".hidden/4.log", "a/.5.log"):
        write(tmp_path, path)
    assert names(tmp_path, "*.log") == ["3.log"]
    assert names(tmp_path, "**/*.log") == ["3.log", "a/1.log", "a/b/2.log"]
    assert names(tmp_path, "a/**") == ["a/1.log", "a/b/2.log", "a/x.txt"]
    assert names(tmp_path, "a") == names(tmp_path, "a/") == names(tmp_path, "./a/**")
    assert names(tmp_path, "a/?.log", "a/1.log", "*.log") == ["3.log", "a/1.log"]
    assert names(tmp_path, ".hidden/*.log") == [".hidden/4.log"]
    assert names(tmp_path, "**/.*.log") == ["a/.5.log"]
    assert names(tmp_path, str(tmp_path / "a/*.txt")) == ["a/x.txt"]


def test_a_folder_whose_name_looks_like_a_pattern_is_one_all_the_same(tmp_path):
    root = tmp_path / "[ab]*"
    write(root, "c[1]/x.log")
    assert names(root, "**/*.log") == ["c[1]/x.log"]
    assert names(root, "c[1]") == ["c[1]/x.log"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("*.xml", "*.xml matches no file"),
        ("missing.log", "missing.log matches no file"),
        ("../*.log", "../*.log is not used: it points outside the folder {root}"),
        ("a/../../secret.log", "a/../../secret.log is not used: it points outside the folder {root}"),
        ("/etc/passwd", "/etc/passwd is not used: it points outside the folder {root}"),
        ("{a,b}.log", "{{a,b}}.log is not used: it contains braces; write one pattern for each alternative"),
        ("x\0y", "x\0y is not used: it contains a character that no path can contain"),
        ("*" * 17, "*" * 17 + " is not used: it contains over 16 wildcards"),
        ("pipe", "pipe is not sent: it is not a regular file"),
        ("gone.log", "gone.log is not sent: it cannot be read: No such file or directory"),
        ("out.log", "out.log is not sent: it is a symbolic link that points outside the folder"),
        ("outside/secret.log", "outside/secret.log is not sent: it is a symbolic link that points outside the folder"),
        ("outside/**", "outside/** is not used: it starts with a symbolic link that points outside the folder"),
        ("outside", "outside is not used: it starts with a symbolic link that points outside the folder"),
        (
            "outside/*/*.log",
            "outside/*/*.log is not used: it starts with a symbolic link that points outside the folder",
        ),
        (".git/config", ".git/config is not sent: it belongs to git, which may store a token there"),
        ("token", "token is not sent: it belongs to git, which may store a token there"),
    ],
)
def test_what_is_not_taken_is_said_with_the_reason(tmp_path, pattern, said):
    root = tmp_path / "root"
    write(tmp_path, "secret.log")
    write(root, "a/b")
    write(root, ".git/config")
    os.mkfifo(root / "pipe")
    (root / "gone.log").symlink_to("nowhere")
    (root / "out.log").symlink_to("../secret.log")
    (root / "outside").symlink_to("..")
    (root / "token").symlink_to(".git/config")
    assert find_attachments([pattern], root) == ((), (said.format(root=root),))


def test_a_pattern_of_all_leaves_out_git_and_whatever_links_lead_to(tmp_path):
    root = tmp_path / "root"
    write(tmp_path, "secret.log")
    write(root, ".git/config")
    write(root, "a/1.log")
    for number in range(8):
        (root / f"a/loop{number}").symlink_to("..")
    (root / "inside.log").symlink_to("a/1.log")
    (root / "outside.log").symlink_to("../secret.log")
    found, said = find_attachments(["**", ".*/**"], root)
    assert [each.name for each in found] == ["a/1.log", "inside.log"]
    assert said == (
        "outside.log is not sent: it is a symbolic link that points outside the folder",
        ".*/** matches no file",
    )


def test_a_person_at_the_command_line_may_name_any_file(tmp_path):
    root = tmp_path / "root"
    write(root, "here.log")
    write(tmp_path, "there/a/1.xml", SUITE)
    write(tmp_path, "there/b/1.xml", SUITE)
    write(tmp_path, "there/log")
    (root / "link").symlink_to("../there/log")
    patterns = ["here.log", "../there/**/*.xml", str(tmp_path / "there/log"), "link"]
    assert names(root, *patterns, anywhere=True) == ["a/1", "b/1", "here.log", "link", "log"]


def test_a_file_over_the_limit_is_told_and_left(tmp_path):
    with (tmp_path / "core").open("wb") as file:
        file.truncate(LARGEST + 1)
    found, said = find_attachments(["core"], tmp_path)
    assert found == ()
    assert "1.0 GiB" in said[0]
    assert "compress" in said[0]


def test_more_files_than_a_run_may_have_are_said_to_be_left(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    for name in "cab":
        write(tmp_path, name)
    found, said = find_attachments(["*"], tmp_path)
    assert [each.name for each in found] == ["a", "b"]
    assert said == ("only the first 2 of 3 files are sent",)


def test_many_files_that_are_not_taken_are_not_told_one_by_one(tmp_path):
    for number in range(100):
        (tmp_path / f"{number:03}").symlink_to("nowhere")
    found, said = find_attachments(["*"], tmp_path)
    assert found == ()
    assert len(said) == module.MOST_COMPLAINTS + 1
    assert said[-1] == "… and 80 more problems with files"


def test_names_that_would_be_one_are_kept_apart(tmp_path):
    for path in ("r", "r.xml", "s.xml", "s.XML"):
        write(tmp_path, path, SUITE)
    assert sorted(names(tmp_path, "*")) == ["r", "r.xml", "s", "s.xml"]
    write(tmp_path / "1", "log")
    write(tmp_path / "2", "log")
    found = names(tmp_path / "root", "../1/log", "../2/log", anywhere=True)
    assert found == ["log", "log (2)"]


paths = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("a./% \n\x7fé\udc80"), min_size=1, max_size=400
) | st.sampled_from(["a", "a.xml", "a.xml.xml", "a.XML", " a", "a ", "%20a", "a (2)", "a (2).xml"])
HEADER = re.compile(r"[!-~\xa1-\xac\xae-\xff]([ -~\xa1-\xac\xae-\xff]{0,253}[!-~\xa1-\xac\xae-\xff])?")


@given(st.lists(st.tuples(paths, st.booleans()), max_size=12), st.randoms())
def test_names_fit_a_header_are_unique_and_do_not_depend_on_the_order(files, random):
    found = unique_names(files)
    assert all(HEADER.fullmatch(name) for name in found)
    assert len(set(found)) == len(found)
    shuffled = sorted(files, key=lambda _: random.random())
    assert sorted(zip(shuffled, unique_names(shuffled), strict=True)) == sorted(zip(files, found, strict=True))


@given(paths, paths)
def test_the_name_of_a_file_alone_tells_it_from_every_other(one, other):
    assert (unique_names([(one, False)]) == unique_names([(other, False)])) == (one == other)
