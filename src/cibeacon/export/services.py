"""Works out which services a stretch of history changed: by the clone where it holds both commits, else by the host.

The rules are those of the checkout, and the services those that they find in the trees of each commit: what is there
today does not decide what was there long ago.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cibeacon.changes.repository_config import REPORTABLE, RepositoryConfig, committed, service_map
from cibeacon.git.log import Log, Touched
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CibeaconError, HostError, ServiceMapError, SettingsError
from cibeacon.services import config_file, discovery, schema
from cibeacon.services.findings import shown
from cibeacon.services.rules import PLACEHOLDER
from cibeacon.services.schema import Configuration
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Settings


class Brought(NamedTuple):
    """The services that something changed; or why that cannot be told."""

    services: tuple[str, ...] = ()
    unknown: str | None = None


class Stretch(NamedTuple):
    """What is compared."""

    sha: str | None
    base: str | None
    """None: nothing came before, so everything that is there is new."""
    otherwise: Callable[[], Sequence[str]] | None = None
    """Asks somebody else for the changed paths; may raise `HostError`."""


class Teller(Protocol):
    """Who knows what a stretch of history changed."""

    def brought(self, stretches: Sequence[Stretch], *, standing: bool = False) -> list[Brought]:
        """An answer for each, in the same order; with `standing` only services that are still there at the end of it."""
        ...

    def names(self, commit: str | None = None) -> Collection[str]:
        """The services of a commit's tree, as far as the clone has it; without one those of today."""
        ...

    def ever(self, services: Collection[str]) -> set[str]:
        """Those of these names that were a service at any time."""
        ...


class Fixed:
    """Everything changed the services that a person named."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = tuple(sorted(set(services)))

    def brought(self, stretches: Sequence[Stretch], *, standing: bool = False) -> list[Brought]:
        """The named ones."""
        del standing
        return [Brought(self._services)] * len(stretches)

    def names(self, commit: str | None = None) -> Collection[str]:
        """No name in the history counts."""
        del commit
        return ()

    def ever(self, services: Collection[str]) -> set[str]:
        """None of them."""
        del services
        return set()


class Mapped:
    """The service map says what the changed paths mean.

    Args:
        drawn: the map, which looks into the trees of each commit for itself.
        revision: the branch in the clone; None where there is none.
    """

    def __init__(self, drawn: ServiceMap, log: Log | None, revision: str | None) -> None:
        self._drawn, self._log, self._revision = drawn, log, revision
        self.today = discovery.discover_services(drawn, log, None, revision) if log and revision else drawn
        """The map as it finds services at the end of the branch."""
        self._names: dict[str | None, Collection[str]] = {None: self.today.services()}

    def names(self, commit: str | None = None) -> Collection[str]:
        """By the map that is drawn on the commit's own tree; where it cannot be drawn there, those of today."""
        if commit not in self._names:
            own = self._map(None, commit) if commit and self._log and self._log.commit(commit) else self.today
            self._names[commit] = own.services()
        return self._names[commit]

    def ever(self, services: Collection[str]) -> set[str]:
        """By every path that the branch ever had."""
        if not services or not self._log or not self._revision:
            return set()
        everywhere = self.today.with_rules(choose=None)
        pairs = [(each.sha, next(iter(each.parents), None)) for each in self._log.mainline(self._revision)]
        paths = (path for each in self._log.touched(pairs) for path in each.paths)
        return {*services} & everywhere.assign(paths).why.keys()

    def brought(self, stretches: Sequence[Stretch], *, standing: bool = False) -> list[Brought]:
        """By one comparison of git's for all that it can compare."""
        here = self._here(stretches)
        pairs = [(str(each.sha), each.base) for each, ours in zip(stretches, here, strict=True) if ours and each.base]
        compared = self._log.touched(pairs) if self._log else iter(())
        return [
            self._compared(each, compared, standing=standing) if ours else self._told(each)
            for each, ours in zip(stretches, here, strict=True)
        ]

    def _here(self, stretches: Sequence[Stretch]) -> list[bool]:
        """Which of them the clone can compare."""
        if self._log is None:
            return [False] * len(stretches)
        shas = dict.fromkeys(sha for each in stretches for sha in (each.sha, each.base) if sha)
        known = {sha for sha, found in zip(shas, self._log.commits(*shas), strict=True) if found}
        return [each.sha in known and (each.base is None or each.base in known) for each in stretches]

    def _map(self, base: str | None, commit: str) -> ServiceMap:
        """The map for two commits, of which one may be missing. What templates find, they find in any path."""
        if self._log is None:
            return self.today
        try:
            return discovery.discover_services(self._drawn, self._log, base, commit)
        except (ServiceMapError, SettingsError):  # as where an old tree lacks a file that the rules name
            return self.today

    def _compared(self, each: Stretch, compared: Iterator[Touched], *, standing: bool) -> Brought:
        commit = str(each.sha)
        drawn = self._map(each.base, commit) if self._drawn.rules.discover else self.today
        if each.base is None:
            paths = self._log.entries(commit, "--name-only") if self._log else ()
            return _assigned(drawn, paths)
        touched = next(compared)
        brought = _assigned(drawn, touched.paths)
        if standing and len(touched.kept) < len(touched.paths):
            alive = drawn.assign(touched.kept).why
            left = tuple(name for name in brought.services if name in alive or name in self.names(commit))
            brought = brought._replace(services=left)
        return brought

    def _told(self, each: Stretch) -> Brought:
        """As somebody else tells the paths."""
        if each.otherwise is None:
            return Brought(unknown="its commits are not in the clone")
        try:
            return _assigned(self.today, each.otherwise())
        except HostError as error:
            return Brought(unknown=f"{error.what} ({error.why})")


