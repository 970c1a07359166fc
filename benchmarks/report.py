"""Compares `cibeacon report` with minimal scripts for three signals. Run: .venv/bin/python benchmarks/report.py

Runs in turn, each as a whole process against the same sandbox on loopback:
  ours   cibeacon report: a merged pull request (git comparison, service map, three POSTs), with the map as a template in
         the workflow, and with the map in .cibeacon.yml; settings are variables, as in the action and the component,
         and once flags
  (a)    a minimal script: the same three POSTs with requests, with ready-made bodies
  (b)    the documented shell commands, written correctly: git diff-tree, jq for the bodies, curl for the POSTs
Wall times are medians; memory is the largest resident set of the process and its children. The last lines are the
ratios to (a), pair by pair.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Merged, Monorepo
from processes import Contender, compared, table

ROUNDS = int(os.environ.get("ROUNDS", "21"))
MINIMAL_TITLE = "(a) minimal requests"

MINIMAL = """
import json, os, sys, requests
session = requests.Session()
session.headers["Authorization"] = "Bearer " + os.environ["DX_API_TOKEN"]
for method, body in json.load(open(sys.argv[1])):
    reply = session.post(os.environ["CIBEACON_DX_URL"] + "/api/" + method, json=body, timeout=10)
    assert reply.status_code == 200 and reply.json()["ok"], reply.text
"""

SHELL = r"""
set -eu
services=$(git diff-tree -r -z --name-only --no-renames "$MERGE^1" "$MERGE" | tr '\0' '\n' |
    jq -Rcn '[inputs | capture("^services/(?<s>[^/]+)/").s] | unique')
now=$(date +%s)
post() {
    reply=$(curl -sS --max-time 30 -X POST "$CIBEACON_DX_URL/api/$1" -H "Authorization: Bearer $DX_API_TOKEN" \
        -H "Content-Type: application/json" --data "$2")
    [ "$(printf %s "$reply" | jq .ok)" = true ]
}
post deployments.setPullServices "$(jq -nc --argjson services "$services" '{github_pull_id: 1, services: $services}')"
post deployments.create "$(jq -nc --argjson now "$now" --arg sha "$MERGE" \
    '{reference_id: "d-\($now)", deployed_at: $now, service: "payments", repository: "acme/shop", commit_sha: $sha}')"
post pipelineRuns.sync "$(jq -nc --arg now "$now" \
    '{pipeline_name: "ship", pipeline_source: "GitHub Actions", reference_id: "r", started_at: $now, status: "success"}')"
"""


def contenders(folder: Path, merged: Merged, root: Path, url: str) -> list[Contender]:
    """The commands to measure."""
    dx = {"CIBEACON_DX_URL": url, "DX_API_TOKEN": "token", "PATH": os.environ["PATH"], "HOME": str(folder)}
    github = runs.github("pull_request", runs.closed(merged), merged.merge_sha, 7001, folder / "run")
    now = int(time.time())
    bodies = [
        ("deployments.setPullServices", {"github_pull_id": 1497468001, "services": ["payments"]}),
        ("deployments.create", {"deployed_at": now, "service": "payments", "repository": "acme/shop"}),
        (
            "pipelineRuns.sync",
            {"pipeline_name": "ship", "pipeline_source": "GitHub", "reference_id": "r", "started_at": str(now)},
        ),
    ]
    (folder / "bodies.json").write_text(json.dumps(bodies))
    (folder / "minimal.py").write_text(MINIMAL)
    (folder / "shell.sh").write_text(SHELL)
    (root / "empty.json").write_text("{}")
    cibeacon = str(Path(sys.executable).with_name("cibeacon"))
    flags = ["--strict", "--deploy-services=payments", "--status=success"]
    said = {"CIBEACON_STRICT": "true", "CIBEACON_DEPLOY_SERVICES": "payments", "CIBEACON_STATUS": "success"}
    template = {"CIBEACON_CONFIG": "empty.json", "CIBEACON_SERVICES": "services/{service}/"}
    found = [
        Contender("ours, template in the workflow", [cibeacon, "report"], {**dx, **github, **template, **said}),
        Contender("ours, .cibeacon.yml", [cibeacon, "report"], {**dx, **github, **said}),
        Contender("ours, .cibeacon.yml, flags", [cibeacon, "report", *flags], {**dx, **github}),
        Contender(MINIMAL_TITLE, [sys.executable, str(folder / "minimal.py"), str(folder / "bodies.json")], dx),
    ]
    if shutil.which("curl") and shutil.which("jq"):
        found.append(Contender("(b) curl and jq", ["sh", str(folder / "shell.sh")], {**dx, "MERGE": merged.merge_sha}))
    return found


@contextmanager
def sandbox() -> Iterator[str]:
    """A sandbox in a separate process, because a large parent would count as its children's memory."""
    command = [sys.executable, "-m", "cibeacon", "sandbox", "--port=0", "--token=token"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout
        yield running.stdout.readline().strip().partition("=")[2]
        running.terminate()


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as name, sandbox() as url:
        folder = Path(name).resolve()
        repository = Monorepo(folder / "shop", os.environ)
        merged = repository.pull_request(1, "merge", [{"services/payments/main.py": "retry\n"}], ("payments",))
        figures = compared(contenders(folder, merged, repository.root, url), repository.root, ROUNDS)
    print(f"{ROUNDS} rounds after a warm-up, whole processes, medians; ratios to (a) pair by pair")
    print(table(figures, MINIMAL_TITLE))


if __name__ == "__main__":
    main()
