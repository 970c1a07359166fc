"""Looks up the pipeline that a person named by `run_id`, to close the record that it left open. Knows GitLab's case alone.

GitLab starts nothing after a pipeline that is cancelled, and a runner that dies says nothing: another pipeline tells
how it ended. On GitHub a `workflow_run` event brings all of it along.
"""

from __future__ import annotations

from cibeacon.asking import Forge
from cibeacon.context import UPSTREAM, Context
from cibeacon.errors import HostError
from cibeacon.telling.report import Notice


def followed(context: Context, forge: Forge, *, rehearsed: bool) -> tuple[Context, tuple[Notice, ...]]:
    """The run by its id, with nothing of the run that we are in. Its status is None where nobody says."""
    bare = Context(
        host=context.host,
        server=context.server,
        repository=context.repository,
        event=UPSTREAM,
        default_branch=context.default_branch,
        run_id=context.run_id,
        ci=context.ci,
    )
    if rehearsed:
        said = f"a dry run asks nobody how pipeline {context.run_id} stands"
        return bare, (Notice("remark", said),)
    try:
        return forge.pipeline(bare), ()
    except HostError as error:
        return bare, (Notice("trouble", str(error)),)
