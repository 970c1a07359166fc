"""Knows what the WorkflowTemplate in integrations/argo says of a run. Does not know git.

https://argo-workflows.readthedocs.io/en/latest/variables/
"""

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.mapped_system import MappedSystem
from cibeacon.model.context import Context


class Argo(MappedSystem):
    """Argo Workflows."""

    name = "argo"
    title = "Argo Workflows"
    deepen = "clone the whole history (a git artifact without depth)"
    check_out = "give the template the repository as an artifact or a volume"
    pipeline_variables = ("ARGO_NAMESPACE", "ARGO_WORKFLOW_TEMPLATE")

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. Newer executors name the workflow themselves."""
        return super().read(env)._replace(run_id=env.text("ARGO_WORKFLOW_UID"))


SYSTEM = Argo()
