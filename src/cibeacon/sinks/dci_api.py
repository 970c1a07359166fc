"""Knows DCI's API: how a request is spelled, what its answers mean, and what to do where it refuses. Knows no signal.

DCI executes a repeated request a second time, answers a wrong secret with status 400 and a topic of others with 401, and
its answers can hold credentials and SQL. The API: https://github.com/redhat-cip/dci-control-server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.request import Request, Response, SinkError, foreign_error, redirect_error, status_advice

Result = TypeVar("Result")
Talk: TypeAlias = Generator[Request, Response, Result]
"""A part of an exchange with DCI. Every one may raise `SinkError`."""
DciRow: TypeAlias = Mapping[str, Any]

ROOT = "/api/v1"
PAGE = 200
"""Rows of a page; DCI gives no more at once."""
MOST_ROWS = 20_000
MOST_BYTES = 64 << 20
"""Of one list, over all its pages: a server whose list never ends must not fill the memory."""
TRIES = 4
"""How often a request is sent whose answers are lost."""


_SIGNATURE = (
    "check the secret dci_api_secret, this machine's clock ({clock}), and that dci_url is the address by which DCI "
    "itself is known."
)
_BY_MESSAGE: tuple[tuple[str, str, bool], ...] = (
    ("signature is expired", "DCI takes the signature for too old or too new: set the clock ({clock}).", True),
    ("bad or incomplete headers", "DCI cannot read the signature: set dci_client_id to remoteci/UUID.", True),
    ("HmacMechanism failed", f"DCI does not accept the signature: {_SIGNATURE}", True),
    ("identity does not exist", "DCI knows no active remote CI of this id: check dci_client_id.", True),
    ("remoteci not found", "DCI knows no remote CI of this id: check dci_client_id.", True),
    ("feeder not found", "DCI knows no feeder of this id: check dci_client_id.", True),
    ("is disabled", "The remote CI is disabled and cannot make jobs: have it enabled, or sign as another.", True),
    ("Authorization", "The signature did not arrive: check what is between here and DCI (dci_url).", True),
    ("Operation not authorized", "This remote CI has no access to it: ask the product's team to grant it.", True),
    ("Only remoteci", "Only a remote CI can make jobs: dci_client_id must be the id of one.", False),
    ("Topic ", "The topic is not active any more: choose another one (setting dci_topic).", False),
    ("team ", "The remote CI's team is not active: ask DCI's administrators.", True),
    ("Component of type", "The topic lacks a component: name those of the job (setting dci_components).", False),
    ("omponent", "DCI does not take the components: check dci_components with cibeacon dci components.", False),
    ("topic not found", "DCI has no such topic: check dci_topic.", False),
    ("job not found", "DCI has no such job, or it was archived: check dci_job_id.", False),
    (
        "Invalid XML",
        "DCI keeps the file, but cannot read it as JUnit, so its tests are not counted: correct what writes it.",
        False,
    ),
    ("similar resource already exists", "DCI has it already, or it names something that DCI does not have.", False),
    (
        "unable to create this resource",
        "DCI cannot store a value: a text may be over 255 characters, or hold one that it refuses.",
        False,
    ),
    ("Request malformed", "DCI refuses a field of the request; its own words are above.", False),
)
"""A part of DCI's message, what to do about it, and whether the same request may be accepted later; the first that fits."""
_BY_STATUS: Mapping[int, tuple[str, bool]] = {
    401: ("DCI does not know who asks: check dci_client_id and the secret dci_api_secret.", True),
    403: ("Something between here and DCI refuses the call: check the proxy, and dci_url.", True),
    413: ("It is too large for DCI: compress it, or leave it out (setting dci_files).", False),
}
_HIDDEN = re.compile(r"(?i:psycopg|sqlalche|\[SQL|api_secret)|\b(?:SELECT|INSERT|UPDATE|DELETE|FROM|WHERE)\b|<")
_LONGEST = 200


def get(path: str) -> Request:
    """A request that reads what is at a path."""
    return Request("GET", f"{ROOT}{path}", auth="dci")


def post(path: str, body: Mapping[str, Any]) -> Request:
    """A request that makes something, and would make it again if it were repeated."""
    return Request("POST", f"{ROOT}{path}", body, auth="dci", repeatable=False)


def page(path: str, where: Mapping[str, str] = {}, *, offset: int = 0, limit: int = PAGE, sort: str = "") -> Request:
    """A page of a list: the rows whose columns hold these values; in DCI's own order without `sort`.

    DCI wants `limit` and `offset` both or neither, and the signature covers the query as it is quoted here; an empty
    parameter breaks it.
    """
    query = f"?limit={limit}&offset={offset}" + (f"&sort={sort}" if sort else "")
    if where:
        conditions = ",".join(f"{column}:{value}" for column, value in where.items())
        query += "&where=" + quote(conditions, safe="_.-~", errors="replace")
    return get(f"{path}{query}")


