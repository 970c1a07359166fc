"""Knows what a pipeline will do: its jobs, how many steps each waits and runs, how it ends, what its log says. Does not know
what has happened already.

The words of states: https://docs.gitlab.com/api/pipelines/ and https://docs.gitlab.com/api/jobs/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field

from pydantic import Base64Bytes

_PIECE = 256 * 1024
LASTING = 10
"""Steps after which the log of a job that runs for ever is whole."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log: `content` over and over until there are `size` bytes of it; once when no size is given."""

    content: Base64Bytes = field(repr=False)
    size: int = -1

    def __len__(self) -> int:
        return len(self.content) if self.size < 0 else self.size

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to `end`; never more than some hundred kilobytes at once."""
        unit = len(self.content)
        block = self.content * (_PIECE // unit + 1) if unit else b""
        while start < end:
            piece = block[start % unit :][: end - start]
            yield piece
            start += len(piece)


@dataclass(frozen=True, slots=True)
class Job:
    """A job, or with `child` a trigger job that starts another pipeline (a bridge). Times are steps; None is for ever.

    `ends` holds the end of each attempt (success, failed, canceled, skipped), the last one that of all later ones too;
    `retries` is how often the server itself tries again. A `manual` job waits for `play`, and the pipeline with it,
    unless it may fail. With `depend` the bridge ends as the child does, else when the child was made.
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
        """How an attempt ends, counted from 0."""
        return self.ends[min(attempt, len(self.ends) - 1)]

    def log_of(self, attempt: int) -> Log:
        """What an attempt logs."""
        if isinstance(self.log, Log):
            return self.log
        return Log((_runner_log(self.name, self.end(attempt)) if self.log is None else self.log).encode())


@dataclass(frozen=True, slots=True)
class Script:
    """A pipeline. Its stages follow each other as the jobs name them first; one that fails skips the later ones.

    The pipeline's status follows from its jobs', unless `statuses` gives it: one a step, and the last stays. After a
    cancel the jobs are `canceling` for that many steps.
    """

    jobs: Sequence[Job] = ()
    _: KW_ONLY
    statuses: Sequence[str] = ()
    canceling: int = 0


def _runner_log(name: str, end: str) -> str:
    """A log as a runner writes it: sections, colours, carriage returns, and an end."""
    last = "\x1b[32;1mJob succeeded\x1b[0;m" if end == "success" else "\x1b[31;1mERROR: Job failed: exit code 1\x1b[0;m"
    return (
        "\x1b[0KRunning with gitlab-runner 17.5.3\x1b[0;m\n"
        "section_start:1700000000:step_script\r\x1b[0K\x1b[36;1mExecuting the script\x1b[0;m\n"
        f"\x1b[32;1m$ dataops run {name}\x1b[0;m\n"
        + "".join(f"loading {share} %\r" for share in (25, 50, 75))
        + f"loaded 1 204 rows – {name}\n"
        f"section_end:1700000009:step_script\r\x1b[0K{last}\n"
    )


_WELL = (
    Job("Load Secrets", stage="Pipeline Initialisation", pending=2, running=1),
    Job("Ingest Flights", stage="Batch Ingestion", running=3),
    Job("Ingest Airports", stage="Batch Ingestion", running=2),
    Job("Build all Models", stage="Data Transformation", running=3),
)
_FAILED_ONCE = Job("Build all Models", stage="Data Transformation", ends=("failed", "success"))
_DOWNSTREAM = Job("Downstream", stage="Trigger", child=Script((Job("Test all Models", ends=("failed",)),)))
_WARNED = Job("Check Freshness", stage="Tests", ends=("failed",), allow_failure=True)
_MANUAL = (Job("Approve", stage="Approval", manual=True), Job("Publish", stage="Publish"))
EXAMPLES: Mapping[str, Script] = {
    "full-ci.yml": Script(_WELL),
    "new-ci.yml": Script((*_WELL[:3], _FAILED_ONCE)),
    "other-pipelines/pipe1-ci.yml": Script((_WELL[0], _DOWNSTREAM)),
    "warnings-ci.yml": Script((*_WELL, _WARNED)),
    "manual-ci.yml": Script((*_WELL[:2], *_MANUAL)),
    "stuck-ci.yml": Script((Job("Waits for a runner", pending=None),)),
    "canceled-ci.yml": Script((Job("Ingest Flights", ends=("canceled",)),)),
    "skipped-ci.yml": Script(statuses=("skipped",)),
}
"""By pipeline file: the three that the API's documentation names, and one for every other way to end, or not to."""
