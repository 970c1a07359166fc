"""Knows the id of every error and the page that explains it. Does not know how an error is shown.

docs/troubleshooting.md has a heading for each id, docs/doctor.md one for each check of `cibeacon doctor`.
"""

import re

SITE = "https://cibeacon.github.io/cibeacon"
"""Where the documentation is published."""


def _ids(words: str) -> frozenset[str]:
    return frozenset(words.split())


OUTCOME_IDS = _ids(
    """
    signal-invalid command-invalid services-unknown not-determined not-sent not-tried dx-not-authed dx-invalid-auth
    dx-account-inactive dx-required-params-missing dx-invalid-json dx-invalid-arguments dx-repository-not-found
    dx-commit-sha-invalid dx-reference-id-exists dx-metadata-invalid dx-integration-branch-not-valid
    dx-ambiguous-commit-sha-arguments dx-merge-commit-shas-blank dx-merge-commit-shas-invalid
    dx-merge-commit-shas-not-found dx-deployment-not-found dx-refused dci-refused flow-refused devlake-refused otlp-refused
    otlp-partial-success no-job name-taken
    not-what-was-set http-401 http-403 http-404 http-407 http-413 http-429 http-5xx redirect unexpected-answer
    answer-too-large no-answer timed-out no-time-left host-name-not-found connection-refused connection-failed
    request-cannot-be-made plain-http-refused proxy-cannot-be-used proxy-does-not-answer proxy-refuses-the-connection
    proxy-asks-for-a-password no-tls-on-the-proxys-port no-tls-on-that-port tls-handshake-broken-off
    tls-connection-closed tls-certificate-expired tls-certificate-of-another-name tls-certificate-not-trusted
    ca-file-is-missing client-certificate-is-missing file-cannot-be-read file-became-shorter-while-it-was-read
    not-redacted dx-workflow-refused
    """
)
"""Of signals that were not delivered."""
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
_SAME_AS = {"dx-repo-not-found": "dx-repository-not-found", "http-405": "http-404"}


def help_link(error_id: str) -> str:
    """Where an error is explained."""
    return f"{SITE}/troubleshooting/#{error_id}"


def check_link(check_id: str) -> str:
    """Where a check of `cibeacon doctor` is explained."""
    return f"{SITE}/doctor/#{check_id.replace('.', '')}"


def id_of_error(sink: str, error: str, http_status: int | None) -> str:
    """The id of a failed request by its short error: a code or the words of the vendor, or ours where none answered."""
    code, sink = error.partition(":")[0], sink.replace("_", "-")
    for name in (f"{sink}-{_slug(code)}", _slug(error), _slug(error).rpartition("-")[0]):
        if _SAME_AS.get(name, name) in OUTCOME_IDS:
            return _SAME_AS.get(name, name)
    if http_status:
        return _id_of_status(http_status, sink, in_vendors_words=not error.startswith("HTTP "))
    return f"{sink}-refused"


def _id_of_status(status: int, sink: str, *, in_vendors_words: bool) -> str:
    if status < 300:
        return f"{sink}-refused" if in_vendors_words else "unexpected-answer"
    if status >= 500:
        return "http-5xx"
    name = _SAME_AS.get(f"http-{status}", f"http-{status}")
    return name if name in OUTCOME_IDS and not in_vendors_words else f"{sink}-refused"


def _slug(text: str) -> str:
    """A short error as an id, such as `the proxy's port (403)` → `proxys-port`."""
    words = re.sub(r"\(.*?\)|'", "", text.lower().removeprefix("the "))
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")
