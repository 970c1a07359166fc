"""Knows which part of a vendor's requests goes wrong by chance, as a person has ordered it. Does not know the vendors.

One order is `VENDOR: PERCENT% FAULT`, and more percents with their faults after commas: `dx: 30% 503, 10% lost`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection
from functools import partial
from random import Random
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cibeacon.sandbox.listener import hang_up
from cibeacon.sandbox.safe_json import JSONAnswer, read_json
from cibeacon.sandbox.vendor import Fault, error_page

PATH = "/sandbox/faults"
_FAULT = re.compile(r"(\d{1,3})% *(?:([45]\d\d)|(lost)|slow (\d{1,3})s)", re.ASCII)
_ALL = "all"
_BUSY = {"message": {"error": "This endpoint has been requested too many times. Try again later."}}


class OrderError(ValueError):
    """An order that is none; its text says what would be one."""


class Part(NamedTuple):
    """What goes wrong with so many percent of a vendor's requests."""

    vendor: str
    percent: int
    fault: Fault

    def __str__(self) -> str:
        return f"{self.percent}% {self.fault.name}"


class Outage:
    """The faults in force for these vendors; `chance` draws them, so that a test knows what comes."""

    def __init__(self, chance: Random, vendors: Collection[str]) -> None:
        self._chance, self._vendors = chance, (*vendors, _ALL)
        self._parts: tuple[Part, ...] = ()
        self.planned: dict[str, Callable[[Scope], Fault | None]] = {}
        """By vendor: what a test plans for a request, by its scope; chance decides where that is None."""

    def order(self, text: str) -> None:
        """Add the faults of an order. Raises OrderError, and changes nothing, where it is none."""
        parts = (*self._parts, *self._parse(text))
        for vendor in self._vendors:
            if (total := sum(each.percent for each in parts if each.vendor in (vendor, _ALL))) > 100:
                raise OrderError(f"The faults of {vendor} would add up to {total}%: clear those in force first.")
        self._parts = parts

    def clear(self) -> None:
        """Take every order back."""
        self._parts = ()

    def document(self) -> dict[str, str]:
        """The faults in force by vendor, each as in an order: `{"dx": "30% 503, 10% lost"}`."""
        of_vendor = {vendor: [str(each) for each in self._parts if each.vendor == vendor] for vendor in self._vendors}
        return {vendor: ", ".join(parts) for vendor, parts in of_vendor.items() if parts}

    def fault_of(self, vendor: str, scope: Scope) -> Fault | None:
        """What goes wrong with a request to a vendor; None when it goes well."""
        planned = self.planned[vendor](scope) if vendor in self.planned else None
        return planned or self.draw(vendor)

    def draw(self, vendor: str) -> Fault | None:
        """What goes wrong with the next request to a vendor, by chance."""
        parts = [each for each in self._parts if each.vendor in (vendor, _ALL)]
        drawn = self._chance.random() * 100 if parts else 100.0
        for part in parts:
            if drawn < part.percent:
                return part.fault
            drawn -= part.percent
        return None

    async def answer(self, request: Request) -> Response:
        """Order what `{"fault": TEXT}` says, or take every order back; the answer says what is in force."""
        if request.method == "DELETE":
            self.clear()
        elif request.method == "POST":
            body = await read_json(request)
            try:
                self.order(str(body.get("fault", "")) if isinstance(body, dict) else "")
            except OrderError as error:
                return JSONAnswer({"ok": False, "error": "invalid_fault", "message": str(error)}, 422)
        return JSONAnswer({"ok": True, "faults": self.document()})

    def _parse(self, text: str) -> list[Part]:
        vendor, _, orders = (part.strip() for part in text.partition(":"))
        matches = [_FAULT.fullmatch(order.strip()) for order in orders.split(",")]
        allowed = (
            f"An order is a vendor ({', '.join(self._vendors[:-1])} or {_ALL}), a colon, and percents with their faults: a "
            "status from 400 to 599, lost, or slow with seconds, as in: dx: 30% 503, 10% lost, 5% slow 3s"
        )
        try:
            parts = [
                Part(vendor, int(match[1]), _fault(match)) for match in matches if match and 0 < int(match[1]) <= 100
            ]
        except ValueError as error:
            raise OrderError(f"{error}. {allowed}") from None
        if vendor not in self._vendors or len(parts) < len(matches):
            raise OrderError(allowed)
        return parts


def _fault(match: re.Match[str]) -> Fault:
    """Raises ValueError where the status is not one of HTTP's."""
    _percent, status, lost, seconds = match.groups()
    if lost:
        return Fault(lost, around=lose)
    if seconds:
        return Fault(f"slow {int(seconds)}s", around=partial(_slow, int(seconds)))
    if status == "429":
        return Fault(status, JSONAnswer(_BUSY, 429, {"Retry-After": "5"}))
    return Fault(status, error_page(int(status)))


async def lose(app: ASGIApp, scope: Scope, receive: Receive, _send: Send) -> None:
    """Carry out a request and hang up without an answer."""

    async def ignore(_message: Message) -> None:
        pass

    await app(scope, receive, ignore)
    await hang_up(scope, receive)


async def _slow(seconds: int, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(seconds)
    await app(scope, receive, send)
