"""Finds the services that a path affects: the deepest root owns it, other services may watch it. Does not know git or files.

A root owns everything below its folder. A template (`services/*/{service}/`) is a rule that finds roots in the paths
themselves, so new and deleted services are both found. The rules for a folder are computed once and cached.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain, islice
from typing import Any, NamedTuple

from cibeacon.model.glob import Glob, by_folder
from cibeacon.services import EMPTY, LIBRARY, MISNAMED, POLICIES, Rules, Template, name_of, service_key

_MOST_UNOWNED = 5
_NOWHERE = "\0"
"""A folder that contains no path."""


class Assignment(NamedTuple):
    """The services that the paths affect, with one reason each."""

    why: Mapping[str, str]
    """Service → the first path that affects it, or `global: path`, or `uses: other`."""
    paths: int
    unmatched: int
    """How many paths belong to no service."""
    ignored: int = 0
    unowned: tuple[str, ...] = ()
    """The first few unmatched paths."""
    misnamed: Mapping[str, str] = EMPTY
    """Like `why`, for services that were discovered with an invalid name."""


class Touch(NamedTuple):
    """The services that one path affects, as keys."""

    ignored: bool = False
    owners: tuple[str, ...] = ()
    """At most one, or the owners from a CODEOWNERS file."""
    watchers: tuple[str, ...] = ()
    everywhere: bool = False


class _Folder(NamedTuple):
    """The map's rules for a folder: the keys of the roots around it, deepest first, and the patterns to try there."""

    owners: tuple[str, ...] = ()
    watchers: tuple[tuple[str, Glob], ...] = ()
    ignore: tuple[Glob, ...] = ()
    everywhere: tuple[Glob, ...] = ()
    sole: str | None = None
    """The owner, if a file here can affect no other service."""
    closed: str = ""
    """The folder with its slash, if everything below it affects only the sole owner."""


