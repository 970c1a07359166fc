"""`cibeacon dataops trigger`, `wait` and `schedule`: start a pipeline exactly once and follow it, or schedule it.

Their exit code is the pipeline's, also in the action, because that is their purpose.
"""

from __future__ import annotations

from typing import Any

import click

from cibeacon.cli.dataops_context import LAST_SECONDS, DataopsVerb, dataops_flags, run, safe_url, variable_option
from cibeacon.cli.dataops_view import HEADS, WaitView, job_row, markdown
from cibeacon.cli.help_page import verb
from cibeacon.cli.tables import table
from cibeacon.dataops.access import PIPELINE_FILE, Access, Power
from cibeacon.dataops.errors import ENDINGS, DataopsError, usage_error
from cibeacon.dataops.follow import JobLogs, PipelineWait
from cibeacon.dataops.schedule import PlannedSchedule, apply_schedule
from cibeacon.dataops.snapshot import Snapshot
from cibeacon.dataops.trigger import Trigger, Triggered, newest_id, start_pipeline
from cibeacon.dataops.waiting import PipelineResult, WaitPolicy
from cibeacon.runtime import Environment
from cibeacon.runtime.errors import OutOfTime

_FAREWELL_SECONDS = 1.0
"""Seconds for canceling after a signal: the process will soon be killed."""
_WAIT = (
    *("dataops_url", "dataops_project", "dataops_pipeline_id", "dataops_wait_timeout", "dataops_queue_timeout"),
    *("dataops_on_manual", "dataops_cancel", "dataops_logs", "dataops_log_limit"),
)
_SCHEDULE = ("dataops_url", "dataops_project", "dataops_ref", "dataops_pipeline_file", "dataops_variables")


@verb(
    "trigger",
    examples=(
        "cibeacon dataops trigger --project 42 --ref main --pipeline-file full-ci.yml --wait",
        "cibeacon dataops trigger --project acme/data --ref main --var FULL_REFRESH=true",
    ),
)
@variable_option
@dataops_flags()
def trigger_command(env: Environment, /, **arguments: Any) -> int:
    """Start one pipeline. With --wait, wait until it ends and exit with its result.

    If the server does not answer, cibeacon looks the pipeline up instead of starting a second one. With --pipeline-id it
    does not start a pipeline but follows that one.
    """

    return run(
        env, arguments, _trigger, waits=lambda verb: verb.options.dataops_wait or verb.options.dataops_pipeline_id
    )


@verb(
    "wait", examples=("cibeacon dataops wait 1234 --project 42", "cibeacon dataops wait 1234 --project 42 --logs all")
)
@click.argument("pipeline", required=False, type=click.IntRange(min=1))
@dataops_flags(*_WAIT)
def wait_command(env: Environment, /, pipeline: int | None, **arguments: Any) -> int:
    """Wait until PIPELINE and its downstream pipelines have ended, and exit with the result."""
    if pipeline:
        arguments["dataops_pipeline_id"] = str(pipeline)
    return run(env, arguments, _wait, waits=lambda _: True)


@verb(
    "schedule",
    examples=(
        "cibeacon dataops schedule --project 42 --ref main --description nightly --cron '0 1 * * *'",
        "cibeacon dataops schedule --project 42 --ref main --description nightly --cron '0 1 * * *' --inactive",
    ),
)
@click.option(
    "--description",
    required=True,
    metavar="TEXT",
    help="Name of the schedule. A schedule is identified by its description and ref.",
)
@click.option("--cron", required=True, metavar="TEXT", help='When to run: five cron fields, such as "0 1 * * 5".')
@click.option("--cron-timezone", metavar="TEXT", help="Time zone of the cron fields. Default: UTC.")
@click.option(
    "--active/--inactive", default=None, help="Turn the schedule on or off. Default: on if new, else unchanged."
)
@variable_option
@dataops_flags(*_SCHEDULE)
def schedule_command(
    env: Environment, /, description: str, cron: str, cron_timezone: str | None, active: bool | None, **arguments: Any
) -> int:
    """Create a schedule, or update the one with this description and ref. Running it again does not create a second one."""

    def work(verb: DataopsVerb) -> int:
        ref = verb.options.dataops_ref or ""
        return _schedule(verb, PlannedSchedule(description, ref, cron, cron_timezone, active, _variables(verb)))

    return run(env, arguments, work)


def _variables(verb: DataopsVerb) -> dict[str, str]:
    """Variables of a pipeline, including the one for its file."""
    file = verb.options.dataops_pipeline_file
    return {**({PIPELINE_FILE: file} if file else {}), **verb.options.dataops_variables}


def _schedule(verb: DataopsVerb, schedule: PlannedSchedule) -> int:
    access = verb.access
    schedule.check()
    if verb.dry_run:
        url = f"{access.api}/pipeline_schedules"
        bodies = [{"key": key, "value": value} for key, value in schedule.variables.items()]
        variables = [("POST", f"{url}/{{schedule id}}/variables", body) for body in bodies]
        return verb.preview(("POST", url, schedule.body), *variables)
    change = apply_schedule(verb.open_client(access.require("change"), patient=True), schedule)
    number, following = change.record.get("id"), change.record.get("next_run_at") or "not planned"
    changed = f" ({', '.join(change.changed)})" if change.changed else ""
    verb.say(f"schedule    {number} {change.status}{changed}, next run {following}")
    return verb.answer({"schedule": dict(change.record), "changed": list(change.changed)}, change.status)


