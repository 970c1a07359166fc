"""Makes the table of docs/ci-systems.md: what each CI system's variables say about a run, according to its test cases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha1
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from cibeacon.ci import github
from cibeacon.ci.ci_system import Variables
from cibeacon.ci.detect import named
from cibeacon.model.ci_systems import CI_SYSTEMS, DX_CONNECTORS
from cibeacon.model.context import Context
from cibeacon.runtime.errors import EventError

CASES = Path(__file__).resolve().parent.parent / "tests" / "ci"
KITS = CASES.parent.parent / "integrations"
_SET = r"(?m)^[\s-]*(?:export |name: )?{}\s*(?:[:=]|$)"
"""A line in a file to copy that sets a variable."""
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
"""Column → the setting with the same meaning."""


class _Case(NamedTuple):
    """A run according to the system's own variables, with those of the kit as well, and all variables."""

    by_itself: Context
    with_kit: Context
    env: Mapping[str, str]


def support_matrix() -> Iterator[str]:
    """A row for each CI system: ✓ if its variables give the value in a case, `kit` if the kit's settings do, else –."""
    yield from ("", f"| | {' | '.join(FACTS)} | DX |", f"|---|{'---|' * (len(FACTS) + 1)}")
    for name in sorted(CI_SYSTEMS, key=lambda name: named(name).title.lower()):
        cases = list(_cases(name))
        cells = (_cell(fact, cases) for fact in FACTS)
        connector = "connector" if name in DX_CONNECTORS else "–"
        page = f"{name}.md" if name in ("github", "gitlab") else f"ci/{name}.md"
        yield f"| [{named(name).title}]({page}) | {' | '.join(cells)} | {connector} |"
    yield ""


def _cell(fact: str, cases: list[_Case]) -> str:
    if any(FACTS[fact](case.by_itself) for case in cases):
        return "✓"
    variable = f"CIBEACON_{SETTINGS[fact].upper()}" if fact in SETTINGS else ""
    return "kit" if any(FACTS[fact](case.with_kit) or variable in case.env for case in cases) else "–"


def _cases(name: str) -> Iterator[_Case]:
    """A system's cases. Variables that the file to copy sets do not count as the system's."""
    kit = "\n".join(file.read_text(encoding="utf-8") for file in sorted((KITS / name).rglob("*")) if file.is_file())
    with TemporaryDirectory() as folder:
        for case in _written(name, Path(folder)):
            env = {variable: _filled(text, folder) for variable, text in case["env"].items() if text is not None}
            own = {variable: text for variable, text in env.items() if not variable.startswith("CIBEACON_")}
            if name == "github":
                context = github.read_run(Variables(own), case["event"] or {})
                yield _Case(context, context, env)
                continue
            if "event" in case:
                event = Path(folder) / "event.json"
                event.write_text(_filled(json.dumps(case["event"]), folder), encoding="utf-8")
                own["GITHUB_EVENT_PATH"] = str(event)
            without = {variable: text for variable, text in own.items() if not re.search(_SET.format(variable), kit)}
            with suppress(EventError):
                read = named(name).read
                yield _Case(read(Variables(without)), read(Variables(own)), env)


def _written(name: str, folder: Path) -> Iterator[Mapping[str, Any]]:
    """A system's cases, each with its files in the folder."""
    path = CASES / "systems" / f"{name}.json"
    if not path.exists():
        yield from (json.loads(file.read_text(encoding="utf-8")) for file in sorted(CASES.glob(f"{name}/*.json")))
        return
    system = json.loads(path.read_text(encoding="utf-8"))
    run = system["run"]
    cases = [{**case, "env": system.get("env", {}) | case["env"]} for case in system["cases"]]
    for case in (*cases, {"env": run["start"] | run.get("end", {}), "files": run.get("files", {})}):
        for file, content in case.get("files", {}).items():
            text = "\n".join(content) if isinstance(content, list) else json.dumps(content)
            (folder / file).write_text(_filled(text, str(folder)), encoding="utf-8")
        yield case


def _filled(text: str, folder: str) -> str:
    """The text with a different id for `{head}` and each other placeholder, and the folder for `{files}`."""

    def sha(match: re.Match[str]) -> str:
        return sha1(match[1].encode(), usedforsecurity=False).hexdigest()[: int(match[2]) if match[2] else None]

    return re.sub(r"\{(\w+)(?::(\d+))?\}", sha, text.replace("{files}", folder))
