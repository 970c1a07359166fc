"""Reads the repository's configuration from where it can be trusted: the checkout, or for a fork the base commit."""

from pathlib import Path
from typing import NamedTuple, Protocol

from cibeacon.changes import Unknown
from cibeacon.changes.advice import check_out, deepen
from cibeacon.configuration import configfile
from cibeacon.context import Context
from cibeacon.errors import CheckoutError, ServiceMapError
from cibeacon.options import Problem
from cibeacon.services import configuration
from cibeacon.services.configuration import Configuration
from cibeacon.services.service_map import ServiceMap
from cibeacon.services.template import PLACEHOLDER
from cibeacon.settings import all_options
from cibeacon.telling.report import Notice

REPORTABLE = frozenset(each.name for group in all_options().values() for each in group if each.in_repository)
NO_REPOSITORY = "there is no git repository here"
_OUT_OF_REACH = "the configuration of a fork's pull request is read from the base commit, which is not here"
_OR_SETTING = "or set services, such as services/{service}/"
_NO_MAP = Unknown("no service map is drawn", f"add {configfile.NAMES[0]}, {_OR_SETTING}")
_CHECK = "cibeacon services check shows every fault with its line."


class Trees(Protocol):
    """What is asked of a repository, or of a ladder that fetches what the checkout lacks."""

    def commit(self, revision: str) -> str | None:
        """The full id of a commit that is here or may be fetched."""
        ...

    def text(self, commit: str, path: str) -> bytes | None:
        """The content of a file in a commit's tree; None when there is no such file."""
        ...


class RepositoryConfig(NamedTuple):
    """What came of reading the configuration."""

    read: Configuration = Configuration()
    name: str = ""
    problems: tuple[Problem, ...] = ()
    """A file that cannot be read at all may hold any setting: nothing is sent with guessed values."""
    unknown: Unknown | None = None
    """Why the file of the base tree is out of reach."""

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong in the file, each as a paragraph. One about the map comes first, where there is one."""
        found = [f"{self.name}: {fault}" for fault in self.read.faults]
        return (f"{found[0]} {_CHECK}", *found[1:]) if self.read.map_faulty else tuple(found)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is to be said of it."""
        return tuple(Notice("trouble", fault) for fault in self.faults)

    @property
    def unmapped(self) -> Unknown:
        """Why no service is known, where neither the file nor a setting draws a map."""
        if self.unknown or not self.name:
            return self.unknown or _NO_MAP
        return Unknown(f"{self.name} draws no service map", f"give it services or discover, {_OR_SETTING}")


def find(given: str | None, context: Context, repository: Trees, root: Path) -> RepositoryConfig:
    """The configuration for this run; `given` is a path that a person named."""
    try:
        checked_out = (root / ".git").exists()
        found = None if context.base_config else configfile.in_folder(root, given if checked_out else None)
        if found is None and (context.base_config or not checked_out):
            commit = _trusted_commit(context)
            if not commit or repository.commit(commit) is None:
                absent, missing = Unknown(NO_REPOSITORY, check_out(context)), Unknown(_OUT_OF_REACH, deepen(context))
                return RepositoryConfig(unknown=missing if context.base_config else absent)
            found = configfile.in_tree(lambda path: repository.text(commit, path), given)
        if found is None:
            return RepositoryConfig()
        name, content = found
        return RepositoryConfig(configuration.read(configfile.parse(name, content), REPORTABLE), name)
    except ServiceMapError as error:
        return RepositoryConfig(problems=(Problem("core", "config", str(error).rstrip(".")),))
    except CheckoutError as error:
        if not context.base_config and not (root / ".git").exists():
            return RepositoryConfig(unknown=Unknown(f"{NO_REPOSITORY} ({error.what}: {error.why})", check_out(context)))
        return RepositoryConfig(unknown=Unknown(error.what, error.fix))


def _trusted_commit(context: Context) -> str | None:
    """The commit whose file counts: a fork's base; where nothing is checked out, what would have been."""
    if context.base_config:
        return context.pull_request.target_sha if context.pull_request else None
    return context.checkout_sha


def service_map(services: tuple[str, ...], config: RepositoryConfig) -> tuple[ServiceMap | None, str | None]:
    """The service map, or why there is none to trust. Templates in the setting stand in where no file draws one."""
    templates = tuple(text for text in services if PLACEHOLDER in text)
    if templates and len(templates) < len(services):
        return None, "services mixes names and templates; give one kind."
    try:
        from_setting = configuration.from_templates(templates) if templates else None
    except ValueError as error:
        return None, f"services {error}."
    if config.read.map_faulty:
        return None, config.faults[0]
    return config.read.service_map or from_setting, None


def unused(services: tuple[str, ...], config: RepositoryConfig) -> str | None:
    """What is to be said of templates in the setting that a file stands before."""
    if config.read.service_map is None or not services:
        return None
    return f"{config.name} maps the services, so the templates in the setting services are not used: drop one of them."
