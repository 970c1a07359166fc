"""Knows when the Flow pipelines of a job of Instabase are set, and to which. Does not know what Instabase calls them.

They decide who may see a job's documents, and every statement replaces the one before: nothing is set that nobody named.
"""

from cibeacon.model.signals import FlowAssignment
from cibeacon.signals.plan_input import NotPlanned, PlanInput

NO_PIPELINE = (
    "no Flow pipeline is named: set flow_pipelines; taking all of them from a job is cibeacon flow assign JOB --clear"
)


def again(kind: str, plan_input: PlanInput) -> bool:
    """Whether a post stage tells a kind. The action's has the settings of its main stage, which set the pipelines."""
    return kind != "flow" or plan_input.context.host != "github"


def called_for(plan_input: PlanInput) -> None:
    """Half a configuration is a fault: the step that should have given the job's id may have failed."""
    flow = plan_input.settings.flow
    if not flow.flow_job_id:
        raise NotPlanned("invalid", "the job of Instabase Flow is missing or empty: set flow_job_id")
    if not flow.flow_pipelines:
        raise NotPlanned("invalid", NO_PIPELINE)


def signals(plan_input: PlanInput) -> tuple[FlowAssignment, ...]:
    """The one assignment."""
    flow = plan_input.settings.flow
    return (FlowAssignment(flow.flow_job_id or "", flow.flow_pipelines),)
