"""Knows what DX would conclude from what the ledger holds: which merged pull requests it would attribute to each deployment,
in each of its four modes. Does not know HTTP.

The rules: https://help.getdx.com/en/articles/7669458-deployments-api. A deployment takes the pull requests of its
repository that are not deployed yet; one whose services are known (`setPullServices`) counts for those services alone.
Pull requests that DX has not imported yet are not guessed: such a deployment waits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Self, TypeAlias

Record: TypeAlias = Mapping[str, Any]

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
    """Its commits in lower case: the merge commit, the head and all others."""
    github_pull_id: int | None = None

    @classmethod
    def of(cls, record: Record) -> Self:
        """From the ledger's record."""
        shas = (record.get("merge_commit_sha"), record.get("head_sha"), *record.get("commits", ()))
        known = {name: value for name, value in record.items() if name in cls._fields}
        return cls(shas=tuple(filter(None, shas)), **known)

    @property
    def keys(self) -> tuple[str, ...]:
        """Its names in `setPullServices`: `repository#number`, and GitHub's id."""
        by_number = f"{self.repository}#{self.number}"
        return (by_number,) if self.github_pull_id is None else (by_number, str(self.github_pull_id))


class Attribution(NamedTuple):
    """What DX would conclude of a deployment: the rule, the pull requests that it deployed, or why it waits."""

    mode: str
    pulls: tuple[MergedPull, ...] = ()
    waits: str | None = None


def conclusions(
    deployments: Mapping[str, Record],
    pulls: Mapping[str, Record],
    services: Mapping[str, Sequence[str]],
    default_branch: str,
) -> dict[str, Any]:
    """The pull requests by `repository#number` (or GitHub's id), and the attributions by the deployment's reference.

    A pull request: what is known of it, `imported`, its `services` (empty where every service may claim it), and
    `deployed_by`, the references of its deployments. An attribution: the `mode` in words, its
    `pull_requests`, each with `key` and `lead_time` (seconds from the merge to the deployment), and why it `waits`.
    """
    merged = {key: MergedPull.of(record) for key, record in pulls.items()}
    branches = {pull.repository: default_branch for pull in merged.values()}
    branches |= {each["repository"]: each["default_branch"] for each in pulls.values() if "default_branch" in each}
    attributed = attribute(deployments.values(), merged.values(), services, branches)
    attributions, deployed_by = {}, defaultdict[MergedPull, list[str]](list)
    for reference, deployment in deployments.items():
        mode, brought, waits = attributed[reference]
        lead_times = [
            {"key": pull.keys[0], "lead_time": deployment["deployed_at"] - pull.merged_at} for pull in brought
        ]
        attributions[reference] = {"mode": mode, "pull_requests": lead_times, "waits": waits}
        for pull in brought:
            deployed_by[pull].append(reference)
    shown = {key: {"imported": False, "services": list(names), "deployed_by": []} for key, names in services.items()}
    for key, pull in merged.items():
        for own_key in pull.keys:
            shown.pop(own_key, None)
        more = {"services": sorted(_services(pull, services)), "deployed_by": deployed_by[pull]}
        shown[key] = {**pulls[key], "imported": True, **more}
    return {"pull_requests": shown, "attributions": attributions}


def attribute(
    deployments: Iterable[Record],
    pulls: Iterable[MergedPull],
    services: Mapping[str, Sequence[str]],
    default_branches: Mapping[str, str],
) -> dict[str, Attribution]:
    """Each deployment's attribution by its `reference_id`, whatever the order of arrival.

    Args:
        deployments: the ledger's records of them.
        services: of a pull request, by GitHub's id or by `repository#number`; missing where every service may claim it.
        default_branches: by repository; `main` for all others.
    """
    books = _Books(sorted(pulls, key=_order), services, default_branches)
    in_order = sorted(deployments, key=itemgetter("deployed_at", "reference_id"))
    return {deployment["reference_id"]: books.enter(deployment) for deployment in in_order}


