"""Looks at the service map itself, for `services list`, `which` and `check`: what it says, and what is wrong with it.

The map is the one in the checkout, and the repository is as the commit that is checked out has it.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cibeacon.configuration import configfile, configlines
from cibeacon.configuration.repoconfig import REPORTABLE, RepositoryConfig, service_map
from cibeacon.errors import CibeaconError, ServiceMapError
from cibeacon.git import trees
from cibeacon.git.repository import Repository, toplevel
from cibeacon.process.budget import Budget
from cibeacon.process.world import World
from cibeacon.services import atlas, configuration
from cibeacon.services.atlas import Listed, Which
from cibeacon.services.configuration import Configuration
from cibeacon.services.notation import Finding
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import settle


class Located(NamedTuple):
    """A finding in the configuration file."""

    file: str
    line: int
    weight: Literal["fault", "warning"]
    text: str

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return self._asdict()


class Inspection(NamedTuple):
    """The service map as far as it can be told."""

    name: str
    """The configuration file; empty where there is none."""
    root: Path
    service_map: ServiceMap | None = None
    """None where a fault leaves none, or none is drawn."""
    services: tuple[Listed, ...] = ()
    findings: tuple[Located, ...] = ()

    @property
    def faulty(self) -> bool:
        """True when something must be mended."""
        return any(each.weight == "fault" for each in self.findings)

    def which(self, path: str) -> Which:
        """What the map says of a path from the top of the repository."""
        known = {each.name: each for each in self.services}
        return atlas.which(self.service_map or ServiceMap({}), known, path)


def inspected(world: World, flags: Mapping[str, str], *, against_files: bool = False) -> Inspection:
    """The map; with `against_files` also what in it leads nowhere in the repository."""
    given = settle(flags, world.environ, {}).core.config
    root = toplevel(world.cwd)
    try:
        found = configfile.in_folder(root, given)
    except ServiceMapError as error:
        return Inspection(given or "", root, findings=(_unplaced(given or "", error),))
    name, content = found or ("", b"")
    known = configlines.lines(name, content) if found else configlines.Lines({})
    try:
        read = configuration.read(configfile.lenient(name, content)[0], REPORTABLE) if found else Configuration()
        looked = _looked(world, flags, RepositoryConfig(read, name), root, against_files=against_files)
    except CibeaconError as error:
        return Inspection(name, root, findings=(*_twice(name, known), _unplaced(name, error)))
    findings = [*_twice(name, known), *_located(name, known, [*read.findings, *looked.findings])]
    findings.sort(key=lambda each: each.line)
    return Inspection(name, root, looked.service_map, looked.services, tuple(findings))


class _Looked(NamedTuple):
    """What the repository says of the map."""

    service_map: ServiceMap | None = None
    services: tuple[Listed, ...] = ()
    findings: tuple[Finding, ...] = ()


def _looked(
    world: World, flags: Mapping[str, str], config: RepositoryConfig, root: Path, *, against_files: bool
) -> _Looked:
    settings = settle(flags, world.environ, {})
    drawn, fault = service_map(settings.change.services, config)
    if fault and not config.read.faults:
        raise ServiceMapError("The setting services cannot be used", fault, "Mend it.")
    if drawn is None:
        return _Looked()
    budget = Budget(settings.core.timeout, world.clock, world.sleep, world.started)
    repository = Repository(root, world.environ, budget)
    head = repository.commit("HEAD") if (root / ".git").exists() else None
    rules = drawn.rules.discover
    drawn = trees.settled(trees.asking(drawn, budget, trees.checked_out(root)), repository, None, head)
    findings: list[Finding] = []
    if against_files and head:
        findings = atlas.warnings(drawn, config.read.mentions, list(repository.entries(head, "--name-only")))
    return _Looked(drawn, atlas.listed(drawn, rules), tuple(findings))


def _located(name: str, known: configlines.Lines, findings: Iterable[Finding]) -> Iterable[Located]:
    for finding in findings:
        yield Located(name, known.of(finding.where), finding.weight, finding.text)


def _twice(name: str, known: configlines.Lines) -> tuple[Located, ...]:
    return tuple(
        Located(name, known.of(where), "fault", f"the key {str(where[-1])[:80]!r} stands twice in one place.")
        for where in known.twice
    )


def _unplaced(name: str, error: CibeaconError) -> Located:
    """A failure whose place is in its words, if anywhere: parsers say "line 3"."""
    places = re.findall(r"\bline (\d{1,7})\b", error.why)
    return Located(name, int(places[-1]) if places else 1, "fault", str(error))
