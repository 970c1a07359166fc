"""Tells one step in the life of a job of DCI, as somebody asks for it. Knows no event, and plans nothing else.

Every step has the facts, keys and dialogues that `report` has: the two can take turns in one CI job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cibeacon.ci import detect
from cibeacon.delivery import spool_factory
from cibeacon.delivery.deliver import deliver
from cibeacon.files.attachments import attachments_or_none
from cibeacon.git.repository import Repository
from cibeacon.model.outcome import Outcome
from cibeacon.model.report import Notice, Report
from cibeacon.model.signals import Attachment, DciJob, JobState, JobUpdate, Signal, correlation_by_id
from cibeacon.run import Run
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.paths import toplevel
from cibeacon.runtime.watched_file import Watch
from cibeacon.settings import Settings, load_settings
from cibeacon.signals import dci_builders
from cibeacon.signals.plan import Ready, Step
from cibeacon.signals.plan_input import PlanInput
from cibeacon.signals.requirements import unencrypted, unreachable
from cibeacon.sinks import SINKS, signal_record
from cibeacon.sinks.dci_files import header_name

_SPOIL = ("core", "change", "dci")
"""Groups in which a value that cannot be used would have to be guessed."""
_WHICH = (
    "Which job it is about is not known here: give its id (setting dci_job_id, variable CIBEACON_DCI_JOB_ID), "
    "as cibeacon dci start prints it."
)
_LOCAL = "ci:local:"
"""How the tag of a job begins that no run makes."""
Told = tuple[Report, Settings]


def start(env: Environment, flags: Mapping[str, str]) -> Told:
    """Makes the job and tells that it runs; or goes on with the one that this run made before."""
    step = _Step(env, flags)
    job = step.job()
    return step.told([job, *dci_builders.key_values(step.plan_input, job.correlation)])


def state(env: Environment, flags: Mapping[str, str], status: str) -> Told:
    """Tells how the job stands, in DCI's words."""
    step = _Step(env, flags)
    return step.told([step.state(status)])


def upload(
    env: Environment,
    flags: Mapping[str, str],
    watch: Watch | None = None,
    name: str | None = None,
    mime: str | None = None,
) -> Told:
    """Sends the files of the setting dci_files; a single one under a name or a type that somebody chose."""
    step = _Step(env, flags)
    files = step.files()
    return step.told(step.chosen(files, name, mime) if name or mime else files, watch)


def finish(env: Environment, flags: Mapping[str, str], status: str, watch: Watch | None = None) -> Told:
    """Sends the files, and tells how the job ended, whatever became of them."""
    step = _Step(env, flags)
    files = step.files() if step.settings.dci.dci_files else []
    numbers = dci_builders.key_values(step.plan_input, step.tag)
    return step.told([*files, *numbers, step.state(status)], watch)


def _same(one: DciJob, other: DciJob) -> bool:
    """Whether DCI would compare the two with each other: then they are one job that somebody started twice."""
    alike = ("topic", "components", "name", "configuration", "change_url", "tags")
    return all(getattr(one, name) == getattr(other, name) for name in alike)


