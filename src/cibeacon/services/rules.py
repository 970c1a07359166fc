"""Knows what a service map holds besides its roots, and what it answers. Applies none of it.

A service is known by its name; a library by `LIBRARY` and its name, so that one may be called like a service. What was
discovered under a name that no service may have is known by `MISNAMED` and that name: a change there is not forgotten.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from cibeacon.model.identifiers import is_service_name
from cibeacon.services.patterns import Glob

LIBRARY = "\0"
"""Begins the key of a library, which is never reported."""
MISNAMED = "\1"
"""Begins the key of what would be a service, had it the name of one."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def service_key(name: str) -> str:
    """The key of a service that was discovered under a name."""
    return name if is_service_name(name) else MISNAMED + name


class Rules(NamedTuple):
    """Everything about a map besides roots and templates."""

    names: tuple[str, ...] = ()
    """Keys that are written down, some of which may have no root."""
    watches: Mapping[str, tuple[Glob, ...]] = _NOTHING
    minus: Mapping[str, tuple[Glob, ...]] = _NOTHING
    """What is not the service's, whatever else says that it is."""
    uses: Mapping[str, tuple[str, ...]] = _NOTHING
    everywhere: tuple[Glob, ...] = ()
    """`global`: a change here changes every service."""
    ignore: tuple[Glob, ...] = ()
    dependents: str = "transitive"
    unmatched: str = "ignore"
    """`ignore`, `warn`, `error`, or the service that owns what nobody else does."""
    discover: tuple[Any, ...] = ()
    """Rules that must look into the trees first; `discovery` turns them into what follows."""
    sought: tuple[tuple[int, str], ...] = ()
    """(place, words) of those rules, once they have looked."""
    outside: Any = None
    """What discovery may ask besides the trees (`discovery.Outside`)."""
    found: Mapping[str, tuple[int, str]] = _NOTHING
    """Folder → (place of the rule, key), as discovered."""
    owners: Callable[[str], tuple[str, ...]] | None = None
    """Who owns a path that is below no root."""
    owner_names: tuple[str, ...] = ()
    folders: Callable[[], Iterable[str]] | None = None
    """Every folder of both trees."""
    chosen: Callable[[list[str], list[str]], Mapping[str, str]] | None = None
    """Programs that choose services: from paths and known names to names with reasons."""


class Assignment(NamedTuple):
    """The services that the paths touch, with one reason each."""

    why: Mapping[str, str]
    """Service → the first path that touched it, or `global: path`, or `uses: other`."""
    paths: int
    unmatched: int
    """Paths that are nobody's."""
    ignored: int = 0
    unowned: tuple[str, ...] = ()
    """The first few unmatched paths."""
    misnamed: Mapping[str, str] = _NOTHING
    """The same for what was discovered under a name that no service may have."""


class Touch(NamedTuple):
    """What one path means to the map; keys, not names."""

    ignored: bool = False
    owners: tuple[str, ...] = ()
    """One, or none; or those that a CODEOWNERS file names."""
    watchers: tuple[str, ...] = ()
    everywhere: bool = False
