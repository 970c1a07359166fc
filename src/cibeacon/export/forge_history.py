"""Reads history from GitHub or GitLab; what each commit changed comes from the clone, if it has the commit.

A forge lists entries in no useful order, so a short entry for each merge or deployment is kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from cibeacon.ci.history import Mark, PastMerge
from cibeacon.export.options import ExportOptions, ExportTotals
from cibeacon.export.service_history import Comparison
from cibeacon.git import tag_series
from cibeacon.git.log import CommitLog, LoggedCommit
from cibeacon.runtime.deadline import within
from cibeacon.runtime.errors import CibeaconError, HostError

if TYPE_CHECKING:
    from cibeacon.ci.github_history import GitHubHistory
    from cibeacon.ci.gitlab_history import GitLabHistory

LONGEST = 1800.0
"""Seconds that one request may take, including waits for a rate limit."""
_CHUNK = 100
_MOST_REFUSED = 5
_LATER = "Run again later with --append."
_Answer = TypeVar("_Answer")


class ForgeHistory:
    """A repository on a forge, and its clone if there is one with the whole history."""

    def __init__(self, api: GitHubHistory | GitLabHistory, log: CommitLog | None, options: ExportOptions) -> None:
        self._api, self._log, self._options = api, log, options
        self._merge_commits: set[str] = set()
        self._refused = 0

    def merges(self, totals: ExportTotals) -> Iterator[PastMerge]:
        """The pull requests merged in the window, by the time of the merge."""
        window = self._options.window
        merges = {merged.number: merged for merged in self._list(self._api.merges(window.since))}.values()
        self._merge_commits = {merged.sha for merged in merges if merged.sha}
        in_window = (merged for merged in merges if window.holds(merged.seconds))
        yield from sorted(in_window, key=lambda merged: (merged.seconds, merged.number))

    def comparisons(self, merges: Sequence[PastMerge]) -> list[Comparison]:
        """The commits to compare for each merge."""
        steps = self._steps([merged.sha for merged in merges if merged.sha])
        return [self._merge_comparison(merged, steps.get(merged.sha or "")) for merged in merges]

    def marks(self, totals: ExportTotals) -> list[Mark]:
        """The deployments, releases or tags of the forge, oldest first."""
        if self._options.of == "deployments":
            marks = self._deployments()
        elif self._options.of == "releases":
            marks = list(self._list(self._api.releases()))
        else:
            tags = list(self._list(self._api.tags()))
            times = self._commit_times([sha for _, sha in tags])
            marks = [Mark(name, sha, times[sha], tag_series(name), name=name) for name, sha in tags]
        unique = {mark.ident: mark for mark in marks}
        return sorted(unique.values(), key=lambda mark: (mark.seconds, len(mark.ident), mark.ident))

    def finish(self, mark: Mark) -> Mark | None:
        """A deployment with its result, None if it has none; a release with its commit. May raise `HostError`."""
        if self._options.of == "deployments":
            return self._ask(partial(self._api.finish, mark))
        if mark.sha is None:
            return mark._replace(sha=self._ask(partial(self._api.resolve, mark.ident))[0])
        return mark

    def comparison(self, mark: Mark, base: str | None) -> Comparison:
        """Compares a deployment in the clone, else through the forge."""
        if base is None or mark.sha is None:
            return Comparison(mark.sha, base)
        return Comparison(mark.sha, base, partial(self._ask, partial(self._api.paths_between, base, mark.sha)))

    def _merge_comparison(self, merged: PastMerge, step: LoggedCommit | None) -> Comparison:
        """Compares a merge commit with its first parent, and likewise a single commit that is the whole pull request.

        It is the whole one if its parent is the commit of another pull request; else it may be the last of several that
        were rebased, so the forge is asked.
        """
        ask_files = partial(self._ask, partial(self._api.changed_files, merged.number))
        if step is None or not step.parents:
            return Comparison(None, None, ask_files)
        if len(step.parents) > 1 or merged.squashed or step.parents[0] in self._merge_commits:
            return Comparison(merged.sha, step.parents[0], ask_files)
        try:
            is_single, base = self._ask(partial(self._api.single_commit_or_base, merged.number))
        except HostError:
            return Comparison(None, None, ask_files)  # its error says why
        base = step.parents[0] if is_single else base
        return Comparison(merged.sha if base else None, base, ask_files)

    def _steps(self, shas: Sequence[str]) -> dict[str, LoggedCommit]:
        """The commits that the clone has."""
        if self._log is None:
            return {}
        in_clone = [sha for sha, commit in zip(shas, self._log.commits(*shas), strict=True) if commit]
        return {step.sha: step for step in self._log.commits_by_id(in_clone)}

    def _commit_times(self, shas: Sequence[str]) -> dict[str, int]:
        """The time of each commit: from the clone, and with one request to the forge for each that the clone lacks."""
        times = {sha: step.seconds for sha, step in self._steps(shas).items()}
        for sha in shas:
            if sha not in times:
                times[sha] = self._ask(partial(self._api.resolve, sha))[1]
        return times

    def _deployments(self) -> list[Mark]:
        """The deployments in the window, and older ones until every environment has one to compare with."""
        window, marks = self._options.window, []
        without_base: set[str] = set()
        for mark in self._list(self._api.deployments()):
            if mark.seconds >= window.until:
                continue
            if mark.seconds >= window.since:
                without_base.add(mark.family)
            elif mark.family in without_base:
                finished = self.finish(mark)
                if finished and finished.success:
                    without_base.discard(mark.family)
            elif not without_base:
                break
            marks.append(mark)
        return marks

    def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        """The answer, within a time limit: the libraries limit each wait, but not the whole request.

        A failed request leaves a row out; several in a row end the export.
        """
        try:
            answer = within(LONGEST, question)
        except TimeoutError as error:
            raise CibeaconError("The forge did not answer", "it took more than half an hour", _LATER) from error
        except HostError as error:
            self._refused += 1
            if self._refused >= _MOST_REFUSED:
                raise CibeaconError(error.what, error.why, _LATER) from error
            raise
        self._refused = 0
        return answer

    def _list(self, entries: Iterator[_Answer]) -> Iterator[_Answer]:
        while chunk := self._ask(lambda: list(islice(entries, _CHUNK))):
            yield from chunk
