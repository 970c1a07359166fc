"""Knows the ids of errors and the page that explains them. Does not know how an error is shown.

docs/troubleshooting.md has a heading for each id, docs/doctor.md one for each check of `cibeacon doctor`. Every sink has an
id of its own besides, `NAME-refused`, and those that its module lists (`ERROR_IDS`).
"""

import re

SITE = "https://cibeacon.github.io/cibeacon"
"""Where the documentation is published."""


def _ids(words: str) -> frozenset[str]:
    return frozenset(words.split())


OUTCOME_IDS = _ids(
    """
    signal-invalid command-invalid services-unknown not-determined not-sent not-tried no-job name-taken
    not-what-was-set http-401 http-403 http-404 http-407 http-413 http-429 http-5xx redirect unexpected-answer
    answer-too-large no-answer timed-out no-time-left host-name-not-found connection-refused connection-failed
    request-cannot-be-made plain-http-refused proxy-cannot-be-used proxy-does-not-answer proxy-refuses-the-connection
    proxy-asks-for-a-password no-tls-on-the-proxys-port no-tls-on-that-port tls-handshake-broken-off
    tls-connection-closed tls-certificate-expired tls-certificate-of-another-name tls-certificate-not-trusted
    ca-file-is-missing client-certificate-is-missing file-cannot-be-read file-became-shorter-while-it-was-read
    not-redacted
    """
)
"""Of signals that were not delivered, whichever the sink."""
NOTICE_IDS = _ids(
    """
    setting-cannot-be-used services-unknown service-map unowned-files event-cannot-be-read ci-system-unknown
    pipeline-status-unknown cut-short nothing-sent output-not-written jq-failed dci-files spool-record-unreadable
    """
)
"""Of what belongs to no signal."""
VERB_IDS = _ids(
    """
    dataops-failed dataops-canceled dataops-skipped dataops-manual dataops-timed-out dataops-lost dataops-refused
    backfill-file-unusable backfill-stopped export-incomplete command-line-invalid
    """
)
"""Of verbs whose exit code says how they ended, and of command lines that name none."""
ERROR_IDS = OUTCOME_IDS | NOTICE_IDS | VERB_IDS


def help_link(error_id: str) -> str:
    """Where an error is explained."""
    return f"{SITE}/troubleshooting/#{error_id}"


def check_link(check_id: str) -> str:
    """Where a check of `cibeacon doctor` is explained."""
    return f"{SITE}/doctor/#{check_id.replace('.', '')}"


def id_of_error(sink: str, error: str, http_status: int | None) -> str:
    """The id of a failed request by its short error: the words of the vendor, or ours where none answered."""
    refused = f"{_slug(sink)}-refused"
    for name in (_slug(error), _slug(error).rpartition("-")[0]):
        if name in OUTCOME_IDS:
            return name
    if http_status:
        return _id_of_status(http_status, refused, in_vendors_words=not error.startswith("HTTP "))
    return refused


def _id_of_status(status: int, refused: str, *, in_vendors_words: bool) -> str:
    if status < 300:
        return refused if in_vendors_words else "unexpected-answer"
    if status >= 500:
        return "http-5xx"
    name = f"http-{404 if status == 405 else status}"
    return name if name in OUTCOME_IDS and not in_vendors_words else refused


def _slug(text: str) -> str:
    """A short error as an id, such as `the proxy's port (403)` → `proxys-port`."""
    words = re.sub(r"\(.*?\)|'", "", text.lower().removeprefix("the "))
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")
