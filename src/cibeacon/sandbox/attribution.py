"""Knows which merged pull requests DX would attribute to each deployment, in each of its four modes. Does not know HTTP.

The rules: https://help.getdx.com/en/articles/7669458-deployments-api. A deployment takes the pull requests of its
repository that are not deployed yet; one whose services are known (`setPullServices`) counts for those services alone.
What DX has not imported yet is not guessed: such a deployment waits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

BY_REPOSITORY = "repository alone: every pull request of the default branch that was merged and not deployed"
BY_COMMIT = "commit and repository: the pull request of the commit, and those before it that were not deployed"
BY_INTEGRATION = "integration branch: what was merged into it since the deployment before"
BY_COMMITS = "merge commits: the pull requests of these commits"
COMMIT_NOT_IMPORTED = "not imported yet: no pull request of this commit is known"
COMMITS_NOT_IMPORTED = "not imported yet: the pull requests of some of these commits are not known"
REPOSITORY_NOT_IMPORTED = "not imported yet: no pull request of this repository is known"


class MergedPull(NamedTuple):
    """A merged pull request, as DX imports it from the repository's host. Times are Unix seconds."""

    repository: str
    number: int
    base_ref: str
    merged_at: int
    shas: tuple[str, ...]
    """The commits that it may be known by, in lower case: its merge commit first, then its head and its own."""
    github_pull_id: int | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """What `setPullServices` may call it: `repository#number`, or GitHub's id."""
        by_number = f"{self.repository}#{self.number}"
        return (by_number,) if self.github_pull_id is None else (by_number, str(self.github_pull_id))


class Deployed(NamedTuple):
    """A deployment, as `deployments.create` described it."""

    reference_id: str
    service: str
    deployed_at: int
    repository: str | None = None
    commit_sha: str | None = None
    merge_commit_shas: tuple[str, ...] = ()
    integration_branch: str | None = None


class Attribution(NamedTuple):
    """What DX would conclude of a deployment: the pull requests that it brought, by which rule, or why it waits."""

    mode: str
    pulls: tuple[MergedPull, ...] = ()
    waits: str | None = None


def attribute(
    deployments: Iterable[Deployed],
    pulls: Iterable[MergedPull],
    services: Mapping[str, Sequence[str]],
    default_branches: Mapping[str, str],
) -> dict[str, Attribution]:
    """Each deployment's attribution by its `reference_id`, whatever the order of arrival.

    Args:
        services: of a pull request, by GitHub's id or by `repository#number`; none where every service may claim it.
        default_branches: by repository; `main` where it is not known.
    """
    books = _Books(sorted(pulls, key=lambda pull: (pull.merged_at, pull.number)), services, default_branches)
    in_order = sorted(deployments, key=lambda deployment: (deployment.deployed_at, deployment.reference_id))
    return {deployment.reference_id: books.enter(deployment) for deployment in in_order}


