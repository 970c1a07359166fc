"""Knows the words that CI systems have for the status of a run, and what each means. Does not know the CI systems.

A word that means one thing here and another there (`completed`, `none`, `true`, numbers) is not known: it is refused
rather than guessed.
"""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, ...]] = {
    "success": ("success", "succeeded", "succeeded_with_issues", "passed", "pass", "ok", "neutral"),
    "failure": (
        *("failure", "failed", "fail", "broken", "unstable", "terminal", "internal_error", "startup_failure"),
        *("timed_out", "timeout"),
    ),
    "cancelled": ("cancelled", "canceled", "aborted", "stopped", "killed", "not_built"),
    "error": ("error",),
    "running": (
        *("running", "in_progress", "queued", "pending", "created", "preparing", "waiting_for_resource"),
        *("scheduled", "manual", "canceling"),
    ),
    "skipped": ("skipped",),
    "action_required": ("action_required",),
    "stale": ("stale",),
    "unknown": ("unknown",),
}
"""What a run's status is → the words for it, in any case, with or without dashes, blanks or underscores."""
FINAL = frozenset({"success", "failure", "cancelled", "error"})
NO_END = frozenset({"skipped", "action_required", "stale"})
"""Hosts call these conclusions, and the same run may still go on: they end no record."""
_NEAR = 0.75
"""Likeness, of 1."""
_LONGEST = 40


def _bare(word: str) -> str:
    return word.lower().translate(dict.fromkeys(map(ord, "_- ")))


_STATUSES: Mapping[str, str] = {_bare(word): status for status, words in WORDS.items() for word in words}


def meaning(word: str) -> str | None:
    """The status that a word stands for: a key of `WORDS`, or None for a word that is not known."""
    return _STATUSES.get(_bare(word))


def status(given: str) -> str:
    """The status that a setting gives in any system's words."""
    if known := meaning(given):
        return known
    from difflib import get_close_matches  # only a slip needs it

    near = get_close_matches(_bare(given[:_LONGEST]), _STATUSES, 1, _NEAR)
    words = {_bare(word): word for words in WORDS.values() for word in words}
    advice = f"did you mean {words[near[0]]}?" if near else "say success, failure, cancelled, running, error or unknown"
    raise ValueError(f"is no known status word; {advice}")


def recorded(status: str) -> str | None:
    """The status in a run's record, which has no `error` of its own; None where it is unknown."""
    return {"error": "failure", "unknown": None}.get(status, status)
