"""Every form of an error becomes one readable sentence and is classified correctly."""

from __future__ import annotations

import json

import pytest

from cibeacon.dataops.errors import explain_response, http_error

SAID = [
    (404, {"message": "404 Project Not Found"}, "the server answered 404 (Project Not Found)"),
    (401, {"message": "401 Unauthorized"}, "the server answered 401 (Unauthorized)"),
    (400, {"message": {"base": ["Reference not found"]}}, "the server answered 400 (Reference not found)"),
    (400, {"message": {"cron": [" is invalid", "is odd"]}}, "the server answered 400 (cron  is invalid; cron is odd)"),
    (400, {"message": ["one", "two"]}, "the server answered 400 (one; two)"),
    (400, {"error": "ref is missing"}, "the server answered 400 (ref is missing)"),
    (
        403,
        {"error": "insufficient_scope", "error_description": "Needs more.", "scope": "api"},
        "the server answered 403 (insufficient_scope; Needs more.; api)",
    ),
    (500, {}, "the server answered 500"),
    (500, [], "the server answered 500"),
    (418, ["teapot"], "the server answered 418 (teapot)"),
    (500, None, "the server answered 500"),
]


@pytest.mark.parametrize(("status", "body", "words"), SAID, ids=[words for _, _, words in SAID])
def test_an_error_in_json_is_told_in_one_line(status, body, words):
    assert explain_response(status, json.dumps(body).encode()) == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><body>Bad gateway</body></html>", "a web page instead of JSON"),
        (b"Retry later\n", "(Retry later)"),
        (b"", "answered 502"),
        (b"\xff\xfe", "answered 502"),
        (b"[" * 5000, "answered 502"),
        (b'{"message": "\x1b[31m::error::x\\n::error::y"}', "\\n::error::y"),
    ],
)
def test_an_error_in_anything_else_is_told_in_one_line(body, words):
    told = explain_response(502, body)
    assert words in told
    assert "\n" not in told
    assert "\x1b" not in told
    assert len(told) < 400


@pytest.mark.parametrize(
    ("status", "refused", "maybe_delivered"),
    [
        (302, True, False),
        (400, True, False),
        (401, True, False),
        (404, True, False),
        (408, False, True),
        (425, False, False),
        (429, False, False),
        (500, False, True),
        (503, False, True),
    ],
)
def test_asking_again_helps_or_not_and_was_carried_out_or_not(status, refused, maybe_delivered):
    error = http_error("It failed", status, b"")
    assert (error.refused, error.maybe_delivered) == (refused, maybe_delivered)
    assert error.hint
