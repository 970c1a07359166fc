"""Knows what the imaginary Instabase holds before the first request: tokens, contexts, their Flow pipelines and jobs. Does
not know what was sent since.

The ids are those of https://instabase.com/docs/apis/flow-pipeline/ where it shows any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cibeacon.sandbox.safe_json import read_data

READ, EXECUTE, WRITE = "flow_pipeline:read", "flow_pipeline:execute", "flow_pipeline:write"
EVERYTHING = (READ, EXECUTE, "flow_pipeline:delete", "flow_pipeline:manage_pipelines", WRITE)
JOB = "f403399d-7ac7-4285-bb06-f7ad82ddbea2"
"""The documented job, which has no pipeline at first."""
ASSIGNED_JOB = "0b7d3f52-6c1e-4e8a-9a55-3f2d1c0b9a87"
"""A job that has one pipeline at first."""
COMMUNITY = "community"
TOKEN = "sandbox-flow-token"  # noqa: S105 - the sandbox's own


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPipeline:
    """A group of reviewers that a job's documents are routed to; its name need not be the only one of its kind."""

    id: str
    name: str
    permissions: Sequence[str] = EVERYTHING
    is_manager: bool = True

    @property
    def assignable(self) -> bool:
        """Whether the user may set it on a job."""
        return EXECUTE in self.permissions or WRITE in self.permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """An organisation or a user: its pipelines, and its jobs with the ids of the pipelines of each."""

    pipelines: Sequence[FlowPipeline] = ()
    jobs: Mapping[str, Sequence[str]] = field(default_factory=dict)


def example_contexts() -> dict[str, Context]:
    """An organisation with the documented pipelines, two of one name and one that may only be read; and the community."""
    return {
        name: Context(pipelines=[FlowPipeline(**one) for one in each["pipelines"]], jobs=each["jobs"])
        for name, each in read_data("flow_example.json").items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowAccount:
    """What Instabase knows already.

    A request whose `IB-Context` is missing or names none of the contexts is about the `fallback`.

    `listing` is the path that lists; the other one answers a GET with the status `trap`. `stranger` is what a wrong
    token gets: `envelope` (200 and an error in JSON), `401`, or `login` (200 and a page).
    """

    tokens: Sequence[str] = field(default=(TOKEN,), repr=False)
    contexts: Mapping[str, Context] = field(default_factory=example_contexts)
    fallback: str = COMMUNITY
    listing: str = "/flow/pipeline"
    trap: int = 405
    stranger: str = "envelope"

    def exports(self, url: str) -> dict[str, str]:
        """The settings that lead to the sandbox at `url`."""
        return {
            "CIBEACON_FLOW_URL": url,
            "CIBEACON_FLOW_TOKEN": self.tokens[0],
            "CIBEACON_FLOW_CONTEXT": next(iter(self.contexts)),
        }
