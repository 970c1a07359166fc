"""The story of `init`: a first configuration file, and what to add to the pipeline, from what the repository holds.

It looks at the commit that is checked out, as every other verb does, and writes one file.
"""

import os
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cibeacon.ci import kits
from cibeacon.git.remote_url import parse
from cibeacon.git.repository import Repository
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import CheckoutError, ServiceMapError
from cibeacon.services import config_file, proposal
from cibeacon.settings import load_settings

NAME = config_file.NAMES[0]
"""The file that is written."""
_NOTHING = "Nothing was written"


class Setup(NamedTuple):
    """What `init` proposes for a repository."""

    root: Path
    text: str
    """The configuration file."""
    pipelines: Mapping[str, str]
    """CI system → its first pipeline file in the repository."""


def propose_setup(env: Environment) -> Setup:
    """The proposal for the repository around the working directory. Raises `CheckoutError` where nothing is committed."""
    root = paths.toplevel(env.cwd)
    deadline = Deadline(load_settings({}, env.environ, {}).core.timeout, env.clock, env.sleep, env.started)
    with closing(Repository(root, env.environ, deadline)) as repository:
        if not repository.exists:
            hint = "Change to the folder of your checkout, or create one with git init, and run cibeacon init again"
            raise CheckoutError(_NOTHING, "this folder is not in a git repository", hint)
        if complaint := repository.complaint():
            raise CheckoutError(_NOTHING, f"git cannot read the repository: {complaint}", "Correct that first")
        head = repository.commit("HEAD")
        files = list(repository.entries(head, "--name-only")) if head else []
        if not head or not files:
            reason = "No file is committed yet, and services are looked for in commits"
            hint = "Commit your files (git add, git commit), and run cibeacon init again"
            raise CheckoutError(_NOTHING, reason, hint)
        url = parse(repository.remote_url())
        name = (url.repository if url else None) or root.name
        text = proposal.propose(files, partial(repository.text, head), name.rpartition("/")[2])
    return Setup(root, text, kits.recognise(files))


def write_configuration(env: Environment, setup: Setup, *, force: bool) -> None:
    """Writes the file, whole or not at all; with `force` in the place of one that is there.

    Raises `ServiceMapError` where one is there, and `OSError`.
    """
    if other := next((name for name in config_file.NAMES[1:] if os.path.lexists(setup.root / name)), None):
        hint = f"Edit that file, or remove it to use {NAME}"
        raise ServiceMapError(f"{NAME} was not written", f"{other} is the configuration file", hint)
    write_new(env, setup.root / NAME, setup.text, force=force)


def write_new(env: Environment, path: Path, text: str, *, force: bool) -> None:
    """Writes a file; with `force` in the place of one that is there, or of a link, which is not followed."""
    if os.path.lexists(path) and not force:
        hint = "Use --dry-run to see what it would hold, or --force to replace it"
        raise ServiceMapError(f"{path.name} was not written", "it exists already", hint)
    trusted = paths.resolve_trusted(env, path)
    paths.replace(trusted, text.encode(), f".{path.name}.{env.token()}.part")
