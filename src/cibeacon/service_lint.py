"""Looks at the service map itself, for `services list`, `which` and `check`: what it says, and what is wrong with it.

The map is the one in the checkout, and the repository is as the commit that is checked out has it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cibeacon.changes import repository_config
from cibeacon.changes.repository_config import (
    NO_REPOSITORY,
    REPORTABLE,
    RepositoryConfig,
    committed,
    service_map,
    unused,
)
from cibeacon.ci import detect
from cibeacon.git.repository import Repository
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import CibeaconError, ServiceMapError, SettingsError
from cibeacon.runtime.paths import toplevel
from cibeacon.services import config_file, config_lines, configuration, map_queries, tree_contents
from cibeacon.services.configuration import Configuration
from cibeacon.services.map_queries import Listed, Which
from cibeacon.services.schema_types import Finding, Mention
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Settings, load_settings

MOST_FINDINGS = 1000
"""Nobody reads more before something was mended."""


class Located(NamedTuple):
    """A finding, and where it is in the configuration file."""

    file: str
    """Empty where the finding is in no file: in a setting, or about the repository."""
    line: int
    """From 1; 0 where there is no file."""
    weight: Literal["fault", "warning"]
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}{self.weight}: {self.text}"

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
        return map_queries.which(self.service_map or ServiceMap({}), known, path)


def inspected(env: Environment, flags: Mapping[str, str], *, against_files: bool = False) -> Inspection:
    """The map; with `against_files` also what in it leads nowhere in the repository."""
    settings = load_settings(flags, env.environ, {})
    given, root = settings.core.config, toplevel(env.cwd)
    deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
    repository = Repository(root, env.environ, deadline)
    try:
        found = config_file.of_checkout(root, given, lambda path: committed(repository, path))
    except CibeaconError as error:
        return Inspection(given or "", root, findings=(_unplaced(given or "", error),))
    name, content = found or ("", b"")
    known = config_lines.lines(name, content) if found else config_lines.Lines({})
    try:
        read = configuration.read(config_file.lenient(name, content)[0], REPORTABLE) if found else Configuration()
        on_gitlab = detect.is_on_gitlab(detect.read_context(settings, env.environ, repository)[0])
        built = tree_contents.checked_out(root)
        ask = partial(tree_contents.asking, deadline=deadline, built=built, gitlab=on_gitlab)
        looked = _looked(settings, RepositoryConfig(read, name), repository, ask, against_files=against_files)
    except CibeaconError as error:
        fault = _unplaced(name, error)
        if isinstance(error, SettingsError):  # its lines are a program's
            fault = fault._replace(line=known.of(("discover",)))
        return Inspection(name, root, findings=(*_twice(name, known), fault))
    findings = [*_twice(name, known), *_located(name, known, [*read.findings, *looked.findings])]
    findings += [Located("", 0, each.weight, each.text) for each in looked.beside]
    findings.sort(key=lambda each: each.line)
    more = findings[MOST_FINDINGS:]
    if more:
        worst = min(more, key=lambda each: each.weight)  # a fault comes before a warning
        findings[MOST_FINDINGS:] = [Located("", 0, worst.weight, f"and {len(more):,} findings more.")]
    return Inspection(name, root, looked.service_map, looked.services, tuple(findings))


_UNSEEN = "nothing is discovered, and no folder or pattern is looked for."
_NO_COMMIT = f"the repository has no commit yet: {_UNSEEN}"


class _Looked(NamedTuple):
    """What the repository says of the map."""

    service_map: ServiceMap | None = None
    services: tuple[Listed, ...] = ()
    findings: tuple[Finding, ...] = ()
    beside: tuple[Finding, ...] = ()
    """What else is wrong, in no place of the file."""


def _looked(
    settings: Settings,
    config: RepositoryConfig,
    repository: Repository,
    ask: Callable[[ServiceMap], ServiceMap],
    *,
    against_files: bool,
) -> _Looked:
    drawn, fault = service_map(settings.change.services, config)
    if fault and not config.read.faults:
        raise ServiceMapError("The setting services cannot be used", fault, "Mend it.")
    head = repository.commit("HEAD") if repository.exists else None
    given = repository_config.templates(settings.change.services)
    unseen = None if head else _NO_COMMIT if repository.exists else f"{NO_REPOSITORY}: {_UNSEEN}"
    beside = [Finding((), text, "warning") for text in (unseen, unused(given, config)) if text]
    if drawn is None:
        return _Looked(findings=_draws_no_map(config), beside=tuple(beside))
    rules, closed = drawn.rules.discover, not drawn.templates and not drawn.rules.discover
    drawn = tree_contents.settled(ask(drawn), repository, None, head)
    findings: list[Finding] = []
    if against_files and head:
        own = config.read.service_map is not None
        mentions = config.read.mentions if own else [Mention(("services",), "template", text) for text in given]
        findings += map_queries.warnings(drawn, mentions, list(repository.entries(head, "--name-only")))
    if against_files and (head or closed):
        findings += [*map_queries.catch_all(drawn), *map_queries.nothing_found(drawn)]
    if config.read.service_map is None:
        beside += [each._replace(text=f"services: {each.text}") for each in findings]
        findings = []
    return _Looked(drawn, map_queries.listed(drawn, rules), tuple(findings), tuple(beside))


def _draws_no_map(config: RepositoryConfig) -> tuple[Finding, ...]:
    """What is to be said of a file that is there for nothing."""
    if not config.name or config.read.report or config.read.faults:
        return ()
    return (Finding((), "it maps no service: give it services or discover (docs/reference.md).", "warning"),)


def _located(name: str, known: config_lines.Lines, findings: Iterable[Finding]) -> Iterable[Located]:
    for finding in findings:
        yield Located(name, known.of(finding.where), finding.weight, finding.text)


def _twice(name: str, known: config_lines.Lines) -> tuple[Located, ...]:
    return tuple(
        Located(name, known.of(where), "fault", f"the key {str(where[-1])[:80]!r} stands twice in one place.")
        for where in known.twice
    )


def _unplaced(name: str, error: CibeaconError) -> Located:
    """A failure whose place is in its words, if anywhere: parsers say "line 3"."""
    places = re.findall(r"\bline (\d{1,7})\b", error.why)
    return Located(name, int(places[-1]) if places else 1, "fault", str(error))