def can_be_queried(value: str) -> bool:
    """False for what `where` cannot write as one value: a comma parts values, and an asterisk at the end means any."""
    return bool(value) and "," not in value and not value.endswith("*")


def ask(request: Request, name: str) -> Talk[DciRow]:
    """The object that the answer holds under a name."""
    row = answer((yield request)).get(name)
    if not isinstance(row, dict):
        raise foreign(f"no {name}")
    return row


def ask_page(request: Request, name: str) -> Talk[list[DciRow]]:
    """The rows of one page."""
    return rows(answer((yield request)), name)


def ask_all(
    path: str,
    name: str,
    where: Mapping[str, str] = {},
    *,
    page_size: int = PAGE,
    limit: int | None = None,
    sort: str = "",
) -> Talk[tuple[list[DciRow], int]]:
    """The rows of a list, page by page, at most `limit`; and how many DCI has altogether."""
    listed: list[DciRow] = []
    size_read = 0
    while True:
        size = page_size if limit is None else min(page_size, limit - len(listed))
        response = yield page(path, where, offset=len(listed), limit=size, sort=sort)
        document = answer(response)
        size_read += len(response.content)
        more, meta = rows(document, name)[:size], document.get("_meta")
        listed += more
        count = meta.get("count") if isinstance(meta, dict) else None
        total = count if isinstance(count, int) else len(listed)
        if not more or len(listed) >= min(total, limit or total):
            return listed, total
        if len(listed) >= MOST_ROWS or size_read > MOST_BYTES:
            reason = f"DCI lists more than {MOST_ROWS:,} rows or {MOST_BYTES >> 20} MiB: give --limit or --where."
            raise SinkError(reason, "the list is too long")


def once(request: Request, look: Callable[[], Talk[Result | None]], read: Callable[[DciRow], Result]) -> Talk[Result]:
    """What a request made. Where its answer is lost, `look` finds what it made before it is sent again."""
    for tries_left in reversed(range(TRIES)):
        response = yield request
        if not response.lost:
            return read(answer(response))
        if tries_left:
            made = yield from look()
            if made is not None:
                return made
    raise unanswered()


def id_of(row: DciRow) -> str:
    """A row's id, which goes into the paths of later requests. Raises `SinkError` when it has none."""
    row_id = row.get("id")
    if not isinstance(row_id, str) or not is_uuid(row_id):
        raise foreign("an object without an id")
    return row_id


def rows(document: DciRow, name: str) -> list[DciRow]:
    """The list that an answer holds under a name. Raises `SinkError` when it holds none."""
    rows = document.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise foreign(f"no list of {name}")
    return rows


def answer(response: Response) -> DciRow:
    """The JSON object of a response that agrees. Raises `SinkError` for every other response."""
    document = response.json()
    if 200 <= response.status < 300 and isinstance(document, dict):
        return document
    if 200 <= response.status < 300:
        raise foreign(response.content_type.partition(";")[0] or "no content type")
    if 300 <= response.status < 400:
        raise redirect_error(response, "DCI", "dci_url")
    message = document.get("message") if isinstance(document, dict) else None
    message = message if isinstance(message, str) else ""
    advice, retryable = _advice(response.status, message)
    clock = f"the server's says {response.date[:40]}" if response.date else "the server does not send its own"
    error = _printable(message, document) or f"HTTP {response.status}"
    raise SinkError(advice.replace("{clock}", clock), error, retryable=retryable)


def unanswered() -> SinkError:
    """A request was sent several times, and its answer was lost each time."""
    return SinkError("DCI has trouble of its own: send again later.", "no answer", retryable=True)


def foreign(content: str) -> SinkError:
    """An answer that is well-formed and not DCI's."""
    return foreign_error("DCI", "dci_url", content)


def _advice(status: int, message: str) -> tuple[str, bool]:
    for part, advice, retryable in _BY_MESSAGE if status < 500 else ():
        if part in message:
            return advice, retryable
    if common := status_advice(status, "DCI", "dci_url"):
        return common, True
    return _BY_STATUS.get(status, ("DCI refused the request.", False))


def _printable(message: str, document: Any) -> str | None:
    """DCI's own words, where they are words for people."""
    payload = document.get("payload") if isinstance(document, dict) else None
    detail = payload.get("error") if isinstance(payload, dict) else None
    text = f"{message}: {detail}" if message and isinstance(detail, str) and detail else message
    if not text or _HIDDEN.search(text):
        return None
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
