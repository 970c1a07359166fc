"""Looks up the pipeline that a person named by `run_id`, to close the record that it left open. Knows GitLab's case alone.

GitLab starts nothing after a pipeline that is cancelled, and a runner that dies says nothing: another pipeline tells
how it ended. On GitHub a `workflow_run` event brings all of it along.
"""

from __future__ import annotations

from cibeacon.ci.forge_client import Forge
from cibeacon.model.context import Context
from cibeacon.model.report import Notice
from cibeacon.runtime.errors import guarded


def followed(context: Context, forge: Forge, *, rehearsed: bool) -> tuple[Context, tuple[Notice, ...]]:
    """The run by its id. Its status stays None where nobody says."""
    if rehearsed:
        said = f"a dry run asks nobody how pipeline {context.run_id} stands"
        return context, (Notice("remark", said),)
    return guarded(lambda: (forge.pipeline(context), ()), lambda why: (context, (Notice("trouble", f"{why}."),)))
