"""The story of `services list`, `which` and `check`: shows the service map and its faults.

The map is the one in the checkout; the repository's files are those of the checked-out commit.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cibeacon.changes import repository_config
from cibeacon.changes.repository_config import NO_REPOSITORY, REPORTABLE, RepositoryConfig
from cibeacon.ci import detect
from cibeacon.git.repository import Repository
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CibeaconError, ServiceMapError, SettingsError
from cibeacon.runtime.paths import toplevel
from cibeacon.services import Finding, KeyPath, Mention, config_file, discovery, lint, schema, templates
from cibeacon.services.config_file import RepeatedKey
from cibeacon.services.lint import Listed, Which
from cibeacon.services.schema import Configuration
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Settings, load_settings

MOST_FINDINGS = 1000
"""More are only counted."""


class Located(NamedTuple):
    """A finding, and where it is in the configuration file."""

    file: str
    """Empty if the finding is not in a file, but in a setting or about the repository."""
    line: int
    """From 1; 0 without a file, and for JSON and TOML, whose parsers do not keep line numbers."""
    weight: Literal["fault", "warning"]
    text: str

    def __str__(self) -> str:
        line = f"{self.line}:" if self.line else ""
        return f"{self.file}:{line} {self.weight}: {self.text}" if self.file else f"{self.weight}: {self.text}"

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return self._asdict()


class Inspection(NamedTuple):
    """The service map, as far as it is known."""

    name: str
    """The configuration file; empty if there is none."""
    root: Path
    service_map: ServiceMap | None = None
    """None if there is no map, or if it has a fault."""
    services: tuple[Listed, ...] = ()
    findings: tuple[Located, ...] = ()

    @property
    def faulty(self) -> bool:
        """True when something must be corrected."""
        return any(finding.weight == "fault" for finding in self.findings)

    def which(self, path: str) -> Which:
        """The owner, watchers and rule of a path, which starts at the top of the repository."""
        services = {service.name: service for service in self.services}
        return lint.look_up(self.service_map or ServiceMap({}), services, path)


def inspect_map(
    env: Environment,
    flags: Mapping[str, str],
    *,
    against_files: bool = False,
    file: tuple[str, bytes] | None = None,
) -> Inspection:
    """The map; with `against_files` also the rules in it that match nothing in the repository.

    `file` is the name and content of a configuration file to use instead of the one in the checkout.
    """
    settings = load_settings(flags, env.environ, {})
    config, root = settings.core.config, toplevel(env.cwd)
    deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
    with closing(Repository(root, env.environ, deadline)) as repository:
        try:
            committed = partial(repository_config.committed, repository)
            file = file or config_file.of_checkout(root, config, committed)
        except CibeaconError as error:
            return Inspection(config or "", root, findings=(_without_place(config or "", error),))
        name, content = file or ("", b"")
        line_of = config_file.line_finder(name, content)
        repeated: list[RepeatedKey] = []
        read = Configuration()
        try:
            if file:
                document, repeated = config_file.parse_leniently(name, content)
                read = schema.read(document, REPORTABLE)
            on_gitlab = detect.is_on_gitlab(detect.read_context(settings, env.environ, repository)[0])
            read_built = discovery.checkout_reader(root)
            ask = partial(discovery.with_tools, deadline=deadline, read_built=read_built, gitlab=on_gitlab)
            result = _compare(settings, RepositoryConfig(read, name), repository, ask, against_files=against_files)
        except CibeaconError as error:
            fault = _without_place(name, error)
            if isinstance(error, SettingsError):  # its line numbers are those of a jq program
                fault = fault._replace(line=line_of(("discover",)))
            return Inspection(name, root, findings=(*_repeated(name, repeated), fault))
    findings = [*_repeated(name, repeated), *_located(name, line_of, [*read.findings, *result.in_file])]
    findings += [Located("", 0, finding.weight, finding.text) for finding in result.elsewhere]
    return Inspection(name, root, result.service_map, result.services, _first(findings))


def _first(findings: list[Located]) -> tuple[Located, ...]:
    """The first findings by line, and how many more there are."""
    findings.sort(key=lambda finding: finding.line)
    more = findings[MOST_FINDINGS:]
    if more:
        worst = min(finding.weight for finding in more)  # a fault comes before a warning
        findings[MOST_FINDINGS:] = [Located("", 0, worst, f"and {len(more):,} more problems.")]
    return tuple(findings)


_NOT_SEARCHED = "services are not discovered, and folders and patterns are not checked."
_NO_COMMIT = f"the repository has no commits yet: {_NOT_SEARCHED}"


class _Comparison(NamedTuple):
    """The map and its findings after comparing it with the repository."""

    service_map: ServiceMap | None = None
    services: tuple[Listed, ...] = ()
    in_file: tuple[Finding, ...] = ()
    elsewhere: tuple[Finding, ...] = ()
    """Findings that do not belong to a line of the file."""


def _compare(
    settings: Settings,
    config: RepositoryConfig,
    repository: Repository,
    ask: Callable[[ServiceMap], ServiceMap],
    *,
    against_files: bool,
) -> _Comparison:
    service_map, fault = repository_config.service_map(settings.change.services, config)
    if fault and not config.read.faults:
        raise ServiceMapError("The setting services cannot be used", fault, "Correct it.")
    head = repository.commit("HEAD") if repository.exists else None
    given = templates(settings.change.services)
    not_searched = None if head else _NO_COMMIT if repository.exists else f"{NO_REPOSITORY}: {_NOT_SEARCHED}"
    texts = (not_searched, repository_config.unused(given, config))
    elsewhere = [Finding((), text, "warning") for text in texts if text]
    if service_map is None:
        return _Comparison(in_file=_maps_nothing(config), elsewhere=tuple(elsewhere))
    rules, closed = service_map.rules.discover, not service_map.templates and not service_map.rules.discover
    service_map = discovery.discover_services(ask(service_map), repository, None, head)
    findings: list[Finding] = []
    if against_files and head:
        own = config.read.service_map is not None
        mentions = config.read.mentions if own else [Mention(("services",), "template", text) for text in given]
        findings += lint.warnings(service_map, mentions, list(repository.entries(head, "--name-only")))
    if against_files and (head or closed):
        findings += [*lint.catch_all(service_map), *lint.no_service(service_map)]
    if config.read.service_map is None:
        elsewhere += [finding._replace(text=f"services: {finding.text}") for finding in findings]
        findings = []
    return _Comparison(service_map, lint.list_services(service_map, rules), tuple(findings), tuple(elsewhere))


def _maps_nothing(config: RepositoryConfig) -> tuple[Finding, ...]:
    """The finding for a file that maps no services and has no settings."""
    if not config.name or config.read.report or config.read.faults:
        return ()
    return (Finding((), "it maps no services: add services or discover (docs/reference.md).", "warning"),)


def _located(name: str, line_of: Callable[[KeyPath], int], findings: Iterable[Finding]) -> Iterable[Located]:
    """Each finding with its line; if the line is unknown, its text has the path of keys."""
    for finding in findings:
        line, text = line_of(finding.path), finding.text
        keys = [key for key in finding.path if isinstance(key, str)]
        if not line and not all(key in text for key in keys):
            text = ": ".join((*keys, text))
        yield Located(name, line, finding.weight, text)


def _repeated(name: str, keys: Iterable[RepeatedKey]) -> Iterable[Located]:
    return (Located(name, key.line, "fault", f"{key.text}.") for key in keys)


def _without_place(name: str, error: CibeaconError) -> Located:
    """A failure with the line number in its reason, if it has one: parsers write "line 3"."""
    lines = re.findall(r"\bline (\d{1,7})\b", error.why)
    return Located(name, int(lines[-1]) if lines else 1, "fault", str(error))
