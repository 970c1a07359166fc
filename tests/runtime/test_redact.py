"""A secret is masked in every spelling in which it could come back: raw, base64, URL-encoded, JSON-escaped."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cibeacon.runtime.safe_text import MASK, Redactor

SECRETS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=4).filter(
    lambda text: text == text.strip()
)

URL_SAFE = str.maketrans("+/", "-_")


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


def _ways(character):
    """How one character is written where others beside it may be written in other ways."""
    if character.isascii() and character.isalnum():
        return [character]
    raw, units = character.encode(), character.encode("utf-16-be").hex()
    url, unit = (
        "".join(f"%{byte:02X}" for byte in raw),
        "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)),
    )
    return [
        *(character, url, url.lower(), unit, json.dumps(character)[1:-1], html.escape(character), f"\\{character}"),
        *(f"&#{ord(character)};", f"&#x{ord(character):x};", f"&#x{ord(character):04X};"),
    ]


@given(data=st.data(), secret=SECRETS)
def test_a_secret_that_is_escaped_in_part_does_not_survive(data, secret):
    written = "".join(data.draw(st.sampled_from(_ways(character))) for character in secret)
    assert Redactor([secret])(f"<{written}>") == f"<{MASK}>"


@given(
    secret=st.text("abcXYZ019_-/+=.", min_size=9), user=st.text("abc-:", max_size=9), more=st.text("abc=", max_size=5)
)
def test_base64_of_something_with_the_secret_in_it_does_not_tell_it(secret, user, more):
    """As in `Authorization: Basic`, whatever the user is called."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        clean = Redactor([secret])(encode(f"{user}:{secret}{more}".encode()).decode())
        assert MASK in clean
        for cut in range(4):  # what is left of it, at any offset, is no part of the secret worth having
            for part in clean.split(MASK):
                left = base64.urlsafe_b64decode(part[cut:][: len(part[cut:]) // 4 * 4].translate(URL_SAFE))
                assert not any(secret[at : at + 5].encode() in left for at in range(len(secret) - 4)) or _apart(
                    secret, user, more
                )


def _apart(secret, user, more):
    """Whether a part of the secret stands beside it as well."""
    return any(secret[at : at + 5] in part for at in range(len(secret) - 4) for part in (f"{user}:", more))


@given(secrets=st.lists(SECRETS, max_size=4), text=st.text())
def test_no_known_secret_survives_whatever_its_neighbours_are(secrets, text):
    clean = Redactor(secrets)("".join([text, *secrets, text, *reversed(secrets)]))
    assert not [secret for secret in secrets if secret in clean]


@given(secret=st.text("abcdefgh-_", min_size=4), text=st.text("QRSTUVWXYZ ijklm/%&;\\\n"))
def test_text_without_a_secret_is_left_alone(secret, text):
    assert Redactor([secret])(text) == text


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


ESCAPES = {
    "url": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "URL": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "html": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "html in hex": lambda text: "".join(f"&#x{ord(letter):x};" for letter in text),
    "html with noughts": lambda text: "".join(f"&#{ord(letter):05};" for letter in text),
    "json": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "program": lambda text: "".join(f"\\x{ord(letter):02x}" for letter in text),
    "one letter": lambda text: f"{text[:3]}%{ord(text[3]):02x}{text[4:]}",
    "url twice": lambda text: quote("".join(f"%{byte:02x}" for byte in text.encode())),
    "url three times": lambda text: quote(quote("".join(f"%{byte:02x}" for byte in text.encode()))),
    "json twice": lambda text: json.dumps("".join(f"\\u{ord(letter):04x}" for letter in text))[1:-1],
    "html twice": lambda text: html.escape("".join(f"&#{ord(letter)};" for letter in text)),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "base64 in lines": lambda text: base64.encodebytes(b"u" * 50 + text.encode() + b"v" * 50).decode(),
    "base64 in short lines": lambda text: _folded(base64.b64encode(b"user:" + text.encode()).decode(), 8, "\r\n  "),
    "base64 in lines in json": lambda text: _folded(base64.urlsafe_b64encode(text.encode()).decode(), 16, "\\n"),
}


def _folded(text, width, by):
    return by.join(text[at : at + width] for at in range(0, len(text), width))


@pytest.mark.parametrize("escaped", ESCAPES)
@pytest.mark.parametrize("secret", ["dx-Sup3rSecretTokenValue", "s3cret/with+odd=signs&more", "0123456789abcdef" * 2])
def test_letters_that_are_escaped_and_base64_in_lines_are_seen(escaped, secret):
    written = ESCAPES[escaped](secret)
    clean = Redactor([secret, "another-secret"])(f"before {written} after")
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    core = written if "base64" not in escaped else base64.b64encode(secret.encode()).decode()[4:12]
    assert core not in clean
    assert MASK in clean
    assert "base64" in escaped or clean == f"before {MASK} after"


@given(st.text(st.sampled_from("ab%&#;x0123456789u\\n \n"), max_size=80))
def test_escapes_of_anything_else_are_left_as_they_are(text):
    assert Redactor(["Quite-Another-Secret"])(text) == text


def test_a_long_text_full_of_escapes_is_no_long_work():
    text = "%41&#100;\\u0064\n" * 100_000
    assert Redactor([f"Secret-Number-{number}" for number in range(20)])(text) == text
