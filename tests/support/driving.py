"""Drives pipelines of the sandbox through the whole command, in a time of its own: what sleeps, moves the clock."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from cibeacon.cli import run
from cibeacon.runtime import Environment
from cibeacon.sandbox.dataops_account import Job, Log, Script
from cibeacon.sandbox.server import Sandbox

NOON = 1_700_000_000.0
API, READ, TRIGGER, JOB = ("sandbox-private-api", "sandbox-private-read", "sandbox-trigger-token", "sandbox-job-token")
TOKENS = (API, READ, TRIGGER, JOB)


class Time:
    """A clock that nothing moves but sleep; on its way it does what was arranged."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._arranged: list[tuple[float, Callable[[], object]]] = []

    def clock(self) -> float:
        return self.passed

    def now(self) -> float:
        return NOON + self.passed

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Does this as soon as so much time has passed."""
        self._arranged.append((seconds, act))

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.passed += seconds
        assert self.passed < 1e6, "it waits for ever"
        due = sorted((each for each in self._arranged if each[0] <= self.passed), key=lambda each: each[0])
        self._arranged = [each for each in self._arranged if each[0] > self.passed]
        for _, act in due:
            act()


class Driven(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.out)


def drive(
    sandbox: Sandbox, *argv: str, environ: Mapping[str, str] | None = None, cwd: Path, time: Time | None = None
) -> Driven:
    """The end of `cibeacon dataops ARGV` with the sandbox's own settings, which `environ` goes before."""
    time, numbers = time or Time(), itertools.count(1)
    out, err, began = io.StringIO(), io.StringIO(), time.passed
    told = sandbox.dataops.account.exports(sandbox.url) | dict(environ or {})
    env = Environment(
        environ={"PATH": "/usr/local/bin:/usr/bin:/bin", **{name: text for name, text in told.items() if text}},
        cwd=cwd,
        stdin=io.StringIO(),
        out=out,
        err=err,
        now=time.now,
        began=int(NOON),
        clock=time.clock,
        started=began,
        sleep=time.sleep,
        random=lambda: 0.0,
        token=lambda: f"token{next(numbers)}",
    )
    code = run(("dataops", *argv), env)
    return Driven(code, out.getvalue(), err.getvalue(), time.passed - began)


def script(told: Mapping[str, Any]) -> Script:
    """A script as a table writes it."""
    jobs = [_job(each) for each in told.get("jobs", ())]
    return Script(jobs, statuses=told.get("statuses", ()), canceling=told.get("canceling", 0))


def _job(told: Mapping[str, Any]) -> Job:
    more = {name: value for name, value in told.items() if name not in ("name", "child", "log")}
    child = script(told["child"]) if "child" in told else None
    log = told.get("log")
    return Job(
        told["name"], child=child, log=Log(log["of"].encode(), log["size"]) if isinstance(log, dict) else log, **more
    )


def revoke(sandbox: Sandbox, token: str) -> None:
    """Makes a token worthless from now on."""
    account = sandbox.dataops.account
    tokens = [replace(each, state="revoked") if each.value == token else each for each in account.tokens]
    sandbox.dataops.account = replace(account, tokens=tokens)


def rewrite(sandbox: Sandbox, job_id: int, log: Log) -> None:
    """Puts another log in the place of a job's."""
    dataops = sandbox.dataops
    with dataops.turn():
        job = next(job for each in dataops.pipelines.values() for job in each.jobs if job.id == job_id)
        job.spec = replace(job.spec, log=log)
        dataops.update(dataops.pipelines[job.pipeline_id])


def asked(sandbox: Sandbox, method: str, ending: str = "") -> int:
    """How many requests of this kind the server had."""
    entries: Sequence[Mapping[str, Any]] = sandbox.ledger.document()["requests"]
    return sum(each["method"] == method and each["path"].endswith(ending) for each in entries)


def started(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """The pipelines that were started, by id."""
    return sandbox.dataops.document()["pipelines"]
