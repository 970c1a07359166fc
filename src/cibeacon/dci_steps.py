"""Sends one step in the life of a DCI job, for `cibeacon dci`. Reads no event and plans no other signal.

Every step uses the same signals, keys and exchanges as `report`, so that one CI job can use both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cibeacon.delivery.write_ahead import open_spool
from cibeacon.files.attachments import try_find_attachments
from cibeacon.manual_run import deliver_steps, read_run, with_error
from cibeacon.model.report import Report
from cibeacon.model.signals import Attachment, DciJob, JobState, JobUpdate, Signal, correlation_by_id
from cibeacon.runtime import Environment, paths
from cibeacon.runtime.paths import Watch
from cibeacon.settings import Settings, load_settings
from cibeacon.signals import PlanInput, dci_builders, why_unsendable
from cibeacon.signals.plan import check_signal
from cibeacon.sinks import signal_record
from cibeacon.sinks.dci_files import header_name
from cibeacon.spool.spool_reader import SpoolReader

_WHICH_JOB = (
    "The DCI job is unknown: set dci_job_id (variable CIBEACON_DCI_JOB_ID) to the id that cibeacon dci start printed."
)
_LOCAL = "ci:local:"
"""Prefix of the tag of a job that was started outside CI."""
_COMPARED = ("topic", "components", "name", "configuration", "change_url", "tags")
"""Two local jobs that agree in all of these are one job that was started twice."""
Reported = tuple[Report, Settings]


def start(env: Environment, flags: Mapping[str, str]) -> Reported:
    """Creates the job and sets it to running, or continues with the job that this run created before."""
    step = _Step(env, flags)
    job = step.job()
    return step.deliver([job, *dci_builders.key_values(step.plan_input, job.correlation)])


def state(env: Environment, flags: Mapping[str, str], status: str) -> Reported:
    """Sends a state of the job, which is one of DCI's own words."""
    step = _Step(env, flags)
    return step.deliver([step.state(status)])


def upload(
    env: Environment,
    flags: Mapping[str, str],
    watch: Watch | None = None,
    name: str | None = None,
    mime: str | None = None,
) -> Reported:
    """Sends the files of the setting dci_files; a single file with the name and type that the user gives."""
    step = _Step(env, flags)
    files = step.files()
    return step.deliver(step.renamed(files, name, mime) if name or mime else files, watch)


def finish(env: Environment, flags: Mapping[str, str], status: str, watch: Watch | None = None) -> Reported:
    """Sends the files and then the job's final state, even if files could not be sent."""
    step = _Step(env, flags)
    files = step.files() if step.settings.dci.dci_files else []
    numbers = dci_builders.key_values(step.plan_input, step.tag)
    return step.deliver([*files, *numbers, step.state(status)], watch)


class _Step:
    """One step: the run that it belongs to, and the signals that it sends."""

    def __init__(self, env: Environment, flags: Mapping[str, str]) -> None:
        self.settings = load_settings(flags, env.environ, {})
        self._env, self._run = env, read_run(env, self.settings)
        run = self._run
        self.plan_input = PlanInput(
            context=run.context,
            settings=self.settings,
            stage=env.stage,
            now=env.began,
            dry_run=run.dry_run,
            host_title=run.host.title,
        )

    def job(self) -> DciJob:
        """The job. Outside CI, an equal job in the spool is taken for this one, so that a second start creates no second job."""
        job = dci_builders.job(self.plan_input)._replace(correlation=self.tag)
        if not job.correlation.startswith(_LOCAL) or self.plan_input.dry_run:
            return job
        spool = open_spool(self._env, self.settings, self._run.spool_folder(self._env.environ))
        reader = SpoolReader(self._env.cwd, None, deadline=self._run.deadline)
        reader.add_spool(spool)
        for entry in reader.entries:
            waiting = signal_record.read(entry.record.signal)
            if isinstance(waiting, DciJob) and waiting.correlation.startswith(_LOCAL) and _is_same(waiting, job):
                return job._replace(correlation=waiting.correlation)
        return job

    def state(self, status: str) -> JobState:
        """A state of the job."""
        return JobState(self.tag, dci_builders.known_id(self.plan_input), status, dci_builders.note(self.plan_input))

    def files(self) -> Sequence[Attachment]:
        """The files, with a notice for each file that is not sent. The flag --dci-files may select any file."""
        dci, origin = self.settings.dci, self.settings.origins["dci_files"]
        anywhere, top = origin.source.startswith("--"), paths.boundary(self._env)
        (files, problems), stop = try_find_attachments(dci.dci_files, self._env.cwd, top=top, anywhere=anywhere)
        if not dci.dci_files:
            problems = (*problems, "No file is given: set dci_files to files or globs")
        self._run = self._run._replace(interrupted=stop)
        for problem in problems:
            self._run = with_error(self._run, f"{problem}.", "dci-files")
        job_id = dci_builders.known_id(self.plan_input)
        return [Attachment(self.tag, job_id, *file) for file in files]

    def renamed(self, files: Sequence[Attachment], name: str | None, mime: str | None) -> Sequence[Attachment]:
        """The file with the name and type that the user gives; none if there are several files, since either fits one."""
        if len(files) > 1:
            error = f"--name and --mime are for one file, but {len(files)} are given: upload the files one by one."
            self._run = with_error(self._run, error, "dci-files")
            return ()
        return [file._replace(name=header_name(name) if name else file.name, mime=mime or file.mime) for file in files]

    @property
    def tag(self) -> str:
        """What identifies the job: the job's id if it is set, since one run may report on several jobs; else the run."""
        if job_id := self.settings.dci.dci_job_id:
            return correlation_by_id(job_id)
        if self._knows_run:
            return dci_builders.correlation(self.plan_input)
        return f"{_LOCAL}{self._env.token()}"  # outside CI every start creates another job

    def deliver(self, signals: Sequence[Signal], watch: Watch | None = None) -> Reported:
        """Delivers the signals and returns the report."""
        creates = any(isinstance(signal, DciJob) for signal in signals)
        steps = [
            check_signal(signal, "dci", self.settings, self._why_not(signal, creates=creates)) for signal in signals
        ]
        return deliver_steps(self._env, self._run, steps, "dci", watch), self.settings

    @property
    def _knows_run(self) -> bool:
        return bool(self.plan_input.has_run_id and self.plan_input.has_repository)

    def _why_not(self, signal: Signal, *, creates: bool) -> str | None:
        """Why a signal cannot be sent."""
        dry_run = self.plan_input.dry_run
        if reason := why_unsendable("dci", self.settings, "core", "change", "dci", dry_run=dry_run):
            return reason
        needs_id = isinstance(signal, JobUpdate) and signal.job_id is None and not creates
        return _WHICH_JOB if needs_id and not self._knows_run else None


def _is_same(one: DciJob, other: DciJob) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _COMPARED)
