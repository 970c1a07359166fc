"""Knows what DataOps.live of the sandbox holds before the first request, and what its pipelines will do. Does not know what
happened since.

The first ids are the examples of https://docs.dataops.live/docs/api-docs/rest-api-resources/; the words of states:
https://docs.gitlab.com/api/pipelines/ and https://docs.gitlab.com/api/jobs/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from importlib import resources

from pydantic import Base64Bytes, TypeAdapter

ROLES = ("guest", "reporter", "developer", "maintainer")
MAIN_SHA = "b489ddde5b1b1a4a1e5b1e3d0c9f8a7b6c5d4e3f"
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Log:
    """A log: `content`, repeated up to `size` bytes; once when no size is given."""

    content: Base64Bytes = field(repr=False)
    size: int = -1

    def __len__(self) -> int:
        return len(self.content) if self.size < 0 else self.size

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to `end`, a few hundred kilobytes at a time."""
        unit = len(self.content)
        block = self.content * (_PIECE // unit + 1) if unit else b""
        while start < end:
            piece = block[start % unit :][: end - start]
            yield piece
            start += len(piece)


@dataclass(frozen=True, slots=True)
class Job:
    """A job, or with `child` a trigger job that starts another pipeline (a bridge). Times are steps; None never ends.

    `ends` holds the end of each attempt (success, failed, canceled, skipped), the last one that of all later ones too;
    `retries` is how often the server itself tries again. A `manual` job waits for `play`, and the pipeline with it,
    unless it may fail. The child is of the same project unless `child_project` is another's id; with `depend` the bridge
    ends as the child does, else when the child was made.
    """

    name: str
    _: KW_ONLY
    stage: str = "test"
    ends: Sequence[str] = ("success",)
    pending: int | None = 1
    running: int | None = 2
    manual: bool = False
    allow_failure: bool = False
    retries: int = 0
    failure_reason: str = "script_failure"
    log: Log | str | None = None
    child: Script | None = None
    child_project: int | None = None
    depend: bool = True

    def end(self, attempt: int) -> str:
        """The end of an attempt, counted from 0."""
        return self.ends[min(attempt, len(self.ends) - 1)]

    def log_of(self, attempt: int) -> Log:
        """The log of an attempt."""
        text = _runner_log(self.name, self.end(attempt)) if self.log is None else self.log
        return text if isinstance(text, Log) else Log(text.encode())


@dataclass(frozen=True, slots=True)
class Script:
    """A pipeline. Its stages run in the order in which jobs first name them; a stage that fails skips the later ones.

    Its status follows from its jobs', unless `statuses` gives it: one per step, the last one stays. After a cancel,
    running jobs are `canceling` for that many steps.
    """

    jobs: Sequence[Job] = ()
    _: KW_ONLY
    statuses: Sequence[str] = ()
    canceling: int = 0


def _runner_log(name: str, end: str) -> str:
    """A log as a runner writes it, with sections, colours and carriage returns."""
    last = "\x1b[32;1mJob succeeded\x1b[0;m" if end == "success" else "\x1b[31;1mERROR: Job failed: exit code 1\x1b[0;m"
    return (
        "\x1b[0KRunning with gitlab-runner 17.5.3\x1b[0;m\n"
        "section_start:1700000000:step_script\r\x1b[0K\x1b[36;1mExecuting the script\x1b[0;m\n"
        f"\x1b[32;1m$ dataops run {name}\x1b[0;m\n"
        f"loading 25 %\rloading 50 %\rloading 75 %\rloaded 1 204 rows – {name}\n"
        f"section_end:1700000009:step_script\r\x1b[0K{last}\n"
    )


EXAMPLES: Mapping[str, Script] = TypeAdapter(dict[str, Script]).validate_json(
    resources.files(__package__).joinpath("dataops_examples.json").read_bytes()
)
"""By pipeline file: the three that the API's documentation names, and one for each other outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token. `kind` is private (personal, project or group access token), job or trigger.

    `scopes` and `role` (one of `ROLES`) are a private token's; `projects` are the ids where it is valid, None for
    all; `state` is active, revoked or expired.
    """

    value: str = field(repr=False)
    kind: str
    user: str = "sandbox"
    scopes: Sequence[str] = ("api",)
    role: str = "developer"
    projects: Sequence[int] | None = None
    state: str = "active"

    def is_member(self, project: Project) -> bool:
        """Whether its owner belongs to the project."""
        return self.projects is None or project.id in self.projects


API = Token(value="sandbox-private-api", kind="private")
READ = Token(value="sandbox-private-read", kind="private", user="reader", scopes=("read_api",), role="reporter")
JOB = Token(value="sandbox-job-token", kind="job")
TRIGGER = Token(value="sandbox-trigger-token", kind="trigger", projects=(830,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """A pipeline of one job that ended `days` before the sandbox starts."""

    id: int
    job_id: int
    status: str = "success"
    source: str = "schedule"
    days: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A data project: `branches` and `tags` map names to commits.

    `job_token_allowed` says whether jobs of other projects may trigger pipelines here, `variables_allowed` whether a
    trigger may set variables.
    """

    id: int
    path: str
    branches: Mapping[str, str] = field(default_factory=lambda: {"main": MAIN_SHA, "my-feature-branch": "5" * 40})
    tags: Mapping[str, str] = field(default_factory=lambda: {"v1-dev-tag": "7" * 40})
    old: Sequence[Old] = ()
    job_token_allowed: bool = True
    variables_allowed: bool = True

    @property
    def default_branch(self) -> str:
        """The first branch."""
        return next(iter(self.branches))

    def refs(self, ref: str) -> list[str]:
        """The full names of the branches and tags that a ref may mean."""
        names = [f"refs/heads/{name}" for name in self.branches] + [f"refs/tags/{name}" for name in self.tags]
        return [name for name in names if ref in (name, name.split("/", 2)[2])]


def example_projects() -> tuple[Project, ...]:
    """The two documented projects: 830 with the documented pipelines, 49187 with three pages of old ones."""
    known = Old(id=1451, job_id=47217, days=400.0), Old(id=74773, job_id=4325421, status="failed", source="web")
    many = tuple(Old(id=50000 + number, job_id=60000 + number, days=90.0 - number) for number in range(45))
    return Project(id=830, path="airline/flights", old=known), Project(id=49187, path="airline/airports", old=many)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOpsAccount:
    """What DataOps.live holds at the start. The sandbox prints the first project and the first token of each kind.

    Pipeline files that are not among `scripts` do not exist; on plain GitLab the first one is done then. `ranges` is what a log's `Range`
    gets: `ignored` (200, whole), `archived` (206 and 416 once the job is over, as GitLab does) or `honoured` (always). A
    step lasts `step_seconds` by the sandbox's clock; None when it lasts until the pipeline is asked for.
    """

    projects: Sequence[Project] = field(default_factory=example_projects)
    tokens: Sequence[Token] = (API, READ, JOB, TRIGGER)
    scripts: Mapping[str, Script] = field(default_factory=lambda: dict(EXAMPLES))
    plain_gitlab: bool = False
    ranges: str = "archived"
    step_seconds: float | None = None

    def project(self, id_or_path: str) -> Project | None:
        """The project of that id or path, or None."""
        return next((one for one in self.projects if id_or_path in (str(one.id), one.path)), None)

    def token(self, kind: str) -> Token:
        """The first token of a kind. Raises StopIteration where the account has none."""
        return next(one for one in self.tokens if one.kind == kind)

    def exports(self, url: str) -> dict[str, str]:
        """The settings that lead to the sandbox at `url`."""
        return {
            "CIBEACON_DATAOPS_URL": url,
            "CIBEACON_DATAOPS_TOKEN": self.token("private").value,
            "CIBEACON_DATAOPS_TRIGGER_TOKEN": self.token("trigger").value,
            "CIBEACON_DATAOPS_PROJECT": str(self.projects[0].id),
        }
