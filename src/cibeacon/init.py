"""The story of `init`: proposes a first configuration file and pipeline changes from what is in the repository.

Like the other verbs it reads the checked-out commit, and it writes one file.
"""

import os
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cibeacon.ci import kits
from cibeacon.git.remote_url import parse_remote_url
from cibeacon.git.repository import Repository
from cibeacon.runtime import Environment, paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError, ServiceMapError
from cibeacon.services import config_file, proposal
from cibeacon.settings import load_settings

NAME = config_file.NAMES[0]
"""The file that is written."""
_NOTHING = "Nothing was written"
_MOST_PIPELINES = 50
"""Pipeline files of a CI system that are read."""


class Setup(NamedTuple):
    """What `init` proposes for a repository."""

    root: Path
    text: str
    """The configuration file."""
    pipelines: Mapping[str, str]
    """CI system → its first pipeline file in the repository."""
    in_use: Mapping[str, str]
    """CI system → a pipeline file that already uses cibeacon."""


def propose_setup(env: Environment) -> Setup:
    """The proposal for the repository around the working directory. Raises `CheckoutError` if nothing is committed."""
    root = paths.toplevel(env.cwd)
    deadline = Deadline(load_settings({}, env.environ, {}).core.timeout, env.clock, env.sleep, env.started)
    with closing(Repository(root, env.environ, deadline)) as repository:
        if not repository.exists:
            hint = "Change to your checkout, or create a repository with git init, and run cibeacon init again"
            raise CheckoutError(_NOTHING, "this folder is not in a git repository", hint)
        if complaint := repository.complaint():
            raise CheckoutError(_NOTHING, f"git cannot read the repository: {complaint}", "Fix that first")
        head = repository.commit("HEAD")
        files = list(repository.entries(head, "--name-only")) if head else []
        if not head or not files:
            reason = "no file is committed yet, and cibeacon looks for services in commits"
            hint = "Commit your files (git add, git commit), and run cibeacon init again"
            raise CheckoutError(_NOTHING, reason, hint)
        url = parse_remote_url(repository.remote_url())
        name = (url.repository if url else None) or root.name
        text = proposal.propose(files, partial(repository.text, head), name.rpartition("/")[2])
        pipelines = kits.recognise(files)
        candidates = ((ci, path) for ci, paths in pipelines.items() for path in paths[:_MOST_PIPELINES])
        in_use = {ci: path for ci, path in candidates if _uses_cibeacon(repository, head, path)}
    return Setup(root, text, {ci: paths[0] for ci, paths in pipelines.items()}, in_use)


def _uses_cibeacon(repository: Repository, head: str, path: str) -> bool:
    try:
        return kits.uses_cibeacon(repository.text(head, path))
    except ServiceMapError:  # the file is too large
        return False


def write_configuration(env: Environment, setup: Setup, *, force: bool) -> None:
    """Writes the file atomically; `force` replaces an existing file.

    Raises `ServiceMapError` if there already is one, and `OSError`.
    """
    if other := next((name for name in config_file.NAMES[1:] if os.path.lexists(setup.root / name)), None):
        hint = f"Edit that file, or remove it to use {NAME}"
        raise ServiceMapError(f"{NAME} was not written", f"this repository already has {other}", hint)
    write_new(env, setup.root / NAME, setup.text, force=force)


def write_new(env: Environment, path: Path, text: str, *, force: bool) -> None:
    """Writes a file; `force` replaces an existing file, or a link, which is not followed."""
    if os.path.lexists(path) and not force:
        hint = "Use --dry-run to see the new content, or --force to replace the file"
        raise ServiceMapError(f"{path.name} was not written", "it already exists", hint)
    trusted = paths.resolve_trusted(env, path)
    paths.replace(trusted, text.encode(), f".{path.name}.{env.token()}.part")
