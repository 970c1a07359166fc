"""Answers what the checkout cannot: a `History` over the clone first, then over what a fetch brings into scratch space.

The clone is only read, and its refs are not believed: an earlier job may have fetched them. A commit that is named by
its full id is taken to be on the server until the server refuses it: so both sides of a comparison come in one fetch,
and a merge base costs one fetch of the commit graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

from cibeacon.git.git_process import no_room
from cibeacon.git.remote import Remote
from cibeacon.git.repository import Repository
from cibeacon.git.revisions import BRANCH, HostRef, of_host
from cibeacon.git.scratch import SHA256_DIGITS, Absent, Borrowed, Scratch, Unfetched, What
from cibeacon.model.context import Named
from cibeacon.model.payload import SHA
from cibeacon.runtime.cleanup import OwnFolder
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError

_TAGS = "refs/tags/*"
_AT_ONCE = 1000
"""Files that are asked for in one fetch: they stand in its arguments."""
_Answer = TypeVar("_Answer")


class Ladder:
    """What the checkout knows, and below it what the server knows. `local` is None where nothing is checked out."""

    def __init__(
        self,
        local: Repository | None,
        remotes: Sequence[Remote],
        environ: Mapping[str, str],
        deadline: Deadline,
    ) -> None:
        self._local, self._remotes = local, remotes
        self._environ, self._budget = environ, deadline
        self._space = ExitStack()
        self.folder: Path | None = None
        """The scratch space, once there is any."""
        self._rooms: dict[str, Scratch] = {}
        self._pending: dict[str, None] = {}
        self._refused: set[str] = set()
        self._named: dict[tuple[str, str], str | None] = {}
        self.fetched = False
        """True once anything was fetched."""
        self.trouble: CheckoutError | None = None
        """Why the last fetch brought nothing."""

    def close(self) -> None:
        """Throws the scratch repositories away."""
        self._space.close()

    # What the rules ask -------------------------------------------------------------------------------------------

    def commit(self, revision: str) -> str | None:
        """The full id of a commit that is here or may be fetched. A full id is believed, unless the server refused it."""
        full = SHA.fullmatch(revision) is not None
        if full:
            self._pending[revision] = None
        found = self._here(lambda local: local.commit(revision))
        return revision if full and not found and revision not in self._refused else found

    def named(self, revision: str) -> Named | None:
        """What a revision names: the server's branch or tag, where there is a server to ask."""
        if SHA.fullmatch(revision):
            found = self.commit(revision)
            return Named(found, revision) if found else None
        here = self._here(lambda local: local.named(revision))
        ref = of_host(revision)
        if ref is None or (here and not here.local):
            return here
        if found := self._of_server(ref):
            return Named(found, ref.title)
        if ref.name in self._refused:  # no branch of the host; the checkout may know something else by this name
            return None if ref.name.startswith(BRANCH) else here
        return here if self._nobody_may_ask() else None

    def parents(self, sha: str) -> tuple[str, ...] | None:
        """The ids of a commit's parents. They are fetched along with it, since one of them is what is asked for next."""
        found = self._here(lambda local: local.parents(sha))
        if found is not None or not SHA.fullmatch(sha):
            return found
        return self._fetched(lambda: self._trees("parents", sha).parents(sha))

    def is_ancestor(self, older: str, newer: str) -> bool | None:
        """Whether `newer` holds `older`."""
        found = self._here(lambda local: local.is_ancestor(older, newer))
        return self._fetched(lambda: self._graph(older, newer).is_ancestor(older, newer)) if found is None else found

    def merge_base(self, one: str, *others: str) -> str | None:
        """The best common ancestor of `one` and (a merge of) the others."""
        found = self._here(lambda local: local.merge_base(one, *others))
        return self._fetched(lambda: self._graph(one, *others).merge_base(one, *others)) if found is None else found

    def first_parents(self, before: str, after: str) -> tuple[str, ...] | None:
        """What `after` holds beyond `before`, oldest first, along first parents."""
        found = self._here(lambda local: local.first_parents(before, after))
        if found is not None:
            return found
        return self._fetched(lambda: self._graph(before, after).first_parents(before, after))

    def previous_tag(self, sha: str, wanted: Callable[[str], bool]) -> Named | None:
        """The server's nearest tag before a commit, of those whose name is wanted."""
        graph = self._fetched(lambda: self._graph(sha, _TAGS))
        if graph is None and self._nobody_may_ask():
            return self._here(lambda local: local.previous_tag(sha, wanted))
        found = graph.previous_tag(sha, wanted) if graph else None
        return found._replace(local=False) if found else None

    # What is read -------------------------------------------------------------------------------------------------

    def paths(self, base: str, head: str) -> Iterator[str]:
        """Every path that differs between two commits' trees. Raises `CheckoutError`, also while they are read.

        Where a source breaks off, the next one goes on behind what was told already: git's order is that of the trees.
        """
        told = 0
        for source in self._sources():
            try:
                for path in islice(source(base, head), told, None):
                    told += 1
                    yield path
                return
            except CheckoutError as error:
                self.trouble = error
                if isinstance(error, Unfetched) or self._budget.remaining() <= 0:
                    break
        raise self.trouble or CheckoutError("nothing could be compared", "there is no source", "")

    def text(self, commit: str, path: str) -> bytes | None:
        """The content of a file in a commit's tree; None when there is no such file. Raises `CheckoutError`."""
        found = self._here(lambda local: local.text(commit, path))
        if found is not None:
            return found
        room = self._trees("trees", commit)
        blob = room.blob(commit, path)
        if blob is None:
            return None
        return self._filled("trees", "files", (blob,)).content(blob, path)

    def entries(self, commit: str, *options: str) -> Iterator[str]:
        """A line of `git ls-tree` for every file in a commit's tree. Raises `CheckoutError`."""
        if self._here(lambda local: local.commit(commit)) and self._local:
            return self._local.entries(commit, *options)
        return self._trees("trees", commit).entries(commit, *options)

    def batch(self, form: str, blobs: Iterable[str]) -> bytes:
        """What `git cat-file` says of many objects at once; those that are not here are fetched together.

        Raises `CheckoutError`.
        """
        wanted = tuple(blobs)
        if "trees" not in self._rooms and self._local:
            with suppress(CheckoutError):  # a partial clone breaks off at the first object that it lacks
                found = self._local.batch(form, wanted)
                if b" missing\n" not in found:
                    return found
        room = self._room("trees", wanted)
        known = room.batch("--batch-check", wanted).splitlines()
        lost = tuple(line.split(b" ")[0].decode("ascii") for line in known if line.endswith(b" missing"))
        for start in range(0, len(lost), _AT_ONCE):
            room.fetch("files", *lost[start : start + _AT_ONCE])
        return room.batch(form, wanted)

    # How it is fetched --------------------------------------------------------------------------------------------

    def _here(self, ask: Callable[[Repository], _Answer | None]) -> _Answer | None:
        """The clone's own answer. A clone that git cannot read knows nothing, and is not asked again."""
        try:
            return ask(self._local) if self._local else None
        except CheckoutError as error:
            if self._budget.remaining() <= 0:
                raise
            self._local, self.trouble = None, error
            return None

    def _fetched(self, ask: Callable[[], _Answer | None]) -> _Answer | None:
        """The answer after a fetch; None, with the trouble noted, when it brought nothing."""
        try:
            return ask()
        except CheckoutError as error:
            self.trouble = error
            return None

    def _of_server(self, ref: HostRef) -> str | None:
        """The commit that a ref of the server names."""
        key = (ref.name, ref.back)
        if key not in self._named:
            room = self._fetched(lambda: self._graph(ref.name) if ref.historical else self._trees("trees", ref.name))
            tip = room.brought(ref.name) if room else None
            self._named[key] = room.tip(f"{tip}{ref.back}") if room and tip else None
        return self._named[key]

    def _nobody_may_ask(self) -> bool:
        """Whether there is no credential to ask the server with."""
        return not any(remote.secret for remote in self._remotes)

    def _sources(self) -> Iterator[Callable[[str, str], Iterator[str]]]:
        """Where two trees can be compared: in the clone, with its objects, and without (it may lack what it shows)."""
        if self._local:
            yield self._local.paths
        yield lambda base, head: self._trees("trees", base, head).paths(base, head)
        if self._local:
            yield lambda base, head: self._filled("alone", "trees", (base, head)).paths(base, head)

    def _trees(self, what: What, *names: str) -> Scratch:
        return self._filled("trees", what, names)

    def _graph(self, *names: str) -> Scratch:
        """The commit graph of these and of every commit that the rules named before, in one fetch."""
        return self._filled("graph", "graph", names, tuple(self._pending))

    def _filled(self, kind: str, what: What, names: Sequence[str], besides: Sequence[str] = ()) -> Scratch:
        """The scratch repository of a kind, holding all that is named; what is named besides may be absent."""
        room = self._room(kind, names)
        absent = [name for name in names if not room.has(name, what)]
        wanted = list(dict.fromkeys([*absent, *(name for name in besides if name not in self._refused)]))
        while absent:
            try:
                room.fetch(what, *wanted)
                self.fetched = True
                break
            except Absent as error:
                self._refused.add(error.name)
                wanted.remove(error.name)
                if error.name in absent:
                    raise
        return room

    def _room(self, kind: str, names: Sequence[str]) -> Scratch:
        if kind not in self._rooms:
            lending = {"trees": Borrowed.of, "graph": Borrowed.history_of}.get(kind)
            lender = self._here(lending) if lending else None
            more = {"frank": lender is not None or kind == "graph", "wide": self._wide(names)}
            try:
                place = self._own_folder() / kind
                self._rooms[kind] = Scratch(place, self._remotes, self._environ, self._budget, lender, **more)
            except OSError as error:
                raise no_room(error) from error
        return self._rooms[kind]

    def _wide(self, names: Sequence[str]) -> bool:
        """Whether the objects have SHA-256 ids: as those that are asked for, else as the clone's own."""
        ids = [name for name in (*names, *self._pending) if SHA.fullmatch(name)]
        return len(ids[0] if ids else self._here(lambda local: local.tip("HEAD")) or "") == SHA256_DIGITS

    def _own_folder(self) -> Path:
        if self.folder is None:
            self.folder = self._space.enter_context(OwnFolder())
        return self.folder
