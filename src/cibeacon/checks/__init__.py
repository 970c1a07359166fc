"""The checks of `cibeacon doctor`, one file per topic: a check is a function from a frozen view to an answer. Sends no signal.

`table.py` lists them. An `ok` answer says what the check saw; every other answer says what to do. No answer contains any
part of a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from cibeacon.ci.ci_system import CISystem
from cibeacon.model.changes import Changes, Unknown
from cibeacon.model.ci_systems import LOCAL
from cibeacon.model.context import Context
from cibeacon.model.error_ids import check_link
from cibeacon.model.report import Notice
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.settings import Settings
from cibeacon.settings.options import Option

if TYPE_CHECKING:
    from cibeacon.signals.plan import PlanStep
    from cibeacon.spool.spool_reader import SpoolStore

State: TypeAlias = Literal["ok", "warn", "fail", "not-checked"]
"""`not-checked`: another check must pass first, or there is nothing to check."""
STATES: tuple[State, ...] = ("ok", "warn", "fail", "not-checked")


class Answer(NamedTuple):
    """What a check saw."""

    state: State
    message: str
    hint: str = ""
    """The one thing to do about it."""
    source: str = ""
    """Where the value comes from: a setting's source, a variable, a file, an address."""


def ok(message: str, hint: str = "", source: str = "") -> Answer:
    """The check passed."""
    return Answer("ok", message, hint, source)


def warn(message: str, hint: str, source: str = "") -> Answer:
    """Something is probably not as intended."""
    return Answer("warn", message, hint, source)


def fail(message: str, hint: str, source: str = "") -> Answer:
    """Something cannot work."""
    return Answer("fail", message, hint, source)


def not_checked(reason: str, hint: str = "") -> Answer:
    """The check was not made."""
    return Answer("not-checked", reason, hint)


class CheckResult(NamedTuple):
    """The answer of one check."""

    id: str
    state: State
    message: str
    hint: str
    source: str
    seconds: float

    def document(self) -> dict[str, Any]:
        """The JSON form; every key is always present."""
        return {**self._asdict(), "help": check_link(self.id)}


class Target(NamedTuple):
    """A system that doctor can connect to, as the settings describe it."""

    name: str
    title: str
    wanted: bool = False
    """Whether a setting or the CI system shows that it is used."""
    url: str = ""
    url_source: str = ""
    address: str = "the API's address"
    """The setting that holds its address, or a description in words."""
    open: bool = False
    """Whether it needs no credential."""
    lacks: str | None = None
    """What is missing before doctor can connect: a clause, a colon and the next step."""
    secrets: tuple[Option, ...] = ()
    """The settings with its credentials, if they are set."""
    issuers: tuple[str, ...] = ()
    """Vendors whose tokens it accepts, of those whose tokens have a known prefix."""
    faulty: bool = False
    """Whether one of its settings is invalid, not counting secrets."""


class HostAnswer(NamedTuple):
    """The result of connecting to a system."""

    reach: Answer
    auth: Answer
    skew: float | None = None
    """Seconds by which the server's clock is ahead of this machine's."""
    seconds: float = 0.0


class GitFacts(NamedTuple):
    """What git says about the repository on disk."""

    exists: bool = False
    fault: str | None = None
    """Why git cannot read it, in git's words."""
    head: str | None = None
    parents: tuple[str, ...] = ()
    """Of the checked-out commit."""
    shallow: bool = False
    depth: int = 0
    """Number of commits in the history of a shallow clone."""


class MapFacts(NamedTuple):
    """What `cibeacon services check` says about the service map."""

    name: str = ""
    services: int = 0
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class View(NamedTuple):
    """Everything that the checks look at."""

    env: Environment
    settings: Settings
    system: CISystem
    deadline: Deadline
    """When every check must have ended."""
    offline: str = ""
    """Why no connection may be opened; empty if one may."""
    context: Context = Context(host=LOCAL)
    sources: Mapping[str, str] = {}
    """Field of the context → the variable or setting that it was read from."""
    proof: str = ""
    """The variable that identifies the CI system."""
    systems: tuple[str, ...] = ()
    """Titles of all CI systems that the environment matches."""
    variables: tuple[str, ...] = ()
    """The variables that describe the run."""
    notices: tuple[Notice, ...] = ()
    """Problems found while reading the run's context."""
    git: GitFacts = GitFacts()
    changes: Changes | None = None
    no_map: Unknown | None = None
    deepen: str = ""
    """How to get the whole history on this CI system."""
    service_map: MapFacts = MapFacts()
    steps: tuple[PlanStep, ...] = ()
    """The signals that a run would send."""
    spool: SpoolStore | None = None
    targets: Mapping[str, Target] = {}
    answers: Mapping[str, HostAnswer] = {}
    unseen: Mapping[str, str] = {}
    """Topic → why it could not be checked."""
    client: Callable[[Deadline], AbstractContextManager[Any]] | None = None
    """Opens the HTTP client that a report uses, with the given deadline."""


Look: TypeAlias = Callable[[View], Answer]
Probe: TypeAlias = Callable[[View, Target, Deadline], HostAnswer]


class DoctorCheck(NamedTuple):
    """A check, as the docs list it."""

    id: str
    means: str
    """What `ok` means, as a sentence."""
    look: Look
    needs: tuple[str, ...] = ()
    """Checks that must pass first, so that one cause is reported once."""
