"""Knows a run outside GitHub and GitLab: a laptop, or a CI system without a reader of its own. Asks only git.

Everything that no one says can be given as a setting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from cibeacon.context import Checkout, Context
from cibeacon.git.remote import Remote
from cibeacon.reading import commit

NAME = "local"
TITLE = "local"
FINAL_WORDS: Mapping[str, str] = {}
NO_CHECKOUT = Checkout(None, None, None, None)
_SCP = r"(?:[^@/\s]+@)?(?P<host>[^:/\s]{2,}):(?P<path>[^\s]+)"


def remote(url: str | None) -> tuple[str | None, str | None]:
    """(server, repository) of a git remote, in any of git's spellings; a path on disk names neither."""
    if not url:
        return None, None
    if "://" in url:
        try:
            parts = urlsplit(url)
        except ValueError:
            return None, None
        host, path = parts.hostname, parts.path
    elif match := re.fullmatch(_SCP, url):
        host, path = match["host"], match["path"]
    else:
        return None, None
    repository = path.strip("/").removesuffix(".git")
    return (host, repository) if host and repository else (None, None)


def remotes(environ: Mapping[str, str], token: str | None, *, allow_http: bool = False) -> tuple[Remote, ...]:
    """Nowhere: no host vouches for a place, and a person at a laptop fetches as they please."""
    del environ, token, allow_http
    return ()


def spool_folder(environ: Mapping[str, str]) -> str | None:
    """The user's folder for state (XDG Base Directory Specification)."""
    state = environ.get("XDG_STATE_HOME") or (f"{environ['HOME']}/.local/state" if environ.get("HOME") else None)
    return f"{state}/cibeacon/spool" if state else None


def read(environ: Mapping[str, str], checkout: Checkout) -> Context:
    """The run as the checkout shows it. `ci` is true where the environment says CI, of whatever make."""
    server, repository = remote(checkout.remote_url)
    head = commit(checkout.head)
    return Context(
        host=NAME,
        server=server,
        repository=repository,
        event=None,
        commit_sha=head,
        checkout_sha=head,
        ref=f"refs/heads/{checkout.branch}" if checkout.branch else None,
        branch=checkout.branch,
        default_branch=checkout.default_branch,
        run_id=f"local-{head}" if head else "local",
        pipeline=repository,
        ci=environ.get("CI", "").lower() in ("true", "1", "yes"),
    )
