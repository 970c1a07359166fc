"""Runs the demo act by act, and compares what the sandbox received with what was done. Does not print."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from cibeacon.demo import gitlab, job_log, runs
from cibeacon.demo.monorepo import Merged, Monorepo
from cibeacon.sandbox.dx import TOKEN
from cibeacon.sandbox.listener import Listener
from cibeacon.sandbox.server import Sandbox

_SECONDS = 60
_HISTORY = 4 * 3600
"""Seconds before the deployments in which the pull requests were merged."""
_PIPELINE = 95
"""Duration of the GitLab pipeline in seconds."""
_MERGED_ON_GITHUB: tuple[tuple[str, str, list[dict[str, str | None]], tuple[str, ...]], ...] = (
    (
        "merge",
        "Retry failed payments",
        [{"services/payments/main.py": "retry\n", "tooling/lint.cfg": "loose\n"}],
        ("payments",),
    ),
    (
        "squash",
        "Show when an order arrives",
        [{"services/orders/main.py": "v2\n"}, {"apps/storefront/index.ts": "v2\n"}],
        ("orders", "storefront"),
    ),
    (
        "rebase",
        "Search without the old catalog",
        [{"services/search/main.py": "v2\n"}, {"services/catalog/legacy.py": None}],
        ("catalog", "search"),
    ),
)
"""Method, title, commits, and the services that they change."""
_HOW = {"merge": "merged", "squash": "merged by squashing", "rebase": "merged by rebasing"}


class Act(NamedTuple):
    """One run of cibeacon: what it shows, its command line, the displayed log and its exit code."""

    title: str
    command: str
    log: tuple[str, ...]
    code: int


class Story:
    """A sandbox, a monorepo in `folder`, and the runs in it; `now` is in Unix seconds."""

    def __init__(self, folder: Path, environ: Mapping[str, str], sandbox: Sandbox, now: float) -> None:
        self._folder, self._environ, self._sandbox, self._now = folder, environ, sandbox, now
        self._repository = Monorepo(folder / "shop", environ, began_at=int(now) - _HISTORY)
        self._services: dict[str, tuple[str, ...]] = {}
        """Key of a pull request → the services that it changed."""
        self._deployed: dict[str, str] = {}
        """Service → the pull request that was deployed."""

    def acts(self) -> Iterator[Act]:
        """Yields every act, running each when it is requested."""
        for number, change in enumerate(_MERGED_ON_GITHUB, start=1):
            yield from self._merge_on_github(number, *change)
        yield self._push_on_gitlab()
        yield self._dry_run_on_a_laptop()
        yield self._fail_on_github()

    def mismatches(self) -> list[str]:
        """Differences between the sandbox's ledger and what was done; empty if everything is right."""
        ledger = self._sandbox.document()
        mismatches = [
            f"{pull}: DX has {ledger['pull_services'].get(pull)} instead of {list(services)}"
            for pull, services in self._services.items()
            if ledger["pull_services"].get(pull) != list(services)
        ]
        deployed = {
            ledger["deployments"][reference]["service"]: ", ".join(pull["key"] for pull in attribution["pull_requests"])
            for reference, attribution in ledger["attributions"].items()
        }
        if deployed != self._deployed:
            mismatches.append(f"deployments: DX has {deployed} instead of {self._deployed}")
        statuses = Counter(run["status"] for run in ledger["pipeline_runs"].values())
        if statuses != {"success": 4, "failure": 1}:
            mismatches.append(f"pipeline runs: DX has {dict(statuses)} instead of four successes and one failure")
        return mismatches + [f"{entry['path']}: {entry['error']}" for entry in ledger["requests"] if entry["error"]]

    def _merge_on_github(
        self, number: int, method: str, title: str, commits: list[dict[str, str | None]], services: tuple[str, ...]
    ) -> Iterator[Act]:
        merged = self._repository.pull_request(number, method, commits, services, title)
        pull_id = runs.PULL_ID_BASE + number
        self._services[str(pull_id)] = services
        self._deployed |= dict.fromkeys(services, f"{runs.REPOSITORY}#{number}")
        self._import(merged, github_pull_id=pull_id)
        folder = self._folder / f"github-{number}"
        environ = runs.github("pull_request", runs.closed(merged), merged.merge_sha, 7000 + number, folder)
        pull = f'GitHub Actions: pull request #{number} "{title}" was {_HOW[method]}'
        if number == 1:
            yield self._run(f"{pull}, which starts a run", environ, "--signals=pipeline-run", "--status=running")
            pull = "GitHub Actions: the same run succeeds"
        flags = ("--deploy-services=changed", "--environment=production", "--status=success")
        yield self._run(f"{pull}; the changed services were deployed", environ, *flags)

    def _import(self, merged: Merged, **more: int) -> None:
        """Sends the merge to the sandbox; DX would import it from GitHub or GitLab."""
        pull = {
            "repository": runs.REPOSITORY,
            "number": merged.number,
            "base_ref": "main",
            "merged_at": int(self._repository.git("show", "--no-patch", "--format=%ct", merged.merge_sha)),
            "merge_commit_sha": merged.merge_sha,
            "head_sha": merged.head_sha,
            "title": merged.title,
            "author": "dana",
        }
        self._sandbox.ledger.import_pulls({f"{runs.REPOSITORY}#{merged.number}": pull | more}, most=10)

    def _push_on_gitlab(self) -> Act:
        change: list[dict[str, str | None]] = [{"services/mail/smtp.py": "new\n"}]
        merged = self._repository.pull_request(4, "merge", change, ("mail",), "Send mail by SMTP")
        self._services[f"{runs.REPOSITORY}#4"] = merged.services
        self._import(merged)
        with Listener(gitlab.create_app(merged)) as host:
            before = self._repository.git("rev-parse", "HEAD^1")
            environ = runs.gitlab(before, merged.merge_sha, 8001, host.url, self._folder / "gitlab")
            began = datetime.fromtimestamp(self._now - _PIPELINE, UTC).isoformat()
            title = f'GitLab: merge request !4 "{merged.title}" was merged; nothing is deployed yet'
            return self._run(title, environ | {"CI_PIPELINE_CREATED_AT": began})

    def _dry_run_on_a_laptop(self) -> Act:
        self._repository.git("switch", "--quiet", "--create", "draft")
        self._repository.commit("Try something", {"services/payments/idea.py": "draft\n"})
        title = "A laptop: outside CI, cibeacon only shows what it would send"
        act = self._run(title, {}, "--pr-number=5", "--pr-merged", "--run-id=1")
        self._repository.git("switch", "--quiet", "main")
        return act

    def _fail_on_github(self) -> Act:
        before = self._repository.git("rev-parse", "HEAD")
        after = self._repository.commit("Break the build", {"services/orders/main.py": "oops\n"})
        environ = runs.github("push", runs.pushed(before, after), after, 7100, self._folder / "github-failing")
        return self._run("GitHub Actions: a push to main breaks the build", environ, "--job-status=failure")

    def _run(self, title: str, environ: Mapping[str, str], *flags: str) -> Act:
        """Runs one real process, with exactly the environment that the CI system would set."""
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
        command = " ".join(("cibeacon report", *flags))
        return Act(title, command, tuple(job_log.shown(done.stdout.decode())), done.returncode)


class Conclusion(NamedTuple):
    """What DX would conclude from one deployment."""

    service: str
    environment: str
    pull_request: str
    lead_time: str


def conclusions(ledger: Mapping[str, Any]) -> Iterator[Conclusion]:
    """A row for each pull request of each deployment."""
    for reference, deployment in ledger["deployments"].items():
        for pull in ledger["attributions"][reference]["pull_requests"]:
            hours, minutes = divmod(pull["lead_time"] // 60, 60)
            title = ledger["pull_requests"][pull["key"]]["title"]
            name = f"#{pull['key'].rpartition('#')[2]} {title}"
            lead_time = f"{hours} h {minutes} min"
            yield Conclusion(deployment["service"], deployment.get("environment", ""), name, lead_time)
