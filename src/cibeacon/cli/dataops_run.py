"""`cibeacon dataops trigger` and `wait`: a pipeline is started once, and followed to its end.

Their exit code is the pipeline's, in the action as well: driving it is what they are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from cibeacon.cli.dataops_context import TAIL, Stage, link, run, worded
from cibeacon.cli.dataops_live import Shown, watcher
from cibeacon.cli.flags import flags, given
from cibeacon.dataops import tables, token_scopes, trigger
from cibeacon.dataops.access import Access
from cibeacon.dataops.client import Client
from cibeacon.dataops.clock import Clockwork
from cibeacon.dataops.errors import Fault, usage
from cibeacon.dataops.exit_codes import ENDINGS
from cibeacon.dataops.follow import Followed, Following
from cibeacon.dataops.joblogs import JobLogs
from cibeacon.dataops.records import Job, Pipeline
from cibeacon.dataops.token_scopes import Wish
from cibeacon.dataops.waiting import PipelineResult, Policy
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import OutOfTime
from cibeacon.runtime.sanitize import line

_FAREWELL = 1.0
"""Seconds for canceling after a signal: the process is ended soon after it."""
_OURS = ("dry_run", "timeout", "allow_http", "format", "jq")


@click.command("trigger")
@flags("dataops", short="dataops_")
@click.option(
    "--var", "extra", multiple=True, metavar="NAME=VALUE", help="A variable of the pipeline; may be repeated."
)
@flags("core", "output", only=_OURS)
@click.pass_obj
def trigger_command(env: Environment, /, extra: tuple[str, ...], **arguments: str | bool | None) -> int:
    """Start a pipeline, once. With --wait follow it to its end, and exit as it ends.

    Whether one was started is never guessed: where the server gave no answer, the pipeline is looked up. With
    --pipeline-id none is started, and that one is followed.
    """
    return run(env, worded(arguments, extra), _trigger, lambda told: told.dataops_wait or told.dataops_pipeline_id)


@click.command("wait")
@click.argument("pipeline", required=False, type=click.IntRange(min=1))
@flags("dataops", short="dataops_")
@flags("core", "output", only=_OURS)
@click.pass_obj
def wait_command(env: Environment, /, pipeline: int | None, **arguments: str | bool | None) -> int:
    """Wait for the end of PIPELINE, with its downstream pipelines, and exit as it ends."""
    told = given(arguments) | ({"dataops_pipeline_id": str(pipeline)} if pipeline else {})
    return run(env, told, _wait, lambda _: True)


def _wait(stage: Stage) -> int:
    number = stage.settings.dataops.dataops_pipeline_id
    access = stage.access
    if number is None:
        raise usage("Nothing was waited for", "no pipeline is named", "Give its id, or set dataops_pipeline_id")
    if stage.dry_run:
        return stage.preview(("GET", f"{access.api}/pipelines/{number}", None))
    return _followed(stage, stage.allowed(_needed(stage, trigger=False)), number)


def _trigger(stage: Stage) -> int:
    told, access = stage.settings.dataops, stage.access
    if told.dataops_pipeline_id:
        return _wait(stage)
    ref, variables = told.dataops_ref or "", stage.variables
    if fault := token_scopes.impossible(access, ref, variables):
        raise fault
    mark = stage.env.token()
    if stage.dry_run:
        body = {"ref": ref, "token": "{trigger token}", "variables": {**variables, trigger.MARK: mark}}
        return stage.preview(("POST", f"{access.api}/trigger/pipeline", body))
    stage.allowed(_needed(stage, trigger=True))
    for doubt in token_scopes.doubts(access, ref, variables):
        stage.note(f"{doubt}.")
    started = _started(stage, access, ref, variables, mark)
    stage.say(f"pipeline {started.id} of {ref} was started: {started.web_url}")
    stage.results(pipeline_id=str(started.id), web_url=link(started.web_url))
    if told.dataops_wait:
        return _followed(stage, access, started.id)
    return stage.ended("success", "", {"pipeline": started._asdict(), "jobs": [], "downstream": []})


def _needed(stage: Stage, *, trigger: bool) -> Wish:
    told = stage.settings.dataops
    waits = told.dataops_wait or not trigger
    return Wish(trigger=trigger, read=waits, change=waits and told.dataops_cancel)


def _started(stage: Stage, access: Access, ref: str, variables: Mapping[str, str], mark: str) -> Pipeline:
    env = stage.env
    client = Client(access, env.now, lambda: stage.left)
    above = _before(stage, client, access)
    clockwork = Clockwork(env.clock, env.sleep, env.random)
    token = token_scopes.trigger_token(access)
    try:
        found = trigger.triggered(client, access.project, ref, token, variables, mark, clockwork, above=above)
    except KeyboardInterrupt as stop:
        advice = f"Look for the variable {trigger.MARK}={mark} in the project's pipelines before you start another"
        why = "cibeacon was interrupted" if not isinstance(stop, OutOfTime) else "the time was used up"
        raise Fault("It is not known whether a pipeline was started", why, advice) from stop
    if found.note:
        stage.note(f"{found.note}.")
    return found.pipeline


def _before(stage: Stage, client: Client, access: Access) -> int | None:
    """The newest pipeline's id before ours, where it can be known. A wait that could not be is refused here."""
    if not access.token:
        return None
    try:
        return trigger.newest(client)
    except Fault as fault:
        if stage.settings.dataops.dataops_wait:
            fault.what = "No pipeline was started, since it could not be followed"
            raise
        return None


