"""Puts, lists, gets and deletes small objects of an object store through fsspec. Does not know what they contain.

An object is complete or absent, and visible to every process at once; an object store has no renaming and no lock. Each
library reads credentials and servers from the environment (https://s3fs.readthedocs.io, https://gcsfs.readthedocs.io,
https://github.com/fsspec/adlfs). Only the type of a library's error is shown, not its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from cibeacon.runtime.deadline import Deadline, within
from cibeacon.runtime.errors import SpoolError

EXTRA = "cibeacon[remote]"
_AT_ONCE = 200
"""Objects that are read together."""
_URL = re.compile(
    r"(?P<scheme>s3|gs|az)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,221})(?P<prefix>(/[\w.=+-]+)*)/?", re.ASCII
)
_Result = TypeVar("_Result")


class _StoreKind(NamedTuple):
    """What cibeacon knows about one kind of object store."""

    library: str
    errors: tuple[tuple[str, str], ...]
    """Module and name of the errors that the library raises besides built-in ones."""
    options: Mapping[str, Any]


_KINDS: Mapping[str, _StoreKind] = {
    "s3": _StoreKind(
        "s3fs",
        (("botocore.exceptions", "BotoCoreError"), ("botocore.exceptions", "ClientError")),
        {"config_kwargs": {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 3}}},
    ),
    "gs": _StoreKind(
        "gcsfs",
        (("google.auth.exceptions", "GoogleAuthError"), ("gcsfs.retry", "HttpError"), ("aiohttp", "ClientError")),
        {},
    ),
    "az": _StoreKind("adlfs", (("azure.core.exceptions", "AzureError"),), {}),
}
_PLAIN = (OSError, ValueError, RuntimeError, LookupError, AttributeError, TypeError)


class ObjectInfo(NamedTuple):
    """An object in a list."""

    name: str
    """The path below the bucket's URL."""
    size: int
    """Bytes."""


class Bucket:
    """The objects below a URL. Every method raises `SpoolError`, and respects its time limit.

    Args:
        url: `s3://bucket/prefix`, or the same with `gs` or `az` (a container).
        seconds: returns how long the next request may take.
    """

    def __init__(self, url: str, seconds: Callable[[], float]) -> None:
        self.url, self._seconds = url.rstrip("/"), seconds
        self._opened: Any = None

    def limit(self, deadline: Deadline) -> None:
        """Ends every request with the deadline from now on."""
        self._seconds = deadline.remaining

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Writes objects by name, several at once. After an error, some may still have been written."""
        files = {self._path(name): content for name, content in objects.items()}
        self._run("Cannot write to", lambda: self._files().pipe(files))

    def put_in_time(self, objects: Mapping[str, bytes]) -> None:
        """Writes new objects; removes those that are written after the time is up."""
        files, waits = {self._path(name): content for name, content in objects.items()}, [True]

        def write() -> None:
            self._files().pipe(files)
            if not waits:
                self._files().rm(list(files))

        try:
            self._run("Cannot write to", write)
        finally:
            waits.clear()

    def list(self, prefix: str = "") -> list[ObjectInfo]:
        """Every object below the URL whose name has the prefix, by name; the URL itself, if it is an object."""
        top, options = self._path(""), {"prefix": prefix} if prefix else {}
        files = self._run("Cannot list", lambda: self._files().find(top, detail=True, **options))
        return sorted(
            ObjectInfo(path.removeprefix(top).lstrip("/"), int(info.get("size") or 0)) for path, info in files.items()
        )

    def get(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The objects that still exist, with their content."""
        for start in range(0, len(names), _AT_ONCE):
            paths = {self._path(name): name for name in names[start : start + _AT_ONCE]}
            contents = self._run("Cannot read from", partial(self._read, list(paths)))
            yield from ((paths[path], content) for path, content in contents.items())

    def piece(self, start: int, end: int) -> bytes:
        """A part of the object at the URL, from byte `start` up to but not including `end`."""
        path = self._path("")
        return bytes(self._run("Cannot read from", lambda: self._files().cat_file(path, start=start, end=end)))

    def size(self) -> int:
        """Bytes of the object at the URL."""
        return self._run("Cannot read from", lambda: int(self._files().info(self._path(""))["size"]))

    def delete(self, names: Sequence[str]) -> None:
        """Removes objects; a missing one is not an error."""

        def remove() -> None:
            with suppress(FileNotFoundError):
                self._files().rm([self._path(name) for name in names])

        if names:
            self._run("Cannot delete from", remove)

    def _read(self, paths: Sequence[str]) -> dict[str, bytes]:
        contents: dict[str, bytes] = {}
        for path, content in self._files().cat(paths, on_error="return").items():
            if isinstance(content, bytes):
                contents[path] = content
            elif not isinstance(content, FileNotFoundError):
                raise content
        return contents

    def _path(self, name: str) -> str:
        path = self.url.partition("://")[2]
        return f"{path}/{name}" if name else path

    def _files(self) -> Any:
        """The library's file system, opened on the first request."""
        if self._opened is None:
            import fsspec

            scheme = self.url.partition("://")[0]
            self._opened = fsspec.filesystem(
                scheme, skip_instance_cache=True, use_listings_cache=False, **_KINDS[scheme].options
            )
        return self._opened

    def _run(self, failure: str, work: Callable[[], _Result]) -> _Result:
        what = f"{failure} {_without_credentials(self.url)}"
        match = _URL.fullmatch(self.url)
        if not match:
            hint = "Write s3://bucket/prefix, or the same with gs:// or az://."
            raise SpoolError(what, "this is not the URL of a bucket", hint)
        kind = _KINDS[match["scheme"]]
        try:
            return within(self._seconds(), work)
        except ImportError as error:
            reason, hint = f"the package {kind.library} is not installed", f"Install it: pip install '{EXTRA}'"
            raise SpoolError(what, reason, hint) from error
        except TimeoutError as error:
            hint = "Check the network, or set a larger timeout."
            raise SpoolError(what, "there was no response in time", hint) from error
        except _errors(kind) as error:
            hint = "Check the URL and the credentials in the environment."
            raise SpoolError(what, _kind_of(error), hint) from error


def _errors(kind: _StoreKind) -> tuple[type[BaseException], ...]:
    return (*_PLAIN, *(getattr(import_module(module), name) for module, name in kind.errors))


def _kind_of(error: BaseException) -> str:
    """The kind of an error. Its text may contain a signed URL."""
    if isinstance(error, PermissionError):
        return "access is denied"
    if isinstance(error, FileNotFoundError):
        return "there is no such bucket or object"
    return f"the library failed with {type(error).__name__}"


def _without_credentials(url: str) -> str:
    """The URL without the part before an @, where users may put secrets, which no library should get."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}***@{rest.rpartition('@')[2]}" if "@" in rest else url
