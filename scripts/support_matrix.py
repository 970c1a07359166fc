"""The table of docs/ci-systems.md: what each CI system says of a run, read from its cases by the code that reads a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.detect import apply_overrides, named, read_context
from cibeacon.ci.github import GitHub
from cibeacon.git.repository import Repository
from cibeacon.model.ci_systems import CI_SYSTEMS, DX_CONNECTORS
from cibeacon.model.context import Checkout, Context
from cibeacon.runtime.errors import CheckoutError
from cibeacon.settings import load_settings

CASES = Path(__file__).resolve().parent.parent / "tests" / "ci"
FACTS = {
    "run id": lambda context: context.run_id,
    "attempt": lambda context: context.run_attempt,
    "URL": lambda context: context.run_url,
    "repository": lambda context: context.repository,
    "commit": lambda context: context.commit_sha,
    "branch": lambda context: context.branch,
    "PR": lambda context: context.pull_request,
    "base": lambda context: context.pull_request and (context.pull_request.base_ref or context.pull_request.base_sha),
    "before": lambda context: context.push and context.push.before,
    "actor": lambda context: context.actor,
    "start": lambda context: context.started_at,
    "status": lambda context: context.status,
}
SETTINGS = {
    "run id": "run_id", "attempt": "run_attempt", "URL": "source_url", "repository": "repository", "commit": "commit_sha",
    "branch": "head_branch", "PR": "pr_number", "base": "pr_base", "before": "base", "start": "started_at", "status": "status",
}  # fmt: skip
"""The neutral setting of each fact."""


class NoCheckout:
    """A job without a checkout: only the variables say what the run is."""

    def checkout(self) -> Checkout:
        """Raises `CheckoutError`."""
        raise CheckoutError("There is no checkout", "", "")


def support_matrix() -> Iterator[str]:
    """A row for each CI system: ✓ where it says the fact in a case, `kit` where the kit's settings do, else –."""
    yield from ("", f"| | {' | '.join(FACTS)} | DX |", f"|---|{'---|' * (len(FACTS) + 1)}")
    for name in sorted(CI_SYSTEMS, key=lambda name: named(name).title.lower()):
        cases = list(_cases(name))
        cells = (_cell(fact, cases) for fact in FACTS)
        connector = "connector" if name in DX_CONNECTORS else "–"
        yield f"| [{named(name).title}](ci/{name}.md) | {' | '.join(cells)} | {connector} |"
    yield ""


def _cell(fact: str, cases: list[tuple[Context, Mapping[str, str]]]) -> str:
    if any(FACTS[fact](context) for context, _ in cases):
        return "✓"
    setting = SETTINGS.get(fact)
    return "kit" if setting and any(f"CIBEACON_{setting.upper()}" in env for _, env in cases) else "–"


def _cases(name: str) -> Iterator[tuple[Context, Mapping[str, str]]]:
    """The contexts of a system's cases, as its own variables give them; and all variables of the case."""
    for case in _files(name):
        env = {variable: _filled(text) for variable, text in case["env"].items() if text is not None}
        own = {variable: text for variable, text in env.items() if not variable.startswith("CIBEACON_")}
        system = named(name)
        if isinstance(system, GitHub):
            yield system.read_event(Variables(own), case.get("event") or {}), env
            continue
        settings = load_settings({"host": name}, own, {})
        context, _ = read_context(settings, own, cast("Repository", NoCheckout()))
        yield apply_overrides(context, settings), env


def _files(name: str) -> Iterator[Mapping[str, Any]]:
    path = CASES / "systems" / f"{name}.json"
    if not path.exists():
        yield from (json.loads(file.read_text(encoding="utf-8")) for file in sorted(CASES.glob(f"{name}/*.json")))
        return
    system = json.loads(path.read_text(encoding="utf-8"))
    for case in system["cases"]:
        yield {**case, "env": system.get("env", {}) | case["env"]}
    run = system["run"]
    yield {"env": run["start"] | run.get("end", {}), "event": run.get("event")}


def _filled(text: str) -> str:
    return re.sub(r"\{\w+(?::(\d+))?\}", lambda match: ("ab" * 20)[: int(match[1]) if match[1] else None], text)
