"""The repository of a run in a checkout, which fetches from a `GitServer` what is missing."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.github import GitHub
from cibeacon.git.fetching_repository import FetchingRepository
from cibeacon.git.repository import Repository
from cibeacon.settings import load_settings
from repositories import ample

GITHUB = GitHub()


def tokens(token=None):
    """The settings of forges with one token for either."""
    return load_settings({}, {"GITHUB_TOKEN": token, "GITLAB_TOKEN": token} if token else {}, {}).forge


@contextmanager
def fetching(root, variables, token=None, deadline=None, host=GITHUB):
    """The repository of a run in a checkout, which fetches what is missing."""
    home = root.parent / "home"
    home.mkdir(exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)} | variables
    deadline = deadline or ample()
    local = Repository(root, environ, deadline) if (root / ".git").exists() else None
    with closing(FetchingRepository(local, host.remotes(Variables(environ), tokens(token)), environ, deadline)) as made:
        yield made
