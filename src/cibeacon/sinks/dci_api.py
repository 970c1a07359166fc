"""Knows DCI's API: the form of requests, what responses mean, and what to do about errors. Knows no signal.

DCI executes a repeated request a second time, answers a wrong secret with 400 and a topic without access with 401, and its
responses can contain credentials and SQL. The API: https://github.com/redhat-cip/dci-control-server.
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
"""A part of an exchange with DCI. It may raise `SinkError`."""
DciRow: TypeAlias = Mapping[str, Any]

ROOT = "/api/v1"
PAGE = 200
"""Rows of a page; DCI returns no more at once."""
MOST_ROWS = 20_000
MOST_BYTES = 64 << 20
"""Of one list, over all pages: a server whose list never ends must not fill the memory."""
TRIES = 4
"""How often a request is sent if its responses are lost."""


_SIGNATURE = "Check the secret dci_api_secret, this machine's clock ({clock}), and that dci_url is DCI's own URL."
_BY_MESSAGE: tuple[tuple[str, str, bool], ...] = (
    ("signature is expired", "DCI considers the signature expired. Correct this machine's clock ({clock}).", True),
    ("bad or incomplete headers", "DCI cannot read the signature. Set dci_client_id to remoteci/UUID.", True),
    ("HmacMechanism failed", f"DCI rejects the signature. {_SIGNATURE}", True),
    ("identity does not exist", "DCI has no active remote CI with this id. Check dci_client_id.", True),
    ("remoteci not found", "DCI has no remote CI with this id. Check dci_client_id.", True),
    ("feeder not found", "DCI has no feeder with this id. Check dci_client_id.", True),
    ("is disabled", "The remote CI is disabled and cannot create jobs. Have it enabled, or use another one.", True),
    ("Authorization", "The signature did not arrive. Check any proxy on the way to DCI, and dci_url.", True),
    ("Operation not authorized", "This remote CI has no access to it. Ask the product's team for access.", True),
    ("Only remoteci", "Only a remote CI can create jobs. Set dci_client_id to the id of one.", False),
    ("Topic ", "The topic is no longer active. Set dci_topic to another one.", False),
    ("team ", "The remote CI's team is not active. Ask DCI's administrators to activate it.", True),
    ("Component of type", "The topic lacks a component. List those of the job in dci_components.", False),
    ("omponent", "DCI rejects the components. Compare dci_components with cibeacon dci components.", False),
    ("topic not found", "DCI has no such topic. Check dci_topic.", False),
    ("job not found", "DCI has no such job, or it was archived. Check dci_job_id.", False),
    (
        "Invalid XML",
        "DCI stored the file, but cannot read it as JUnit, so its tests are not counted. Fix the tool that writes it.",
        False,
    ),
    ("similar resource already exists", "DCI already has it, or it refers to something that DCI does not have.", False),
    (
        "unable to create this resource",
        "DCI cannot store a value. Look for a text of over 255 characters, or with a character that DCI rejects.",
        False,
    ),
    ("Request malformed", "DCI rejects a field of the request. Correct the one in DCI's message.", False),
)
"""A part of DCI's message, what to do about it, and whether the same request may be accepted later; the first that fits."""
_BY_STATUS: Mapping[int, tuple[str, bool]] = {
    401: ("DCI does not recognise the credentials. Check dci_client_id and the secret dci_api_secret.", True),
    403: ("Something between this machine and DCI rejects the request. Check the proxy and dci_url.", True),
    413: ("It is too large for DCI. Compress it, or leave it out of dci_files.", False),
}
_HIDDEN = re.compile(r"(?i:psycopg|sqlalche|\[SQL|api_secret)|\b(?:SELECT|INSERT|UPDATE|DELETE|FROM|WHERE)\b|<")
_LONGEST = 200


def get(path: str) -> Request:
    """A request that reads the resource at a path."""
    return Request("GET", f"{ROOT}{path}", auth="dci")


def post(path: str, body: Mapping[str, Any]) -> Request:
    """A request that creates something, and would create it again if it were repeated."""
    return Request("POST", f"{ROOT}{path}", body, auth="dci", repeatable=False)


def page(path: str, where: Mapping[str, str] = {}, *, offset: int = 0, limit: int = PAGE, sort: str = "") -> Request:
    """A page of a list: the rows whose columns have these values; without `sort` in DCI's default order.

    DCI requires both of `limit` and `offset` or neither, and the signature covers the query exactly as quoted here; an
    empty parameter breaks it.
    """
    query = f"?limit={limit}&offset={offset}" + (f"&sort={sort}" if sort else "")
    if where:
        conditions = ",".join(f"{column}:{value}" for column, value in where.items())
        query += "&where=" + quote(conditions, safe="_.-~", errors="replace")
    return get(f"{path}{query}")


def can_be_queried(value: str) -> bool:
    """False for values that `where` cannot express: a comma separates values, and a final asterisk is a wildcard."""
    return bool(value) and "," not in value and not value.endswith("*")


def ask(request: Request, name: str) -> Talk[DciRow]:
    """The object under a name in the response."""
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
            reason = f"The list has more than {MOST_ROWS:,} rows or {MOST_BYTES >> 20} MiB. Use --limit or --where."
            raise SinkError(reason, "the list is too long")


def once(request: Request, look: Callable[[], Talk[Result | None]], read: Callable[[DciRow], Result]) -> Talk[Result]:
    """The object that a request created. If the response is lost, `look` searches for it before the request is repeated."""
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
    """A row's id, which goes into the paths of later requests. Raises `SinkError` if it has none."""
    row_id = row.get("id")
    if not isinstance(row_id, str) or not is_uuid(row_id):
        raise foreign("an object without an id")
    return row_id


def rows(document: DciRow, name: str) -> list[DciRow]:
    """The list under a name in a response. Raises `SinkError` if there is none."""
    rows = document.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise foreign(f"no list of {name}")
    return rows


def answer(response: Response) -> DciRow:
    """The JSON object of a successful response. Raises `SinkError` for every other response."""
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
    clock = f"DCI's shows {response.date[:40]}" if response.date else "DCI did not send its time"
    error = _printable(message, document) or f"HTTP {response.status}"
    raise SinkError(advice.replace("{clock}", clock), error, retryable=retryable)


def unanswered() -> SinkError:
    """The error for a request that was sent several times and whose response was lost each time."""
    return SinkError("DCI did not confirm the request. Try again later.", "no answer", retryable=True)


def foreign(content: str) -> SinkError:
    """The error for a well-formed response that is not DCI's."""
    return foreign_error("DCI", "dci_url", content)


def _advice(status: int, message: str) -> tuple[str, bool]:
    for part, advice, retryable in _BY_MESSAGE if status < 500 else ():
        if part in message:
            return advice, retryable
    if common := status_advice(status, "DCI", "dci_url"):
        return common, True
    return _BY_STATUS.get(status, ("DCI rejected the request.", False))


def _printable(message: str, document: Any) -> str | None:
    """DCI's message, if it is readable."""
    payload = document.get("payload") if isinstance(document, dict) else None
    detail = payload.get("error") if isinstance(payload, dict) else None
    text = f"{message}: {detail}" if message and isinstance(detail, str) and detail else message
    if not text or _HIDDEN.search(text):
        return None
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
