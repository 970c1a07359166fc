"""The story of `doctor`: checks everything that a report needs by the code of a report. Sends no signal.

One cause is reported once: if a check fails, the checks that need it are not made. If a part cannot be examined, only its own
checks are not made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from itertools import chain, compress
from typing import Any, NamedTuple

from cibeacon.changed_services import explore, identify
from cibeacon.changes.commit_range import deepen
from cibeacon.checks import (
    STATES,
    Answer,
    CheckResult,
    DoctorCheck,
    GitFacts,
    HostAnswer,
    MapFacts,
    View,
    not_checked,
    secret_shape,
    targets,
)
from cibeacon.checks.table import CHECKS, PROBES
from cibeacon.ci import detect
from cibeacon.ci.ci_system import Variables
from cibeacon.delivery.sender import open_client
from cibeacon.delivery.write_ahead import open_spool
from cibeacon.git.repository import Repository
from cibeacon.model import ci_systems
from cibeacon.report import plan_run
from cibeacon.run import Run
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline, together
from cibeacon.runtime.errors import CheckoutError, guarded, interruption
from cibeacon.runtime.safe_text import Redactor
from cibeacon.service_lint import Located, inspect_map
from cibeacon.settings import Settings, load_settings, secret_values

SECONDS = 10.0
"""How long all checks together may take."""
_SECONDS_OF_A_PROBE = 3.0
VERSION = 1
"""Version of the JSON document."""
_LONGEST = 500
"""Characters of a text: servers can send anything."""
_FIELDS: Mapping[str, str] = {
    "repository": "repository",
    "commit_sha": "commit_sha",
    "branch": "head_branch",
    "run_id": "run_id",
    "pipeline": "pipeline_name",
    "event": "",
    "ref": "",
}
"""Field of the context → the setting that overrides it, if any."""


class Diagnosis(NamedTuple):
    """Every selected check with its answer."""

    results: tuple[CheckResult, ...]
    settings: Settings

    @property
    def counts(self) -> dict[str, int]:
        """The number of checks in each state."""
        states = [result.state for result in self.results]
        return {state: states.count(state) for state in STATES}

    @property
    def exit_code(self) -> int:
        """1 if a check failed, or with `strict` also if one warned; else 0."""
        return int(self.counts["fail"] > 0 or (self.settings.output.strict and self.counts["warn"] > 0))

    def document(self) -> dict[str, Any]:
        """The JSON form; every key is always present."""
        return {
            "version": VERSION,
            "counts": self.counts,
            "findings": [result.document() for result in self.results],
        }


def diagnose(
    env: Environment, flags: Mapping[str, str], chosen: Collection[str], skipped: Collection[str] = (), *, offline: bool
) -> Diagnosis:
    """The answers of the chosen checks, and of the checks that they need if those warn or fail.

    Checks in `skipped` are left out in any case. `offline` opens no connection; neither does a dry run.
    """
    settings = load_settings(flags, env.environ, {})
    seconds = min(SECONDS, settings.core.timeout)
    deadline = Deadline(seconds, env.clock, env.sleep, env.started)
    why_offline = "no connection is opened (--offline)" if offline else ""
    if settings.core.dry_run and not offline:
        why_offline = "a dry run opens no connection (dry_run)"
    view = View(env, settings, detect.detect(env.environ, settings.core.host), deadline, offline=why_offline)
    flags = {**flags, "timeout": str(seconds)}
    parts: tuple[tuple[tuple[str, ...], Callable[[View], View]], ...] = (
        (("ci", "run", "git"), partial(_see_run, flags)),
        (("services",), partial(_see_map, flags)),
        (tuple(PROBES), _see_targets),
        (("spool",), _see_spool),
        (("network",), partial(_ask_targets, chosen)),
    )
    stop = ""
    for topics, part in parts:
        if not stop:
            view, stop = _try(view, topics, part)
        if stop:
            view = _without(view, topics, stop)
    return Diagnosis(tuple(_results(view, chosen, skipped)), settings)


def _try(view: View, topics: tuple[str, ...], part: Callable[[View], View]) -> tuple[View, str]:
    """The view with one more part, and why to stop, if so. If the part fails, its topics are not checked."""
    try:
        return guarded(lambda: part(view), partial(_without, view, topics)), ""
    except KeyboardInterrupt as stop:
        return view, interruption(stop)


def _without(view: View, topics: tuple[str, ...], reason: str) -> View:
    return view._replace(unseen={**view.unseen, **dict.fromkeys(topics, reason)})


def _results(view: View, chosen: Collection[str], skipped: Collection[str]) -> Iterator[CheckResult]:
    """The results in order: those of the chosen checks, and of the checks that they need if those warn or fail."""
    wanted, states = _with_needs(chosen) - set(skipped), dict[str, str]()
    clean = Redactor(secret_values(view.env.environ))
    for check in CHECKS:
        began = view.env.clock()
        answer = _answer(view, check, states)
        states[check.id] = answer.state
        asked = view.answers.get(check.id.partition(".")[0])
        seconds = asked.seconds if asked and check.id.endswith(".reach") else view.env.clock() - began
        if check.id in chosen or (check.id in wanted and answer.state in ("warn", "fail")):
            message, hint, source = (clean(text)[:_LONGEST] for text in answer[1:])  # part of a secret is not masked
            yield CheckResult(check.id, answer.state, message, hint, source, round(seconds, 3))


def _with_needs(chosen: Collection[str]) -> set[str]:
    """The checks, and the checks that they need."""
    wanted = set(chosen)
    for check in reversed(CHECKS):
        if check.id in wanted:
            wanted.update(check.needs)
    return wanted


def _answer(view: View, check: DoctorCheck, states: Mapping[str, str]) -> Answer:
    if reason := view.unseen.get(check.id.partition(".")[0]):
        return not_checked(reason)
    if need := next((need for need in check.needs if states.get(need) != "ok"), None):
        return not_checked(f"another check must pass first ({need})")
    return guarded(lambda: check.look(view), not_checked)


def _see_run(flags: Mapping[str, str], view: View) -> View:
    """The run, the commits to compare and the signals to send, as a report would determine them."""
    env, settings = view.env, view.settings
    core = settings.core._replace(timeout=view.deadline.seconds, dry_run=bool(view.offline) or settings.core.dry_run)
    with identify(env, flags, settings._replace(core=core), sends=True) as (run, search):
        git, view = _git_facts(search.repository), _with_sources(view, search.repository)
        run = explore(run, search)
    problems = (*settings.problems, *(each for each in run.settings.problems if each not in settings.problems))
    seen = run.settings._replace(
        core=run.settings.core._replace(timeout=settings.core.timeout, dry_run=settings.core.dry_run),
        origins={**run.settings.origins, "timeout": settings.origins["timeout"]},
        problems=problems,
    )
    view = view._replace(settings=seen, context=run.about, git=git, changes=run.changes, no_map=run.no_map)
    sources = {field: _source(view, field, setting) for field, setting in _FIELDS.items()}
    return view._replace(deepen=deepen(run.context), sources=sources, steps=_plan(env, run))


def _plan(env: Environment, run: Run) -> tuple[Any, ...]:
    """The signals of the run. Credentials have their own checks."""
    return tuple(plan_run(env, run._replace(dry_run=True)))


def _git_facts(repository: Repository) -> GitFacts:
    """What git says about the clone; if git does not answer, that is the fault."""
    if not repository.exists:
        return GitFacts()
    try:
        if fault := repository.complaint():
            return GitFacts(exists=True, fault=fault)
        head, shallow = repository.commit("HEAD"), repository.shallow()
        parents = (repository.parents(head) or ()) if head else ()
        return GitFacts(True, None, head, parents, shallow, repository.depth() if shallow else 0)
    except CheckoutError as error:
        return GitFacts(exists=True, fault=f"{error.what}: {error.why}")


class _Reading(Mapping[str, str]):
    """An environment that remembers which of its variables were read."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.names: dict[str, None] = {}

    def __getitem__(self, name: str) -> str:
        value = self._environ[name]
        self.names[name] = None
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def _with_sources(view: View, repository: Repository) -> View:
    """The view with the variable that identifies the CI system, and the variables that describe the run."""
    environ = view.env.environ
    names = ci_systems.recognise(environ)
    reading = _Reading(environ)
    _, notices = view.system.read_with_notices(Variables(reading), repository)
    proofs = (proof for name in names[:1] for proof in ci_systems.CI_SYSTEMS[name])
    variables = ([condition.partition("=")[0] for condition in proof.split()] for proof in proofs)
    proof = next((each[0] for each in variables if all(environ.get(name) for name in each)), "")
    titles = tuple(detect.named(name).title for name in names)
    return view._replace(systems=titles, proof=proof, notices=notices, variables=tuple(reading.names))


