"""The only way to an object store: puts, lists, gets and deletes small objects through fsspec. Does not know what they hold.

An object appears whole or not at all, and everybody sees it at once; there is no renaming and no lock. Credentials and
addresses of servers are the environment's, as each library reads it (https://s3fs.readthedocs.io, https://gcsfs.readthedocs.io,
https://github.com/fsspec/adlfs); what a library says of an error is not shown, only its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from cibeacon.runtime.errors import SpoolError
from cibeacon.runtime.threads import within

EXTRA = "cibeacon[remote]"
_AT_ONCE = 200
"""Objects that are read together."""
_ADDRESS = re.compile(
    r"(?P<scheme>s3|gs|az)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,221})(?P<prefix>(/[\w.=+-]+)*)/?", re.ASCII
)
_Answer = TypeVar("_Answer")


class _Kind(NamedTuple):
    """How one make of object store is spoken to."""

    library: str
    errors: tuple[tuple[str, str], ...]
    """Module and name of what the library raises besides Python's own errors."""
    options: Mapping[str, Any]


_KINDS: Mapping[str, _Kind] = {
    "s3": _Kind(
        "s3fs",
        (("botocore.exceptions", "BotoCoreError"), ("botocore.exceptions", "ClientError")),
        {"config_kwargs": {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 3}}},
    ),
    "gs": _Kind(
        "gcsfs",
        (("google.auth.exceptions", "GoogleAuthError"), ("gcsfs.retry", "HttpError"), ("aiohttp", "ClientError")),
        {},
    ),
    "az": _Kind("adlfs", (("azure.core.exceptions", "AzureError"),), {}),
}
_PLAIN = (OSError, ValueError, RuntimeError, LookupError, AttributeError, TypeError)


class Found(NamedTuple):
    """An object in a list."""

    name: str
    """From the bucket's address on."""
    size: int
    """Bytes."""


class Bucket:
    """The objects below an address. Everything raises `SpoolError`, and nothing takes longer than it may.

    Args:
        address: `s3://bucket/prefix`, or the same with `gs` or `az` (a container).
        seconds: how long a question may take from now on.
    """

    def __init__(self, address: str, seconds: Callable[[], float]) -> None:
        self.address, self._seconds = address.rstrip("/"), seconds
        self._opened: Any = None

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Writes objects by their names, several at once. Some may be there all the same when this fails."""
        files = {self._path(name): content for name, content in objects.items()}
        self._do("Nothing can be written to", lambda: self._files().pipe(files))

    def put_in_time(self, objects: Mapping[str, bytes]) -> None:
        """The same for new objects; those that are written after this was given up are removed again."""
        files, waited = {self._path(name): content for name, content in objects.items()}, [True]

        def write() -> None:
            self._files().pipe(files)
            if not waited:
                self._files().rm(list(files))

        try:
            self._do("Nothing can be written to", write)
        finally:
            waited.clear()

    def list(self, beginning: str = "") -> list[Found]:
        """Every object below the address whose name begins so, by name; the address itself, where it is an object."""
        top = self._path("")

        def find() -> list[Found]:
            told = self._files().find(top, detail=True, **({"prefix": beginning} if beginning else {}))
            return [
                Found(path.removeprefix(top).lstrip("/"), int(about.get("size") or 0)) for path, about in told.items()
            ]

        return sorted(self._do("Nothing can be listed in", find))

    def get(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The objects that are still there, with their content."""
        for start in range(0, len(names), _AT_ONCE):
            paths = {self._path(name): name for name in names[start : start + _AT_ONCE]}
            told = self._do("Nothing can be read from", lambda paths=paths: self._contents(list(paths)))  # type: ignore[misc]
            yield from ((paths[path], content) for path, content in told.items())

    def piece(self, start: int, end: int) -> bytes:
        """A part of the object that the address names, from one byte to before another."""
        return self._do("Nothing can be read from", lambda: self._part(start, end))

    def size(self) -> int:
        """Bytes of the object that the address names."""

        def told() -> int:
            return int(self._files().info(self._path(""))["size"])

        return self._do("Nothing can be read from", told)

    def delete(self, names: Sequence[str]) -> None:
        """Removes objects; one that is gone already is no failure."""

        def remove() -> None:
            try:
                self._files().rm([self._path(name) for name in names])
            except FileNotFoundError:
                return

        if names:
            self._do("Nothing can be removed from", remove)

    def _part(self, start: int, end: int) -> bytes:
        found: bytes = self._files().cat_file(self._path(""), start=start, end=end)
        return found

    def _contents(self, paths: Sequence[str]) -> dict[str, bytes]:
        told: Mapping[str, Any] = self._files().cat(paths, on_error="return")
        found: dict[str, bytes] = {}
        for path, content in told.items():
            if isinstance(content, BaseException) and not isinstance(content, FileNotFoundError):
                raise content
            if isinstance(content, bytes):
                found[path] = content
        return found

    def _path(self, name: str) -> str:
        place = self.address.partition("://")[2]
        return f"{place}/{name}" if name else place

    def _files(self) -> Any:
        """The library's file system, made at the first question."""
        if self._opened is None:
            import fsspec

            scheme = self.address.partition("://")[0]
            self._opened = fsspec.filesystem(
                scheme, skip_instance_cache=True, use_listings_cache=False, **_KINDS[scheme].options
            )
        return self._opened

    def _do(self, what: str, work: Callable[[], _Answer]) -> _Answer:
        told = f"{what} {_shown(self.address)}"
        match = _ADDRESS.fullmatch(self.address)
        if not match:
            raise SpoolError(
                told, "this is no address of a bucket", "Write s3://bucket/prefix, or gs:// or az:// likewise."
            )
        kind = _KINDS[match["scheme"]]
        try:
            return within(self._seconds(), work)
        except ImportError as error:
            raise SpoolError(
                told, f"the package {kind.library} is not installed", f"Install it: pip install '{EXTRA}'"
            ) from error
        except TimeoutError as error:
            raise SpoolError(
                told, "there was no answer in time", "Check the network, or give a larger timeout."
            ) from error
        except _errors(kind) as error:
            raise SpoolError(told, _why(error), "Check the address, and the credentials in the environment.") from error


def _errors(kind: _Kind) -> tuple[type[BaseException], ...]:
    return (*_PLAIN, *(getattr(import_module(module), name) for module, name in kind.errors))


def _why(error: BaseException) -> str:
    """The kind of a failure. Its text may hold a signed address."""
    if isinstance(error, PermissionError):
        return "access is denied"
    if isinstance(error, FileNotFoundError):
        return "there is no such bucket or object"
    return f"the library failed with {type(error).__name__}"


def _shown(address: str) -> str:
    """The address without what stands before an @: people write secrets there, and no library should get them."""
    scheme, found, rest = address.partition("://")
    return f"{scheme}{found}***@{rest.rpartition('@')[2]}" if "@" in rest else address
