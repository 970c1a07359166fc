"""Every check of `cibeacon doctor` in the order of its output, and the probe of every system that it connects to.

docs/doctor.md is rendered from this list. A new system needs a probe and a line in `PROBES`; its four checks follow from them.
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
"""Every system that doctor connects to: its name in a sentence, and its probe."""


def _shape(name: str, view: View) -> Answer:
    return secret_shape.shape(view, view.targets[name])


def _checks_of(name: str, title: str) -> Iterator[DoctorCheck]:
    whole = title[:1].upper() + title[1:]
    yield DoctorCheck(f"{name}.settings", f"All settings that {title} needs are set.", network.configured(name))
    yield DoctorCheck(
        f"{name}.token.shape",
        f"The secret for {title} looks right: no quotes, no variable, no other vendor's token.",
        partial(_shape, name),
        (f"{name}.settings",),
    )
    shape = (f"{name}.settings", f"{name}.token.shape")
    yield DoctorCheck(f"{name}.reach", f"{whole} answers at its URL.", network.reach(name), shape)
    yield DoctorCheck(f"{name}.auth", f"{whole} accepts the credential.", network.auth(name), (f"{name}.reach",))


_REPOSITORY = ("git.repository",)
CHECKS: tuple[DoctorCheck, ...] = (
    DoctorCheck("cibeacon.version", "Shows the version; always passes.", settings.version),
    DoctorCheck("settings.values", "Every value that is set is valid.", settings.values),
    DoctorCheck("settings.names", "No variable that begins with `CIBEACON_` is misspelled.", settings.names),
    DoctorCheck("settings.dry_run", "In CI, a report sends its signals.", settings.dry_run),
    DoctorCheck("settings.sinks", "At least one system to report to is configured.", settings.sinks),
    DoctorCheck("ci.system", "One CI system is recognised.", ci.system),
    DoctorCheck("ci.event", "The event that triggered the run can be read.", ci.event),
    DoctorCheck(
        "ci.secrets", "Shows whether the CI system withholds secrets from this run; always passes.", ci.secrets
    ),
    DoctorCheck("run.repository", "The repository is known.", ci.value("repository", "repository", "repository")),
    DoctorCheck("run.commit", "The commit is known by its full id.", ci.commit),
    DoctorCheck("run.branch", "Shows the branch or tag; always passes.", ci.branch),
    DoctorCheck("run.pull_request", "Shows the pull request; always passes.", ci.pull_request),
    DoctorCheck("run.id", "The run's id is known.", ci.run_id),
    DoctorCheck("run.pipeline", "Shows the pipeline's name; always passes.", ci.pipeline),
    DoctorCheck("run.signals", "No signal of this run is invalid.", ci.signals),
    DoctorCheck("git.repository", "There is a repository, and git can read it.", git.repository),
    DoctorCheck(
        "services.map",
        "The service map is valid and matches the repository's files.",
        services.service_map,
        _REPOSITORY,
    ),
    DoctorCheck("git.head", "The run's commit is checked out.", git.head, _REPOSITORY),
    DoctorCheck("git.depth", "The clone is deep enough for the comparison.", git.depth, _REPOSITORY),
    DoctorCheck("git.range", "The commits to compare are known.", git.commit_range, (*_REPOSITORY, "services.map")),
    DoctorCheck("spool.writable", "Signals that cannot be sent can be spooled.", spool.writable),
    DoctorCheck(
        "spool.waiting", "No signal has been waiting for more than an hour.", spool.waiting, ("spool.writable",)
    ),
    DoctorCheck("network.clock", "The clock is accurate to within five minutes.", network.clock),
    *(check for name, (title, _) in PROBES.items() for check in _checks_of(name, title)),
    DoctorCheck("dx.connector", "Shows whether DX may count pipeline runs twice; always passes.", dx.connector),
)
IDS = tuple(check.id for check in CHECKS)


def matching(names: Iterable[str]) -> tuple[set[str], list[str]]:
    """The ids that `names` select, each by its full id or a prefix (`dx`, `dx.token`); and the names that match no id."""
    chosen, unknown = set[str](), list[str]()
    for name in names:
        ids = {id for id in IDS if id == name or id.startswith(f"{name}.")}
        chosen |= ids
        if not ids:
            unknown.append(name)
    return chosen, unknown
