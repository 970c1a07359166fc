"""A forge's API on this machine that knows one pull request and the list of its files, in pages, whole or cut."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit


class Api:
    """Answers with a record, and with a list of files in pages; a context manager."""

    def __init__(self, record, files=(), *, most: int = 10**6) -> None:
        home = self
        self.record, self.files, self.most, self.seen = record, list(files), most, []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                home.seen.append(self.path)
                place = urlsplit(self.path)
                query = parse_qs(place.query)
                told = home.record
                if place.path.endswith(("/files", "/diffs")):
                    size, page = int(query["per_page"][0]), int(query["page"][0])
                    told = home.files[: home.most][size * (page - 1) : size * page]
                content = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Api:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
