"""`cibeacon dataops`: starts, follows and lists pipelines of DataOps.live or any GitLab."""

from __future__ import annotations

from collections.abc import Mapping

import click

from cibeacon.cli.lazy_group import Verb, Verbs

VERBS: Mapping[str, Verb] = {
    "trigger": Verb("dataops_run:trigger_command", "Start a pipeline; with --wait, wait until it ends."),
    "wait": Verb("dataops_run:wait_command", "Wait until a pipeline ends."),
    "schedule": Verb("dataops_run:schedule_command", "Create a pipeline schedule, or update it."),
    "pipelines": Verb("dataops_query:pipelines_command", "List the project's pipelines."),
    "pipeline": Verb("dataops_query:pipeline_command", "Show one pipeline."),
    "jobs": Verb("dataops_query:jobs_command", "List the jobs of a pipeline or of the project."),
    "job": Verb("dataops_query:job_command", "Show one job."),
    "log": Verb("dataops_query:log_command", "Print a job's log; with --follow, until the job ends."),
}


@click.group("dataops", cls=Verbs, verbs=VERBS)
def command() -> None:
    """Start pipelines of DataOps.live or any GitLab, wait for them and list them.

    Secrets have no flag: set the variables CIBEACON_DATAOPS_TOKEN and CIBEACON_DATAOPS_TRIGGER_TOKEN. Exit codes: 0 success,
    10 failed, 11 canceled, 12 skipped, 13 blocked on a manual job, 14 timed out, 15 lost contact, 16 refused.
    """
