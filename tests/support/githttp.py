"""A real smart-HTTP git server on this machine: `git http-backend` behind a small server that counts and can refuse."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

REPOSITORY = "acme/shop"
TOKEN = "ghs_c2VjcmV0c2VjcmV0"


class GitServer:
    """Serves one repository as `acme/shop.git`; a context manager.

    Args:
        source: a repository with a worktree, or a bare one.
        token: what a request must be signed with; None lets everybody in.
        user: the user name that belongs to the token.
        config: git's configuration on the server, besides letting filters and any commit be asked for.
        answer: a status that every request gets instead, such as 404; or `hang`; or a place to redirect to.
    """

    def __init__(
        self,
        source: Path,
        *,
        token: str | None = None,
        user: str = "x-access-token",
        config: Mapping[str, str] | None = None,
        answer: int | str | None = None,
    ) -> None:
        self.git_dir = source / ".git" if (source / ".git").exists() else source
        self.token, self.user, self.answer = token, user, answer
        self.config = {
            "safe.directory": "*",
            "uploadpack.allowFilter": "true",
            "uploadpack.allowAnySHA1InWant": "true",
            "uploadpack.hideRefs": "refs/cibeacon",
        } | dict(config or {})
        self.requests: list[str] = []
        """Method, path and query of every request."""
        self.signatures: list[str | None] = []
        """The `Authorization` header of every request."""
        self.sent = 0
        """Bytes of every body that was sent."""
        self.over = Event()
        handler = type("Handler", (_Handler,), {"home": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> GitServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def github(self) -> dict[str, str]:
        """The variables by which a GitHub runner names this server."""
        return {"GITHUB_SERVER_URL": self.url, "GITHUB_REPOSITORY": REPOSITORY}

    @property
    def gitlab(self) -> dict[str, str]:
        """The variables by which a GitLab runner names this server."""
        return {"CI_SERVER_URL": self.url, "CI_PROJECT_PATH": REPOSITORY}

    def admits(self, signature: str | None) -> bool:
        """Whether a request is signed well enough."""
        pair = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        return self.token is None or signature == f"Basic {pair}"

    def backend(self, environ: Mapping[str, str], body: bytes) -> bytes:
        """What git answers, as a CGI answer."""
        config = {"GIT_CONFIG_COUNT": str(len(self.config))}
        for number, (key, value) in enumerate(self.config.items()):
            config |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return subprocess.run(
            ["git", "http-backend"],
            input=body,
            capture_output=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROJECT_ROOT": str(self.git_dir.parent),
                **config,
                **environ,
            },
        ).stdout


class _Handler(BaseHTTPRequestHandler):
    """One request of a git client."""

    home: GitServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body would wait 40 ms for the other side to have seen the headers

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """The list of what the server can."""
        self._answer(b"")

    def do_POST(self) -> None:
        """A question."""
        body = self._body()
        self._answer(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, body: bytes) -> None:
        home, signature = self.home, self.headers.get("Authorization")
        home.requests.append(f"{self.command} {self.path}")
        home.signatures.append(signature)
        place = urlsplit(self.path)
        inside = place.path.removeprefix(f"/{REPOSITORY}.git")
        if home.answer == "hang":
            home.over.wait(60)
            return
        if isinstance(home.answer, int):
            self._reply(home.answer, {}, b"no")
        elif home.answer:
            self._reply(302, {"Location": f"{home.answer}{self.path}"}, b"")
        elif not home.admits(signature):
            self._reply(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"who are you?")
        elif inside == place.path:
            self._reply(404, {}, b"no such repository")
        else:
            self._git(f"/{home.git_dir.name}{inside}", place.query, body)

    def _git(self, path: str, query: str, body: bytes) -> None:
        told = self.home.backend(
            {
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_USER": "ci",
                "REMOTE_ADDR": "127.0.0.1",
            },
            body,
        )
        head, _, content = told.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200 OK").split()[0])
        self._reply(status, headers, content)

    def _reply(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.home.sent += len(content)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