def _assigned(drawn: ServiceMap, paths: Iterable[str]) -> Brought:
    found = drawn.assign(paths)
    for name, reason in found.misnamed.items():
        return Brought(unknown=f"{shown(name)} changed ({reason}) and is no service name")
    return Brought(tuple(found.why))


def teller(
    settings: Settings, root: Path, log: Log | None, revision: str | None, deadline: Deadline, *, gitlab: bool
) -> Teller:
    """Who tells the services here. Raises `CibeaconError` where no map is drawn, a faulty one, or one without a service.

    `gitlab`: GitLab reads the CODEOWNERS.
    """
    given = settings.change.services
    if given and not any(PLACEHOLDER in name for name in given):
        return Fixed(given)
    found = config_file.of_checkout(root, settings.core.config, lambda path: committed(log, path) if log else None)
    name, read = "", Configuration()
    if found:
        name, read = found[0], schema.read(config_file.parse(*found), REPORTABLE)
    drawn, fault = service_map(given, RepositoryConfig(read, name))
    if fault:
        raise SettingsError("The service map cannot be used", fault, "Mend it.")
    if drawn is None:
        raise SettingsError(
            "Nothing says what the services are",
            "there is no .cibeacon.yml here",
            "Give --services with their names or a template such as services/{service}/.",
        )
    if log and revision:
        drawn = _remembering(discovery.with_tools(drawn, deadline, discovery.checkout_reader(root), gitlab=gitlab))
    elif drawn.rules.discover or drawn.rules.everywhere:
        raise CibeaconError(
            "The service map cannot be used", "it looks into a clone, and there is none", "Run inside the checkout."
        )
    told = Mapped(drawn, log, revision)
    if told.today.is_empty():
        raise SettingsError(
            "The service map finds no service",
            f"looked for: {told.today.searched or 'nothing'}",
            "Mend the rule, or name services; cibeacon services check shows what leads nowhere.",
        )
    return told


def _remembering(drawn: ServiceMap) -> ServiceMap:
    """The map, whose programs are not run again for the very documents of the commit before: each run is a process."""
    if not drawn.rules.discover:
        return drawn
    tools = drawn.rules.tools

    @lru_cache(maxsize=8)
    def told(program: str, value: str) -> list[Any]:
        found: list[Any] = tools.jq(program, json.loads(value))
        return found

    def jq(program: str, value: Any) -> list[Any]:
        try:
            return told(program, json.dumps(value))
        except (TypeError, ValueError, RecursionError):  # no JSON, which the door to jq says best
            return tools.jq(program, value)  # type: ignore[no-any-return]

    return drawn.with_rules(tools=tools._replace(jq=jq))
