"""Knows the variables that the WorkflowTemplate in integrations/argo sets for a run. Does not know git.

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
    check_out = "pass the repository to the template as an artifact or a volume"
    pipeline_variables = ("ARGO_NAMESPACE", "ARGO_WORKFLOW_TEMPLATE")

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. Newer executors set the workflow's id themselves."""
        return super().read(env)._replace(run_id=env.text("ARGO_WORKFLOW_UID"))


SYSTEM = Argo()
