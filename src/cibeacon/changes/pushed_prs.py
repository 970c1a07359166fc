"""Asks the host which merged pull requests a push holds, commit by commit. Commit messages are never parsed for it.

A merge queue, or a branch that is fast-forwarded, brings several at once: each commit of the branch is accounted for,
or it is said of which nobody knows.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from cibeacon.changes.commit_range import Lineage
from cibeacon.ci.forge_client import ForgeClient
from cibeacon.ci.gitlab import GitLab
from cibeacon.model.changes import PushedPRs
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.runtime.errors import CibeaconError, HostError

MOST_QUESTIONS = 20
"""Commits of one push that the host is asked about. One question is enough for all commits of a pull request."""
_MOST_FAILURES = 2
"""Failed questions in a row, after which nobody is asked any more."""
_MOST_NAMED = 5
_MOST_IN_A_PAYLOAD = 2048


class _Trail(NamedTuple):
    """The commits that a push added to the branch, oldest first."""

    commits: tuple[str, ...]
    whole: bool = True
    """False where it may have added others."""
    linear: bool = True
    """False where commits of the merged branches are among them."""


def find_pushed_prs(context: Context, forge: ForgeClient, lineage: Lineage, *, dry_run: bool) -> PushedPRs:
    """What a push to the default branch merged. A dry run asks nothing; without a token nothing can be asked."""
    push = context.push
    if not push or push.deleted or context.pull_request or not context.on_default_branch:
        return PushedPRs()
    name = "merge request" if context.host == GitLab.name else "pull request"
    if dry_run:
        return PushedPRs(reason=f"{name} unknown: a dry run asks no host; set pr_number and pr_merged")
    if not forge.credential:
        hint = f"set {context.host}_token, or pr_number and pr_merged"
        return PushedPRs(reason=f"{name} unknown: there is no token to ask with; {hint}")
    tip, search = context.checkout_sha or push.after or "", _Search(forge, context.branch)
    found = search.run(_one_piece(push, tip, lineage, search) or _trail(push, tip, lineage))
    if found.reason or found.pull_requests:
        return found
    return found._replace(reason=f"the push belongs to no merged {name}")


def _one_piece(push: Push, tip: str, lineage: Lineage, search: "_Search") -> _Trail | None:
    """The payload's commits, where they are those of one pull request that was rebased: no history need be fetched."""
    listed = push.commits
    if not push.before or not 1 < len(listed) < _MOST_IN_A_PAYLOAD or listed[-1] != tip:
        return None
    try:
        if len(lineage.parents(tip) or ()) != 1:
            return None
        found = search.landed(listed[0], listed)
    except CibeaconError:
        return None  # it is asked again, or known then
    whole = [(each.merge_commit_sha, each.commits) for each in found] == [(tip, len(listed))]
    return _Trail(listed) if whole else None


def _trail(push: Push, tip: str, lineage: Lineage) -> _Trail:
    """By the payload where it lists one commit, else by the commits themselves, else by the payload."""
    before, listed = push.before, push.commits
    if not before or listed == (tip,):
        return _Trail((tip,))
    try:
        if (lineage.parents(tip) or ())[:1] == (before,):
            return _Trail((tip,))
        if found := lineage.first_parents(before, tip):
            return _Trail(found)
    except CibeaconError:
        pass  # what stands in the payload is known nevertheless
    if push.forced:  # where the branch stood is lost, so nobody can say what is new
        return _Trail((tip,))
    if tip in listed:
        return _Trail(listed, whole=len(listed) < _MOST_IN_A_PAYLOAD, linear=False)
    return _Trail((tip,), whole=False)


