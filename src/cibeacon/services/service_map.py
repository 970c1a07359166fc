"""Knows which services a path touches: the deepest root owns it, others may watch it. Does not know git or files.

A root owns everything below its folder. A template (`services/*/{service}/`) is a rule that finds roots in the paths
themselves, so new and deleted services are seen alike. What can be said of a folder is worked out once and remembered;
git tells its paths in order, so below a folder that is one service's alone, each further file costs one comparison.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from cibeacon.services import dependents
from cibeacon.services.patterns import Glob, Patterns, State, below
from cibeacon.services.rules import LIBRARY, MISNAMED, Assignment, Rules, Touch, service_key
from cibeacon.services.template import Template

_MOST_STRAYS = 5


class _Place(NamedTuple):
    """What is known of a folder."""

    owners: tuple[str, ...] = ()
    """Keys of the roots at or above it, the deepest first."""
    sole: str | None = None
    """The owner, where a file can mean nothing else."""
    watchers: tuple[tuple[str, Glob], ...] = ()
    ignored: State = ()
    everywhere: State = ()
    closed: str = ""
    """The folder, with its slash, below which everything means the sole owner and only a name could be ignored."""


class ServiceMap:
    """Who owns what: roots by folder (without the trailing slash), templates in their order, and the other rules."""

    def __init__(
        self, roots: Mapping[str, str], templates: tuple[Template, ...] = (), rules: Rules | None = None
    ) -> None:
        self.roots, self.templates, self.rules = roots, templates, rules or Rules()
        self._ignore, self._everywhere = Patterns(self.rules.ignore), Patterns(self.rules.everywhere)
        self._watches = below((key, glob) for key, globs in self.rules.watches.items() for glob in globs)
        self._depths = {len(template.segments) for template in templates}
        self._places: dict[str, _Place] = {}
        self._places[""] = self._place("", _Place())

    def owner(self, path: str) -> str | None:
        """The name of what owns the path, a library included."""
        owners = self.touch(path).owners
        return owners[0].removeprefix(LIBRARY).removeprefix(MISNAMED) if owners else None

    def touch(self, path: str) -> Touch:
        """Everything that the map says of one path."""
        folder, _, name = path.rpartition("/")
        place = self._places.get(folder) or self._explored(folder)
        if self._ignore.hold(path, name, place.ignored):
            return Touch(ignored=True)
        watchers = (key for key, glob in place.watchers if glob.matches(path) and not self._subtracted(key, path))
        return Touch(
            owners=self._owners(path, place),
            watchers=tuple(dict.fromkeys(watchers)),
            everywhere=self._everywhere.hold(path, name, place.everywhere),
        )

    def assign(self, paths: Iterable[str]) -> Assignment:
        """The services that the paths touch, in one pass; only a program that chooses needs the whole list."""
        own: dict[str, str] = {}
        total = ignored = unmatched = 0
        everywhere = ""
        unowned: list[str] = []
        kept: list[str] = []
        places, roots, fallback = self._places, self.roots, self._fallback()
        ignores, anywhere = self._ignore, self._ignore.anywhere
        known = "\0"  # the closed folder of the path before, whose owner is known to have changed
        for path in _recorded(paths, kept) if self.rules.chosen else paths:
            total += 1
            if path.startswith(known):
                ignored += anywhere and ignores.hold(path, path.rpartition("/")[2], ())
                continue
            folder, _, name = path.rpartition("/")
            place = places.get(folder) or self._explored(folder)
            if (anywhere or place.ignored) and ignores.hold(path, name, place.ignored):
                ignored += 1
                continue
            if place.sole and path not in roots:
                if place.sole not in own:
                    own[place.sole] = path
            else:
                touched = self._new(path, place, own)
                if (not everywhere or not touched) and self._everywhere.hold(path, name, place.everywhere):
                    everywhere, touched = everywhere or path, True
                if not touched and fallback:
                    own.setdefault(fallback, path)
                elif not touched:
                    unmatched += 1
                    unowned += [path] if len(unowned) < _MOST_STRAYS else []
            known = place.closed or "\0"
        if self.rules.chosen:
            own = {**self.rules.chosen(kept, sorted(self.services())), **own}
        why = self._reasons(own, everywhere)
        misnamed = {name.removeprefix(MISNAMED): why.pop(name) for name in list(why) if name.startswith(MISNAMED)}
        return Assignment(why, total, unmatched, ignored, tuple(unowned), misnamed)

    def services(self) -> frozenset[str]:
        """The name of every service; those that only a template finds, from the folders of both trees."""
        return frozenset(found for found in self._keys() if not found.startswith(MISNAMED))

    @property
    def sought(self) -> str:
        """What its rules look for, in words."""
        rules = (*((each.order, f"root {each.text}") for each in self.templates), *self.rules.sought)
        return ", ".join(words for _, words in sorted(rules))

    def is_empty(self) -> bool:
        """True when no service is written down, and every rule has looked for some and found none."""
        elsewhere = self.rules.discover or self.rules.chosen or (self.templates and not self.rules.folders)
        return not elsewhere and not self.services()

    def template_roots(self) -> Iterator[tuple[str, str, Template]]:
        """(folder, key, template) for every root that a template finds in the trees and that no other rule claims."""
        for folder in self.rules.folders() if self.templates and self.rules.folders else ():
            claim = None if folder in self.roots else self._claim(folder)
            if claim and claim[2]:
                yield folder, claim[1], claim[2]

    def found_roots(self) -> Iterator[tuple[str, str, int]]:
        """(folder, key, place of the rule) for every root that a marker or a graph finds and that no other rule claims."""
        for folder, (order, key) in self.rules.found.items():
            claim = None if folder in self.roots else self._claim(folder)
            if claim and claim[0] == order:
                yield folder, key, order

    def claimed(self, folder: str, before: int) -> str | None:
        """The key of a root that is written down, or that a rule finds before the one at a place."""
        claim = self._claim(folder)
        return self.roots.get(folder) or (claim[1] if claim and claim[0] < before else None)

    def _keys(self) -> Iterator[str]:
        """The key of every service, whatever its name."""
        found = chain(
            self.rules.names,
            self.roots.values(),
            (key for _, key, _ in self.found_roots()),
            self.rules.owner_names,
            filter(None, [self._fallback()]),
            (key for _, key, _ in self.template_roots()),
        )
        return (key for key in found if not key.startswith(LIBRARY))

    def _fallback(self) -> str | None:
        return None if self.rules.unmatched in ("ignore", "warn", "error") else self.rules.unmatched

    def _new(self, path: str, place: _Place, own: dict[str, str]) -> bool:
        """Notes who is touched by the path, and says whether anybody is. Who is known already is not asked again."""
        owners = self._owners(path, place)
        for key in owners:
            own.setdefault(key, path)
        touched = bool(owners)
        for key, glob in place.watchers:
            if (not touched or key not in own) and glob.matches(path) and not self._subtracted(key, path):
                own.setdefault(key, path)
                touched = True
        return touched

    def _owners(self, path: str, place: _Place) -> tuple[str, ...]:
        at = self.roots.get(path) or self._in_its_place(path)
        for key in place.owners if at is None else (at, *place.owners):
            if key not in self.rules.minus or not self._subtracted(key, path):
                return (key,)
        return self.rules.owners(path) if self.rules.owners else ()

    def _in_its_place(self, path: str) -> str | None:
        """The service whose folder a submodule would be. A file may stand there, too: only git's trees tell them apart."""
        if path.count("/") + 1 not in self._depths:
            return None
        claim = self._claim(path)
        return claim[1] if claim and path in self._folders else None

    @cached_property
    def _folders(self) -> frozenset[str]:
        """Every folder of both trees, and every submodule, which git counts among them."""
        return frozenset(self.rules.folders()) if self.rules.folders else frozenset()

    def _subtracted(self, key: str, path: str) -> bool:
        return any(glob.matches(path) for glob in self.rules.minus.get(key, ()))

    def _may_subtract(self, key: str, folder: str) -> bool:
        """Whether a file in the folder may be taken from the service."""
        if key not in self.rules.minus:
            return False
        within = f"{folder}/"
        return any(not glob.folder or within.startswith(f"{glob.folder}/") for glob in self.rules.minus[key])

    def _reasons(self, own: Mapping[str, str], everywhere: str) -> dict[str, str]:
        why = dict(own)
        if everywhere:
            why = dict.fromkeys(self._keys(), f"global: {everywhere}") | why
        used = dependents.reached(why, self.rules.uses, self.rules.dependents)
        why |= {user: f"uses: {name.removeprefix(LIBRARY).removeprefix(MISNAMED)}" for user, name in used.items()}
        return {name: why[name] for name in sorted(why) if not name.startswith(LIBRARY)}

    def _explored(self, folder: str) -> _Place:
        """What is known of a folder, worked out from the nearest folder above that is known. A path may be deep."""
        unknown = []
        while folder not in self._places:
            unknown.append(folder)
            folder = folder.rpartition("/")[0]
        place = self._places[folder]
        while unknown and not place.closed:
            folder = unknown.pop()
            place = self._places[folder] = self._place(folder, place)
        return place

    def _place(self, folder: str, above: _Place) -> _Place:
        key = self.roots.get(folder)
        if key is None:
            claim = self._claim(folder)
            key = claim[1] if claim else None
        owners = above.owners if key is None else (key, *above.owners)
        here = self._watches.get(folder)
        watchers = (*above.watchers, *here) if here else above.watchers
        everywhere = self._everywhere.at(folder, above.everywhere)
        level = folder.count("/") + 1 if folder else 0
        sole = owners[0] if owners and not everywhere and not self._everywhere.anywhere else None
        if level + 1 in self._depths:  # a submodule in it may be a service
            sole = None
        if sole and (self._may_subtract(sole, folder) or (watchers and any(key != sole for key, _ in watchers))):
            sole = None
        ignored = self._ignore.at(folder, above.ignored)
        closed = f"{folder}/" if folder and sole and not ignored and self._is_closed(folder, level) else ""
        return _Place(owners, sole, watchers, ignored, everywhere, closed)

    def _is_closed(self, folder: str, level: int) -> bool:
        """Whether no rule begins below a folder."""
        return self._open is not None and folder not in self._open and level >= max(self._depths, default=0)

    @cached_property
    def _open(self) -> frozenset[str] | None:
        """Every folder below which a rule begins, templates aside; None where one may begin anywhere."""
        if self._ignore.begin is None or self._everywhere.begin is None:
            return None
        begin = chain(self.roots, self.rules.found, self._watches, self._ignore.begin, self._everywhere.begin)
        minus = (glob.folder for globs in self.rules.minus.values() for glob in globs)
        return frozenset(above for folder in chain(begin, minus) for above in _folders_above(folder))

    def _claim(self, folder: str) -> tuple[int, str, Template | None] | None:
        """(place of the rule, key, template) of the discovery whose root the folder is."""
        found = self.rules.found.get(folder)
        best: tuple[int, str, Template | None] | None = (*found, None) if found else None
        folders = folder.split("/") if self.templates else []
        for template in self.templates:
            if best is None or template.order < best[0]:
                name = template.service(folders)
                best = (template.order, service_key(name), template) if name is not None else best
        return best


def _recorded(paths: Iterable[str], kept: list[str]) -> Iterator[str]:
    for path in paths:
        kept.append(path)
        yield path


def _folders_above(path: str) -> Iterator[str]:
    """Every folder that a path is in, but for the top."""
    while path := path.rpartition("/")[0]:
        yield path
