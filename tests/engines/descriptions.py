"""Knows how the hosts describe their APIs in OpenAPI, and cuts out what is asked of them. Does not know who serves it.

GitHub's are its own (npm: @octokit/openapi), 13 MB each; GitLab's is `gitlab.openapi.yml`, beside this file.
https://spec.openapis.org/oas/v3.0.3
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import yaml

HERE = Path(__file__).parent
GENERATED = HERE / "node_modules" / "@octokit" / "openapi" / "generated"

Document: TypeAlias = dict[str, Any]

REPOSITORY = "/repos/{owner}/{repo}"
ASKED_OF_GITHUB = (
    REPOSITORY,
    f"{REPOSITORY}/commits/{{ref}}",
    f"{REPOSITORY}/commits/{{commit_sha}}/pulls",
    f"{REPOSITORY}/pulls/{{pull_number}}",
    f"{REPOSITORY}/pulls/{{pull_number}}/files",
    f"{REPOSITORY}/compare/{{basehead}}",
)
REFUSALS = {"401": "requires_authentication", "403": "forbidden", "404": "not_found", "422": "validation_failed"}
"""GitHub sends these everywhere, and describes them in few places."""


def enterprise_servers() -> list[str]:
    """The names of the descriptions of GitHub Enterprise Server, oldest first."""
    names = {path.name.removesuffix(".json") for path in GENERATED.glob("ghes-*.json") if "deref" not in path.name}
    return sorted(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def github(name: str = "api.github.com", prefix: str = "") -> Document:
    """What of GitHub's description `name` is asked, at paths that begin with `prefix`."""
    whole = json.loads((GENERATED / f"{name}.json").read_text(encoding="utf-8"))
    document = {
        "openapi": whole["openapi"],
        "info": whole["info"],
        "paths": {prefix + path: {"get": copy.deepcopy(whole["paths"][path]["get"])} for path in ASKED_OF_GITHUB},
        "security": [{"token": []}],
    }
    for path in document["paths"].values():
        for code, response in REFUSALS.items():
            path["get"]["responses"].setdefault(code, {"$ref": f"#/components/responses/{response}"})
    document["components"] = _reached(document["paths"], whole["components"])
    document["components"]["securitySchemes"] = {"token": {"type": "apiKey", "in": "header", "name": "Authorization"}}
    _mend(document["components"])
    return document


def gitlab() -> Document:
    """What is asked of GitLab."""
    return json.loads(json.dumps(yaml.load((HERE / "gitlab.openapi.yml").read_text(encoding="utf-8"), _Loader)))


def sparing(document: Document) -> Document:
    """The same, asking the server to make up only what is required."""
    return document | {"x-json-schema-faker": {"alwaysFakeOptionals": False, "optionalsProbability": 0, "maxItems": 3}}


def relied_on(document: Document, names: Collection[str], left_out: Mapping[str, Collection[str]]) -> Document:
    """The same, requiring only the fields `names`, and permitting none that is not described.

    `left_out`, by schema: fields that are not relied on there although they have one of the names.
    """
    document = copy.deepcopy(document)
    for schema, fields in left_out.items():
        described = document["components"]["schemas"][schema]
        described["required"] = [name for name in described["required"] if name not in fields]
    for schema in _objects(document["components"]["schemas"]):
        if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
            schema["additionalProperties"] = False
            schema["required"] = [name for name in schema.get("required", ()) if name in names]
            if not schema["required"]:
                del schema["required"]
    return document


def with_example(document: Document, path: str, name: str, value: object) -> Document:
    """The same, with one more answer that may be asked for by its name."""
    document = copy.deepcopy(document)
    _answer(document, path).setdefault("examples", {})[name] = {"value": value}
    return document


def example(document: Document, path: str) -> Any:
    """The first example answer at `path`."""
    first = next(iter(_answer(document, path)["examples"].values()))
    if "$ref" in first:
        first = document["components"]["examples"][first["$ref"].rpartition("/")[2]]
    return copy.deepcopy(first["value"])


def misunderstood(document: Document, path: str, query: str) -> Iterator[str]:
    """What is wrong with the names in a query: unknown ones, which servers ignore, and too few of those required."""
    asked = Counter(name for name, _ in parse_qsl(query, keep_blank_values=True))
    for template, methods in document["paths"].items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            told = (_parameter(document, each) for each in methods["get"]["parameters"])
            known = {each["name"]: each for each in told if each["in"] == "query"}
            yield from (f"nothing is known of {name}" for name in asked if name not in known)
            for name, each in known.items():
                if asked[name] < each["schema"].get("minItems", 1) and each.get("required"):
                    yield f"{name} is missing"
            return


class _Loader(yaml.SafeLoader):
    """Leaves moments as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _answer(document: Document, path: str) -> dict[str, Any]:
    return document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]


def _parameter(document: Document, told: dict[str, Any]) -> dict[str, Any]:
    name = told.get("$ref", "").rpartition("/")[2]
    return document["components"]["parameters"][name] if name else told


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(each)


def _reached(paths: Document, components: Document) -> Document:
    """The components that `paths` refer to, and those that these refer to."""
    found: Document = {}
    waiting = [paths]
    while waiting:
        for each in _objects(waiting.pop()):
            reference = each.get("$ref")
            if isinstance(reference, str):
                _, _, kind, name = reference.split("/")
                if name not in found.setdefault(kind, {}):
                    found[kind][name] = copy.deepcopy(components[kind][name])
                    waiting.append(found[kind][name])
    return found


def _mend(components: Document) -> None:
    """What GitHub's description gets wrong: examples of teams without the type that it requires, null without a type.

    Of the second no validator makes anything, and Prism then checks nothing at all.
    """
    for each in _objects(components["examples"]):
        for team in each.get("requested_teams", ()):
            team.setdefault("type", "organization")
    for each in _objects(components["schemas"]):
        if each.get("nullable") is True and "type" not in each and "oneOf" in each:
            del each["nullable"]
            each["oneOf"].append({"enum": [None]})
