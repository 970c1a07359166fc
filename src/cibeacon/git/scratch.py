"""A temporary bare repository to fetch into. Never touches the user's clone, and does not know why something is fetched.

It uses the clone's objects as alternates, and claims to have the checked-out commit but nothing before it: so the server
sends only the folders that differ from it, and one round of negotiation is enough.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from cibeacon.git import Remote, git_process
from cibeacon.git.repository import Repository
from cibeacon.model.payload import SHA
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError

Scope: TypeAlias = Literal["trees", "parents", "graph", "files"]
"""What to fetch of a commit: its trees; those of its parents as well; its whole history without trees; or file contents,
by their own ids."""

_OPTIONS: Mapping[Scope, tuple[str, ...]] = {
    "trees": ("--depth=1", "--filter=blob:none"),
    "parents": ("--depth=2", "--filter=blob:none"),
    "graph": ("--filter=tree:0",),
    "files": ("--filter=blob:none",),  # objects that are requested by id are sent despite the filter
}
_GRAPH_WITH_TREES = ("--filter=blob:none",)
_ALWAYS = (
    *("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"),
    *("--no-recurse-submodules", "--refmap="),
)
SHA256_DIGITS = 64
_MISSING = r"not our ref ([0-9a-f]{40,64})|couldn't find remote ref (\S+)"
_NO_TREE_FILTER = r"(?i)filter '?tree|filter-spec"
_UNREACHABLE = (
    r"could not resolve|(?:failed|couldn't|unable) to connect|connection (?:refused|reset|timed out)|ssl|certificate"
)
_WHAT_GIT_FAILED_AT = r"fatal: (?:unable to access '[^']*': )?"
"""The URL, which the message already contains."""
_LONGEST_COMPLAINT = 300


class FetchError(CheckoutError):
    """A fetch failed."""


class MissingOnServer(FetchError):
    """The server answered that it does not have the commit or ref `name`."""

    def __init__(self, name: str, complaint: str) -> None:
        super().__init__(f"the server does not have {name[:100]}", complaint, "")
        self.name = name


class Alternates(NamedTuple):
    """The clone's objects, which are complete for the checked-out commit."""

    objects: Path
    head: str
    history: bool
    """Whether its history is complete as well, not only its trees."""


def alternates_of(local: Repository, *, history: bool) -> Alternates | None:
    """The objects of a clone that a scratch repository can use.

    None if the clone lacks trees (or history that is needed), or if git could not read its path from the alternates file.
    """
    if history and local.shallow():
        return None
    objects, head = local.objects(), local.commit("HEAD")
    if objects is None or head is None or local.lacks_trees():
        return None
    return None if str(objects).startswith(('"', "#")) or "\n" in str(objects) else Alternates(objects, head, history)


