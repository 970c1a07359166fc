"""Knows what the imaginary DataOps.live holds before the first request: projects, tokens, old pipelines. Does not know what
was started since.

The projects' ids and those of the first pipelines and jobs are the examples of
https://docs.dataops.live/docs/api-docs/rest-api-resources/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cibeacon.sandbox.dataops_script import EXAMPLES, Job, Script

ROLES = ("guest", "reporter", "developer", "maintainer")
MAIN_SHA = "b489ddde5b1b1a4a1e5b1e3d0c9f8a7b6c5d4e3f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token. `kind` is private (personal, project or group access token), job or trigger.

    `scopes` and `role` are a private token's; `projects` are the ids where it is good, None means everywhere; `state` is
    active, revoked or expired.
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
"""A developer's, who is also the owner of the trigger token."""
READ = Token(value="sandbox-private-read", kind="private", user="reader", scopes=("read_api",), role="reporter")
JOB = Token(value="sandbox-job-token", kind="job")
TRIGGER = Token(value="sandbox-trigger-token", kind="trigger", projects=(830,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """A pipeline that is over before the sandbox starts, with one job. `days` is how long ago."""

    id: int
    job_id: int
    status: str = "success"
    ref: str = "main"
    source: str = "schedule"
    days: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A data project: `branches` and `tags` give the commit of each.

    `job_token_allowed` says whether a job of another project may trigger here, and `variables_allowed` whether who
    starts a pipeline may set variables.
    """

    id: int
    path: str
    branches: Mapping[str, str] = field(default_factory=lambda: {"main": MAIN_SHA, "my-feature-branch": "5" * 40})
    tags: Mapping[str, str] = field(default_factory=lambda: {"v1-dev-tag": "7" * 40})
    old: Sequence[Old] = ()
    job_token_allowed: bool = True
    variables_allowed: bool = True


def example_projects() -> tuple[Project, ...]:
    """The two documented ones: 830 with the documented pipelines, 49187 with three pages of old ones."""
    failed = Old(id=74773, job_id=4325421, status="failed", source="web", days=1.0)
    flights = Project(id=830, path="airline/flights", old=(Old(id=1451, job_id=47217, days=400.0), failed))
    many = tuple(Old(id=50000 + number, job_id=60000 + number, days=90.0 - number) for number in range(45))
    return flights, Project(id=49187, path="airline/airports", old=many)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOpsAccount:
    """What DataOps.live knows already. The first project and the first token of each kind are those that it prints.

    Pipeline files that are not among `scripts` do not exist. On plain GitLab a pipeline may do without
    `_PIPELINE_FILE_NAME`, and does what `otherwise` says. `ranges` is what a log's `Range` gets: `ignored` (200, whole),
    `archived` (206 and 416 once the job is over, as GitLab does) or `honoured` (always). A step lasts `step_seconds` by
    the sandbox's clock; None when it lasts until the pipeline is asked for.
    """

    projects: Sequence[Project] = field(default_factory=example_projects)
    tokens: Sequence[Token] = (API, READ, JOB, TRIGGER)
    scripts: Mapping[str, Script] = field(default_factory=lambda: dict(EXAMPLES))
    otherwise: Script = field(default_factory=lambda: Script((Job("build", stage="build"), Job("test"))))
    plain_gitlab: bool = False
    ranges: str = "archived"
    step_seconds: float | None = None

    def project(self, id_or_path: str) -> Project | None:
        """The project of that id or path, if there is one."""
        return next((one for one in self.projects if id_or_path in (str(one.id), one.path)), None)

    def token(self, kind: str) -> Token:
        """The first of that kind. Raises StopIteration when there is none."""
        return next(one for one in self.tokens if one.kind == kind)

    def exports(self, url: str) -> dict[str, str]:
        """The settings that lead to the sandbox at `url`."""
        return {
            "CIBEACON_DATAOPS_URL": url,
            "CIBEACON_DATAOPS_TOKEN": self.token("private").value,
            "CIBEACON_DATAOPS_TRIGGER_TOKEN": self.token("trigger").value,
            "CIBEACON_DATAOPS_PROJECT": str(self.projects[0].id),
        }
