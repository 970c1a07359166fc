"""What `cibeacon doctor` checks, one file a topic: a check is a function from a frozen view to an answer. Sends no signal.

`table.py` lists them. An answer that says `ok` names what was seen; one that does not says what to do. No text of a secret
stands in any.
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
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.settings import Settings
from cibeacon.settings.options import Option

if TYPE_CHECKING:
    from cibeacon.signals.plan import PlanStep
    from cibeacon.spool.spool_reader import SpoolStore

State: TypeAlias = Literal["ok", "warn", "fail", "not-checked"]
"""`not-checked`: another check has to be right first, or there is nothing to check."""
STATES: tuple[State, ...] = ("ok", "warn", "fail", "not-checked")


class Answer(NamedTuple):
    """What a check saw."""

    state: State
    message: str
    hint: str = ""
    """The one thing to do about it."""
    source: str = ""
    """Where it was read: a setting's source, a variable, a file, an address."""


def ok(message: str, hint: str = "", source: str = "") -> Answer:
    """All is well."""
    return Answer("ok", message, hint, source)


def warn(message: str, hint: str, source: str = "") -> Answer:
    """Something will not be as most people want it."""
    return Answer("warn", message, hint, source)


def fail(message: str, hint: str, source: str = "") -> Answer:
    """Something cannot work."""
    return Answer("fail", message, hint, source)


def not_checked(reason: str, hint: str = "") -> Answer:
    """Nothing was seen."""
    return Answer("not-checked", reason, hint)


class CheckResult(NamedTuple):
    """An answer by the id of its check."""

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
    """A system that may be asked, as far as the settings say."""

    name: str
    title: str
    wanted: bool = False
    """Whether a setting or the CI system shows that it is used."""
    url: str = ""
    url_source: str = ""
    address: str = "the API's address"
    """What holds its address: a setting, or in words."""
    open: bool = False
    """Whether it is asked without a credential."""
    lacks: str | None = None
    """What is missing before it can be asked, as a clause with the next step behind a colon."""
    secrets: tuple[Option, ...] = ()
    """The settings that hold its credentials, of those that are given."""
    issuers: tuple[str, ...] = ()
    """Vendors whose tokens it takes, of those that are known by the beginning of their tokens."""
    faulty: bool = False
    """Whether a setting of it, that is no secret, cannot be used."""


class HostAnswer(NamedTuple):
    """What came of asking a system."""

    reach: Answer
    auth: Answer
    skew: float | None = None
    """Seconds by which the clock of the server is ahead of ours."""
    seconds: float = 0.0


class GitFacts(NamedTuple):
    """What the repository on disk says of itself."""

    exists: bool = False
    fault: str | None = None
    """Why git cannot read it, in git's words."""
    head: str | None = None
    parents: tuple[str, ...] = ()
    """Of the commit that is checked out."""
    shallow: bool = False
    depth: int = 0
    """Commits that a shallow clone holds of its history."""


class MapFacts(NamedTuple):
    """What the service map says of itself."""

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
    """When all checks must be done."""
    offline: str = ""
    """Why no connection may be opened."""
    context: Context = Context(host=LOCAL)
    sources: Mapping[str, str] = {}
    """Field of the context → the variable or setting that it was read from."""
    proof: str = ""
    """The variable by which the CI system is known."""
    systems: tuple[str, ...] = ()
    """Titles of every CI system that the environment shows."""
    variables: tuple[str, ...] = ()
    """Those from which the CI system reads the run."""
    notices: tuple[Notice, ...] = ()
    """What reading the run's context had to say."""
    git: GitFacts = GitFacts()
    changes: Changes | None = None
    no_map: Unknown | None = None
    deepen: str = ""
    """How this CI system makes the whole history available."""
    service_map: MapFacts = MapFacts()
    steps: tuple[PlanStep, ...] = ()
    """The signals that a run would send."""
    spool: SpoolStore | None = None
    targets: Mapping[str, Target] = {}
    answers: Mapping[str, HostAnswer] = {}
    unseen: Mapping[str, str] = {}
    """Topic → why it could not be looked at."""
    client: Callable[[Deadline], AbstractContextManager[Any]] | None = None
    """The HTTP client of a report, with a deadline of its own."""


Look: TypeAlias = Callable[[View], Answer]
Probe: TypeAlias = Callable[[View, Target, Deadline], HostAnswer]


class DoctorCheck(NamedTuple):
    """A check, as the documents list it."""

    id: str
    means: str
    """What is right where it says ok, as a sentence."""
    look: Look
    needs: tuple[str, ...] = ()
    """Checks that must be right first: one cause is reported once."""
