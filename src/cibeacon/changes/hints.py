"""Knows what a person does next where commits or a checkout are missing: in the words of the CI system of the run.

Does not know why they are missing.
"""

import re

from cibeacon.model.changes import Unknown
from cibeacon.model.context import Context

_DEEPEN = {
    "github": "check out with the whole history (fetch-depth: 0)",
    "gitlab": 'check out with the whole history (the variable GIT_DEPTH: "0")',
}
_CHECK_OUT = {
    "github": "check out before this step (actions/checkout)",
    "gitlab": "let the job check out (the variable GIT_STRATEGY may be neither none nor empty)",
}
_PART_OF_AN_ID = re.compile(r"[0-9a-f]{4,39}")


def deepen(context: Context) -> str:
    """How the history that is missing gets into the checkout."""
    return _DEEPEN.get(context.host, "fetch the whole history (git fetch --unshallow)")


def check_out(context: Context) -> str:
    """How there is a checkout at all."""
    return _CHECK_OUT.get(context.host, "run inside the repository")


def misnamed(context: Context, revision: str) -> Unknown:
    """Why a revision that a person gave names nothing."""
    why, part = f"{revision[:100]} names no commit in this checkout", _PART_OF_AN_ID.fullmatch(revision)
    if not context.ci:
        name = "id" if part else "name (a branch that was only fetched is origin/NAME)"
        return Unknown(why, f"mend the {name}, or fetch the commit first (git fetch)")
    if part:
        return Unknown(why, "give the commit's whole id: by a part of one nothing can be fetched")
    return Unknown(why, f"mend the name; where it is right, {deepen(context)}")


def no_default_branch(context: Context, what: str) -> Unknown:
    """Why there is nothing to compare a branch with."""
    ask = "" if context.ci else "let git ask for it (git remote set-head origin --auto), or "
    return Unknown(f"the default branch is not known ({what})", f"{ask}give base, such as origin/NAME")
