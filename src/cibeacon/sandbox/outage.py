"""Knows which part of a vendor's requests goes wrong by chance, as a person has ordered it. Does not know the vendors.

One order is `VENDOR: PERCENT% FAULT`, and more percents with their faults after commas: `dx: 30% 503, 10% lost`.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from random import Random
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cibeacon.sandbox.mishaps import Mishap, always, error_page, limit, lose
from cibeacon.sandbox.safe_json import JSONAnswer, parse_json, read_body

PATH = "/sandbox/faults"
VENDORS = ("dx", "dci", "dataops", "flow", "all")
_FAULT = re.compile(r"(\d{1,3})% *(?:([45]\d\d)|(lost)|slow (\d{1,3})s)", re.ASCII)
_ALLOWED = (
    "An order is a vendor (dx, dci, dataops, flow or all), a colon, and percents with their faults: a status from 400 to "
    "599, lost, or slow with seconds, as in: dx: 30% 503, 10% lost, 5% slow 3s"
)


class OrderError(ValueError):
    """An order that is none; its text says what would be one."""


class Fault(NamedTuple):
    """What happens to so many percent of a vendor's requests."""

    vendor: str
    percent: int
    mishap: Mishap

    def __str__(self) -> str:
        return f"{self.percent}% {self.mishap.fault}"


class Outage:
    """The faults in force; `chance` draws them, so that a test knows what comes."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._faults: tuple[Fault, ...] = ()

    def order(self, text: str) -> None:
        """Add the faults of an order. Raises OrderError, and changes nothing, where it is none."""
        faults = (*self._faults, *_parse(text))
        for vendor in VENDORS:
            if (total := sum(each.percent for each in faults if each.vendor in (vendor, "all"))) > 100:
                raise OrderError(f"The faults of {vendor} would add up to {total}%: clear those in force first.")
        self._faults = faults

    def clear(self) -> None:
        """Take every order back."""
        self._faults = ()

    def document(self) -> dict[str, str]:
        """The faults in force by vendor, each as in an order: `{"dx": "30% 503, 10% lost"}`."""
        of_vendor = {vendor: [str(each) for each in self._faults if each.vendor == vendor] for vendor in VENDORS}
        return {vendor: ", ".join(faults) for vendor, faults in of_vendor.items() if faults}

    def next(self, vendor: str) -> Mishap | None:
        """What happens to the next request to a vendor; None when it goes well."""
        faults = [each for each in self._faults if each.vendor in (vendor, "all")]
        drawn = self._chance.random() * 100 if faults else 100.0
        for fault in faults:
            if drawn < fault.percent:
                return fault.mishap
            drawn -= fault.percent
        return None

    async def answer(self, request: Request) -> Response:
        """Order what `{"fault": TEXT}` says, or take every order back; the answer says what is in force."""
        if request.method == "DELETE":
            self.clear()
        elif request.method == "POST":
            body = parse_json(await read_body(request))
            try:
                self.order(str(body.get("fault", "")) if isinstance(body, dict) else "")
            except OrderError as error:
                return JSONAnswer({"ok": False, "error": "invalid_fault", "message": str(error)}, 422)
        return JSONAnswer({"ok": True, "faults": self.document()})


def _parse(text: str) -> list[Fault]:
    vendor, _, parts = (part.strip() for part in text.partition(":"))
    matches = [_FAULT.fullmatch(part.strip()) for part in parts.split(",")]
    faults = [Fault(vendor, int(match[1]), _mishap(match)) for match in matches if match and 0 < int(match[1]) <= 100]
    if vendor not in VENDORS or len(faults) < len(matches):
        raise OrderError(_ALLOWED)
    return faults


def _mishap(match: re.Match[str]) -> Mishap:
    _percent, status, lost, seconds = match.groups()
    if lost:
        return Mishap(around=lose, fault=lost)
    if seconds:
        return Mishap(around=partial(_slow, int(seconds)), fault=f"slow {int(seconds)}s")
    if status == "429":
        return Mishap(instead=limit, fault=status)
    try:
        return Mishap(instead=always(error_page(int(status))), fault=status)
    except ValueError:
        raise OrderError(f"{status} is no HTTP status. {_ALLOWED}") from None


async def _slow(seconds: int, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(seconds)
    await app(scope, receive, send)