class _Step:
    """One step: the run that it is told from, and what there is to say besides."""

    def __init__(self, env: Environment, flags: Mapping[str, str]) -> None:
        self.settings = load_settings(flags, env.environ, {})
        self._world, self._makes = env, False
        core = self.settings.core
        deadline = Deadline(core.timeout, env.clock, env.sleep, env.started)
        repository = Repository(toplevel(env.cwd), env.environ, deadline.share(0.5))
        try:
            context, self._notices = detect.read_context(self.settings, env.environ, repository)
        finally:
            repository.close()
        context = detect.apply_overrides(context, self.settings)
        self._run = Run(self.settings, context, bool(core.dry_run), deadline)
        host = self._run.host
        self.plan_input = PlanInput(
            context=context,
            settings=self.settings,
            stage=env.stage,
            now=env.began,
            dry_run=self._run.dry_run,
            host_title=host.title,
        )

    def job(self) -> DciJob:
        """The job. On a person's own machine one that waits already is this one: said again, it is not made twice."""
        job = dci_builders.job(self.plan_input)._replace(correlation=self.tag)
        if not job.correlation.startswith(_LOCAL) or self._run.dry_run:
            return job
        place = spool_factory.place(self._world, self.settings, self._run.host)
        for entry in spool_factory.waiting(place, self._world.cwd):
            waits = signal_record.read(entry.record.signal)
            if isinstance(waits, DciJob) and waits.correlation.startswith(_LOCAL) and _same(waits, job):
                return job._replace(correlation=waits.correlation)
        return job

    def state(self, status: str) -> JobState:
        """How the job stands."""
        return JobState(self.tag, dci_builders.known_id(self.plan_input), status, dci_builders.note(self.plan_input))

    def files(self) -> Sequence[Attachment]:
        """The files; what is not taken of them is said. A person at the command line may name any file."""
        dci, origin = self.settings.dci, self.settings.origins["dci_files"]
        anywhere, top = origin.words.startswith("--"), paths.boundary(self._world)
        (found, said), why = attachments_or_none(dci.dci_files, self._world.cwd, top=top, anywhere=anywhere)
        self._run = self._run._replace(interrupted=why)
        self._notices += tuple(Notice("error", f"{each}.") for each in said)
        if not dci.dci_files:
            self._notices += (Notice("error", "No file is named: give files or globs (setting dci_files)."),)
        job_id = dci_builders.known_id(self.plan_input)
        return [Attachment(self.tag, job_id, *each) for each in found]

    def chosen(self, files: Sequence[Attachment], name: str | None, mime: str | None) -> Sequence[Attachment]:
        """The one file, called as somebody wants; of several none, since nobody can tell which is meant."""
        if len(files) > 1:
            said = f"--name and --mime are for one file, and these are {len(files)}: send them one by one."
            self._notices += (Notice("error", said),)
            return ()
        return [each._replace(name=header_name(name) if name else each.name, mime=mime or each.mime) for each in files]

    @property
    def tag(self) -> str:
        """What the facts are known by: the run; else the job that somebody named, since one run may tell of several."""
        if named := self.settings.dci.dci_job_id:
            return correlation_by_id(named)
        if self.plan_input.numbered and self.plan_input.placed:
            return dci_builders.correlation(self.plan_input)
        return f"{_LOCAL}{self._world.token()}"  # on a person's own machine every start is another job

    def told(self, signals: Sequence[Signal], watch: Watch | None = None) -> Told:
        """The signals delivered, and the report of it."""
        self._makes = any(isinstance(each, DciJob) for each in signals)
        outcomes, notices = deliver(self._world, self._run, [self._ready(each) for each in signals], watch)
        report = Report(
            context=self._run.about,
            outcomes=outcomes,
            notices=(*(each for each in self._notices if each.weight == "error"), *notices),  # no checkout is needed
            strict=self.settings.output.strict,
            dry_run=self._run.dry_run,
            host_title=self._run.host.title,
            verb="dci",
        )
        return report, self.settings

    def _ready(self, signal: Signal) -> Step:
        sink = SINKS["dci"]
        method = None if sink.faults(signal) else sink.method(signal, "")
        row = Outcome(
            kind=signal.kind, sink="dci", status="invalid", subject=signal.subject, key=signal.key, method=method
        )
        fault = self._fault(signal) or sink.faults(signal)
        return row._replace(reason=fault) if fault else Ready(signal, row._replace(status="skipped"))

    def _fault(self, signal: Signal) -> str | None:
        """Why nothing can be told: a value that would be guessed, an address, a credential, a job that nobody named."""
        settings, dry_run = self.settings, self.plan_input.dry_run
        bad = next((f"{each.message}." for each in settings.problems if each.group in _SPOIL), None)
        if bad:
            return bad
        fault = unreachable("dci", settings)
        if fault and (not dry_run or unencrypted("dci", settings)):
            return f"{fault}."
        follows = isinstance(signal, JobUpdate) and signal.job_id is None and not self._makes
        return _WHICH if follows and not (self.plan_input.numbered and self.plan_input.placed) else None
