"""Looks up the pipeline that a person named by `run_id`, to close the record that it left open. Knows GitLab's case alone.

GitLab starts nothing after a pipeline that is cancelled, and a runner that dies says nothing: another pipeline tells
how it ended. On GitHub a `workflow_run` event brings all of it along.
"""

from __future__ import annotations

from cibeacon.ci.forge_client import ForgeClient
from cibeacon.model.context import Context
from cibeacon.model.report import Notice
from cibeacon.runtime.errors import guarded


def followed(context: Context, forge: ForgeClient, *, dry_run: bool) -> tuple[Context, tuple[Notice, ...]]:
    """The run by its id. Its status stays None where nobody says."""
    if dry_run:
        said = f"a dry run asks nobody how pipeline {context.run_id} stands"
        return context, (Notice("info", said),)
    return guarded(lambda: (forge.pipeline(context), ()), lambda why: (context, (Notice("error", f"{why}."),)))
