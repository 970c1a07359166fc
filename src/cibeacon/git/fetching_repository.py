"""Reads the checkout, and fetches what it lacks into scratch space. Never changes the checkout.

The checkout's refs are not trusted: an earlier job may have fetched them. A commit with a full id is assumed to be on the
server until the server refuses it: so both sides of a comparison come in one fetch, and a merge base needs one fetch of
the commit graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

from cibeacon.git import BRANCH, Remote, ServerRef, server_ref
from cibeacon.git.git_process import no_temporary_file
from cibeacon.git.repository import Repository
from cibeacon.git.scratch import SHA256_DIGITS, FetchError, MissingOnServer, Scope, Scratch, alternates_of
from cibeacon.model.context import NamedCommit
from cibeacon.model.payload import SHA
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError
from cibeacon.runtime.shutdown import OwnFolder

_TAGS = "refs/tags/*"
_FILES_PER_FETCH = 1000
"""Bounded, because their ids are command line arguments."""
_Answer = TypeVar("_Answer")


class FetchingRepository:
    """Asks the checkout first, then the server. `local` is None if nothing is checked out."""

    def __init__(
        self,
        local: Repository | None,
        remotes: Sequence[Remote],
        environ: Mapping[str, str],
        deadline: Deadline,
    ) -> None:
        self._local, self._remotes = local, remotes
        self._environ, self._deadline = environ, deadline
        self._opened = ExitStack()
        self.folder: Path | None = None
        """The scratch space, once it exists."""
        self._scratch: dict[str, Scratch] = {}
        self._named_ids: dict[str, None] = {}
        self._missing: set[str] = set()
        """Names and ids that the server does not have."""
        self._tips: dict[ServerRef, str | None] = {}
        self.fetched = False
        """True once anything was fetched."""
        self.fetch_error: CheckoutError | None = None
        """Why the last fetch failed."""

    def close(self) -> None:
        """Removes the scratch repositories."""
        self._opened.close()

    # Questions of the commit-range rules ---------------------------------------------------------------------------

    def commit(self, revision: str) -> str | None:
        """The full id of a commit that is here or can be fetched. A full id is accepted unless the server refused it."""
        is_id = SHA.fullmatch(revision) is not None
        if is_id:
            self._named_ids[revision] = None
        sha = self._ask_local(lambda local: local.commit(revision))
        return revision if is_id and not sha and revision not in self._missing else sha

    def named(self, revision: str) -> NamedCommit | None:
        """The commit that a revision names. Branches and tags are the server's if it can be asked."""
        if SHA.fullmatch(revision):
            sha = self.commit(revision)
            return NamedCommit(sha, revision) if sha else None
        here = self._ask_local(lambda local: local.named(revision))
        ref = server_ref(revision)
        if ref is None or (here and not here.local):
            return here
        if tip := self._server_tip(ref):
            return NamedCommit(tip, ref.title)
        if ref.name in self._missing:  # not a branch on the server; in the checkout the name may mean something else
            return None if ref.name.startswith(BRANCH) else here
        return None if self._has_credential() else here

    def parents(self, sha: str) -> tuple[str, ...] | None:
        """The ids of a commit's parents, which are fetched along with it: the rules ask for one of them next."""
        if not SHA.fullmatch(sha):
            return self._ask_local(lambda local: local.parents(sha))
        return self._ask(lambda repository: repository.parents(sha), lambda: self._fetch("trees", "parents", (sha,)))

    def is_ancestor(self, older: str, newer: str) -> bool | None:
        """Whether `older` is an ancestor of `newer`."""
        return self._ask(lambda repository: repository.is_ancestor(older, newer), lambda: self._graph(older, newer))

    def merge_base(self, one: str, *others: str) -> str | None:
        """The best common ancestor of `one` and (a merge of) the others."""
        return self._ask(lambda repository: repository.merge_base(one, *others), lambda: self._graph(one, *others))

    def first_parents(self, before: str, after: str) -> tuple[str, ...] | None:
        """The commits in `after` that are not in `before`, oldest first, along first parents."""
        return self._ask(lambda repository: repository.first_parents(before, after), lambda: self._graph(before, after))

    def previous_tag(self, sha: str, wanted: Callable[[str], bool]) -> NamedCommit | None:
        """The server's nearest tag before a commit whose name `wanted` accepts."""
        try:
            tag = self._graph(sha, _TAGS).previous_tag(sha, wanted)
        except CheckoutError as error:
            self.fetch_error = error
            return None if self._has_credential() else self._ask_local(lambda local: local.previous_tag(sha, wanted))
        return tag._replace(local=False) if tag else None

    # Reading -------------------------------------------------------------------------------------------------------

    def paths(self, base: str, head: str) -> Iterator[str]:
        """Every path that differs between two commits' trees. Raises `CheckoutError`, also while they are read.

        If one repository fails midway, the next one continues after the paths so far: git always lists them in the same order.
        """
        count = 0
        for compare in self._comparisons():
            try:
                for path in islice(compare(base, head), count, None):
                    count += 1
                    yield path
                return
            except CheckoutError as error:
                self.fetch_error = error
                if isinstance(error, FetchError) or self._deadline.remaining() <= 0:
                    break
        raise self.fetch_error or CheckoutError("the commits could not be compared", "there is no repository", "")

    def text(self, commit: str, path: str) -> bytes | None:
        """The content of a file in a commit's tree; None if there is no such file. Raises `CheckoutError`."""
        content = self._ask_local(lambda local: local.text(commit, path))
        if content is not None:
            return content
        blob = self._fetch("trees", "trees", (commit,)).blob(commit, path)
        return self._fetch("trees", "files", (blob,)).text(commit, path) if blob else None

    def entries(self, commit: str, *options: str) -> Iterator[str]:
        """A line of `git ls-tree` for every file in a commit's tree. Raises `CheckoutError`."""
        if self._ask_local(lambda local: local.commit(commit)) and self._local:
            return self._local.entries(commit, *options)
        return self._fetch("trees", "trees", (commit,)).entries(commit, *options)

    def batch(self, form: str, blobs: Iterable[str]) -> bytes:
        """The output of `git cat-file` for many objects at once; missing objects are fetched together.

        Raises `CheckoutError`.
        """
        ids = tuple(blobs)
        if "trees" not in self._scratch and self._local:
            with suppress(CheckoutError):  # a partial clone fails at the first object that it lacks
                output = self._local.batch(form, ids)
                if b" missing\n" not in output:
                    return output
        scratch = self._open_scratch("trees", ids)
        lines = scratch.batch("--batch-check", ids).splitlines()
        missing = [line.split(b" ")[0].decode("ascii") for line in lines if line.endswith(b" missing")]
        for start in range(0, len(missing), _FILES_PER_FETCH):
            scratch.fetch("files", *missing[start : start + _FILES_PER_FETCH])
        return scratch.batch(form, ids)

    # Fetching ------------------------------------------------------------------------------------------------------

    def _ask(self, question: Callable[[Repository], _Answer | None], fetch: Callable[[], Scratch]) -> _Answer | None:
        """The checkout's answer, else the answer after a fetch; None if the fetch failed."""
        answer = self._ask_local(question)
        if answer is not None:
            return answer
        try:
            return question(fetch())
        except CheckoutError as error:
            self.fetch_error = error
            return None

    def _ask_local(self, question: Callable[[Repository], _Answer | None]) -> _Answer | None:
        """The checkout's answer. A checkout that git cannot read answers nothing, and is not asked again."""
        try:
            return question(self._local) if self._local else None
        except CheckoutError as error:
            if self._deadline.remaining() <= 0:
                raise
            self._local, self.fetch_error = None, error
            return None

    def _server_tip(self, ref: ServerRef) -> str | None:
        """The commit that a ref on the server points to."""
        if ref not in self._tips:
            self._tips[ref] = None
            try:
                scratch = self._graph(ref.name) if ref.needs_history else self._fetch("trees", "trees", (ref.name,))
                if tip := scratch.fetched_tip(ref.name):
                    self._tips[ref] = scratch.tip(f"{tip}{ref.back}")
            except CheckoutError as error:
                self.fetch_error = error
        return self._tips[ref]

    def _has_credential(self) -> bool:
        return any(remote.secret for remote in self._remotes)

    def _comparisons(self) -> Iterator[Callable[[str, str], Iterator[str]]]:
        """Ways to compare two trees: in the checkout, with its objects, and without them (it may lack what it claims to have)."""
        if self._local:
            yield self._local.paths
        yield lambda base, head: self._fetch("trees", "trees", (base, head)).paths(base, head)
        if self._local:
            yield lambda base, head: self._fetch("alone", "trees", (base, head)).paths(base, head)

    def _graph(self, *names: str) -> Scratch:
        """The commit graph of these and of all commits that the rules named before, in one fetch."""
        return self._fetch("graph", "graph", names, tuple(self._named_ids))

    def _fetch(self, kind: str, scope: Scope, names: Sequence[str], optional: Sequence[str] = ()) -> Scratch:
        """The scratch repository of a kind, with all these commits or refs and the optional ones that the server has."""
        scratch = self._open_scratch(kind, names)
        needed = [name for name in names if not scratch.has(name, scope)]
        wanted = list(dict.fromkeys([*needed, *(name for name in optional if name not in self._missing)]))
        while needed:
            try:
                scratch.fetch(scope, *wanted)
                self.fetched = True
                break
            except MissingOnServer as error:
                self._missing.add(error.name)
                wanted.remove(error.name)
                if error.name in needed:
                    raise
        return scratch

    def _open_scratch(self, kind: str, names: Sequence[str]) -> Scratch:
        """The scratch repository `trees`, `graph` or `alone`. Only `alone` does not use the checkout's objects."""
        if kind not in self._scratch:
            alternates = None
            if kind != "alone":
                alternates = self._ask_local(lambda local: alternates_of(local, history=kind == "graph"))
            try:
                if self.folder is None:
                    self.folder = self._opened.enter_context(OwnFolder())
                self._scratch[kind] = Scratch(
                    self.folder / kind,
                    self._remotes,
                    self._environ,
                    self._deadline,
                    alternates,
                    negotiate=alternates is not None or kind == "graph",
                    sha256=self._uses_sha256(names),
                )
            except OSError as error:
                raise no_temporary_file(error) from error
        return self._scratch[kind]

    def _uses_sha256(self, names: Sequence[str]) -> bool:
        """Whether the objects have SHA-256 ids, judged by the ids that were asked for, else by the checkout."""
        ids = [name for name in (*names, *self._named_ids) if SHA.fullmatch(name)]
        return len(ids[0] if ids else self._ask_local(lambda local: local.tip("HEAD")) or "") == SHA256_DIGITS
