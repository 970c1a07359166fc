"""Knows the variables that the Task in integrations/tekton sets for a run. Does not know git.

https://tekton.dev/docs/pipelines/variables/
"""

from cibeacon.ci.mapped_system import MappedSystem


class Tekton(MappedSystem):
    """Tekton Pipelines."""

    name = "tekton"
    title = "Tekton"
    deepen = 'give git-clone depth "0" and refspec "+refs/heads/*:refs/remotes/origin/*"'
    check_out = "give the task the workspace with the repository"
    pipeline_variables = ("TEKTON_NAMESPACE", "TEKTON_PIPELINE")


SYSTEM = Tekton()