class _Books:
    """The pull requests that are not deployed yet."""

    def __init__(
        self, pulls: Sequence[MergedPull], services: Mapping[str, Sequence[str]], default_branches: Mapping[str, str]
    ) -> None:
        self._services = {pull: _services(pull, services) for pull in pulls}
        self._default_branches = default_branches
        self._repositories = {pull.repository for pull in pulls}
        self._open: defaultdict[tuple[str, str, str | None], list[MergedPull]] = defaultdict(list)
        """By repository, branch and service (None: any), in the order of merging."""
        self._by_sha: defaultdict[str, list[MergedPull]] = defaultdict(list)
        """By the first seven digits of a commit."""
        self._integrated: dict[tuple[str | None, str], int] = {}
        """By repository and service: when the pull request of the last deployment was merged."""
        for pull in pulls:
            for service in self._services[pull] or (None,):
                self._open[pull.repository, pull.base_ref, service].append(pull)
            for digits in {sha[:7] for sha in pull.shas}:
                self._by_sha[digits].append(pull)

    def enter(self, deployment: Record) -> Attribution:
        """Attribute the next deployment; its pull requests are deployed then."""
        service, repository = deployment["service"], deployment.get("repository")
        branch, commit = deployment.get("integration_branch"), deployment.get("commit_sha")
        if shas := deployment.get("merge_commit_shas"):
            return self._by_commits(service, repository, shas)
        if commit is None:
            if repository is None or repository not in self._repositories:
                return Attribution(BY_REPOSITORY, waits=REPOSITORY_NOT_IMPORTED)
            default_branch = self._default_branches.get(repository, "main")
            return Attribution(
                BY_REPOSITORY, self._take(service, repository, default_branch, deployment["deployed_at"])
            )
        pull = self._of_commit(repository, commit)
        if pull is None:
            return Attribution(BY_INTEGRATION if branch else BY_COMMIT, waits=COMMIT_NOT_IMPORTED)
        if branch is None:
            return Attribution(BY_COMMIT, self._take(service, pull.repository, pull.base_ref, pull.merged_at))
        since = self._integrated.get((repository, service), -1)
        self._integrated[repository, service] = pull.merged_at
        return Attribution(BY_INTEGRATION, self._take(service, pull.repository, branch, pull.merged_at, since))

    def _by_commits(self, service: str, repository: str | None, shas: Sequence[str]) -> Attribution:
        pulls = dict.fromkeys(self._of_commit(repository, sha) for sha in shas)
        counting = tuple(pull for pull in pulls if pull and service in (self._services[pull] or {service}))
        for pull in counting:
            open_ones = self._open[pull.repository, pull.base_ref, service if self._services[pull] else None]
            if pull in open_ones:
                open_ones.remove(pull)
        return Attribution(BY_COMMITS, counting, COMMITS_NOT_IMPORTED if None in pulls else None)

    def _take(
        self, service: str, repository: str, base_ref: str, until: int, since: int = -1
    ) -> tuple[MergedPull, ...]:
        """Take the open pull requests of a branch that were merged after `since` and by `until`, in the order of merging."""
        taken = []
        for open_ones in (self._open[repository, base_ref, service], self._open[repository, base_ref, None]):
            first, end = (bisect_right(open_ones, time, key=lambda pull: pull.merged_at) for time in (since, until))
            taken += open_ones[first:end]
            del open_ones[first:end]
        return tuple(sorted(taken, key=_order))

    def _of_commit(self, repository: str | None, sha: str) -> MergedPull | None:
        """The pull request of a commit, which may be abbreviated; of several the one that was merged first."""
        sha = sha.lower()
        named = (pull for pull in self._by_sha[sha[:7]] if any(known.startswith(sha) for known in pull.shas))
        return next((pull for pull in named if repository in (None, pull.repository)), None)


def _order(pull: MergedPull) -> tuple[int, int]:
    return (pull.merged_at, pull.number)


def _services(pull: MergedPull, services: Mapping[str, Sequence[str]]) -> set[str]:
    return {name for key in pull.keys for name in services.get(key, ())}