def _source(view: View, field: str, setting: str) -> str:
    """Where a value of the run comes from, as far as that can be determined."""
    origin = view.settings.origins.get(setting)
    if origin and origin.given:
        return origin.source
    value = getattr(view.context, field)
    if not value:
        return ""
    texts = [(name, view.env.environ[name].removesuffix(".git")) for name in view.variables]
    ends = (f"/{value}", f":{value}")  # of a URL; a job's full name begins with its pipeline's name
    alike = (text.startswith(f"{value}/") if field == "pipeline" else text.endswith(ends) for _, text in texts)
    by_variable = next(chain((name for name, text in texts if text == value), compress(view.variables, alike)), "")
    return by_variable or ("the checkout" if view.context.host == ci_systems.LOCAL else "the event, or the checkout")


def _see_map(flags: Mapping[str, str], view: View) -> View:
    """The findings of `cibeacon services check`."""
    inspection = inspect_map(view.env, flags, against_files=True)
    faults = tuple(_at_its_line(finding) for finding in inspection.findings if finding.weight == "fault")
    warnings = tuple(_at_its_line(finding) for finding in inspection.findings if finding.weight == "warning")
    return view._replace(service_map=MapFacts(inspection.name, len(inspection.services), faults, warnings))


def _at_its_line(finding: Located) -> str:
    return f"line {finding.line}: {finding.text}" if finding.line else finding.text


