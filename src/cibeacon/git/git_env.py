"""Knows the environment of git's children: what they may read, and that they never prompt. Starts none.

It is made from nothing, so that no variable of the job (GIT_DIR, GIT_TRACE, GIT_SSH_COMMAND, …) reaches git.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cibeacon.git.remote import Remote

_INHERITED = ("PATH", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
_PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")
_CONFIG = {
    "safe.directory": "*",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.packedGitWindowSize": "1m",
    "core.packedGitLimit": "8m",
}
_SCRATCH_CONFIG = {
    "core.alternateRefsPrefixes": "refs/cibeacon/nothing/",  # the refs of the lending repository must not be offered
    "gc.auto": "0",
    "maintenance.auto": "false",
    "pack.threads": "1",  # every thread has a cache of its own, and memory is bounded
    "core.deltaBaseCacheLimit": "16m",
    "core.bigFileThreshold": "4m",  # larger files are streamed
}
_NETWORK_CONFIG = {
    "http.followRedirects": "false",  # a credential would travel along
    "protocol.version": "2",  # version 1 refuses commits that no ref names
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
}
_NO_INDEX = "/nonexistent/cibeacon/index"
"""git diff-tree would read the checkout's whole index, though comparing two trees needs none."""
_ALWAYS = {
    "HOME": "/nonexistent/cibeacon",  # curl would read .netrc there, and without the variable in the user's own home
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_INDEX_FILE": _NO_INDEX,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def reading_env(environ: Mapping[str, str]) -> dict[str, str]:
    """For reading a clone: no prompt, no hook, no fsmonitor, no network, no configuration but the clone's own.

    A partial clone must not fetch behind our back; `safe.directory` holds for these children alone, since a
    container's checkout belongs to another user.
    """
    return _base(environ) | _as_variables(_CONFIG)


def scratch_env(environ: Mapping[str, str]) -> dict[str, str]:
    """For reading a scratch repository."""
    return _base(environ) | _as_variables(_CONFIG | _SCRATCH_CONFIG)


def fetching_env(environ: Mapping[str, str], remote: Remote, name: str, *, negotiate: bool) -> dict[str, str]:
    """For a fetch into a scratch repository. The credential is neither in an argument nor in a file.

    With `negotiate` git tells the server which commits are here, so that it sends less; that can take one more round.
    Only here may git fetch what is missing from the remote, by its `name`: reading must never fetch.
    """
    config = _CONFIG | _SCRATCH_CONFIG | _NETWORK_CONFIG
    config |= {"fetch.negotiationAlgorithm": "default" if negotiate else "noop"}
    config |= {f"remote.{name}.promisor": "true", f"remote.{name}.partialCloneFilter": "blob:none"}
    if remote.authorization:
        config[f"http.{remote.origin}.extraHeader"] = remote.authorization
    network = {name: environ[name] for name in _PROXIES if environ.get(name)} | _authorities(environ)
    scheme = remote.url.partition(":")[0]
    return _base(environ) | network | {"GIT_ALLOW_PROTOCOL": scheme} | _as_variables(config)


def _base(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in _INHERITED if name in environ} | _ALWAYS


def _as_variables(config: Mapping[str, str]) -> dict[str, str]:
    variables = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _authorities(environ: Mapping[str, str]) -> dict[str, str]:
    """The certificate authorities that the rest of the job trusts: a file, or a folder of them."""
    names = ("GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    path = next((environ[name] for name in names if environ.get(name)), None)
    return {"GIT_SSL_CAPATH" if Path(path).is_dir() else "GIT_SSL_CAINFO": path} if path else {}