class ServiceMap:
    """Which service owns which path: roots by folder (without the trailing slash), templates in order, and the other rules."""

    def __init__(
        self, roots: Mapping[str, str], templates: tuple[Template, ...] = (), rules: Rules | None = None
    ) -> None:
        self.roots, self.templates, self.rules = roots, templates, rules or Rules()
        self._watches = by_folder((key, glob) for key, globs in self.rules.watches.items() for glob in globs)
        self._ignore = _by_folder(self.rules.ignore)
        self._everywhere = _by_folder(self.rules.everywhere)
        self._depths = {len(template.segments) for template in templates}
        self._deepest = max(self._depths, default=0)
        self._starts = {*roots, *self.rules.discovered, *self._watches, *self._ignore, *self._everywhere}
        self._above_starts = {parent for folder in self._starts for parent in _parents(folder)}
        self._folders = {"": self._folder("", _Folder())}

    def with_rules(self, **rules: Any) -> "ServiceMap":
        """The same map with other rules."""
        return ServiceMap(self.roots, self.templates, self.rules._replace(**rules))

    def touch(self, path: str) -> Touch:
        """The services that one path affects."""
        folder = self._explore(path.rpartition("/")[0])
        if _any_matches(folder.ignore, path):
            return Touch(ignored=True)
        watchers = tuple(dict.fromkeys(self._watchers(path, folder)))
        return Touch(False, self._owners(path, folder), watchers, _any_matches(folder.everywhere, path))

    def assign(self, paths: Iterable[str]) -> Assignment:
        """The services that the paths affect, in one pass; only programs that choose need the whole list of paths."""
        touched: dict[str, str] = {}  # key → the first path that affects it
        total = unmatched = ignored = 0
        first_global = ""
        unowned: list[str] = []
        fallback = self._fallback()
        if self.rules.choose:
            paths = list(paths)
        closed = _NOWHERE  # git lists paths in order: most are in the same closed folder as the previous one
        for total, path in enumerate(paths, 1):  # noqa: B007 - the number of paths
            if path.startswith(closed):
                continue
            parent = path.rpartition("/")[0]
            folder = self._folders.get(parent) or self._explore(parent)
            if folder.ignore and _any_matches(folder.ignore, path):
                ignored += 1
                continue
            if folder.sole and path not in self.roots:
                touched.setdefault(folder.sole, path)
                closed = folder.closed or _NOWHERE
                continue
            keys = self._touched_keys(path, folder, touched)
            if (not first_global or not keys) and _any_matches(folder.everywhere, path):
                first_global = first_global or path
            elif not keys and fallback:
                keys = [fallback]
            elif not keys:
                unmatched += 1
                if len(unowned) < _MOST_UNOWNED:
                    unowned.append(path)
            for key in keys:
                touched.setdefault(key, path)
        if self.rules.choose:
            touched = {**self.rules.choose(list(paths), sorted(self.services())), **touched}
        why = self._reasons(touched, first_global)
        misnamed = {name_of(key): why.pop(key) for key in list(why) if key.startswith(MISNAMED)}
        return Assignment(why, total, unmatched, ignored, tuple(unowned), misnamed)

    def services(self) -> frozenset[str]:
        """The name of every service; services of templates come from the folders of both trees."""
        return frozenset(key for key in self._keys() if not key.startswith(MISNAMED))

    @property
    def searched(self) -> str:
        """The rules of the map, in words."""
        templates = ((template.order, f"root {template.text}") for template in self.templates)
        return ", ".join(rule for _, rule in sorted((*templates, *self.rules.searched)))

    def is_empty(self) -> bool:
        """True when the configuration lists no service, and every rule has looked and found none."""
        elsewhere = self.rules.discover or self.rules.choose or (self.templates and not self.rules.list_folders)
        return not elsewhere and not self.services()

    def discovered_roots(self) -> Iterator[tuple[str, str, int]]:
        """(folder, key, index of the rule) for every root that a rule finds in the trees; the first rule counts."""
        folders = self._tree_folders if self.templates else ()
        for folder in dict.fromkeys(chain(self.rules.discovered, folders)):
            claim = None if folder in self.roots else self._claim(folder)
            if claim:
                yield folder, claim[1], claim[0]

    def claimed(self, folder: str, before: int) -> str | None:
        """The key of a root that the configuration lists, or that a rule before this index finds."""
        claim = self._claim(folder)
        return self.roots.get(folder) or (claim[1] if claim and claim[0] < before else None)

    def _keys(self) -> Iterator[str]:
        """The key of every service, misnamed ones included."""
        discovered = (key for _, key, _ in self.discovered_roots())
        fallback = filter(None, [self._fallback()])
        keys = chain(self.rules.names, self.roots.values(), discovered, self.rules.owner_keys, fallback)
        return (key for key in keys if not key.startswith(LIBRARY))

    def _fallback(self) -> str | None:
        return None if self.rules.unmatched in POLICIES else self.rules.unmatched

    def _touched_keys(self, path: str, folder: _Folder, known: Container[str]) -> list[str]:
        """Keys of the owners and watchers of the path, possibly without some `known` ones. Empty only if there are none."""
        keys = [*self._owners(path, folder), *self._watchers(path, folder, known)]
        return keys or list(islice(self._watchers(path, folder), 1))

    def _owners(self, path: str, folder: _Folder) -> tuple[str, ...]:
        own = self.roots.get(path) or self._submodule(path)
        for key in folder.owners if own is None else (own, *folder.owners):
            if not self._excludes(key, path):
                return (key,)
        return self.rules.owners_of(path) if self.rules.owners_of else ()

    def _watchers(self, path: str, folder: _Folder, skip: Container[str] = ()) -> Iterator[str]:
        for key, glob in folder.watchers:
            if key not in skip and glob.matches(path) and not self._excludes(key, path):
                yield key

    def _excludes(self, key: str, path: str) -> bool:
        return _any_matches(self.rules.excludes.get(key, ()), path)

    def _submodule(self, path: str) -> str | None:
        """The service whose root is a submodule at this path. It may also be a file: git's trees show which."""
        if path.count("/") + 1 not in self._depths:
            return None
        claim = self._claim(path)
        return claim[1] if claim and path in self._tree_folders else None

    @cached_property
    def _tree_folders(self) -> frozenset[str]:
        return frozenset(self.rules.list_folders()) if self.rules.list_folders else frozenset()

    def _reasons(self, touched: Mapping[str, str], first_global: str) -> dict[str, str]:
        why = dict(touched)
        if first_global:
            why = dict.fromkeys(self._keys(), f"global: {first_global}") | why
        why |= {user: f"uses: {name_of(key)}" for user, key in self._dependents(why).items()}
        return {key: why[key] for key in sorted(why) if not key.startswith(LIBRARY)}

    def _dependents(self, changed: Collection[str]) -> dict[str, str]:
        """User → the changed key that it uses: the nearest one, then the first by name, so that the result is stable."""
        users: dict[str, list[str]] = {}
        for user, used in self.rules.uses.items() if self.rules.dependents != "none" else ():
            for key in used:
                users.setdefault(key, []).append(user)
        reached: dict[str, str] = {}
        wave = sorted(changed)
        while wave:
            pairs = [(user, key) for key in reversed(wave) for user in users.get(key, ())]
            following = {user: key for user, key in pairs if user not in changed and user not in reached}
            reached |= following
            wave = sorted(following) if self.rules.dependents == "transitive" else []
        return reached

    def _explore(self, path: str) -> _Folder:
        """The rules for a folder, derived from the nearest known folder above. Not recursive, because paths may be deep."""
        unknown = []
        while path not in self._folders:
            unknown.append(path)
            path = path.rpartition("/")[0]
        folder = self._folders[path]
        while unknown and not folder.closed:
            path = unknown.pop()
            folder = self._folders[path] = self._folder(path, folder)
        return folder

    def _folder(self, path: str, above: _Folder) -> _Folder:
        level = path.count("/") + 1 if path else 0
        may_hold_submodule = level + 1 in self._depths
        if path and path not in self._starts and level not in self._depths and not may_hold_submodule:
            return above
        claim = self._claim(path)
        key = self.roots.get(path) or (claim[1] if claim else None)
        owners = above.owners if key is None else (key, *above.owners)
        watchers = (*above.watchers, *self._watches.get(path, ()))
        ignore = above.ignore + self._ignore.get(path, ())
        everywhere = above.everywhere + self._everywhere.get(path, ())
        sole = owners[0] if owners and not everywhere and not may_hold_submodule else None
        if sole in self.rules.excludes or (watchers and any(watcher != sole for watcher, _ in watchers)):
            sole = None
        is_closed = sole and not ignore and path not in self._above_starts and level >= self._deepest
        return _Folder(owners, watchers, ignore, everywhere, sole, f"{path}/" if path and is_closed else "")

    def _claim(self, folder: str) -> tuple[int, str] | None:
        """(index of the rule, key) of the first discovery rule that makes this folder a root."""
        claim = self.rules.discovered.get(folder)
        segments = folder.split("/") if self.templates else []
        for template in self.templates:
            name = template.service(segments)
            if name is not None:
                by_template = template.order, service_key(name)
                return min(claim, by_template) if claim else by_template
        return claim


def _parents(path: str) -> Iterator[str]:
    """Every folder that contains a path, except the top."""
    while path := path.rpartition("/")[0]:
        yield path


def _by_folder(globs: Iterable[Glob]) -> dict[str, tuple[Glob, ...]]:
    folders = by_folder(("", glob) for glob in globs)
    return {folder: tuple(glob for _, glob in pairs) for folder, pairs in folders.items()}


def _any_matches(globs: Iterable[Glob], path: str) -> bool:
    return any(glob.matches(path) for glob in globs)