def _see_targets(view: View) -> View:
    """The systems that doctor can connect to."""
    return view._replace(targets=targets.read(view.settings, view.context, view.env.environ, view.deadline))


def _see_spool(view: View) -> View:
    """The spool that a report would use."""
    folder = view.system.spool_folder(Variables(view.env.environ))
    return view._replace(spool=open_spool(view.env, view.settings, folder))


def _ask_targets(chosen: Collection[str], view: View) -> View:
    """The answers of all configured systems, asked in parallel. A secret of the wrong shape is sent to no system."""
    if view.offline:
        return view
    client = partial(open_client, view.env, view.settings, view.settings.endpoints)
    view = view._replace(client=client)
    names = [name for name in PROBES if _is_asked(view, name, chosen)]
    answers = dict(together(partial(_probe, view), names, max(1, len(names))))
    return view._replace(answers=answers)


def _is_asked(view: View, name: str, chosen: Collection[str]) -> bool:
    target = view.targets.get(name)
    wanted = "network.clock" in chosen or not {f"{name}.reach", f"{name}.auth"}.isdisjoint(chosen)
    usable = target is not None and target.wanted and not target.lacks and not target.faulty
    return wanted and target is not None and usable and secret_shape.shape(view, target).state == "ok"


def _probe(view: View, name: str) -> HostAnswer:
    env = view.env
    began = env.clock()
    deadline = Deadline(min(_SECONDS_OF_A_PROBE, view.deadline.remaining()), env.clock, env.sleep, began)
    probe = PROBES[name][1]

    def leave(reason: str) -> HostAnswer:
        return HostAnswer(not_checked(reason), not_checked(reason))

    answer = guarded(lambda: probe(view, view.targets[name], deadline), leave)
    return answer._replace(seconds=env.clock() - began)
