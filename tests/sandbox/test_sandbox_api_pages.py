"""The page that describes the APIs: complete, and without a request to anybody else."""

from __future__ import annotations

import json
import re
from pathlib import Path

from dci_talk import CALLS
from dx_records import METHODS

FILES = "/api/v1/files"


def operations(document, vendor):
    """Method and path of each operation of a vendor, with its description."""
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation["tags"] == [vendor]
    }


def test_every_method_of_dx_is_described_with_its_fields(sandbox, http):
    document = http.get(f"{sandbox.url}/openapi.json").json()
    described = operations(document, "DX")
    assert described.keys() == {("post", path) for path in METHODS}
    for (_, path), operation in described.items():
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert schema["properties"].keys() == METHODS[path].model_fields.keys()
        assert operation["security"]


def test_both_methods_of_flow_are_described(sandbox, http):
    document = http.get(f"{sandbox.url}/openapi.json").json()
    described = operations(document, "Instabase Flow")
    assert described.keys() == {("get", "/api/v1/flow/pipeline"), ("post", "/api/v1/jobs/pipelines")}


def test_every_call_of_dci_is_described_with_what_it_takes(sandbox, http):
    document = http.get(f"{sandbox.url}/openapi.json").json()
    described = operations(document, "DCI")
    calls = {f"{method.upper()} {re.sub('{[^}]*}', 'ID', path.removeprefix('/api/v1'))}" for method, path in described}
    assert calls == CALLS | {"GET /files/ID/content"}
    for name in ("NewJob", "ScheduledJob", "JobPatch", "NewState", "KeyValue"):
        assert document["components"]["schemas"][name]["additionalProperties"] is False
    (upload,) = (operation for (method, path), operation in described.items() if (method, path) == ("post", FILES))
    assert {"dci-name", "dci-mime", "dci-job-id", "dci-jobstate-id"} <= {one["name"] for one in upload["parameters"]}
    assert all(operation["security"] for operation in described.values())


def test_every_reference_of_the_description_leads_somewhere(sandbox, http):
    text = http.get(f"{sandbox.url}/openapi.json").text
    document = http.get(f"{sandbox.url}/openapi.json").json()
    for kind, name in set(re.findall(r'"#/components/(\w+)/([^"]+)"', text)):
        assert name in document["components"][kind]


def test_the_page_and_its_assets_come_from_the_sandbox_alone(sandbox, http):
    page = http.get(f"{sandbox.url}/docs")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text, flags=re.S)
    assets = re.findall(r'(?:src|href)="(/docs/[^"]+)"', page.text)
    assert len(assets) == 3
    for asset in assets:
        reply = http.get(sandbox.url + asset)
        assert (reply.status_code, len(reply.content) > 1000) == (200, True)


def test_reading_it_is_no_request_to_a_vendor(sandbox, http):
    for path in ("/docs", "/openapi.json"):
        http.get(sandbox.url + path)
    assert sandbox.ledger.document()["received"] == 0


def test_every_call_to_dataops_that_is_tested_is_described(sandbox, http):
    described = operations(http.get(f"{sandbox.url}/openapi.json").json(), "DataOps.live")
    patterns = {(method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path))) for method, path in described}
    cases = [json.loads(path.read_text("utf-8")) for path in (Path(__file__).parent / "dataops").glob("*.json")]
    good = {
        request["call"].partition("?")[0] for case in cases for request in case["requests"] if request["status"] < 300
    }
    for call in good:
        method, _, path = call.partition(" ")
        matching = [one for verb, one in patterns if verb == method.lower() and one.fullmatch(f"/api/v4{path}")]
        assert matching, call


def test_dataops_names_its_tokens_and_its_parameters(sandbox, http):
    document = http.get(f"{sandbox.url}/openapi.json").json()
    described = operations(document, "DataOps.live")
    trigger = ("post", "/api/v4/projects/{project_id}/trigger/pipeline")
    assert {call for call, operation in described.items() if not operation.get("security")} == {trigger}
    names = {one["name"] for one in described["get", "/api/v4/projects/{project_id}/pipelines"]["parameters"]}
    assert {"project_id", "page", "per_page", "status", "updated_after", "order_by"} <= names
    schemes = document["components"]["securitySchemes"].values()
    assert {"PRIVATE-TOKEN", "JOB-TOKEN"} <= {scheme.get("name") for scheme in schemes}