class _Search:
    """Goes along a trail from its oldest commit. What a pull request brought is passed over, for it is one piece."""

    def __init__(self, forge: ForgeClient, branch: str | None) -> None:
        self._forge, self._branch = forge, branch
        self._trail = _Trail(())
        self._places: dict[str, int] = {}
        self._answers: dict[str, tuple[PullRequest, ...] | HostError] = {}
        self._known: dict[int, PullRequest] = {}
        self._missed: list[str] = []
        self._fault: HostError | None = None
        self._capped = False
        self._from_the_start = False

    def landed(self, sha: str, among: Collection[str]) -> tuple[PullRequest, ...]:
        """What a commit brought, or was a part of. Nobody is asked twice. Raises `HostError`."""
        if sha not in self._answers:
            try:
                self._answers[sha] = self._forge.landed(sha, among, self._known)
            except HostError as error:
                self._answers[sha] = error
        answer = self._answers[sha]
        if isinstance(answer, HostError):
            raise answer
        return answer

    def run(self, trail: _Trail) -> PushedPRs:
        """The pull requests of a trail."""
        self._trail, self._places = trail, {sha: place for place, sha in enumerate(trail.commits)}
        self._answers = {sha: answer for sha, answer in self._answers.items() if self._fits(answer)}
        commits, place, asked, failures = self._trail.commits, 0, 0, 0
        while place < len(commits):
            if asked == MOST_QUESTIONS - 1 and place < len(commits) - 1:
                self._capped = True
                self._missed += commits[place:-1]
                place = len(commits) - 1  # the newest says most
            try:
                after = self._passed(place)
                failures = 0
            except HostError as error:
                self._fault, failures, after = self._fault or error, failures + 1, place + 1
                self._missed.append(commits[place])
            asked, place = asked + 1, after
            if failures == _MOST_FAILURES:
                self._missed += commits[place:]
                break
        return self._landing()

    def _fits(self, answer: tuple[PullRequest, ...] | HostError) -> bool:
        """Whether an answer that was looked for among more commits than these holds for these."""
        return isinstance(answer, HostError) or all(each.merge_commit_sha in self._places for each in answer)

    def _passed(self, place: int) -> int:
        """The next place to ask about, once the commit at this one was. Raises `HostError`."""
        sha = self._trail.commits[place]
        if not self._trail.linear and sha in {each.merge_commit_sha for each in self._known.values()}:
            return place + 1
        found = self.landed(sha, self._places)
        mine = [each for each in found if each.base_ref == self._branch] or found  # it took the others along
        self._known |= {each.number: each for each in mine}
        self._from_the_start |= place == 0 and bool(mine)
        ends = [self._end(each, place) for each in mine]
        return 1 + (min(ends) if ends and self._trail.linear else place)

    def _end(self, pull_request: PullRequest, place: int) -> int:
        """The last place that a pull request takes, of which it has this one. It cannot take more than it has commits."""
        end, most = self._places.get(pull_request.merge_commit_sha or "", place), pull_request.commits
        return max(place, end) if most is None or end < place + most else place

    def _landing(self) -> PushedPRs:
        found = sorted(self._known.values(), key=lambda each: self._places.get(each.merge_commit_sha or "", -1))
        if self._trail.whole and not self._missed:
            return PushedPRs(tuple(found), alone=self._from_the_start and self._to_the_end(found))
        return PushedPRs(tuple(found), "failed", self._unaccounted())

    def _to_the_end(self, found: Sequence[PullRequest]) -> bool:
        """Whether a pull request that holds the oldest commit holds all of them, and there is no other."""
        landed_last = [each.merge_commit_sha for each in found] == [self._trail.commits[-1]]
        return landed_last and self._trail.linear

    def _unaccounted(self) -> str:
        """Which commits nobody was asked about, or did not answer, and why."""
        if self._fault and len(self._trail.commits) == 1 and self._trail.whole:
            return str(self._fault)
        names = ", ".join(sha[:12] for sha in self._missed[:_MOST_NAMED])
        more = len(self._missed) - _MOST_NAMED
        what = f"{len(self._missed)} of the push's commits ({names}{f' and {more} more' if more > 0 else ''})"
        hint = "report what they merged with pr_number, pr_merged, base and head"
        if self._fault:
            return f"{what} were not looked up: {self._fault}"
        if self._capped:
            return f"{what} were not looked up: the host is asked about {MOST_QUESTIONS} commits at most; {hint}"
        return f"the other commits of the push are not known here, so neither is what they merged; {hint}"
