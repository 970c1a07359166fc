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
from cibeacon.services import config_file, discovery, lint, schema
from cibeacon.services.config_file import RepeatedKey
from cibeacon.services.findings import Finding, KeyPath, Mention
from cibeacon.services.lint import Listed, Which
from cibeacon.services.schema import Configuration
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Settings, load_settings

MOST_FINDINGS = 1000
"""Nobody reads more before something was mended."""


class Located(NamedTuple):
    """A finding, and where it is in the configuration file."""

    file: str
    """Empty where the finding is in no file: in a setting, or about the repository."""
    line: int
    """From 1; 0 where there is no file, and for JSON and TOML, whose parsers forget lines."""
    weight: Literal["fault", "warning"]
    text: str

    def __str__(self) -> str:
        line = f"{self.line}:" if self.line else ""
        return f"{self.file}:{line} {self.weight}: {self.text}" if self.file else f"{self.weight}: {self.text}"

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
        return lint.look_up(self.service_map or ServiceMap({}), known, path)


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
    line_of = config_file.line_finder(name, content)
    repeated: list[RepeatedKey] = []
    read = Configuration()
    try:
        if found:
            document, repeated = config_file.parse_leniently(name, content)
            read = schema.read(document, REPORTABLE)
        on_gitlab = detect.is_on_gitlab(detect.read_context(settings, env.environ, repository)[0])
        read_built = discovery.checkout_reader(root)
        ask = partial(discovery.with_tools, deadline=deadline, read_built=read_built, gitlab=on_gitlab)
        looked = _looked(settings, RepositoryConfig(read, name), repository, ask, against_files=against_files)
    except CibeaconError as error:
        fault = _unplaced(name, error)
        if isinstance(error, SettingsError):  # its lines are a program's
            fault = fault._replace(line=line_of(("discover",)))
        return Inspection(name, root, findings=(*_repeated(name, repeated), fault))
    findings = [*_repeated(name, repeated), *_located(name, line_of, [*read.findings, *looked.findings])]
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
    drawn = discovery.discover_services(ask(drawn), repository, None, head)
    findings: list[Finding] = []
    if against_files and head:
        own = config.read.service_map is not None
        mentions = config.read.mentions if own else [Mention(("services",), "template", text) for text in given]
        findings += lint.warnings(drawn, mentions, list(repository.entries(head, "--name-only")))
    if against_files and (head or closed):
        findings += [*lint.catch_all(drawn), *lint.nothing_found(drawn)]
    if config.read.service_map is None:
        beside += [each._replace(text=f"services: {each.text}") for each in findings]
        findings = []
    return _Looked(drawn, lint.list_services(drawn, rules), tuple(findings), tuple(beside))


def _draws_no_map(config: RepositoryConfig) -> tuple[Finding, ...]:
    """What is to be said of a file that is there for nothing."""
    if not config.name or config.read.report or config.read.faults:
        return ()
    return (Finding((), "it maps no service: give it services or discover (docs/reference.md).", "warning"),)


def _located(name: str, line_of: Callable[[KeyPath], int], findings: Iterable[Finding]) -> Iterable[Located]:
    """Each finding with its line; where that is not known, its text says the path of keys."""
    for finding in findings:
        line, text = line_of(finding.path), finding.text
        keys = [key for key in finding.path if isinstance(key, str)]
        if not line and not all(key in text for key in keys):
            text = ": ".join((*keys, text))
        yield Located(name, line, finding.weight, text)


def _repeated(name: str, keys: Iterable[RepeatedKey]) -> Iterable[Located]:
    return (Located(name, key.line, "fault", f"{key.text}.") for key in keys)


def _unplaced(name: str, error: CibeaconError) -> Located:
    """A failure whose place is in its words, if anywhere: parsers say "line 3"."""
    places = re.findall(r"\bline (\d{1,7})\b", error.why)
    return Located(name, int(places[-1]) if places else 1, "fault", str(error))
