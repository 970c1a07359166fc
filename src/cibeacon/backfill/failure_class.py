"""Knows whose fault it is that a row was not told: the row's, the moment's, or the asker's. Does not know rows."""

from __future__ import annotations

from typing import Literal, TypeAlias

from cibeacon.model.outcome import Outcome
from cibeacon.sinks.dx_advice import ADVICE

Blame: TypeAlias = Literal["row", "moment", "asker"]
"""`moment`: later it may go through as it is; `asker`: no row goes through before the token or the address is mended."""

_NOT_IMPORTED = frozenset({"repository_not_found", "repo_not_found", "merge_commit_shas_not_found"})
_NO_SUCH_METHOD = frozenset({404, 405})


def blame(outcome: Outcome) -> Blame | None:
    """Whose fault an outcome is; None where there is none."""
    if outcome.status == "spooled":
        return "moment"
    if outcome.status != "failed":
        return None
    code = (outcome.error or "").partition(":")[0]
    if code in _NOT_IMPORTED:
        return "row"
    if outcome.retryable or (outcome.http_status in _NO_SUCH_METHOD and code not in ADVICE):
        return "asker"
    return "row"
