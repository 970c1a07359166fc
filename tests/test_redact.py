"""A secret is masked in every spelling in which it could come back: raw, base64, URL-encoded, JSON-escaped."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cibeacon.redact import MASK, Redactor

SECRETS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=4).filter(
    lambda text: text == text.strip()
)


def spellings(secret: str) -> set[str]:
    """How JSON, URLs and base64 write a text."""
    raw = secret.encode()
    encoded = [base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()]
    urls = [quote(secret, safe=""), quote(secret), quote_plus(secret)]
    escapes = [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    return {secret, *encoded, *(text.rstrip("=") for text in encoded), *urls, *escapes}


@given(secret=SECRETS, before=st.text(max_size=9), after=st.text(max_size=9))
@example(secret="pa/ss+wo?rd", before="", after="")
@example(secret='quo"te\\back', before="", after="")
@example(secret="tokén-ключ", before="", after="")
@example(secret=">>>???", before="", after="")
def test_no_spelling_of_a_secret_survives(secret, before, after):
    redact = Redactor([secret])
    for spelling in spellings(secret):
        clean = redact(f"{before}{spelling}{after}{spelling}")
        assert MASK in clean
        assert not [other for other in spellings(secret) if other in clean]


@given(secrets=st.lists(SECRETS, max_size=4), text=st.text())
def test_no_known_secret_survives_whatever_its_neighbours_are(secrets, text):
    clean = Redactor(secrets)("".join([text, *secrets, text, *reversed(secrets)]))
    assert not [secret for secret in secrets if secret in clean]


@given(secret=SECRETS, text=st.text())
def test_text_without_a_secret_is_left_alone(secret, text):
    assume(not any(spelling in text for spelling in _with_small_hex(secret)))
    assert Redactor([secret])(text) == text


def _with_small_hex(secret):
    return {text.lower() for text in spellings(secret)} | spellings(secret) | {quote(secret, safe="").lower()}


@pytest.mark.parametrize(
    ("secrets", "text", "clean"),
    [
        (["abcd"], "Bearer abcd.", f"Bearer {MASK}."),
        (["abcd"], "YWJjZA== and YWJjZA", f"{MASK} and {MASK}"),
        (["a/b+c"], "a%2Fb%2Bc a%2fb%2bc a/b%2Bc", f"{MASK} {MASK} {MASK}"),
        (["a b&c"], "a+b%26c a%20b%26c", f"{MASK} {MASK}"),
        (['a"b\\c'], '{"token": "a\\"b\\\\c"}', f'{{"token": "{MASK}"}}'),
        (["pässword"], '"p\\u00e4ssword"', f'"{MASK}"'),
        (["??>>"], "Pz8+Pg== Pz8-Pg", f"{MASK} {MASK}"),
        (["token", "token-long"], "token-long token", f"{MASK} {MASK}"),
        (["abcdef", "defghi"], "abcdefghi", f"{MASK}ghi"),
        ([" padded\n"], "padded", MASK),
        (["aaaa"], "aaaaaaaaa", f"{MASK}{MASK}a"),
        (["a.*b"], "a.*b axxb", f"{MASK} axxb"),
    ],
)
def test_spellings_that_were_seen_in_logs(secrets, text, clean):
    assert Redactor(secrets)(text) == clean


@pytest.mark.parametrize("secret", ["", " ", "a", "abc", "é", "/"])
@given(text=st.text())
@example(text="abc YWJj a YQ== é %C3%A9 %2F")
def test_short_values_are_left_because_they_are_ordinary_text(secret, text):
    assert Redactor([secret])(text) == text


def test_without_secrets_nothing_is_masked():
    assert Redactor([])("anything") == "anything"


def test_a_secret_of_undecodable_bytes_is_masked():
    assert Redactor(["caf\udce9"])("caf\udce9 Y2Fm6Q==") == f"{MASK} {MASK}"