class _Books:
    """What is deployed so far, and what may still be."""

    def __init__(
        self, pulls: Sequence[MergedPull], services: Mapping[str, Sequence[str]], default_branches: Mapping[str, str]
    ) -> None:
        self._services = {pull: {name for key in pull.keys for name in services.get(key, ())} for pull in pulls}
        self._default_branches = default_branches
        self._repositories = {pull.repository for pull in pulls}
        self._by_sha = sorted((sha, pull.merged_at, pull) for pull in pulls for sha in pull.shas)
        self._deployed: set[tuple[MergedPull, str | None]] = set()
        self._open: defaultdict[tuple[str, str, str | None], deque[MergedPull]] = defaultdict(deque)
        """By repository, branch and service (None: any) what is not deployed, the first to be merged first."""
        self._integrated: dict[tuple[str | None, str], int] = {}
        """When the pull request of the deployment before was merged, by repository and service."""
        for pull in pulls:
            for service in self._services[pull] or (None,):
                self._open[pull.repository, pull.base_ref, service].append(pull)

    def enter(self, deployment: Deployed) -> Attribution:
        """The attribution of the next deployment, whose pull requests then count as deployed."""
        attribution = self._attribution(deployment)
        self._deployed.update(self._entry(pull, deployment.service) for pull in attribution.pulls)
        return attribution

    def _attribution(self, deployment: Deployed) -> Attribution:
        if deployment.merge_commit_shas:
            return self._by_commits(deployment)
        if deployment.commit_sha is None:
            return self._by_repository(deployment)
        mode = BY_INTEGRATION if deployment.integration_branch else BY_COMMIT
        pull = self._of_commit(deployment.repository, deployment.commit_sha)
        if pull is None:
            return Attribution(mode, waits=COMMIT_NOT_IMPORTED)
        if deployment.integration_branch:
            return self._by_integration(deployment, pull, deployment.integration_branch)
        return Attribution(mode, self._taken(deployment.service, pull.repository, pull.base_ref, pull.merged_at))

    def _by_repository(self, deployment: Deployed) -> Attribution:
        if deployment.repository is None or deployment.repository not in self._repositories:
            return Attribution(BY_REPOSITORY, waits=REPOSITORY_NOT_IMPORTED)
        branch = self._default_branches.get(deployment.repository, "main")
        pulls = self._taken(deployment.service, deployment.repository, branch, deployment.deployed_at)
        return Attribution(BY_REPOSITORY, pulls)

    def _by_commits(self, deployment: Deployed) -> Attribution:
        pulls = [self._of_commit(deployment.repository, sha) for sha in deployment.merge_commit_shas]
        counting = (pull for pull in pulls if pull and self._counts_for(pull, deployment.service))
        return Attribution(BY_COMMITS, tuple(dict.fromkeys(counting)), COMMITS_NOT_IMPORTED if None in pulls else None)

    def _by_integration(self, deployment: Deployed, pull: MergedPull, branch: str) -> Attribution:
        """The range ends with the pull request of the commit, and begins behind that of the deployment before."""
        subject = (deployment.repository, deployment.service)
        since, self._integrated[subject] = self._integrated.get(subject, -1), pull.merged_at
        pulls = self._taken(deployment.service, pull.repository, branch, pull.merged_at, since)
        return Attribution(BY_INTEGRATION, pulls)

    def _taken(
        self, service: str, repository: str, base_ref: str, until: int, since: int = -1
    ) -> tuple[MergedPull, ...]:
        """What a service takes of a branch, merged behind `since` and by `until`, the first to be merged first."""
        queues = (self._open[repository, base_ref, service], self._open[repository, base_ref, None])
        pulls = [pull for queue in queues for pull in _next(queue, until, since)]
        new = [pull for pull in pulls if self._entry(pull, service) not in self._deployed]
        return tuple(sorted(new, key=lambda pull: (pull.merged_at, pull.number)))

    def _of_commit(self, repository: str | None, sha: str) -> MergedPull | None:
        """The pull request of a commit, which may be named by its first digits; of several the first to be merged."""
        sha = sha.lower()
        first = bisect_left(self._by_sha, (sha,))
        known = takewhile(
            lambda entry: entry[0].startswith(sha), map(self._by_sha.__getitem__, range(first, len(self._by_sha)))
        )
        matching = [(merged_at, pull) for _, merged_at, pull in known if repository in (None, pull.repository)]
        return min(matching)[1] if matching else None

    def _counts_for(self, pull: MergedPull, service: str) -> bool:
        return not self._services[pull] or service in self._services[pull]

    def _entry(self, pull: MergedPull, service: str) -> tuple[MergedPull, str | None]:
        """A pull request is deployed by service where its services are known, else as a whole."""
        return (pull, service if self._services[pull] else None)


def _next(queue: deque[MergedPull], until: int, since: int) -> Iterator[MergedPull]:
    """Takes from a queue what was merged by `until`; what is not behind `since` stays in it."""
    early = []
    while queue and queue[0].merged_at <= until:
        pull = queue.popleft()
        if pull.merged_at > since:
            yield pull
        else:
            early.append(pull)
    queue.extendleft(reversed(early))
