"""Knows what each kind of token may do, and says before anything is started which one is missing. Asks nobody.

https://docs.gitlab.com/ci/triggers/, https://docs.gitlab.com/ci/jobs/ci_job_token/,
https://docs.dataops.live/docs/api-docs/using-the-rest-api
"""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from cibeacon.dataops.access import PIPELINE_FILE, Access
from cibeacon.dataops.errors import Fault, usage

Power: TypeAlias = Literal["trigger", "read", "list jobs", "change"]

TOKENS: Mapping[str, tuple[frozenset[Power], str]] = {
    "dataops_trigger_token": (frozenset({"trigger"}), "starts pipelines, and does nothing else"),
    "dataops_token": (
        frozenset({"read", "list jobs", "change"}),
        "follows pipelines and reads logs (scope read_api, role Reporter); "
        "cancels and schedules with the scope api and the role Developer",
    ),
    "CI_JOB_TOKEN": (
        frozenset({"trigger", "list jobs"}),
        "starts pipelines of projects that allow it and lists jobs, on its own server; it may not follow a pipeline "
        "or read a log",
    ),
}
"""Which token may do what, and the same in words."""


class Wish(NamedTuple):
    """What a command is about to need."""

    trigger: bool = False
    read: bool = False
    list_jobs: bool = False
    change: bool = False


def held(access: Access) -> Iterator[str]:
    """The names of the tokens that there are."""
    if access.trigger_token:
        yield "dataops_trigger_token"
    if access.token:
        yield "dataops_token"
    if access.job_token:
        yield "CI_JOB_TOKEN"


def granted(access: Access) -> frozenset[Power]:
    """What the tokens that there are may do together."""
    return frozenset[Power]().union(*(TOKENS[name][0] for name in held(access)))


def missing(access: Access, wish: Wish) -> Fault | None:
    """Why this cannot be done with the tokens that there are; None when it can."""
    needs: tuple[tuple[bool, Power, str], ...] = (
        (wish.trigger, "trigger", "To start a pipeline, set the secret dataops_trigger_token (Settings, CI/CD)"),
        (wish.read, "read", "To follow a pipeline or to read it, set the secret dataops_token (read_api)"),
        (wish.list_jobs, "list jobs", "To list jobs, set the secret dataops_token (read_api)"),
        (wish.change, "change", "To cancel or schedule a pipeline, set the secret dataops_token (api)"),
    )
    may = granted(access)
    wanting = [advice for wished, power, advice in needs if wished and power not in may]
    if not wanting:
        return None
    there = [f"{name} {TOKENS[name][1]}" for name in held(access)]
    why = f"there is only a token that cannot do it: {'; '.join(there)}" if there else "there is no token for it"
    return usage("Nothing was asked or started", why, ". ".join(wanting))


def trigger_token(access: Access) -> str:
    """The token that a trigger carries: its own kind first."""
    return access.trigger_token or access.job_token


def doubts(access: Access, ref: str, variables: Mapping[str, str]) -> Iterator[str]:
    """What is likely to go wrong with a trigger, and is not certain."""
    file = variables.get(PIPELINE_FILE)
    if file and not file.endswith("-ci.yml"):
        yield f"the pipeline file {file} does not end with -ci.yml, as those of DataOps.live do"
    if 7 <= len(ref) <= 40 and all(character in "0123456789abcdef" for character in ref):
        yield f"the ref {ref} looks like a commit; the server starts pipelines of branches and tags only"


def impossible(access: Access, ref: str, variables: Mapping[str, str]) -> Fault | None:
    """What cannot be right about a trigger, whoever is asked."""
    if not ref:
        return usage("No pipeline was started", "no branch or tag is named", "Set dataops_ref")
    if access.own and not variables.get(PIPELINE_FILE):
        return usage(
            "No pipeline was started",
            "DataOps.live needs the path of the pipeline file",
            "Set dataops_pipeline_file, such as full-ci.yml",
        )
    return None
