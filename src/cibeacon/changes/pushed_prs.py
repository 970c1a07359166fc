"""Asks the host, commit by commit, which merged pull requests a push contains. Commit messages are never parsed for it.

A merge queue or a fast-forwarded branch brings several at once: every commit of the push is looked up, or the reason
lists those that were not.
"""

from collections.abc import Collection
from typing import NamedTuple

from cibeacon.changes import History
from cibeacon.ci.ci_system import asked_with
from cibeacon.ci.detect import named
from cibeacon.ci.forge_client import ForgeClient
from cibeacon.model.changes import PushedPRs, as_clause
from cibeacon.model.ci_systems import OWN_GITHUB_TOKEN
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.runtime.errors import CibeaconError, HostError

MOST_QUESTIONS = 20
"""Commits of one push to look up. One request is enough for all commits of a pull request."""
_MOST_FAILURES = 2
"""Failed requests in a row after which cibeacon stops asking the host."""
_MOST_NAMED = 5
_MOST_IN_A_PAYLOAD = 2048


class _Trail(NamedTuple):
    """The commits that a push added to the branch, oldest first."""

    commits: tuple[str, ...]
    complete: bool = True
    """False if the push may have added others."""
    linear: bool = True
    """False if they include commits of the merged branches."""


def find_pushed_prs(context: Context, forge: ForgeClient, history: History, *, dry_run: bool) -> PushedPRs:
    """The pull requests that a push to the default branch merged. A dry run, or a run without a token, asks nothing."""
    push = context.push
    if not push or push.deleted or context.pull_request or not context.on_default_branch:
        return PushedPRs()
    name = context.request_noun
    if dry_run:
        return PushedPRs(reason=f"{name} unknown: a dry run does not ask the host; set pr_number and pr_merged")
    if context.host in OWN_GITHUB_TOKEN:
        hint = "report when it is closed (on: pull_request, types: [closed]), or set pr_number and pr_merged"
        return PushedPRs(reason=f"{name} unknown: cibeacon does not ask {named(context.host).title}; {hint}")
    if not forge.credential:
        token = asked_with(context)
        why = (
            f"no token to ask {context.server or 'GitHub or GitLab'}"
            if token
            else f"cibeacon does not ask {context.server}"
        )
        hint = f"set {token}, or pr_number and pr_merged" if token else "set pr_number and pr_merged"
        return PushedPRs(reason=f"{name} unknown: {why}; {hint}")
    tip, search = context.checkout_sha or push.after or "", _Search(forge, context.branch)
    pushed = search.run(_rebased(push, tip, history, search) or _trail(push, tip, history))
    if pushed.reason or pushed.pull_requests:
        return pushed
    return pushed._replace(reason=f"the push does not belong to a merged {name}")


def _rebased(push: Push, tip: str, history: History, search: "_Search") -> _Trail | None:
    """The payload's commits, if they are those of one rebased pull request: then no history has to be fetched."""
    listed = push.commits
    if not push.before or not 1 < len(listed) < _MOST_IN_A_PAYLOAD or listed[-1] != tip:
        return None
    try:
        if len(history.parents(tip) or ()) != 1:
            return None
        pull_requests = search.merged_with(listed[0], listed)
    except CibeaconError:
        return None  # the search tries again
    ends = [(pull_request.merge_commit_sha, pull_request.commits) for pull_request in pull_requests]
    return _Trail(listed) if ends == [(tip, len(listed))] else None


def _trail(push: Push, tip: str, history: History) -> _Trail:
    """The commits of a push: from the payload if it lists one commit, else from git, else from the payload."""
    before, listed = push.before, push.commits
    if not before or listed == (tip,):
        return _Trail((tip,))
    try:
        if (history.parents(tip) or ())[:1] == (before,):
            return _Trail((tip,))
        if commits := history.first_parents(before, tip):
            return _Trail(commits)
    except CibeaconError:
        pass  # use the payload instead
    if push.forced:  # the old tip of the branch is lost, so the new commits are unknown
        return _Trail((tip,))
    if tip in listed:
        return _Trail(listed, complete=len(listed) < _MOST_IN_A_PAYLOAD, linear=False)
    return _Trail((tip,), complete=False)


