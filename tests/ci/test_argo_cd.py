"""What the two files of docs/ci/argocd.md send to DX: the application's commit, never that of the repository with the manifests."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import yaml

from processes import cibeacon

KIT = Path(__file__).parents[2] / "integrations/argocd"
TOKEN = "sandbox-token-1"
COMMIT = "8f1c3b0a7e5d4c2b9a6f8e7d6c5b4a3f2e1d0c9b"
LABELS = {"batch.kubernetes.io/controller-uid": "7c1f0a52-6a8e-4c0b-9a55-b7d1f4b0c9aa"}
"""What Kubernetes gives the pods of a Job."""
IN_TEMPLATE = {
    'printf "argo-cd/%s/%s/%s" .app.metadata.namespace .app.metadata.name .app.status.operationState.startedAt | toJson':
        '"argo-cd/argocd/payments/2023-11-14T22:10:00Z"',
    "(call .time.Parse .app.status.operationState.finishedAt).Unix": "1700000000",
    'index .app.metadata.annotations "cibeacon/service" | toJson': '"payments"',
    'index .app.metadata.annotations "cibeacon/repository" | toJson': '"acme/shop"',
    'index .app.metadata.annotations "cibeacon/commit-sha" | toJson': json.dumps(COMMIT),
    'printf "%s/applications/%s" .context.argocdUrl .app.metadata.name | toJson':
        '"https://argocd.example.com/applications/payments"',
}  # fmt: skip
"""Go's expressions, and what they come to for one application."""


def requests(dx):
    return [(entry["path"], entry["body"]) for entry in dx.ledger.document()["requests"]]


def value(variable, pod):
    """A container's variable, as Kubernetes fills it in."""
    if "value" in variable:
        return variable["value"]
    if "secretKeyRef" in variable["valueFrom"]:
        return TOKEN
    field, key = re.fullmatch(r"metadata\.(\w+)\['(.+)'\]", variable["valueFrom"]["fieldRef"]["fieldPath"]).groups()
    return {"labels": LABELS, "annotations": pod["metadata"]["annotations"]}[field][key]


def test_the_job_announces_the_deployment_once_however_often_its_pod_is_started(dx, tmp_path):
    pod = yaml.safe_load((KIT / "post-sync.yaml").read_text(encoding="utf-8"))["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    env = {variable["name"]: value(variable, pod) for variable in container["env"]}
    env |= {"CIBEACON_DX_URL": dx.url, "HOME": str(tmp_path)}
    assert [cibeacon(*container["args"], environ=env, cwd=tmp_path).code for _ in range(2)] == [0, 0]
    first, second = requests(dx)
    assert first == second or first[1]["reference_id"] == second[1]["reference_id"]
    expected = {
        "service": "payments", "repository": "acme/shop", "commit_sha": COMMIT, "environment": "production",
        "source_name": "Argo CD", "source_url": "https://argocd.example.com/applications/argocd/payments",
    }  # fmt: skip
    assert first[0] == "/api/deployments.create"
    assert {name: first[1].get(name) for name in expected} == expected


def test_the_notification_sends_a_deployment_that_dx_takes(dx):
    config = yaml.safe_load((KIT / "notifications.yaml").read_text(encoding="utf-8"))["data"]
    service = yaml.safe_load(config["service.webhook.dx"])
    headers = {header["name"]: header["value"].replace("$dx-api-token", TOKEN) for header in service["headers"]}
    hook = yaml.safe_load(config["template.deployed"])["webhook"]["dx"]
    body = re.sub(r"\{\{ (.+?) \}\}", lambda match: IN_TEMPLATE[match[1]], hook["body"])
    request = urllib.request.Request(dx.url + hook["path"], body.encode(), headers, method=hook["method"])
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        assert json.load(answer)["ok"] is True
    ((_, sent),) = requests(dx)
    assert (sent["service"], sent["commit_sha"], sent["deployed_at"]) == ("payments", COMMIT, 1_700_000_000)


def test_nothing_reads_the_revision_of_the_repository_with_the_manifests():
    assert [path.name for path in KIT.iterdir() if "revision" in path.read_text(encoding="utf-8")] == []
