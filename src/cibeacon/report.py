"""The story of `report`: plans what is already known and writes it to the spool, collects the rest, then sends everything.

Does not know flags or how a report is shown. Unexpected errors are caught by the caller, which shows the report.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from cibeacon.changed_services import explore, identify, problem_notice, stop_notices
from cibeacon.changes.service_changes import merged_prs
from cibeacon.ci.ci_system import Variables
from cibeacon.delivery import deliver
from cibeacon.delivery.write_ahead import WriteAhead, preview_steps
from cibeacon.model.changes import Changes, Unknown
from cibeacon.model.report import Notice, Outcome, Report
from cibeacon.model.signals import JobState
from cibeacon.run import Run
from cibeacon.runtime import Environment, paths
from cibeacon.runtime.errors import guarded, interruption
from cibeacon.settings import Settings
from cibeacon.signals import File, PlanInput
from cibeacon.signals.plan import PlannedSignal, PlanStep, kinds_made_invalid, plan

_FAULTY_MAP = "the service map cannot be used"


def report(env: Environment, flags: Mapping[str, str], settings: Settings) -> tuple[Report, Settings]:
    """Plans every signal that the run and the settings call for, and sends it."""
    with identify(env, flags, settings, sends=True) as (run, search):
        write_ahead = None if run.dry_run else WriteAhead(env, run.settings, run.spool_folder(env.environ))
        run = _write_ahead(env, run, write_ahead)
        run = explore(run, search)
    if run.settings.deploy.metadata_jq or run.settings.dci.dci_files:  # these can be slow
        run = _write_ahead(env, run, write_ahead)
    run, files, notices = _find_files(env, run)
    run, steps = _fill_metadata(env, run, plan_run(env, run, files))
    more: tuple[Notice, ...] = ()
    if write_ahead is None:
        outcomes = preview_steps(steps, run.settings.endpoints)
    else:
        outcomes, more = deliver(env, run.settings, steps, write_ahead, run.deadline, run.interrupted)
    silent = [problem_notice(problem) for problem in run.settings.problems if not kinds_made_invalid(problem)]
    notices = (*run.notices, *stop_notices(run), *notices, *more, *_pointers(outcomes), *silent)
    reasons = {outcome.reason for outcome in outcomes}
    report = Report(
        context=run.about,
        changes=_shown_changes(run, reasons),
        outcomes=outcomes,
        notices=tuple(notice for notice in notices if notice.text not in reasons),
        strict=run.settings.output.strict,
        dry_run=run.dry_run,
        host_title=run.host.title,
    )
    return report, run.settings


def _shown_changes(run: Run, reasons: Collection[str | None]) -> Changes | None:
    """The changed services; unknown if the map cannot be used, for which a signal may give the details; None without a map."""
    if run.changes or not run.map_fault:
        return run.changes
    return Changes("unknown", unknown=Unknown(_FAULTY_MAP if run.map_fault in reasons else run.map_fault))


def _pointers(outcomes: Iterable[Outcome]) -> Iterator[Notice]:
    """Names the checks for a sink that could not be reached."""
    unreached = (outcome.sink for outcome in outcomes if outcome.request and outcome.status == "spooled")
    for sink in dict.fromkeys(unreached):
        yield Notice("info", f"To find out why, run cibeacon doctor --only {sink}")


def _write_ahead(env: Environment, run: Run, write_ahead: WriteAhead | None) -> Run:
    """Writes what is known to the spool before anything slow or fragile is tried. A dry run writes nothing."""
    if write_ahead is None:
        return run
    steps = plan_run(env, run)
    if run.settings.deploy.metadata_jq:
        from cibeacon.signals.metadata import without_metadata  # few runs have a program

        steps = without_metadata(steps, "failed", "it has not run yet")
    interrupted, _ = write_ahead.write(steps, run.interrupted)
    return run._replace(interrupted=interrupted)


def plan_run(env: Environment, run: Run, files: tuple[File, ...] = ()) -> list[PlanStep]:
    """Every signal that the run calls for."""
    pushed = run.pushed
    plan_input = PlanInput(
        context=run.context,
        settings=run.settings,
        stage=env.stage,
        now=env.began,
        dry_run=run.dry_run,
        host_title=run.host.title,
        in_stages=run.host.in_stages,
        changes=run.changes,
        map_fault=run.map_fault,
        merged_prs=merged_prs(pushed, run.changes, run.pr_changes),
        unknown_prs=(pushed.status, pushed.reason) if pushed.reason else None,
        files=files,
    )
    return list(plan(plan_input))


def _find_files(env: Environment, run: Run) -> tuple[Run, tuple[File, ...], tuple[Notice, ...]]:
    """The files to upload when a DCI job ends, and messages about those that cannot be uploaded."""
    patterns = run.settings.dci.dci_files
    steps = plan_run(env, run) if patterns else []
    if not any(isinstance(step, PlannedSignal) and isinstance(step.signal, JobState) for step in steps):
        return run, (), ()
    from cibeacon.files.attachments import no_attachments, try_find_attachments  # few runs send files

    env.halftime(run.deadline.remaining() / 2)  # the rest is for sending
    if reason := run.interrupted:
        files, complaints = no_attachments(reason)
    else:
        (files, complaints), reason = try_find_attachments(patterns, env.cwd, top=paths.boundary(env))
    env.halftime(None)
    notices = tuple(Notice("error", f"dci_files: {complaint}.", "dci-files") for complaint in complaints)
    return run._replace(interrupted=reason), tuple(File(*file) for file in files), notices


def _fill_metadata(env: Environment, run: Run, steps: list[PlanStep]) -> tuple[Run, list[PlanStep]]:
    """Adds to each deployment the metadata that the `metadata_jq` program builds."""
    program, left = run.settings.deploy.metadata_jq, run.deadline.remaining()
    if not program:
        return run, steps
    from cibeacon.signals.metadata import with_metadata, without_metadata  # few runs have a program

    try:
        steps = guarded(
            lambda: with_metadata(
                steps,
                program,
                run.context,
                lambda: run.host.event(Variables(env.environ)),
                env.environ,
                left / 2,  # the rest is for sending
            ),
            lambda reason: without_metadata(steps, "failed", f"{reason}."),
        )
    except KeyboardInterrupt as stop:
        run = run._replace(interrupted=interruption(stop))
        steps = without_metadata(steps, "failed", interruption(stop))
    return run, steps
