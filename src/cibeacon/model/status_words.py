"""Knows the words that CI systems use for the status of a run, and what they mean. Does not know the CI systems.

A word with different meanings (`completed`, `none`, `true`, numbers) counts only on a CI system that gives it a meaning;
elsewhere it is rejected rather than guessed.
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
"""Status of a run → words for it, in any case, with or without dashes, blanks or underscores."""
SYSTEM_WORDS: Mapping[str, Mapping[str, str]] = {
    "bamboo": {"true": "failure", "false": "success"},
    "codebuild": {"1": "success", "0": "failure"},
    "harness": {
        **{"true": "success", "false": "failure", "ignorefailed": "success", "passedwithwarning": "success"},
        **{"errored": "failure", "expired": "failure", "approvalrejected": "failure"},
    },
    "tekton": {"completed": "success", "none": "cancelled"},
}
"""CI system → words that have another meaning there, or no meaning elsewhere."""
_EXIT_CODES = frozenset({"bitbucket", "buildkite", "travis"})
"""CI systems whose result is an exit code."""
FINAL = frozenset({"success", "failure", "cancelled", "error"})
NO_END = frozenset({"skipped", "action_required", "stale"})
"""Hosts call these conclusions, but the same run may still continue: they end no record."""
_NEAR = 0.75
"""Minimum similarity, at most 1."""
_LONGEST = 40
_LONGEST_CODE = 10


def _bare(word: str) -> str:
    return word.lower().translate(dict.fromkeys(map(ord, "_- ")))


_STATUSES: Mapping[str, str] = {_bare(word): status for status, words in WORDS.items() for word in words}


def meaning(word: str, host: str = "") -> str | None:
    """The meaning of a word on a CI system: a key of `WORDS`, or None for an unknown word."""
    bare = _bare(word)
    if host in _EXIT_CODES and _is_exit_code(bare):
        return "success" if int(bare) == 0 else "failure"
    return SYSTEM_WORDS.get(host, {}).get(bare) or _STATUSES.get(bare)


def _is_exit_code(bare: str) -> bool:
    return bare.isascii() and bare.isdecimal() and len(bare) <= _LONGEST_CODE


def status(given: str) -> str:
    """The meaning of a word on every CI system."""
    if known := meaning(given):
        return known
    from difflib import get_close_matches  # only a slip needs it

    near = get_close_matches(_bare(given[:_LONGEST]), _STATUSES, 1, _NEAR)
    words = {_bare(word): word for words in WORDS.values() for word in words}
    advice = f"did you mean {words[near[0]]}?" if near else "use success, failure, cancelled, running, error or unknown"
    raise ValueError(f"is not a known status word; {advice}")


def word(given: str) -> str:
    """The meaning of a word; a word with a meaning only on some CI systems is returned unchanged, in lower case."""
    bare = _bare(given)
    if _is_exit_code(bare) or any(bare in words for words in SYSTEM_WORDS.values()):
        return bare
    return status(given)


def recorded(status: str) -> str | None:
    """The status in a run's record, which has no `error`; None if unknown."""
    return {"error": "failure", "unknown": None}.get(status, status)
