"""Loads PyGithub, and what of it is used. Knows no question to GitHub.

PyGithub loads two libraries at once that only sign an app in and seal secrets, neither of which is done here. What they
bring along is compiled code that would be a third of the image, and takes a tenth of a second to import.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def _without_cryptography() -> Iterator[None]:
    """Has empty modules stand for the two, until PyGithub is loaded; who imports them later gets the real ones."""
    absent = {name: ModuleType(name) for name in ("jwt", "nacl") if name not in sys.modules}
    for module in absent.values():
        vars(module).update(encoding=None, public=None)
    sys.modules.update(absent)
    yield
    for name in absent:
        del sys.modules[name]


with _without_cryptography():
    from github import Auth, Github, GithubException, GithubRetry
    from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass, Requester

__all__ = [
    "Auth",
    "Github",
    "GithubException",
    "GithubRetry",
    "HTTPRequestsConnectionClass",
    "HTTPSRequestsConnectionClass",
    "Requester",
]
