"""Speaks to the DCI of a sandbox: requests signed by a few lines that share nothing with the sandbox or any library."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from urllib.parse import parse_qsl, quote, urlsplit

import requests

from cibeacon.sandbox.dci_account import REMOTECI, SECRET

KEY = f"remoteci/{REMOTECI}"
NOW = 1_700_000_000.0
WORDS = {"DCI2": ("dci2_request", "x-dci-date"), "AWS4": ("aws4_request", "x-amz-date")}

CALLS = {
    "GET /identity",
    "GET /topics",
    "GET /topics/ID",
    "GET /topics/ID/components",
    "GET /components/ID",
    "GET /remotecis",
    "GET /jobs",
    "GET /jobs/ID",
    "POST /jobs",
    "POST /jobs/schedule",
    "PUT /jobs/ID",
    "DELETE /jobs/ID",
    "GET /jobs/ID/jobstates",
    "GET /jobs/ID/files",
    "GET /jobs/ID/results",
    "POST /jobs/ID/kv",
    "POST /jobstates",
    "POST /files",
    "GET /files/ID",
    "DELETE /files/ID",
}
"""The calls of the API that are played; beside them a file's content can be read."""


def sign(method, url, body=b"", *, key=KEY, secret=SECRET, now=NOW, scheme="DCI2", host=None, digest=None):
    """The two headers of a signed request; `now` is Unix seconds, `digest` that of a body which is not at hand."""
    end, date_header = WORDS[scheme]
    parts = urlsplit(url)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    scope = f"{stamp[:8]}/BHS3/api/{end}"
    pairs = sorted(
        f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in parse_qsl(parts.query, keep_blank_values=True)
    )
    lines = [method, parts.path, "&".join(pairs), f"host:{host or parts.netloc}", f"{date_header}:{stamp}", ""]
    lines += [f"host;{date_header}", digest or hashlib.sha256(body).hexdigest()]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    mac = f"{scheme}{secret}".encode()
    for word in [*scope.split("/"), f"{scheme}-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"]:
        mac = hmac.digest(mac, word.encode(), "sha256")
    claim = f"Credential={key}/{scope}, SignedHeaders=host;{date_header}, Signature={mac.hex()}"
    return {"Authorization": f"{scheme}-HMAC-SHA256 {claim}", date_header: stamp}


class Talk:
    """A client of one sandbox, at the time `now`."""

    def __init__(self, url, now=NOW):
        self.url, self.now = url, now
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._session.close()

    def ask(self, method, path, body=None, headers=None, **how):
        """One signed request. A dict is sent as JSON, bytes as they are, without a Content-Type."""
        url = f"{self.url}/api/v1{path}"
        typed = {} if body is None or isinstance(body, bytes) else {"Content-Type": "application/json"}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        signed = sign(method, url, data, **{"now": self.now, **how})
        return self._session.request(method, url, data=data or None, headers={**signed, **typed, **(headers or {})})

    def job(self, topic, **more):
        """The id of a new job."""
        reply = self.ask("POST", "/jobs", {"topic_id": topic.id, "components": [], **more})
        assert reply.status_code == 201, reply.text
        return reply.json()["job"]["id"]

    def upload(self, job_id, name, content, mime="application/junit", **more):
        """The answer to a file."""
        headers = {"DCI-NAME": name, "DCI-JOB-ID": job_id, **({"DCI-MIME": mime} if mime else {}), **more}
        return self.ask("POST", "/files", content, headers)


def suite(*cases):
    """A JUnit file; each case is (name, outcome) with the outcome passed, failure, error or skipped."""
    inner = "".join(
        f'<testcase classname="c" name="{name}" time="0.4">{"" if how == "passed" else f"<{how}/>"}</testcase>'
        for name, how in cases
    )
    return f"<testsuites><testsuite>{inner}</testsuite></testsuites>".encode()
