"""Reads the run for a verb of DCI or Flow, and delivers and reports its signals. Does not plan them."""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.ci import detect
from cibeacon.delivery import deliver
from cibeacon.delivery.write_ahead import WriteAhead, preview_steps
from cibeacon.git.repository import Repository
from cibeacon.model.report import Notice, Report
from cibeacon.run import Run
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.paths import Watch, toplevel
from cibeacon.settings import Settings
from cibeacon.signals.plan import PlanStep


def read_run(env: Environment, settings: Settings) -> Run:
    """The run that the environment and the settings describe. These verbs work without a checkout."""
    deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
    repository = Repository(toplevel(env.cwd), env.environ, deadline.share(0.5))
    try:
        context, notices = detect.read_context(settings, env.environ, repository)
    finally:
        repository.close()
    errors = tuple(notice for notice in notices if notice.weight == "error")
    context = detect.apply_overrides(context, settings)
    return Run(settings, context, bool(settings.core.dry_run), deadline, notices=errors)


def with_error(run: Run, error: str, error_id: str) -> Run:
    """The run with an error that is not about a signal."""
    return run._replace(notices=(*run.notices, Notice("error", error, error_id)))


def deliver_steps(
    env: Environment, run: Run, steps: Sequence[PlanStep], verb: str, watch: Watch | None = None
) -> Report:
    """Delivers the steps and returns the report."""
    notices: tuple[Notice, ...] = ()
    if run.dry_run:
        outcomes = preview_steps(steps, run.settings.endpoints)
    else:
        write_ahead = WriteAhead(env, run.settings, run.spool_folder(env.environ))
        outcomes, notices = deliver(env, run.settings, steps, write_ahead, run.deadline, run.interrupted, watch)
    return Report(
        context=run.about,
        outcomes=outcomes,
        notices=(*run.notices, *notices),
        strict=run.settings.output.strict,
        dry_run=run.dry_run,
        host_title=run.host.title,
        verb=verb,
    )
