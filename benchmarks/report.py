"""`cibeacon report` with three signals, beside the least that could send them. Run: .venv/bin/python benchmarks/report.py

In one run, in turn, each as a whole process against the same sandbox on loopback:
  ours   cibeacon report: a merged pull request (git comparison, service map, three POSTs), with the map
         given as a template in the workflow, and with the map in .cibeacon.yml
  (a)    a minimal script: the same three POSTs with requests, bodies given
  (b)    the documented shell way written correctly: git diff-tree, jq for the bodies, curl for the POSTs
Wall time is the median; memory is the largest resident set of the process and its children. The last lines are the
ratios to (a), pair by pair.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Merged, Monorepo
from cibeacon.sandbox.server import Sandbox

ROUNDS = int(os.environ.get("ROUNDS", "21"))

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


def measured(command: list[str], cwd: Path, environ: Mapping[str, str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and MiB of one whole process and its children."""
    started = time.perf_counter()
    child = subprocess.Popen(command, cwd=cwd, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = child.stdout.read() if child.stdout else b""
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.stdout:
        child.stdout.close()
    if child.returncode != 0 or b"failed" in output:
        raise SystemExit(output.decode())
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def contenders(folder: Path, merged: Merged, root: Path, url: str) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Command and environment of each."""
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
    ours = [str(Path(sys.executable).with_name("cibeacon")), "report", "--deploy-services=payments", "--status=success"]
    (root / "empty.json").write_text("{}")
    template = {"CIBEACON_CONFIG": "empty.json", "CIBEACON_SERVICES": "services/{service}/"}
    found = {
        "ours, template": (ours, {**dx, **github, **template}),
        "ours, .cibeacon.yml": (ours, {**dx, **github}),
        "(a) minimal requests": ([sys.executable, str(folder / "minimal.py"), str(folder / "bodies.json")], dx),
    }
    if shutil.which("curl") and shutil.which("jq"):
        found["(b) curl and jq"] = (["sh", str(folder / "shell.sh")], {**dx, "MERGE": merged.merge_sha})
    return found


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as name, Sandbox() as sandbox:
        folder = Path(name).resolve()
        repository = Monorepo(folder / "shop", os.environ)
        merged = repository.pull_request(1, "merge", [{"services/payments/main.py": "retry\n"}], ("payments",))
        all_contenders = contenders(folder, merged, repository.root, sandbox.url)
        figures: dict[str, list[tuple[float, float, float]]] = {title: [] for title in all_contenders}
        for round_number in range(ROUNDS + 1):
            for title, (command, environ) in all_contenders.items():
                figure = measured(command, repository.root, environ)
                if round_number:  # the first is a warm-up
                    figures[title].append(figure)
    print(f"{ROUNDS} rounds after a warm-up, whole processes, medians; the ratio to (a) is the median of the pairs")
    print(f"  {'':<22} {'wall':>10} {'ratio':>6} {'processor':>12} {'ratio':>6} {'memory':>11} {'ratio':>6}")
    for title, found in figures.items():
        wall, processor, memory = (statistics.median(column) for column in zip(*found, strict=True))
        pairs = zip(found, figures["(a) minimal requests"], strict=True)
        ratios = zip(*([ours / other for ours, other in zip(*pair, strict=True)] for pair in pairs), strict=True)
        a, b, c = (statistics.median(column) for column in ratios)
        columns = f"{wall * 1000:7.1f} ms {a:6.2f} {processor * 1000:9.1f} ms {b:6.2f} {memory:7.1f} MiB {c:6.2f}"
        print(f"  {title:<22} {columns}")


if __name__ == "__main__":
    main()
