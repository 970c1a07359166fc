"""Knows one authenticated request to DCI, as the handlers need it. Does not know routes or signatures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cibeacon.sandbox.dci_account import DciAccount, Remoteci, Topic
from cibeacon.sandbox.dci_answers import Page, Refusal
from cibeacon.sandbox.dci_state import DciState, Row
from cibeacon.sandbox.dci_upload import Upload
from cibeacon.sandbox.exchange import Request
from cibeacon.sandbox.safe_json import parse_json


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request whose signature was good. `args` holds the first value of each query key, `ids` those of the path."""

    request: Request
    upload: Upload = field(repr=False)
    state: DciState = field(repr=False)
    remoteci: Remoteci
    args: Mapping[str, str]
    ids: tuple[str, ...] = ()

    @property
    def account(self) -> DciAccount:
        """What DCI holds beside what was sent."""
        return self.state.account

    def json(self) -> object:
        """The JSON body. Raises the pages that DCI answers when it is none, or not announced as one."""
        if media_type(self.request) != "application/json":
            raise Page(500)
        value = parse_json(self.upload.content())
        if value is None:
            raise Page(400)
        return value

    def job(self) -> Row:
        """The job that the path names."""
        return found_job(self.state, self.ids[0])

    def topic(self, topic_id: str | None) -> Topic:
        """A topic that the team may see."""
        topic = next((one for one in self.account.topics if one.id == topic_id), None)
        if topic is None:
            raise Refusal(404, "topic not found")
        if not topic.granted:
            raise Refusal(401, "Operation not authorized.")
        return topic

    def matched(self, etag: str, kind: str) -> None:
        """Raise unless If-Match names the etag: a stale one finds nothing."""
        given = self.request.headers.get("If-Match")
        if not given:
            raise Refusal(412, "'If-match' header must be provided")
        if given.strip('"') != etag:
            raise Refusal(404, f"{kind} not found")


def found_job(state: DciState, job_id: str) -> Row:
    """The job of that id. Raises 404."""
    job = state.job(job_id)
    if job is None:
        raise Refusal(404, "job not found")
    return job


def media_type(request: Request) -> str:
    """The Content-Type without its parameters, in lower case; empty when there is none."""
    return str(request.headers.get("Content-Type", "")).partition(";")[0].strip().lower()
