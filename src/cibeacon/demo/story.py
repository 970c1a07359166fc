"""Tells the story act by act and checks it against the truth that its making knows. Prints nothing itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cibeacon.demo import gitlab, job_log, runs
from cibeacon.demo.monorepo import Merged, Monorepo
from cibeacon.sandbox.account import TOKEN
from cibeacon.sandbox.listener import Listener
from cibeacon.sandbox.server import Sandbox

_SECONDS = 60
_HISTORY = 4 * 3600
"""Seconds in which the pull requests were merged, before they are deployed."""
_PIPELINE = 95
"""Seconds that GitLab's pipeline took."""


@dataclass(frozen=True, slots=True)
class Act:
    """One run of cibeacon: what it stands for, what its job's log shows, how it ended."""

    title: str
    lines: tuple[str, ...]
    code: int


class Story:
    """A sandbox and a monorepo in `folder`, and the runs that happen there; `now` is Unix seconds."""

    def __init__(self, folder: Path, environ: Mapping[str, str], sandbox: Sandbox, now: float) -> None:
        self._folder, self._environ, self._sandbox, self._now = folder, environ, sandbox, now
        self._repository = Monorepo(folder / "shop", environ, began_at=int(now) - _HISTORY)
        self._truth: dict[str, tuple[str, ...]] = {}
        self._deployed: list[str] = []
        self._brought: dict[str, str] = {}
        """The pull request that a service's deployment brought."""

    def acts(self) -> Iterator[Act]:
        """Every act, each shown when it is asked for."""
        yield from self._merged_on_github()
        yield self._pushed_on_gitlab()
        yield self._on_a_laptop()
        yield self._failing()

    def faults(self) -> list[str]:
        """Where the sandbox's ledger differs from the truth; empty when all is well."""
        ledger = self._sandbox.document()
        found = [
            f"{pull}: DX believes {ledger['pull_services'].get(pull)}, the truth is {list(services)}"
            for pull, services in self._truth.items()
            if ledger["pull_services"].get(pull) != list(services)
        ]
        announced = sorted(deployment["service"] for deployment in ledger["deployments"].values())
        if announced != sorted(self._deployed):
            found.append(f"deployments of {announced}, the truth is {sorted(self._deployed)}")
        brought = {
            ledger["deployments"][reference]["service"]: ", ".join(pull["key"] for pull in attribution["pull_requests"])
            for reference, attribution in ledger["attributions"].items()
        }
        if brought != self._brought:
            found.append(f"deployments brought {brought}, the truth is {self._brought}")
        statuses = sorted(run["status"] for run in ledger["pipeline_runs"].values())
        if statuses != ["failure", *["success"] * 4]:
            found.append(f"pipeline runs ended as {statuses}, the truth is four successes and one failure")
        return found + [f"{entry['path']}: {entry['error']}" for entry in ledger["requests"] if entry["error"]]

    def _merged_on_github(self) -> Iterator[Act]:
        changes: dict[str, list[dict[str, str | None]]] = {
            "merge": [{"services/payments/main.py": "retry\n", "tooling/lint.cfg": "loose\n"}],
            "squash": [{"services/orders/main.py": "v2\n"}, {"apps/storefront/index.ts": "v2\n"}],
            "rebase": [{"services/search/main.py": "v2\n"}, {"services/catalog/legacy.py": None}],
        }
        truth = {"merge": ("payments",), "squash": ("orders", "storefront"), "rebase": ("catalog", "search")}
        for number, (method, commits) in enumerate(changes.items(), start=1):
            merged = self._repository.pull_request(number, method, commits, truth[method])
            self._truth[str(runs.PULL_ID_BASE + number)] = merged.services
            self._brought |= dict.fromkeys(merged.services, f"{runs.REPOSITORY}#{number}")
            self._import(merged, github_pull_id=runs.PULL_ID_BASE + number)
            folder = self._folder / f"github-{number}"
            environ = runs.github("pull_request", runs.closed(merged), merged.merge_sha, 7000 + number, folder)
            if number == 1:
                title = "GitHub: the run after the merge of pull request #1 begins"
                yield self._run(title, environ, "--signals=pipeline-run", "--status=running")
            yield self._github_merge(merged, environ)

    def _github_merge(self, merged: Merged, environ: Mapping[str, str]) -> Act:
        self._deployed += merged.services
        how = {"merge": "with a merge commit", "squash": "by squashing", "rebase": "by rebasing"}[merged.method]
        title = f"GitHub: pull request #{merged.number} was merged {how}; the job deploys what changed"
        return self._run(title, environ, "--deploy-services=changed", "--environment=production", "--status=success")

    def _import(self, merged: Merged, **more: int) -> None:
        """Gives the sandbox the merge, which DX would import from the host."""
        pull = {
            "repository": runs.REPOSITORY,
            "number": merged.number,
            "base_ref": "main",
            "merged_at": int(self._repository.git("show", "--no-patch", "--format=%ct", merged.merge_sha)),
            "merge_commit_sha": merged.merge_sha,
            "head_sha": merged.head_sha,
            "title": f"Change {merged.number}",
            "author": "dana",
        }
        self._sandbox.ledger.import_pulls({f"{runs.REPOSITORY}#{merged.number}": pull | more}, most=10)

    def _pushed_on_gitlab(self) -> Act:
        merged = self._repository.pull_request(4, "merge", [{"services/mail/smtp.py": "new\n"}], ("mail",))
        self._truth[f"{runs.REPOSITORY}#4"] = merged.services
        self._import(merged)
        with Listener(gitlab.create_app(merged)) as host:
            before = self._repository.git("rev-parse", "HEAD^1")
            environ = runs.gitlab(before, merged.merge_sha, 8001, host.url, self._folder / "gitlab")
            began = datetime.fromtimestamp(self._now - _PIPELINE, UTC).isoformat()
            title = "GitLab: a push to main, after merge request !4 was merged"
            return self._run(title, environ | {"CI_PIPELINE_CREATED_AT": began})

    def _on_a_laptop(self) -> Act:
        self._repository.git("switch", "--quiet", "--create", "draft")
        self._repository.commit("Try something", {"services/payments/idea.py": "draft\n"})
        act = self._run("A laptop: a dry run on a branch, nothing is sent", {}, "--pr-number=5", "--pr-merged")
        self._repository.git("switch", "--quiet", "main")
        return act

    def _failing(self) -> Act:
        before = self._repository.git("rev-parse", "HEAD")
        after = self._repository.commit("Break the build", {"services/orders/main.py": "oops\n"})
        environ = runs.github("push", runs.pushed(before, after), after, 7100, self._folder / "github-failing")
        return self._run("GitHub: a push whose job fails", environ, "--job-status=failure")

    def _run(self, title: str, environ: Mapping[str, str], *flags: str) -> Act:
        """One real process, with the environment that the host would give it and no other."""
        kept = {name: self._environ[name] for name in ("PATH", "SYSTEMROOT", "PYTHONPATH") if name in self._environ}
        dx = {"CIBEACON_DX_URL": self._sandbox.url, "DX_API_TOKEN": TOKEN}
        done = subprocess.run(
            [sys.executable, "-m", "cibeacon", "report", *flags],
            cwd=self._repository.root,
            env={**kept, **dx, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
        return Act(title, tuple(job_log.shown(done.stdout.decode())), done.returncode)


@dataclass(frozen=True, slots=True)
class Holding:
    """One kind of thing that the sandbox holds, as a table."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def holdings(ledger: Mapping[str, Any]) -> tuple[Holding, ...]:
    """Everything that the sandbox holds."""
    pulls = tuple((key, ", ".join(pull["services"])) for key, pull in ledger["pull_requests"].items())
    deployments = tuple(
        (
            deployment["service"],
            deployment.get("environment", ""),
            deployment.get("commit_sha", "")[:9],
            _brought(ledger["attributions"][reference]),
        )
        for reference, deployment in ledger["deployments"].items()
    )
    pipeline_runs = tuple(
        (run["pipeline_name"], run["status"], reference) for reference, run in ledger["pipeline_runs"].items()
    )
    return (
        Holding("pull requests and their services", ("pull request", "services"), pulls),
        Holding("deployments", ("service", "environment", "commit", "brings, after the merge"), deployments),
        Holding("pipeline runs", ("pipeline", "status", "reference id"), pipeline_runs),
    )


def _brought(attribution: Mapping[str, Any]) -> str:
    pulls = (f"{pull['key']}, {pull['lead_time'] // 60} min" for pull in attribution["pull_requests"])
    return "; ".join(pulls) or str(attribution["waits"] or "")
