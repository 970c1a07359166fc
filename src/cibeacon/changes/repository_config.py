"""Reads the repository's configuration from a trusted place: the checkout, or a commit that no outsider can change.

A checkout of another repository, or one without commits, does not count: the configuration is then read from the run's commit.
"""

from typing import NamedTuple

from cibeacon.changes import Source
from cibeacon.changes.commit_range import deepen
from cibeacon.ci.detect import named
from cibeacon.git.remote_url import split_remote_url
from cibeacon.git.repository import Repository
from cibeacon.model.changes import Unknown
from cibeacon.model.ci_systems import LOCAL
from cibeacon.model.context import Context
from cibeacon.model.report import Notice
from cibeacon.runtime.errors import CheckoutError, ServiceMapError
from cibeacon.services import PLACEHOLDER, config_file, schema
from cibeacon.services.schema import Configuration
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import all_options
from cibeacon.settings.options import Problem

REPORTABLE = frozenset(option.name for group in all_options().values() for option in group if option.in_repository)
NO_REPOSITORY = "there is no git repository here"
_OUT_OF_REACH = (
    "the configuration is read from a trusted commit, which no outsider can change (the pull request's base, or the commit "
    "that the event itself checks out), and that commit is not here"
)
_OR_SETTING = "or set services, such as services/{service}/"
_NO_MAP = Unknown("there is no service map", f"add {config_file.NAMES[0]}, {_OR_SETTING}")
_CHECK = "Run cibeacon services check to see every fault with its line."
_OTHER_REPOSITORY = "this checkout does not have the run's commit, and it cannot be fetched"


class RepositoryConfig(NamedTuple):
    """The configuration as it was read, or why it could not be."""

    read: Configuration = Configuration()
    name: str = ""
    problems: tuple[Problem, ...] = ()
    """A file that cannot be read at all might contain any setting, so nothing is sent with guessed values."""
    unknown: Unknown | None = None
    """Why the file of the commit cannot be reached."""
    commit: str | None = None
    """The commit that every file of the repository is read from, if it is not the checked-out one."""
    fault: str | None = None
    """Why reading failed, if the reason is not in the file itself."""

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults in the file, each as a paragraph. A fault in the map comes first."""
        faults = [f"{self.name}: {fault}" for fault in self.read.faults]
        return (f"{faults[0]} {_CHECK}", *faults[1:]) if self.read.map_faulty else tuple(faults)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Its faults, as notices."""
        return tuple(Notice("error", fault, "service-map") for fault in (self.fault, *self.faults) if fault)

    @property
    def unmapped(self) -> Unknown:
        """Why no service is known if neither the file nor a setting maps services."""
        if self.unknown or not self.name:
            return self.unknown or _NO_MAP
        return Unknown(f"{self.name} has no service map", f"add services or discover to it, {_OR_SETTING}")


def load(path: str | None, context: Context, source: Source, clone: Repository) -> RepositoryConfig:
    """The configuration for this run. `path` is the setting `config`; `source` may fetch what the `clone` lacks."""
    commit = None
    try:
        if context.base_config or not _is_checked_out(context, clone):
            commit = _trusted(context, source) if context.base_config else context.checkout_sha
            file = None if context.base_config or clone.exists else config_file.in_folder(clone.root, None)
            if file is None and (not commit or source.commit(commit) is None):
                return RepositoryConfig(unknown=_out_of_reach(context, clone), commit=commit)
            file = file or config_file.in_tree(lambda name: source.text(str(commit), name), path)
        else:
            file = config_file.of_checkout(clone.root, path, lambda name: committed(clone, name))
        if file is None:
            return RepositoryConfig(commit=commit)
        name, content = file
        return RepositoryConfig(schema.read(config_file.parse(name, content), REPORTABLE), name, commit=commit)
    except ServiceMapError as error:
        return RepositoryConfig(problems=(Problem("core", "config", str(error).rstrip(".")),), commit=commit)
    except CheckoutError as error:
        unknown = Unknown(error.what, error.hint)
        if not clone.exists:
            more = "" if error.what.lower() == NO_REPOSITORY else f" ({error.what}: {error.why})"
            unknown = Unknown(f"{NO_REPOSITORY}{more}", check_out(context))
        return RepositoryConfig(unknown=unknown, commit=commit)


def _trusted(context: Context, source: Source) -> str | None:
    """The commit that no outsider can change: the tip of the pull request's base branch if the event names no commit."""
    if context.trusted_sha or not context.trusted_branch:
        return context.trusted_sha
    tip = source.named(f"refs/remotes/origin/{context.trusted_branch}")
    return tip.sha if tip else None


def _is_checked_out(context: Context, clone: Repository) -> bool:
    """Whether the checkout is of the run's repository, at any commit, as far as git can tell."""
    if not clone.exists or context.host == LOCAL or not context.checkout_sha:
        return clone.exists
    if clone.has_checked_out(context.checkout_sha):
        return True
    pull_request = context.pull_request
    shas = (context.checkout_sha, *((pull_request.head_sha, pull_request.base_sha) if pull_request else ()))
    try:
        if any(clone.commits(*filter(None, shas))):
            return True
        if clone.commit("HEAD") is None:
            return False
        name = split_remote_url(clone.remote_url())[1]
    except CheckoutError:  # git cannot tell which repository it is, but the files are there
        return True
    return not name or not context.repository or name.lower() == context.repository.lower()


def committed(clone: Repository, path: str) -> bytes | None:
    """The content of a file in the checked-out commit."""
    names = sorted({path, *config_file.NAMES})  # the same for every path, so that git is asked once if there is no file
    return clone.text("HEAD", path) if clone.exists and clone.has_any("HEAD", *names) else None


def _out_of_reach(context: Context, clone: Repository) -> Unknown:
    if context.base_config and clone.exists:
        return Unknown(_OUT_OF_REACH, deepen(context))
    return Unknown(_OTHER_REPOSITORY if clone.exists else NO_REPOSITORY, check_out(context))


def check_out(context: Context) -> str:
    """How to check out the repository, in the words of the run's CI system."""
    return named(context.host).check_out


def unread(why: str) -> RepositoryConfig:
    """The configuration, if something else kept cibeacon from reading it."""
    what = "the repository's configuration was not read"
    return RepositoryConfig(unknown=Unknown(f"{what}: {why}"), fault=f"{what[:1].upper()}{what[1:]}: {why}.")


def service_map(services: tuple[str, ...], config: RepositoryConfig) -> tuple[ServiceMap | None, str | None]:
    """The service map, or why it cannot be trusted. Templates in the setting apply if no file maps services."""
    given = tuple(text for text in services if PLACEHOLDER in text)
    if given and len(given) < len(services):
        return None, "services mixes names and templates; use one kind."
    try:
        from_setting = schema.from_templates(given) if given else None
    except ValueError as error:
        return None, f"services {error}."
    if config.read.map_faulty:
        return None, config.faults[0]
    return config.read.service_map or from_setting, None


def unused(services: tuple[str, ...], config: RepositoryConfig) -> str | None:
    """Why templates in the setting are not used: a file maps the services."""
    if config.read.service_map is None or not services:
        return None
    return f"{config.name} maps the services, so the templates in the setting services are not used: remove one of the two."
