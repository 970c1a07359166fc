"""Loads PyGithub, and exports the parts that are used. Makes no request.

PyGithub also loads two libraries, for signing in as an app and for encrypting secrets, which cibeacon never does. Their
compiled dependencies would make up a third of the image, and take a tenth of a second to import.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def _without_cryptography() -> Iterator[None]:
    """Replaces the two by empty modules while PyGithub is loaded; later imports get the real ones."""
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
