"""Works out which services a stretch of history changed: by the clone where it holds both commits, else by the host.

The map is that of the checkout: what a service is today decides what was changed long ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from cibeacon.configuration import configfile
from cibeacon.configuration.repoconfig import REPORTABLE, RepositoryConfig, service_map
from cibeacon.errors import CibeaconError, HostError, SettingsError
from cibeacon.git import trees
from cibeacon.git.log import Log
from cibeacon.process.budget import Budget
from cibeacon.services import configuration
from cibeacon.services.configuration import Configuration
from cibeacon.services.notation import shown
from cibeacon.services.service_map import ServiceMap
from cibeacon.services.template import PLACEHOLDER
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

    def brought(self, stretches: Sequence[Stretch]) -> list[Brought]:
        """An answer for each, in the same order."""
        ...

    def names(self, service: str) -> bool:
        """Whether this is the name of a service."""
        ...


class Fixed:
    """Everything changed the services that a person named."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = tuple(sorted(set(services)))

    def brought(self, stretches: Sequence[Stretch]) -> list[Brought]:
        """The named ones."""
        return [Brought(self._services)] * len(stretches)

    def names(self, service: str) -> bool:
        """No name in the history counts."""
        return False


class Mapped:
    """The service map says what the changed paths mean."""

    def __init__(self, drawn: ServiceMap, log: Log | None) -> None:
        self._map, self._log, self._services = drawn, log, drawn.services()

    def names(self, service: str) -> bool:
        """Whether the map knows a service of this name."""
        return service in self._services

    def brought(self, stretches: Sequence[Stretch]) -> list[Brought]:
        """By one comparison of git's for all that it can compare."""
        here = self._here(stretches)
        pairs = [(str(each.sha), each.base) for each, ours in zip(stretches, here, strict=True) if ours and each.base]
        compared = self._log.touched(pairs) if self._log else iter(())
        return [self._one(each, compared, ours=ours) for each, ours in zip(stretches, here, strict=True)]

    def _here(self, stretches: Sequence[Stretch]) -> list[bool]:
        """Which of them the clone can compare."""
        if self._log is None:
            return [False] * len(stretches)
        shas = dict.fromkeys(sha for each in stretches for sha in (each.sha, each.base) if sha)
        known = {sha for sha, found in zip(shas, self._log.commits(*shas), strict=True) if found}
        return [each.sha in known and (each.base is None or each.base in known) for each in stretches]

    def _one(self, each: Stretch, compared: Iterator[list[str]], *, ours: bool) -> Brought:
        if ours and self._log:
            paths = next(compared) if each.base else self._log.entries(str(each.sha), "--name-only")
            return self._assigned(paths)
        if each.otherwise is None:
            return Brought(unknown="its commits are not in the clone")
        try:
            return self._assigned(each.otherwise())
        except HostError as error:
            return Brought(unknown=f"{error.what} ({error.why})")

    def _assigned(self, paths: Iterable[str]) -> Brought:
        found = self._map.assign(paths)
        for name, reason in found.misnamed.items():
            return Brought(unknown=f"{shown(name)} changed ({reason}) and is no service name")
        return Brought(tuple(found.why))


def teller(settings: Settings, root: Path, log: Log | None, revision: str | None, budget: Budget) -> Teller:
    """Who tells the services here. Raises `CibeaconError` where no map is drawn, or a faulty one."""
    given = settings.change.services
    if given and not any(PLACEHOLDER in name for name in given):
        return Fixed(given)
    found = configfile.in_folder(root, settings.core.config)
    name, read = "", Configuration()
    if found:
        name, read = found[0], configuration.read(configfile.parse(*found), REPORTABLE)
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
        drawn = trees.settled(trees.asking(drawn, budget, trees.checked_out(root)), log, None, revision)
    elif drawn.rules.discover or drawn.rules.everywhere:
        raise CibeaconError(
            "The service map cannot be used", "it looks into a clone, and there is none", "Run inside the checkout."
        )
    return Mapped(drawn, log)
