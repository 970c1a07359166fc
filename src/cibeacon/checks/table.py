"""Every check of `cibeacon doctor`, in the order of the report, and the probe of every system that is asked.

docs/doctor.md lists them from here. A system that is new is a probe and a line in `PROBES`; its four checks follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from cibeacon.checks import (
    Answer,
    DoctorCheck,
    Probe,
    View,
    ci,
    dataops,
    dci,
    devlake,
    dx,
    dx_workflow,
    flow,
    forge,
    git,
    network,
    otlp,
    secret_shape,
    services,
    settings,
    spool,
)

PROBES: Mapping[str, tuple[str, Probe]] = {
    "dx": ("DX", dx.probe),
    "dx_workflow": ("the workflow API of DX", dx_workflow.probe),
    "dci": ("DCI", dci.probe),
    "flow": ("Instabase Flow", flow.probe),
    "otlp": ("the OTLP receiver", otlp.probe),
    "devlake": ("Apache DevLake", devlake.probe),
    "dataops": ("DataOps.live", dataops.probe),
    "forge": ("the API of GitHub or GitLab", forge.probe),
}
"""Every system that is asked: its name in sentences, and what asks it."""


def _shape(name: str, view: View) -> Answer:
    return secret_shape.shape(view, view.targets[name])


def _checks_of(name: str, title: str) -> Iterator[DoctorCheck]:
    whole = title[:1].upper() + title[1:]
    yield DoctorCheck(f"{name}.settings", f"Everything is set that {title} needs.", network.configured(name))
    yield DoctorCheck(
        f"{name}.token.shape",
        f"The secret for {title} looks like one of theirs: no quotes, no variable, no other vendor's token.",
        partial(_shape, name),
        (f"{name}.settings",),
    )
    shape = (f"{name}.settings", f"{name}.token.shape")
    yield DoctorCheck(f"{name}.reach", f"{whole} answers at its address.", network.reach(name), shape)
    yield DoctorCheck(f"{name}.auth", f"{whole} takes the credential.", network.auth(name), (f"{name}.reach",))


_REPOSITORY = ("git.repository",)
CHECKS: tuple[DoctorCheck, ...] = (
    DoctorCheck("cibeacon.version", "Says which version this is; it is always right.", settings.version),
    DoctorCheck("settings.values", "Every setting that is given can be used.", settings.values),
    DoctorCheck("settings.names", "No variable that begins with `CIBEACON_` is misspelt.", settings.names),
    DoctorCheck("settings.dry_run", "In CI a report sends its signals.", settings.dry_run),
    DoctorCheck("settings.sinks", "There is a system to report to.", settings.sinks),
    DoctorCheck("ci.system", "One CI system is recognised.", ci.system),
    DoctorCheck("ci.event", "What triggered the run can be read.", ci.event),
    DoctorCheck(
        "ci.secrets", "Says whether the CI system withholds secrets from this run; it is always right.", ci.secrets
    ),
    DoctorCheck("run.repository", "The repository is known.", ci.value("repository", "repository", "repository")),
    DoctorCheck("run.commit", "The commit is known, with its whole id.", ci.commit),
    DoctorCheck("run.branch", "Says which branch or tag it is; it is always right.", ci.branch),
    DoctorCheck("run.pull_request", "Says which pull request it is; it is always right.", ci.pull_request),
    DoctorCheck("run.id", "The id of the run is known.", ci.run_id),
    DoctorCheck("run.pipeline", "Says what the pipeline is called; it is always right.", ci.pipeline),
    DoctorCheck("run.signals", "No signal of this run is invalid.", ci.signals),
    DoctorCheck("git.repository", "There is a repository, and git reads it.", git.repository),
    DoctorCheck("services.map", "The service map can be used, and leads somewhere.", services.service_map, _REPOSITORY),
    DoctorCheck("git.head", "The commit that is checked out is the run's.", git.head, _REPOSITORY),
    DoctorCheck("git.depth", "The clone is as deep as the comparison needs.", git.depth, _REPOSITORY),
    DoctorCheck("git.range", "It is known which commits to compare.", git.commit_range, (*_REPOSITORY, "services.map")),
    DoctorCheck("spool.writable", "What cannot be sent can be kept.", spool.writable),
    DoctorCheck("spool.waiting", "Nothing has been waiting for over an hour.", spool.waiting, ("spool.writable",)),
    DoctorCheck("network.clock", "The clock is right to within five minutes.", network.clock),
    *(check for name, (title, _) in PROBES.items() for check in _checks_of(name, title)),
    DoctorCheck("dx.connector", "Says whether DX may count pipeline runs twice; it is always right.", dx.connector),
)
IDS = tuple(check.id for check in CHECKS)


def matching(names: Iterable[str]) -> tuple[set[str], list[str]]:
    """The ids that are named, each whole or by its beginning (`dx`, `dx.token`); and names that are none."""
    chosen, unknown = set[str](), list[str]()
    for name in names:
        ids = {id for id in IDS if id == name or id.startswith(f"{name}.")}
        chosen |= ids
        if not ids:
            unknown.append(name)
    return chosen, unknown
