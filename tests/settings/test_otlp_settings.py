"""The URL and headers for traces: cibeacon's settings, completed by OpenTelemetry's standard variables."""

from __future__ import annotations

import pytest

from cibeacon.http import credential_headers
from cibeacon.model.request import Request
from cibeacon.settings import load_settings, own_secret_variables, secret_values
from cibeacon.signals import is_wanted, unreachable

EXACT, BASE = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
HEADERS, TRACES_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"


def place(environ):
    endpoint = load_settings({}, environ, {}).endpoints["otlp"]
    return endpoint.base_url, endpoint.form


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"CIBEACON_OTLP_ENDPOINT": "https://otel.example:4318"}, ("https://otel.example:4318", "/v1/traces")),
        ({"CIBEACON_OTLP_ENDPOINT": "https://otel.example/"}, ("https://otel.example", "/v1/traces")),
        ({"CIBEACON_OTLP_ENDPOINT": "https://otel.example/v1/traces"}, ("https://otel.example", "/v1/traces")),
        ({"CIBEACON_OTLP_ENDPOINT": "https://otel.example/otlp"}, ("https://otel.example", "/otlp/v1/traces")),
        ({"CIBEACON_OTLP_ENDPOINT": "env", BASE: "https://otel.example/otlp/"}, ("https://otel.example", "/otlp/v1/traces")),
        ({"CIBEACON_OTLP_ENDPOINT": "env", EXACT: "https://otel.example/ingest"}, ("https://otel.example", "/ingest")),
        ({"CIBEACON_OTLP_ENDPOINT": "env", EXACT: "https://otel.example"}, ("https://otel.example", "/")),
        ({"CIBEACON_OTLP_ENDPOINT": "ENV", EXACT: "https://a.example/x", BASE: "https://b.example"}, ("https://a.example", "/x")),
        ({"CIBEACON_OTLP_ENDPOINT": "https://ours.example", BASE: "https://b.example"}, ("https://ours.example", "/v1/traces")),
    ],
)  # fmt: skip
def test_the_address_of_a_receiver_is_the_path_of_its_traces(environ, wanted):
    assert place(environ) == wanted


@pytest.mark.parametrize("variable", [EXACT, BASE, HEADERS, TRACES_HEADERS])
def test_the_variables_of_other_tools_alone_turn_nothing_on(variable):
    settings = load_settings(
        {}, {variable: "https://otel.example" if "ENDPOINT" in variable else "api-key=secret-key-1"}, {}
    )
    assert not is_wanted("otlp", settings)
    assert unreachable("otlp", settings) == "no OTLP receiver is configured: set otlp_endpoint"


@pytest.mark.parametrize(
    ("environ", "part"),
    [
        ({}, f"neither {EXACT} nor {BASE} is set"),
        ({BASE: " "}, f"neither {EXACT} nor {BASE} is set"),
        ({BASE: "otel:4318"}, f"the variable {BASE} cannot be used because it is not a URL"),
        ({EXACT: "https://me:secret@otel.example"}, "a user name or password"),
    ],
)
def test_an_address_that_cannot_be_read_is_a_problem_without_its_text(environ, part):
    settings = load_settings({}, {"CIBEACON_OTLP_ENDPOINT": "env", **environ}, {})
    (problem,) = settings.problems
    assert (problem.group, problem.option) == ("otlp", "otlp_endpoint")
    assert part in problem.message
    assert "secret" not in problem.message
    assert settings.otlp.otlp_endpoint is None


def sent(environ):
    endpoint = load_settings({}, {"CIBEACON_OTLP_ENDPOINT": "https://otel.example", **environ}, {}).endpoints["otlp"]
    return credential_headers(Request("POST", "/v1/traces", {}, auth="headers"), endpoint, None, 0.0)


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, {}),
        ({"CIBEACON_OTLP_HEADERS": "api-key=secret-key-1, x-tenant=7"}, {"api-key": "secret-key-1", "x-tenant": "7"}),
        ({"CIBEACON_OTLP_HEADERS": "Authorization=Basic%20c2VjcmV0"}, {"Authorization": "Basic c2VjcmV0"}),
        ({"CIBEACON_OTLP_HEADERS": "Authorization=Basic c2VjcmV0=="}, {"Authorization": "Basic c2VjcmV0=="}),
        ({HEADERS: "api-key=all"}, {"api-key": "all"}),
        ({HEADERS: "api-key=all", TRACES_HEADERS: "api-key=traces"}, {"api-key": "traces"}),
        ({HEADERS: "api-key=all", "CIBEACON_OTLP_HEADERS": "api-key=ours"}, {"api-key": "ours"}),
        ({HEADERS: "api-key=all", BASE: "https://otel.example/otlp"}, {"api-key": "all"}),
        ({HEADERS: "api-key=all", BASE: "https://other.example"}, {}),
        ({"CIBEACON_OTLP_HEADERS": "api-key=ours", BASE: "https://other.example"}, {"api-key": "ours"}),
    ],
)
def test_headers_go_to_the_receiver_that_they_are_for(environ, wanted):
    assert sent(environ) == wanted


@pytest.mark.parametrize(
    "given", ["secret-key", "a b=secret", "=secret", "a=secret%0D%0Ax: y", "a=sécret", "a=1,secret"]
)
def test_headers_that_cannot_be_sent_are_a_problem_that_does_not_show_them(given):
    settings = load_settings({}, {"CIBEACON_OTLP_HEADERS": given}, {})
    (problem,) = settings.problems
    assert problem.option == "otlp_headers"
    assert "ecret" not in problem.message


def test_every_part_of_the_headers_is_masked_as_it_is_written_and_as_it_is_sent():
    given = "Authorization=Basic%20c2VjcmV0LWtleQ,x-tenant=7"
    secrets = secret_values({HEADERS: given})
    assert set(secrets) == {given, "Basic%20c2VjcmV0LWtleQ", "Basic c2VjcmV0LWtleQ", "c2VjcmV0LWtleQ"}


def test_the_command_of_exec_keeps_the_headers_that_are_for_its_own_spans():
    assert "CIBEACON_OTLP_HEADERS" in own_secret_variables()
    assert {HEADERS, TRACES_HEADERS}.isdisjoint(own_secret_variables())


@pytest.mark.parametrize(("headers", "reason"), [("", False), ("api-key=secret-key-1", True)])
def test_plain_http_is_for_a_receiver_that_asks_for_no_headers(headers, reason):
    environ = {"CIBEACON_OTLP_ENDPOINT": "http://otel-collector:4318", "CIBEACON_OTLP_HEADERS": headers}
    assert bool(unreachable("otlp", load_settings({}, environ, {}))) is reason