def _followed(stage: Stage, access: Access, number: int) -> int:
    """Waits. From here on the deadlines are the wait's own."""
    env, told = stage.env, stage.settings.dataops
    until = env.clock() + told.dataops_wait_timeout + TAIL
    client = Client(access, env.now, lambda: until - env.clock())
    policy = Policy(told.dataops_wait_timeout, told.dataops_queue_timeout, told.dataops_on_manual)  # type: ignore[arg-type]
    clockwork = Clockwork(env.clock, env.sleep, env.random)
    following = Following(client, access.project, number, policy, clockwork)
    shown = watcher(stage)
    logs = JobLogs(
        client,
        told.dataops_logs,
        told.dataops_log_limit,
        stage.clean,
        lambda job, lines: _log(stage, shown, job, lines),
        stage.note,
    )
    try:
        with shown:
            followed = following.end(shown, logs)
    except KeyboardInterrupt as stop:
        out_of_time = isinstance(stop, OutOfTime)
        result = (
            PipelineResult("timed-out", "The time was used up.")
            if out_of_time
            else PipelineResult("canceled", "It was interrupted.")
        )
        env.closing(ENDINGS[result.status].code)
        followed = Followed(result, following.state.seen, following.seconds)
        return _told(stage, followed, number, _canceled(stage, access, number, _FAREWELL))
    late = followed.result.status == "timed-out"
    return _told(stage, followed, number, _canceled(stage, access, number, TAIL) if late else "")


def _canceled(stage: Stage, access: Access, number: int, seconds: float) -> str:
    """Cancels the pipeline where that is wanted: one call, that has this long. What came of it, in words."""
    if not stage.settings.dataops.dataops_cancel:
        return f"Pipeline {number} goes on without anybody waiting (setting dataops_cancel)."
    by = stage.env.clock() + seconds
    client = Client(access._replace(seconds=seconds), stage.env.now, lambda: by - stage.env.clock())
    try:
        client.cancel(number)
    except Fault as fault:
        return str(fault)
    except KeyboardInterrupt:
        return f"It is not known whether pipeline {number} was canceled."
    return f"Pipeline {number} was canceled."


def _log(stage: Stage, shown: Shown, job: Job, lines: Iterable[str]) -> None:
    with shown.aside():
        stage.foreign(lines, f"{line(job.name)} | ")


def _told(stage: Stage, followed: Followed, number: int, more: str) -> int:
    seen, (word, why) = followed.seen, followed.result
    why = " ".join(part for part in (why, more) if part)
    if seen:
        rows = tables.aligned(tables.job_table(seen), ("stage", "job", "status", "seconds")) if seen.jobs else ()
        stage.lines(map(stage.clean, rows))
        bent = [job.name for job in seen.jobs if job.status == "failed" and job.allow_failure]
        if bent and word == "success":
            stage.note(f"passed with warnings, since these jobs may fail: {', '.join(bent[:10])}.")
        stage.say(f"pipeline    {seen.pipeline.id} after {followed.seconds:.0f} s: {seen.pipeline.web_url}")
        stage.results(pipeline_id=str(number), web_url=link(seen.pipeline.web_url), pipeline_status=word)
    else:
        stage.results(pipeline_id=str(number), pipeline_status=word)
    stage.summary(tables.markdown(f"pipeline {number} {word}", seen))
    found = {
        "pipeline": seen.pipeline._asdict() if seen else {"id": number},
        "jobs": [job._asdict() for job in seen.jobs] if seen else [],
        "downstream": [each._asdict() | {"pipeline": each.pipeline._asdict()} for each in seen.downstream]
        if seen
        else [],
    }
    return stage.ended(word, why, found)
