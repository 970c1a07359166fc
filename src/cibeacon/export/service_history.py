"""Determines which services a comparison changed: from the clone if it has both commits, else from the forge's list of paths.

The rules are those of the checkout, applied to the tree of each commit: today's services do not decide what existed long ago.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from cibeacon.changes.repository_config import REPORTABLE, RepositoryConfig, committed, service_map
from cibeacon.git.log import ChangedPaths, CommitLog
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CibeaconError, HostError, ServiceMapError, SettingsError
from cibeacon.services import PLACEHOLDER, config_file, discovery, schema, shown
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Settings


class HistoricServices(NamedTuple):
    """The services that something changed, or why they are unknown."""

    services: tuple[str, ...] = ()
    unknown: str | None = None


class Comparison(NamedTuple):
    """Two commits."""

    sha: str | None
    base: str | None
    """None: there is no earlier commit, so everything is new."""
    ask_paths: Callable[[], Sequence[str]] | None = None
    """Asks the forge for the changed paths; may raise `HostError`."""


class NamedServices:
    """The services that the setting lists, for every comparison."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = tuple(sorted(set(services)))

    def changes(self, comparisons: Sequence[Comparison], *, only_existing: bool = False) -> list[HistoricServices]:
        """The listed services for each comparison."""
        return [HistoricServices(self._services)] * len(comparisons)

    def names_at(self, commit: str | None) -> Collection[str]:
        """Empty: names from the history do not count."""
        return ()

    def ever(self, names: Collection[str]) -> set[str]:
        """Empty, as above."""
        return set()


class MappedServices:
    """The services that a map finds for the changed paths.

    Args:
        rules: the map, which is applied to the tree of each commit.
        revision: the branch in the clone; None without a clone.
    """

    def __init__(self, rules: ServiceMap, log: CommitLog | None, revision: str | None) -> None:
        self._rules, self._log, self._revision = rules, log, revision
        self.today = discovery.discover_services(rules, log, None, revision) if log and revision else rules
        """The map with the services at the tip of the branch."""
        self._names: dict[str | None, Collection[str]] = {None: self.today.services()}

    def names_at(self, commit: str | None) -> Collection[str]:
        """The services in a commit's tree; today's without a commit, or if the clone lacks it."""
        if commit not in self._names:
            in_clone = commit and self._log and self._log.commit(commit)
            self._names[commit] = (self._map(None, commit) if commit and in_clone else self.today).services()
        return self._names[commit]

    def ever(self, names: Collection[str]) -> set[str]:
        """The names that were a service at any time, according to all paths in the branch's history."""
        if not names or not self._log or not self._revision:
            return set()
        everywhere = self.today.with_rules(choose=None)
        pairs = [(step.sha, next(iter(step.parents), None)) for step in self._log.mainline(self._revision)]
        paths = (path for touched in self._log.changed_paths(pairs) for path in touched.paths)
        return {*names} & everywhere.assign(paths).why.keys()

    def changes(self, comparisons: Sequence[Comparison], *, only_existing: bool = False) -> list[HistoricServices]:
        """The services that each comparison changed; with `only_existing` only those that still exist after it."""
        in_clone = self._in_clone(comparisons)
        pairs = [
            (str(pair.sha), pair.base)
            for pair, is_here in zip(comparisons, in_clone, strict=True)
            if is_here and pair.base
        ]
        diffs = self._log.changed_paths(pairs) if self._log else iter(())
        return [
            self._changes(pair, diffs, only_existing=only_existing) if is_here else self._changes_of_forge(pair)
            for pair, is_here in zip(comparisons, in_clone, strict=True)
        ]

    def _in_clone(self, comparisons: Sequence[Comparison]) -> list[bool]:
        """For each of them, whether the clone has both commits."""
        if self._log is None:
            return [False] * len(comparisons)
        shas = dict.fromkeys(sha for pair in comparisons for sha in (pair.sha, pair.base) if sha)
        known = {sha for sha, commit in zip(shas, self._log.commits(*shas), strict=True) if commit}
        return [pair.sha in known and (pair.base is None or pair.base in known) for pair in comparisons]

    def _map(self, base: str | None, commit: str) -> ServiceMap:
        """The map for two commits, one of which may be missing."""
        if self._log is None:
            return self.today
        try:
            return discovery.discover_services(self._rules, self._log, base, commit)
        except (ServiceMapError, SettingsError):  # an old tree may lack a file of the rules
            return self.today

    def _changes(self, pair: Comparison, diffs: Iterator[ChangedPaths], *, only_existing: bool) -> HistoricServices:
        commit = str(pair.sha)
        services = self._map(pair.base, commit) if self._rules.rules.discover else self.today
        if pair.base is None:
            return _assign(services, self._log.entries(commit, "--name-only") if self._log else ())
        diff = next(diffs)
        changes = _assign(services, diff.paths)
        if not only_existing or len(diff.remaining) == len(diff.paths):
            return changes
        has_files = services.assign(diff.remaining).why
        existing = (name for name in changes.services if name in has_files or name in self.names_at(commit))
        return changes._replace(services=tuple(existing))

    def _changes_of_forge(self, pair: Comparison) -> HistoricServices:
        if pair.ask_paths is None:
            return HistoricServices(unknown="its commits are not in the clone")
        try:
            return _assign(self.today, pair.ask_paths())
        except HostError as error:
            return HistoricServices(unknown=f"{error.what} ({error.why})")