class Scratch(Repository):
    """A bare repository in a temporary folder.

    Ids are requested from each remote in turn, names only from the first one: in another project the name may differ in meaning.
    """

    def __init__(
        self,
        root: Path,
        remotes: Sequence[Remote],
        environ: Mapping[str, str],
        deadline: Deadline,
        alternates: Alternates | None = None,
        *,
        negotiate: bool = False,
        sha256: bool = False,
    ) -> None:
        """With `negotiate` git lists what is already here, which costs a round trip. `sha256`: the objects have SHA-256 ids."""
        super().__init__(root, environ, deadline)
        self._environ = git_process.scratch_env(environ)
        self._job_environ, self._remotes, self._negotiate = environ, remotes, negotiate
        self._fetched: set[str] = set()
        _create(root, remotes, alternates, sha256=sha256)

    def fetched_tip(self, name: str) -> str | None:
        """The commit that was fetched with this name."""
        return self.tip(_ref(name))

    def has(self, name: str, scope: Scope) -> bool:
        """Whether a commit no longer needs to be fetched."""
        if name in self._fetched:
            return True
        if not SHA.fullmatch(name):
            return False
        if scope == "files":
            return self._ask("cat-file", "-e", name) is not None
        return (self.tip(name) if scope == "graph" else self.commit(name)) is not None

    def fetch(self, scope: Scope, *names: str) -> None:
        """Fetches commits by full id, or refs by name, at once. Raises `FetchError`, `MissingOnServer` in particular.

        Each gets its own ref, so that a later fetch can offer it to the server.
        """
        self._commits.clear()
        self._results.clear()
        specs = names if scope == "files" else [f"+{name}:{_ref(name)}" for name in names]
        negotiate = self._negotiate and scope != "files"
        errors = []
        for number, remote in enumerate(self._remotes):
            if number and not all(SHA.fullmatch(name) for name in names):
                break
            environ = git_process.fetching_env(self._job_environ, remote, f"r{number}", negotiate=negotiate)
            arguments = (*_ALWAYS, "--", f"r{number}", *specs)
            result = self._run("fetch", *_OPTIONS[scope], *arguments, environ=environ)
            if result.code != 0 and scope == "graph" and re.search(_NO_TREE_FILTER, result.err):
                result = self._run("fetch", *_GRAPH_WITH_TREES, *arguments, environ=environ)
            if result.code == 0:
                self._fetched.update(names)
                return
            errors.append(_error(remote, names, result.err))
        raise next((error for error in errors if not isinstance(error, MissingOnServer)), errors[0])

    def blob(self, commit: str, path: str) -> str | None:
        """The id of a file's content in a commit's tree; None if there is no such file."""
        return self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}:{path}")


def _ref(name: str) -> str:
    """The ref for a fetched name or id. Slashes are encoded: `a` and `a/b` cannot both be refs."""
    if name.startswith("refs/"):
        return name
    if SHA.fullmatch(name):
        return f"refs/cibeacon/{name}"
    return f"refs/cibeacon/named/{name.replace('%', '%25').replace('/', '%2F')}"


def _create(root: Path, remotes: Sequence[Remote], alternates: Alternates | None, *, sha256: bool) -> None:
    """Writes an empty bare repository: `git init` would need a child process and copy templates.

    git reads extensions, such as the object format, from version 1 on (https://git-scm.com/docs/repository-version).
    """
    for folder in ("objects/info", "objects/pack", "refs/cibeacon"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "HEAD").write_text("ref: refs/heads/nothing\n")
    config = f"[core]\n\trepositoryFormatVersion = {int(sha256)}\n\tbare = true\n"
    config += "[extensions]\n\tobjectFormat = sha256\n" if sha256 else ""
    for number, remote in enumerate(remotes):
        config += f'[remote "r{number}"]\n\turl = "{remote.url}"\n'
    (root / "config").write_text(config)
    if alternates:
        (root / "objects/info/alternates").write_bytes(bytes(alternates.objects) + b"\n")
        (root / "refs/cibeacon/checkout").write_text(f"{alternates.head}\n")
        if not alternates.history:
            (root / "shallow").write_text(f"{alternates.head}\n")


def _error(remote: Remote, names: Sequence[str], complaint: str) -> FetchError:
    """The error for a failed fetch, with the end of git's message, where the reason is."""
    lines = [line for line in complaint.splitlines() if line.strip()]
    reason = re.sub(_WHAT_GIT_FAILED_AT, "", " / ".join(lines[-3:]))
    if len(reason) > _LONGEST_COMPLAINT:
        reason = reason[-_LONGEST_COMPLAINT:].partition(" ")[2]  # the redactor would not recognise half a secret
    missing = re.search(_MISSING, complaint)
    if missing and (name := missing[1] or missing[2]) in names:
        return MissingOnServer(name, reason)
    return FetchError(
        f"the commits could not be fetched from {remote.url}",
        reason,
        "Check that the job can reach this server: network, proxy and certificates"
        if re.search(_UNREACHABLE, complaint, re.IGNORECASE)
        else remote.access,
    )
