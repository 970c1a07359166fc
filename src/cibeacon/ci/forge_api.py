"""Asks a repository's REST API within the deadline, and explains every failure. Knows neither GitHub's API nor GitLab's.

The libraries' own lists are not used: PyGithub takes a redirect or a login page for an empty list, and both follow the
URL of a next page wherever it leads.
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
"""What the libraries raise where no answer comes, and what reading a malformed answer raises."""


class ForgeApi(ABC):
    """What the APIs of both forges share. Every question may raise `HostError`."""

    title: str
    refusal: type[Exception]
    """What the library raises when the server refuses."""
    status_of: attrgetter[Any]
    """The HTTP status in it."""
    refused_hint: str
    unusable_hint = "Run again later, or set pr_number, pr_merged, base and head."

    def __init__(self, url: str, path: str, deadline: Deadline, longest_call: float) -> None:
        self._url, self._path = url, path
        self._deadline, self._longest_call = deadline, longest_call

    @abstractmethod
    def compare(self, base: str, head: str) -> ApiComparison:
        """What lies between two commits, by their full ids."""

    def paths_between(self, base: str, head: str) -> tuple[str, ...]:
        """Every path that differs between two commits. A list that may be truncated is a `HostError`."""
        listed = self.compare(base, head)
        if listed.files is None:
            raise HostError(
                f"{self.title} does not list what lies between {base[:12]} and {head[:12]}",
                listed.fault,
                "Use a full clone.",
            )
        return listed.files

    @contextmanager
    def _question(self, question: str) -> Iterator[None]:
        """Turns a failure to answer `question` into a `HostError`."""
        try:
            yield
        except self.refusal as error:
            status = self.status_of(error)
            raise HostError(
                f"{self.title} would not say {question}",
                f"{self._url} answered {status or 'nothing usable'}",
                self.refused_hint,
                status=status if isinstance(status, int) else None,
            ) from error
        except _UNUSABLE as error:
            reason = error if isinstance(error, AnswerTooLarge) else type(error).__name__
            raise HostError(
                f"{self.title} could not be asked {question}",
                f"{self._url} gave no usable answer ({reason})",
                self.unusable_hint,
            ) from error

    def _seconds(self) -> float:
        """The seconds that one call may take. Raises `HostError` when the time is over."""
        if (left := self._deadline.remaining()) <= 0:
            raise HostError(
                f"{self.title} was not asked",
                "the time for it was used up",
                "Give a larger timeout, or set pr_number, pr_merged, base and head.",
            )
        return min(self._longest_call, left)

    @abstractmethod
    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer to one GET below the repository's path."""

    def _object(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = self._get(path, query)
        if not isinstance(answer, dict):
            raise ValueError("the answer is no object")
        return answer

    def _list(self, path: str, query: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        answer = self._get(path, query)
        if not isinstance(answer, list):
            raise ValueError("the answer is not a list")
        return answer

    def _pages(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[list[dict[str, Any]]]:
        """A list, page by page. An entry may come twice when the list grows meanwhile.

        A server that sends more than was asked for, or the same page again and again, would never come to an end.
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
        """The changed files of a pull request, which are `count`. Raises `HostError` for a truncated list."""
        files: list[dict[str, Any]] = []
        for page in self._pages(path):
            files += page
            if len(files) >= count:
                break
        if len(files) != count:
            raise self._truncated(count)
        return files

    def _truncated(self, count: object) -> HostError:
        """A list of files that is not complete says nothing about the services."""
        return HostError(
            f"{self.title} gives a truncated list of the changed files",
            f"there are {count}",
            "Check out with git instead.",
        )


def unique_paths(files: Collection[Mapping[str, Any]], *keys: str) -> tuple[str, ...]:
    """The paths under these keys of changed files, each once."""
    return tuple(dict.fromkeys(str(file[key]) for file in files for key in keys))