ServiceHistory: TypeAlias = NamedServices | MappedServices


def _assign(services: ServiceMap, paths: Iterable[str]) -> HistoricServices:
    assigned = services.assign(paths)
    for name, reason in assigned.misnamed.items():
        return HistoricServices(unknown=f"{shown(name)} changed ({reason}) and is not a valid service name")
    return HistoricServices(tuple(assigned.why))


def open_service_history(
    settings: Settings, root: Path, log: CommitLog | None, revision: str | None, deadline: Deadline, *, gitlab: bool
) -> ServiceHistory:
    """The services of a repository. Raises `CibeaconError` if there is no map, or it is invalid or finds no service.

    `gitlab`: whether CODEOWNERS is read by GitLab's rules.
    """
    named = settings.change.services
    if named and not any(PLACEHOLDER in name for name in named):
        return NamedServices(named)
    config = RepositoryConfig()
    if file := config_file.of_checkout(root, settings.core.config, lambda path: committed(log, path) if log else None):
        name, content = file
        config = RepositoryConfig(schema.read(config_file.parse(name, content), REPORTABLE), name)
    rules, fault = service_map(named, config)
    if fault:
        raise SettingsError("The service map cannot be used", fault, "Correct it.")
    if rules is None:
        raise SettingsError(
            "The services are unknown",
            "there is no .cibeacon.yml here",
            "Run cibeacon init to write one, or set --services to names or a template such as services/{service}/.",
        )
    if log and revision:
        rules = _with_jq_cache(discovery.with_tools(rules, deadline, discovery.checkout_reader(root), gitlab=gitlab))
    elif rules.rules.discover or rules.rules.everywhere:
        raise CibeaconError(
            "The service map cannot be used", "it needs a clone, and there is none", "Run cibeacon inside the checkout."
        )
    services = MappedServices(rules, log, revision)
    if services.today.is_empty():
        raise SettingsError(
            "The service map finds no service",
            f"it looked for {services.today.searched or 'nothing'}",
            "Correct the rule or list services; cibeacon services check shows which rules match nothing.",
        )
    return services


def _with_jq_cache(rules: ServiceMap) -> ServiceMap:
    """The map with cached jq results for the documents of the previous commits, because each run is a process."""
    if not rules.rules.discover:
        return rules
    tools = rules.rules.tools

    @lru_cache(maxsize=8)
    def run_cached(program: str, document: str) -> list[Any]:
        answer: list[Any] = tools.jq(program, json.loads(document))
        return answer

    def run(program: str, value: Any) -> list[Any]:
        try:
            return run_cached(program, json.dumps(value))
        except (TypeError, ValueError, RecursionError):  # not JSON: jq's own error is the clearest
            return tools.jq(program, value)  # type: ignore[no-any-return]

    return rules.with_rules(tools=tools._replace(jq=run))
