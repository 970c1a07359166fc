"""Knows which services a path touches: the deepest root owns it, other services may watch it. Does not know git or files.

A root owns everything below its folder. A template (`services/*/{service}/`) is a rule that finds roots in the paths
themselves, so new and deleted services are seen alike. What the map says of a folder is worked out once and remembered.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain, islice
from typing import Any, NamedTuple

from cibeacon.model.glob import Glob, by_folder
from cibeacon.services import EMPTY, LIBRARY, MISNAMED, POLICIES, Rules, Template, name_of, service_key

_MOST_UNOWNED = 5
_NOWHERE = "\0"
"""A folder that no path is in."""


class Assignment(NamedTuple):
    """The services that the paths touch, with one reason each."""

    why: Mapping[str, str]
    """Service → the first path that touched it, or `global: path`, or `uses: other`."""
    paths: int
    unmatched: int
    """How many paths belong to no service."""
    ignored: int = 0
    unowned: tuple[str, ...] = ()
    """The first few unmatched paths."""
    misnamed: Mapping[str, str] = EMPTY
    """Like `why`, for what was discovered under a name that no service may have."""


class Touch(NamedTuple):
    """What one path means to the map; keys, not names."""

    ignored: bool = False
    owners: tuple[str, ...] = ()
    """At most one, or those that a CODEOWNERS file names."""
    watchers: tuple[str, ...] = ()
    everywhere: bool = False


class _Folder(NamedTuple):
    """What the map says of a folder: keys of the roots around it, the deepest first, and the patterns to ask there."""

    owners: tuple[str, ...] = ()
    watchers: tuple[tuple[str, Glob], ...] = ()
    ignore: tuple[Glob, ...] = ()
    everywhere: tuple[Glob, ...] = ()
    sole: str | None = None
    """The owner, where a file can touch nothing else."""
    closed: str = ""
    """The folder with its slash, where everything below it touches the sole owner alone."""


class ServiceMap:
    """Who owns what: roots by folder (without the trailing slash), templates in their order, and the other rules."""

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
        """Everything that the map says of one path."""
        folder = self._explore(path.rpartition("/")[0])
        if _any_matches(folder.ignore, path):
            return Touch(ignored=True)
        watchers = tuple(dict.fromkeys(self._watchers(path, folder)))
        return Touch(False, self._owners(path, folder), watchers, _any_matches(folder.everywhere, path))

    def assign(self, paths: Iterable[str]) -> Assignment:
        """The services that the paths touch, in one pass; only programs that choose need the whole list of paths."""
        touched: dict[str, str] = {}  # key → the first path that touched it
        total = unmatched = ignored = 0
        first_global = ""
        unowned: list[str] = []
        fallback = self._fallback()
        if self.rules.choose:
            paths = list(paths)
        closed = _NOWHERE  # git lists paths in order: most are in the same closed folder as the one before
        for total, path in enumerate(paths, 1):  # noqa: B007 - how many there were
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
        """The name of every service; those that only a template finds, from the folders of both trees."""
        return frozenset(key for key in self._keys() if not key.startswith(MISNAMED))

    @property
    def searched(self) -> str:
        """What its rules look for, in words."""
        templates = ((template.order, f"root {template.text}") for template in self.templates)
        return ", ".join(rule for _, rule in sorted((*templates, *self.rules.searched)))

    def is_empty(self) -> bool:
        """True when no service is written down, and every rule has looked for some and found none."""
        elsewhere = self.rules.discover or self.rules.choose or (self.templates and not self.rules.list_folders)
        return not elsewhere and not self.services()

    def discovered_roots(self) -> Iterator[tuple[str, str, int]]:
        """(folder, key, index of the rule) for every root that a rule finds in the trees, by the first rule that does."""
        folders = self._tree_folders if self.templates else ()
        for folder in dict.fromkeys(chain(self.rules.discovered, folders)):
            claim = None if folder in self.roots else self._claim(folder)
            if claim:
                yield folder, claim[1], claim[0]

    def claimed(self, folder: str, before: int) -> str | None:
        """The key of a root that is written down, or that a rule finds before the one at an index."""
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
        """Keys of owners and watchers of the path; of the `known` ones perhaps not all. Empty only where there is none."""
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
        """The service whose root the path is as a submodule. A file may have that path, too: git's trees show which it is."""
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
        """User → the changed key that it uses, the nearest one and of those the first by name, so that it never varies."""
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
        """What the map says of a folder, worked out from the nearest folder above that is known. A path may be deep."""
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
        """(index of the rule, key) of the first rule of discovery whose root the folder is."""
        claim = self.rules.discovered.get(folder)
        segments = folder.split("/") if self.templates else []
        for template in self.templates:
            name = template.service(segments)
            if name is not None:
                by_template = template.order, service_key(name)
                return min(claim, by_template) if claim else by_template
        return claim


def _parents(path: str) -> Iterator[str]:
    """Every folder that a path is in, but for the top."""
    while path := path.rpartition("/")[0]:
        yield path


def _by_folder(globs: Iterable[Glob]) -> dict[str, tuple[Glob, ...]]:
    folders = by_folder(("", glob) for glob in globs)
    return {folder: tuple(glob for _, glob in pairs) for folder, pairs in folders.items()}


def _any_matches(globs: Iterable[Glob], path: str) -> bool:
    return any(glob.matches(path) for glob in globs)
