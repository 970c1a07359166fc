"""Redaction of a text file: the copy is the same file with every token masked and nothing else changed."""

from __future__ import annotations

import io
import json
import random
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.files import redaction
from cibeacon.model.request import Request
from cibeacon.runtime.errors import RedactionError
from cibeacon.settings import load_settings

CASES = json.loads((Path(__file__).parent / "attachments" / "secrets.json").read_text(encoding="utf-8"))
MASK = "***REDACTED***"
WRITTEN = (*redaction.DEFAULTS[:-1], r'"auth"[ \t]{0,4}:[ \t]{0,4}"[A-Za-z0-9+/=_-]+')
"""What the default patterns look for; the last without looking back, in the syntax of `re`."""


def child():
    """The module that runs as a separate process, the only one that imports the library `regex`."""
    from cibeacon.files import redaction_child

    return redaction_child


def copied(source, target, patterns, needles=()):
    child().copy(source, target, [child().regex.compile(each) for each in patterns], needles)


def redacted(text, *patterns):
    """The text after redaction."""
    source, target = io.BytesIO(text if isinstance(text, bytes) else text.encode()), io.BytesIO()
    copied(source, target, patterns or redaction.DEFAULTS, () if patterns else redaction._NEEDLES)
    return target.getvalue() if isinstance(text, bytes) else target.getvalue().decode()


def test_the_module_for_tests_is_the_one_that_runs():
    assert Path(child().__file__).read_bytes() == redaction._CHILD.read_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_tokens_are_masked_and_what_only_looks_like_them_is_not(case):
    assert redacted(case["text"]) == case["left"]


def test_a_pull_secret_is_json_still():
    secret = {"auths": {"quay.io": {"auth": "dXNlcjpwYXNz", "email": "a@b.c"}, "x": {"auth": "YQ=="}}}
    for text in (json.dumps(secret), json.dumps(secret, separators=(",", ":")), json.dumps(secret, indent=1)):
        left = json.loads(redacted(text))
        assert left["auths"]["quay.io"] == {"auth": MASK, "email": "a@b.c"}
        assert left["auths"]["x"] == {"auth": MASK}


@given(st.sampled_from(WRITTEN).flatmap(st.from_regex))
def test_whatever_is_looked_for_holds_one_of_the_needles(text):
    assert any(needle in text for needle in redaction._NEEDLES)


@given(st.lists(st.sampled_from([b"ghp_" + b"a" * 36, b"x" * 70_000, b" ", b"\n", b"\xff\x00", b"word "]), max_size=8))
def test_every_byte_that_is_no_secret_arrives(parts):
    text = b"".join(parts)
    expected = re.sub(rb"gh[a-z]_[A-Za-z0-9_.-]{36,}", MASK.encode(), text)
    assert redacted(text, "gh[a-z]_[A-Za-z0-9_.-]{36,}") == expected
    assert redacted(text) == expected


FRAGMENTS = ("ghp_" + "a" * 36, 'x "auth": "YQ==" ', r'{\"auth\":\"YQ\"', "DCI." + "b" * 60, '"oauth": "x"', "author ghp_ DCI.", '"',
             "." * 300, "." * 4090, "." * 70_000, "\n", "\n")  # fmt: skip


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12))
def test_looking_for_needles_first_changes_nothing(fragments):
    text, target = "".join(fragments), io.BytesIO()
    copied(io.BytesIO(text.encode()), target, redaction.DEFAULTS)
    assert redacted(text) == target.getvalue().decode()


def test_blocks_and_lines_without_anything_to_find_arrive_as_well():
    secret = "ghp_" + "a" * 36
    lines = ["nothing in here"] * 100_000 + [f"author {secret}"] + ["nothing"] * 200_000 + [secret, "end"]
    assert redacted("\n".join(lines)) == "\n".join(lines).replace(secret, MASK)


@pytest.mark.parametrize("before", [0, 1, 40, 100, 4096])
def test_a_secret_on_the_seam_of_two_parts_of_a_long_line_is_found(before):
    secret = "ghp_" + "Ab1" * 20
    for start in (child().PART - child().OVERLAP, child().PART):
        text = "." * (start - before) + f"!{secret}!" + "." * 200_000
        assert redacted(text) == text.replace(secret, MASK)
        key = '{"auth":"' + "A" * 1000 + '"}'
        text = "." * (start - before) + key + "." * 200_000
        assert redacted(text) == text.replace("A" * 1000, MASK)


@pytest.mark.parametrize("pattern", [r"secret(?=;)", r"key=\S{5000,}", r"(?<=pass: )\w+", r"begin.*?end"])
@pytest.mark.parametrize("before", [0, 1, 5, 6, 7, 9, 5000, 70_000])
def test_a_match_of_any_pattern_on_the_seam_of_two_parts_is_found(pattern, before):
    found = {"s": "secret;", "k": "key=" + "v" * 90_000, "(": "pass: hidden", "b": "begin" + " " * 90_000 + "end"}[
        pattern[0]
    ]
    text = "." * (child().PART - before) + f" {found} " + "." * 200_000
    assert redacted(text, pattern) == re.sub(pattern, MASK, text)


