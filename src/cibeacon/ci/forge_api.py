"""Calls a repository's REST API within the deadline, and explains every failure. Knows neither GitHub's API nor GitLab's.

The libraries' own lists are not used: PyGithub treats a redirect or a login page as an empty list, and both libraries
follow the URL of the next page to any server.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

from cibeacon.http import AnswerTooLarge
from cibeacon.model.changes import ApiComparison
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError

PAGE = 100
_UNUSABLE = (
    *(OSError, ValueError, LookupError, AttributeError, TypeError),
    *(ArithmeticError, AssertionError, RuntimeError),
)
"""What the libraries raise if no answer comes, and what reading a malformed answer raises."""


class ForgeApi(ABC):
    """What the APIs of both forges have in common. Every request may raise `HostError`."""

    title: str
    refusal: type[Exception]
    """What the library raises if the server rejects a request."""
    status_of: attrgetter[Any]
    """Reads the HTTP status from it."""
    refused_hint: str
    unusable_hint = "Run again later, or set pr_number, pr_merged, base and head."

    def __init__(self, url: str, path: str, deadline: Deadline, longest_call: float) -> None:
        self._url, self._path = url, path
        self._deadline, self._longest_call = deadline, longest_call

    @abstractmethod
    def compare(self, base: str, head: str) -> ApiComparison:
        """The comparison of two commits, given by their full ids."""

    def paths_between(self, base: str, head: str) -> tuple[str, ...]:
        """Every path that differs between two commits. Raises `HostError` if the list may be truncated."""
        listed = self.compare(base, head)
        if listed.files is None:
            raise HostError(
                f"{self.title} cannot list the files that changed between {base[:12]} and {head[:12]}",
                listed.fault,
                "Use a full clone.",
            )
        return listed.files

    @contextmanager
    def _asking_for(self, wanted: str) -> Iterator[None]:
        """Turns a failure to get `wanted` into a `HostError`."""
        try:
            yield
        except self.refusal as error:
            status = self.status_of(error)
            raise HostError(
                f"{self.title} did not return {wanted}",
                f"{self._url} answered with HTTP {status}" if status else f"{self._url} gave no usable answer",
                self.refused_hint,
                status=status if isinstance(status, int) else None,
            ) from error
        except _UNUSABLE as error:
            reason = error if isinstance(error, AnswerTooLarge) else type(error).__name__
            raise HostError(
                f"{self.title} did not return {wanted}",
                f"{self._url} gave no usable answer ({reason})",
                self.unusable_hint,
            ) from error

    def _seconds(self) -> float:
        """The seconds that one call may take. Raises `HostError` if no time is left."""
        if (left := self._deadline.remaining()) <= 0:
            raise HostError(
                f"No request was sent to {self.title}",
                "the time for it ran out",
                "Increase timeout, or set pr_number, pr_merged, base and head.",
            )
        return min(self._longest_call, left)

    @abstractmethod
    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer to one GET below the repository's path."""

    def _object(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = self._get(path, query)
        if not isinstance(answer, dict):
            raise ValueError("the answer is not an object")
        return answer

    def _list(self, path: str, query: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        answer = self._get(path, query)
        if not isinstance(answer, list):
            raise ValueError("the answer is not a list")
        return answer

    def _pages(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[list[dict[str, Any]]]:
        """A list, page by page. An entry may appear twice if the list grows meanwhile.

        A server that sends more than was requested, or the same page again and again, would never finish.
        """
        number, before = 1, None
        while True:
            page = self._list(path, {**(query or {}), "per_page": PAGE, "page": number})
            if len(page) > PAGE or page == before:
                raise ValueError("the list has no pages")
            yield page
            if len(page) < PAGE:
                return
            number, before = number + 1, page

    def _files(self, path: str, count: int) -> list[dict[str, Any]]:
        """The changed files of a pull request, of which there are `count`. Raises `HostError` for a truncated list."""
        files: list[dict[str, Any]] = []
        for page in self._pages(path):
            files += page
            if len(files) >= count:
                break
        if len(files) != count:
            raise self._truncated(count)
        return files

    def _truncated(self, count: object) -> HostError:
        """The error for an incomplete list of files, from which the services cannot be determined."""
        return HostError(
            f"{self.title} does not list all changed files",
            f"there are {count}",
            "Use a full clone.",
        )


def unique_paths(files: Collection[Mapping[str, Any]], *keys: str) -> tuple[str, ...]:
    """The paths that changed files have under these keys, without duplicates."""
    return tuple(dict.fromkeys(str(file[key]) for file in files for key in keys))
