"""Knows how DCI's control server receives a request: route, size, signature, handler, and what is remembered of it. Does
not know sockets or any client.

https://github.com/redhat-cip/dci-control-server, as it was observed to behave where that differs from what is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from threading import RLock
from typing import Any
from urllib.parse import parse_qsl, unquote

from cibeacon.sandbox import dci_routes, dci_signature
from cibeacon.sandbox.dci_account import DciAccount, Remoteci
from cibeacon.sandbox.dci_answers import Page, Refusal, database
from cibeacon.sandbox.dci_call import Asked, media_type
from cibeacon.sandbox.dci_files import reader_for
from cibeacon.sandbox.dci_ledger import document
from cibeacon.sandbox.dci_mishaps import LATE, LOST, Mishaps
from cibeacon.sandbox.dci_schema import is_uuid
from cibeacon.sandbox.dci_state import DciState
from cibeacon.sandbox.dci_upload import Upload
from cibeacon.sandbox.exchange import Answer, Request
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.safe_json import parse_json

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_SMALL = 1024 * 1024
"""Largest JSON body in bytes that is remembered with its request."""


class Dci:
    """DCI with a memory; safe to use from many threads.

    Args:
        account: what it holds before the first request.
        clock: tells the Unix time in seconds, which signatures are judged by.
        ledger: where requests are noted.
        log: called with the entry of each request.
    """

    def __init__(
        self,
        account: DciAccount,
        ledger: Ledger,
        clock: Callable[[], float] = time.time,
        log: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.account = account
        self.mishaps = Mishaps()
        self._state = DciState(account, clock)
        self._ledger, self._clock, self._log = ledger, clock, log
        self._lock = RLock()
        self._late: list[tuple[Request, Upload]] = []

    def document(self) -> dict[str, Any]:
        """Every job with its states, files, results and values, by id, as one JSON object."""
        with self._lock:
            return document(self._state)

    def content(self, file_id: str) -> bytes | None:
        """The bytes of a file; None when it was too large to keep. Raises KeyError when there is none of that id."""
        with self._lock:
            return self._state.files[file_id].upload.content()

    def close(self) -> None:
        """Forget the content of every file."""
        with self._lock:
            self._state.close()

    def receives(self, request: Request) -> Upload:
        """Where the body of this request is to go."""
        is_file = request.method == "POST" and request.path.rstrip("/") == f"{dci_routes.PREFIX}/files"
        kept = self.account.kept if is_file else max(self.account.body_limit, _SMALL)
        junit = reader_for(request) if is_file else None
        return Upload(kept, junit, form=media_type(request) in _FORMS)

    def answer(self, request: Request, upload: Upload) -> Answer | None:
        """Judge a request, change what is held accordingly and note it; None when its answer gets lost."""
        with self._lock:
            path = unquote(request.path).removeprefix(dci_routes.PREFIX)
            mishap = self.mishaps.next(request.method, path.rstrip("/"))
            if mishap == LATE:
                self._late.append((request, upload))
                return None
            answer = self._judged(request, path, upload, mishap)
            late = [each for each in self._late if (each[0].method, each[0].path) == (request.method, request.path)]
            for each, body in late:
                self._late.remove((each, body))
                self._judged(each, path, body, None)
        dated = {"Date": formatdate(self._clock(), usegmt=True), **answer.headers}
        return None if mishap == LOST else Answer(answer.status, answer.content, answer.content_type, dated)

    def _judged(self, request: Request, path: str, upload: Upload, mishap: int | None) -> Answer:
        message = None
        try:
            if mishap:
                raise Page(mishap)
            answer = self._handled(request, path, upload)
        except (Refusal, Page) as refusal:
            answer = refusal.answer()
            message = refusal.message if isinstance(refusal, Refusal) else None
        self._note(request, upload, answer, message)
        if not any(one.upload is upload for one in self._state.files.values()):
            upload.close()
        return answer

    def _handled(self, request: Request, path: str, upload: Upload) -> Answer:
        handler, ids = dci_routes.found(request.method, path)
        args: dict[str, str] = {}
        for name, value in parse_qsl(request.query, keep_blank_values=True):
            args.setdefault(name, value)
        remoteci = self._authenticated(request, args, upload)
        asked = Asked(request=request, upload=upload, state=self._state, remoteci=remoteci, args=args, ids=ids)
        return handler(asked)

    def _authenticated(self, request: Request, args: Mapping[str, str], upload: Upload) -> Remoteci:
        claim = dci_signature.read({name.lower(): str(value) for name, value in request.headers.items()})
        if upload.size > self.account.body_limit and "Content-Type" in request.headers:
            raise Page(413)
        kind, client_id = claim.client
        if not is_uuid(client_id.lower()):
            raise database(f"{kind}s.id", client_id)
        if kind not in ("remoteci", "feeder"):
            raise Refusal(401, "identity does not exists.")
        known = (one for one in self.account.remotecis if (one.kind, one.id) == (kind, client_id.lower()))
        remoteci = next(known, None)
        if remoteci is None:
            raise Refusal(404, f"{kind} not found")
        signed = dci_signature.Signed(method=request.method, path=request.path, args=args, digest=upload.sha256)
        dci_signature.verify(claim, signed, remoteci.secret, self._clock())
        if not self.account.team_active:
            raise Refusal(412, f"team {self.account.team_name} not active")
        return remoteci

    def _note(self, request: Request, upload: Upload, answer: Answer, message: str | None) -> None:
        refused = answer.status >= 400
        entry = self._ledger.note(
            method=request.method,
            path=request.path,
            body=_remembered(request, upload),
            status=answer.status,
            error=HTTPStatus(answer.status).phrase if refused else None,
            message=message,
        )
        if self._log:
            self._log(entry)


def _remembered(request: Request, upload: Upload) -> object:
    """A JSON body, or of a file what its headers say and its size: neither signature nor content."""
    if name := request.headers.get("DCI-NAME"):
        described = {"DCI-NAME": str(name), "DCI-MIME": request.headers.get("DCI-MIME"), "size": upload.size}
        return described | {"DCI-JOB-ID": request.headers.get("DCI-JOB-ID")}
    return parse_json(upload.content()) if 0 < upload.size <= _SMALL else None