def test_of_a_line_that_is_one_secret_without_end_nothing_more_is_copied():
    text = 'x "auth":"' + "A" * (3 << 20) + '" and more\nnext line\n'
    assert redacted(text) == f'x "auth":"{MASK}\nnext line\n'


def test_patterns_do_not_reach_across_lines_and_may_overlap():
    assert redacted("a\nb", r"a\nb") == "a\nb"
    assert redacted("xabcx", "ab", "bc") == f"x{MASK}x"
    assert redacted("xabcx", "z*") == "xabcx"


def test_memory_stays_small_whatever_the_line():
    line = bytes(random.Random(1).choices(b"abcdefgh0123456789 ", k=1 << 20)) * 16
    source, target = io.BytesIO(line), _Nothing()
    tracemalloc.start()
    copied(source, target, redaction.DEFAULTS)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert target.size == len(line)


class _Nothing(io.RawIOBase):
    size = 0

    def write(self, content):
        self.size += len(content)
        return len(content)


def call(path, mime="text/plain"):
    return Request("POST", "/api/v1/files", auth="dci", headers={"DCI-MIME": mime}, file=path)


def clean(path, environ, mime="text/plain", seconds=60.0):
    """The upload of a file with these variables."""
    redact = redaction.file_redaction(load_settings({}, environ, {}).dci.dci_redact_patterns, {})
    with redact(call(path, mime), seconds) as request:
        return request.file.read_bytes()


@pytest.mark.parametrize("word", ["1", "true", "yes", "TRUE"])
def test_the_official_variable_asks_for_it(tmp_path, word):
    path = tmp_path / "a.log"
    path.write_text("token ghp_" + "a" * 36)
    assert load_settings({}, {"DCI_REDACT": word}, {}).dci.dci_redact is True
    assert clean(path, {"DCI_REDACT": word}) == b"token ***REDACTED***"
    assert path.read_text().endswith("a" * 36)


@pytest.mark.parametrize("word", ["", "0", "false", "no"])
def test_it_is_not_done_unasked(word):
    assert load_settings({}, {"DCI_REDACT": word}, {}).dci.dci_redact is False


@pytest.mark.parametrize("given", ["perhaps", "2"])
def test_a_word_that_says_neither_spoils_all_that_dci_would_get(given):
    problem = load_settings({}, {"DCI_REDACT": given}, {}).problems[0]
    assert (problem.group, problem.option) == ("dci", "dci_redact")


def test_own_patterns_replace_the_usual_ones(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("ghp_" + "a" * 36 + " hunter2 a:b")
    environ = {"DCI_REDACT": "1", "DCI_REDACT_PATTERNS": r"hunter\d::a\x3ab"}
    assert clean(path, environ).decode() == "ghp_" + "a" * 36 + f" {MASK} {MASK}"


def test_a_pattern_that_is_none_is_named():
    problem = load_settings({}, {"DCI_REDACT_PATTERNS": "good:(bad"}, {}).problems[0]
    assert (problem.group, problem.option) == ("dci", "dci_redact_patterns")
    assert '"(bad", which is not a regular expression' in problem.message


def test_what_is_packed_or_no_text_leaves_as_it_is(tmp_path):
    token = b"ghp_" + b"a" * 36
    packed, binary, plain = tmp_path / "a.gz", tmp_path / "a.bin", tmp_path / "a.conf"
    packed.write_bytes(token)
    binary.write_bytes(b"\0" + token)
    plain.write_bytes(token)
    on = {"DCI_REDACT": "1"}
    assert clean(packed, on, "application/x-gzip") == token
    assert clean(binary, on, "application/octet-stream") == b"\0" + token
    assert clean(binary, on, "text/plain") == b"\0" + MASK.encode()
    assert clean(plain, on, "application/octet-stream") == MASK.encode()


def test_text_in_which_nothing_would_be_found_does_not_leave(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("ghp_" + "a" * 36, encoding="utf-16")
    with pytest.raises(RedactionError, match="UTF-16"):
        clean(path, {"DCI_REDACT": "1"})


def test_a_pattern_that_tries_for_ever_is_stopped_and_nothing_is_left(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("a" * 40)
    with pytest.raises(RedactionError, match=r"took more than 0\.3 s"):
        clean(path, {"DCI_REDACT": "1", "DCI_REDACT_PATTERNS": "(a|a)*[bc]"}, seconds=0.3)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(RedactionError, match="No such file"):
        clean(tmp_path / "gone.log", {"DCI_REDACT": "1"})
    with pytest.raises(RedactionError, match="No such file"):
        redaction.redact(tmp_path / "gone.log", tmp_path / "copy", ["a"], seconds=60.0, environ={})