class _Search:
    """Walks a trail from its oldest commit, and skips the other commits of each pull request that it finds."""

    def __init__(self, forge: ForgeClient, branch: str | None) -> None:
        self._forge, self._branch = forge, branch
        self._trail = _Trail(())
        self._indexes: dict[str, int] = {}
        self._answers: dict[str, tuple[PullRequest, ...] | HostError] = {}
        self._known: dict[int, PullRequest] = {}
        self._missed: list[str] = []
        self._fault: HostError | None = None
        self._capped = False
        self._from_the_start = False

    def merged_with(self, sha: str, among: Collection[str]) -> tuple[PullRequest, ...]:
        """The pull requests that a commit merged or belongs to. Asks only once per commit. Raises `HostError`."""
        if sha not in self._answers:
            try:
                self._answers[sha] = self._forge.merged_prs(sha, among, self._known)
            except HostError as error:
                self._answers[sha] = error
        answer = self._answers[sha]
        if isinstance(answer, HostError):
            raise answer
        return answer

    def run(self, trail: _Trail) -> PushedPRs:
        """The pull requests of a trail."""
        self._trail, self._indexes = trail, {sha: index for index, sha in enumerate(trail.commits)}
        self._answers = {sha: answer for sha, answer in self._answers.items() if self._fits(answer)}
        commits, index, asked, failures = self._trail.commits, 0, 0, 0
        while index < len(commits):
            if asked == MOST_QUESTIONS - 1 and index < len(commits) - 1:
                self._capped = True
                self._missed += commits[index:-1]
                index = len(commits) - 1  # the newest is the most useful one
            try:
                after = self._next_index(index)
                failures = 0
            except HostError as error:
                self._fault, failures, after = self._fault or error, failures + 1, index + 1
                self._missed.append(commits[index])
            asked, index = asked + 1, after
            if failures == _MOST_FAILURES:
                self._missed += commits[index:]
                break
        return self._result()

    def _fits(self, answer: tuple[PullRequest, ...] | HostError) -> bool:
        """Whether an answer for a larger set of commits is also right for these."""
        return isinstance(answer, HostError) or all(each.merge_commit_sha in self._indexes for each in answer)

    def _next_index(self, index: int) -> int:
        """Asks about the commit at an index; returns the next one to ask about. Raises `HostError`."""
        sha = self._trail.commits[index]
        if not self._trail.linear and sha in {each.merge_commit_sha for each in self._known.values()}:
            return index + 1
        pull_requests = self.merged_with(sha, self._indexes)
        own = [
            each for each in pull_requests if each.base_ref == self._branch
        ] or pull_requests  # merging it merged the others as well
        self._known |= {pull_request.number: pull_request for pull_request in own}
        self._from_the_start |= index == 0 and bool(own)
        ends = [self._end(pull_request, index) for pull_request in own]
        return 1 + (min(ends) if ends and self._trail.linear else index)

    def _end(self, pull_request: PullRequest, index: int) -> int:
        """The index of the last commit of a pull request. It cannot have more commits here than it has in total."""
        end, most = self._indexes.get(pull_request.merge_commit_sha or "", index), pull_request.commits
        return max(index, end) if most is None or end < index + most else index

    def _result(self) -> PushedPRs:
        pull_requests = tuple(sorted(self._known.values(), key=self._merged_at))
        if not self._trail.complete or self._missed:
            return PushedPRs(pull_requests, "failed", self._explain_missed())
        one_to_the_end = [each.merge_commit_sha for each in pull_requests] == [self._trail.commits[-1]]
        return PushedPRs(pull_requests, alone=self._from_the_start and self._trail.linear and one_to_the_end)

    def _merged_at(self, pull_request: PullRequest) -> int:
        return self._indexes.get(pull_request.merge_commit_sha or "", -1)

    def _explain_missed(self) -> str:
        """Which commits could not be looked up, and why."""
        if self._fault and len(self._trail.commits) == 1 and self._trail.complete:
            return str(self._fault)
        names = ", ".join(sha[:12] for sha in self._missed[:_MOST_NAMED])
        more = len(self._missed) - _MOST_NAMED
        what = f"{len(self._missed)} of the push's commits ({names}{f' and {more} more' if more > 0 else ''})"
        verb = "was" if len(self._missed) == 1 else "were"
        hint = "report what they merged with pr_number, pr_merged, base and head"
        if self._fault:
            return f"{what} {verb} not looked up: {as_clause(str(self._fault))}"
        if self._capped:
            return f"{what} {verb} not looked up: cibeacon looks up at most {MOST_QUESTIONS} commits; {hint}"
        return f"the other commits of the push are unknown here, and so are the pull requests that they merged; {hint}"