def _wait(verb: DataopsVerb) -> int:
    access, number = verb.access, verb.options.dataops_pipeline_id
    if number is None:
        raise usage_error("No request was sent", "no pipeline is given", "Give its id, or set dataops_pipeline_id")
    if verb.dry_run:
        return verb.preview(("GET", f"{access.api}/pipelines/{number}", None))
    return _follow(verb, access.require(*_wait_powers(verb)), number)


def _wait_powers(verb: DataopsVerb) -> tuple[Power, ...]:
    return ("read", "change") if verb.options.dataops_cancel else ("read",)


def _trigger(verb: DataopsVerb) -> int:
    options, access = verb.options, verb.access
    if options.dataops_pipeline_id:
        return _wait(verb)
    trigger = Trigger(options.dataops_ref or "", _variables(verb), verb.env.token())
    trigger.check(access)
    if verb.dry_run:
        body = {"ref": trigger.ref, "token": "{trigger token}", "variables": trigger.all_variables}
        return verb.preview(("POST", f"{access.api}/trigger/pipeline", body))
    access.require("trigger", *(_wait_powers(verb) if options.dataops_wait else ()))
    for warning in trigger.warnings():
        verb.note(f"{warning}.")
    started = _start(verb, access, trigger)
    pipeline = started.pipeline
    if started.note:
        verb.note(f"{started.note}.")
    verb.say(f"pipeline {pipeline.id} of {trigger.ref} was started: {pipeline.web_url}")
    verb.write_outputs(pipeline_id=str(pipeline.id), web_url=safe_url(pipeline.web_url))
    if options.dataops_wait:
        return _follow(verb, access, pipeline.id)
    return verb.end("success", "", Snapshot(pipeline).document())


def _start(verb: DataopsVerb, access: Access, trigger: Trigger) -> Triggered:
    """Starts the pipeline. First reads the id of the newest pipeline, if the token is allowed to."""
    client, above = verb.open_client(access), None
    try:
        above = newest_id(client) if access.token else None
    except DataopsError as error:
        if verb.options.dataops_wait:
            error.what = "No pipeline was started, because cibeacon could not follow it"
            raise
    try:
        return start_pipeline(client, access, trigger, verb.env, above=above)
    except KeyboardInterrupt as stop:
        why = "the time is up" if isinstance(stop, OutOfTime) else "cibeacon was interrupted"
        raise DataopsError("It is not known whether a pipeline was started", why, trigger.hint) from stop


def _follow(verb: DataopsVerb, access: Access, number: int) -> int:
    """Waits until a pipeline ends. From here on, the deadlines are those of the wait."""
    options, view = verb.options, WaitView(verb)
    client = verb.open_client(access, options.dataops_wait_timeout + LAST_SECONDS)
    policy = WaitPolicy(options.dataops_wait_timeout, options.dataops_queue_timeout, options.dataops_on_manual)  # type: ignore[arg-type]
    wait = PipelineWait(client, access.project, number, policy, verb.env)
    logs = JobLogs(client, options.dataops_logs, options.dataops_log_limit, verb.clean, view.print_log, verb.note)
    more = ""
    try:
        with view.shown():
            result = wait.follow(view, logs)
        if result.status == "timed-out":
            more = _cancel(verb, access, number, LAST_SECONDS)
    except KeyboardInterrupt as stop:
        late = PipelineResult("timed-out", "The time is up.")
        result = late if isinstance(stop, OutOfTime) else PipelineResult("canceled", "cibeacon was interrupted.")
        verb.env.closing(ENDINGS[result.status].code)
        more = _cancel(verb, access, number, _FAREWELL_SECONDS)
    return _show_result(verb, wait, number, result._replace(reason=f"{result.reason} {more}".strip()))


def _cancel(verb: DataopsVerb, access: Access, number: int, seconds: float) -> str:
    """Cancels the pipeline if configured, with one request of at most so many seconds. Returns the result as a sentence."""
    if not verb.options.dataops_cancel:
        return f"Pipeline {number} continues without cibeacon waiting for it (setting dataops_cancel)."
    try:
        verb.open_client(access, seconds).cancel(number)
    except DataopsError as error:
        return str(error)
    except KeyboardInterrupt:
        return f"It is not known whether pipeline {number} was canceled."
    return f"Pipeline {number} was canceled."


def _show_result(verb: DataopsVerb, wait: PipelineWait, number: int, result: PipelineResult) -> int:
    """Shows the jobs, outputs, summary and document of a finished wait."""
    snapshot, status = wait.state.snapshot, result.status
    outputs = {"pipeline_id": str(number), "pipeline_status": status}
    document: dict[str, Any] = {"pipeline": {"id": number}, "jobs": [], "downstream": []}
    if snapshot:
        document, url = snapshot.document(), snapshot.pipeline.web_url
        verb.print_text(table(verb.env, HEADS, map(job_row, snapshot.jobs)))
        failed = [job.name for job in snapshot.jobs if job.status == "failed" and job.allow_failure]
        if failed and status == "success":
            verb.note(f"passed with warnings; these failed jobs are allowed to fail: {', '.join(failed[:10])}.")
        verb.say(f"pipeline    {snapshot.pipeline.id} after {wait.seconds:.0f} s: {url}")
        outputs["web_url"] = safe_url(url)
    verb.write_outputs(**outputs)
    verb.write_summary(markdown(f"pipeline {number} {status}", snapshot))
    return verb.end(status, result.reason, document)
