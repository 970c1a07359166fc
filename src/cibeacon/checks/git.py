"""Checks the checkout: whether git can read it, its commit, its depth, and what a report would compare."""

from __future__ import annotations

from cibeacon.checks import Answer, View, fail, not_checked, ok, warn

_SHORT = 12


def repository(view: View) -> Answer:
    """Whether there is a repository that git can read."""
    git = view.git
    if not git.exists:
        message = "there is no git repository here, so changed services are unknown"
        return warn(message, _sentence(view.system.check_out), str(view.env.cwd))
    if git.fault is None:
        return ok("git can read the repository", source=str(view.env.cwd))
    if "dubious ownership" in git.fault:
        hint = f"Run git config --global --add safe.directory {view.env.cwd}, or install git 2.38 or newer."
        return fail("git refuses to read the repository because another user owns it", hint)
    return fail(f"git cannot read the repository: {git.fault}", "Check out again, in an image that has git.")


def head(view: View) -> Answer:
    """Whether the run's commit is checked out."""
    git, context = view.git, view.context
    expected = {sha for sha in (context.checkout_sha, context.commit_sha) if sha}
    if git.head is None:
        return warn("the repository has no commit yet", "Make a first commit.")
    if any(git.head.startswith(sha) for sha in expected) or not expected:
        return ok(f"{git.head[:_SHORT]} is checked out")
    if len(git.parents) > 1 and expected & set(git.parents):
        return ok(f"{git.head[:_SHORT]} is checked out, a merge of the run's commit")
    if context.about_upstream:
        return ok(f"{git.head[:_SHORT]} is checked out; the run is about another pipeline")
    commit = str(context.checkout_sha or context.commit_sha)[:_SHORT]
    message = f"{git.head[:_SHORT]} is checked out, but the run is about {commit}"
    return warn(message, "Check out the run's commit: services and configuration are read from the checkout.")


def depth(view: View) -> Answer:
    """Whether the clone has enough history for the comparison."""
    git, changes = view.git, view.changes
    if not git.shallow:
        return ok("the clone has its whole history")
    size = f"the clone is shallow ({_count(git.depth, 'commit')})"
    if changes is None or changes.status != "unknown":
        return ok(f"{size}, which is enough for this run")
    if not _is_too_shallow(view):
        return ok(f"{size}, but that is not why the services are unknown (git.range)")
    if view.offline:
        return not_checked(f"{size}, and missing commits are not fetched: {view.offline}")
    return warn(f"{size}, and the commit to compare with could not be fetched", _sentence(view.deepen))


def _is_too_shallow(view: View) -> bool:
    """Whether the services are unknown for lack of history."""
    unknown = view.changes.unknown if view.changes else None
    return unknown is not None and view.deepen in unknown.hint


def commit_range(view: View) -> Answer:
    """What a report would compare."""
    changes = view.changes
    if changes is None:
        return not_checked(view.no_map.why if view.no_map else "there is nothing to compare")
    if changes.status == "unknown" and changes.unknown:
        if view.git.shallow and _is_too_shallow(view):
            return not_checked("the clone is shallow (git.depth)")
        hint = changes.unknown.hint or "Set base and head, or services."
        return warn(f"changed services are unknown: {changes.unknown.why}", _sentence(hint))
    ends = f"{changes.base[:_SHORT]}..{changes.head[:_SHORT]}, " if changes.base and changes.head else ""
    unowned = f", {changes.unmatched:,} of them unowned" if changes.unmatched else ""
    files = f"; {_count(changes.changed_files, 'file')}{unowned}" if changes.changed_files is not None else ""
    return ok(f"{ends}{changes.how or 'as set'}: {_count(len(changes.services), 'service')} changed{files}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
