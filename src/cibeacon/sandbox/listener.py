"""Knows HTTP/1.1 on a socket: reads a request, asks a function, writes its answer. Does not know what is asked.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from socketserver import TCPServer
from threading import Lock, Thread
from typing import Self, TypeAlias

from cibeacon.sandbox import framing
from cibeacon.sandbox.exchange import Answer, Receiving, Request, Route, Stream, in_json

LIMIT = 1024 * 1024
"""Largest body in bytes that is kept."""
_DRAIN = 16 * LIMIT
"""Largest body that is read to its end, so that the sender hears the refusal and not a reset."""


class Listener:
    """Serves `route` on a thread for each connection between start and stop; also a context manager.

    `receives` may have the body of a request streamed, whatever its size.
    """

    def __init__(self, route: Route, receives: Receiving = lambda _: None) -> None:
        self._serves, self._receives = route, receives
        self._server: _Server | None = None
        self._thread: Thread | None = None
        self.faults: list[BaseException] = []
        """What `route` raised, answered 500; empty unless the server itself has a defect."""

    @property
    def url(self) -> str:
        """Base URL without a trailing slash, while started."""
        if self._server is None:
            raise RuntimeError("not started")
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self, port: int = 0, host: str = "127.0.0.1") -> Self:
        """Listen on `port`, 0 for any free one. Raises OSError when it is taken."""
        self._server = _Server((host, port), self._serves, self._receives, self.faults)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), name="listener", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection and wait for their threads; harmless when not started."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self if self._server else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


_Socket: TypeAlias = socket.socket | tuple[bytes, socket.socket]
"""What socketserver hands around; for TCP it is always the first."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], route: Route, receives: Receiving, faults: list[BaseException]
    ) -> None:
        self.route, self.receives, self.faults = route, receives, faults
        self._open: set[_Socket] = set()
        self._lock = Lock()
        super().__init__(address, _Connection)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own would look our name up in the DNS
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: _Socket, client_address: object) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Socket) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        with self._lock:
            for connection in [one for one in self._open if isinstance(one, socket.socket)]:
                with contextlib.suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: _Socket, client_address: object) -> None:
        error = sys.exc_info()[1]
        if error is None or isinstance(error, OSError) or not isinstance(request, socket.socket):
            return  # the client has gone
        self.faults.append(error)
        with contextlib.suppress(OSError):
            request.sendall(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


class _Connection(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # status, headers and body leave in one packet
    timeout = 60
    error_content_type = "application/json; charset=utf-8"
    error_message_format = '{"ok": false, "error": "bad_request"}'

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        head = Request(method=self.command, path=path, query=query, headers=self.headers)
        stream = self.server.receives(head)
        if stream is not None:
            return self._streamed(head, stream)
        length = framing.length(self.headers)
        if length is None:
            return self._misframed()
        body = self._body(length)
        if body is not None and len(body) < length:
            self.close_connection = True
            return None  # the client hung up in the middle
        return self._write(self.server.route(replace(head, body=body)))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _streamed(self, head: Request, stream: Stream) -> None:
        try:
            framing.pour(self.rfile, self.headers, stream.write)
        except (ValueError, EOFError) as error:
            stream.close()
            self.close_connection = True
            return None if isinstance(error, EOFError) else self._misframed()
        except BaseException:
            stream.close()
            raise
        return self._write(self.server.route(replace(head, stream=stream)))

    def _misframed(self) -> None:
        self.close_connection = True
        self._write(in_json(400, {"ok": False, "error": "bad_request"}))

    def _body(self, length: int) -> bytes | None:
        if length <= LIMIT:
            return self.rfile.read(length)
        self.close_connection = length > _DRAIN
        for start in range(0, min(length, _DRAIN), LIMIT):
            self.rfile.read(min(LIMIT, length - start))
        return None

    def _write(self, answer: Answer | None) -> None:
        if answer is None:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        fixed = {"Server": self.version_string(), "Date": self.date_time_string()}
        fixed |= {"Content-Type": answer.content_type, "Content-Length": str(answer.size)}
        for name, value in {**fixed, **_ALWAYS, **answer.headers}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._pour(answer)

    def _pour(self, answer: Answer) -> None:
        left = answer.size if answer.cut is None else min(answer.cut, answer.size)
        self.close_connection = self.close_connection or left < answer.size
        for piece in chain((answer.content,), answer.pieces.each):
            self.wfile.write(piece[:left])
            left -= min(left, len(piece))
            if not left:
                return

    def handle_expect_100(self) -> bool:
        go_on = super().handle_expect_100()
        self.wfile.flush()  # the client waits for it before it sends the body
        return go_on

    def version_string(self) -> str:
        return "sandbox"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed; a route keeps its own log."""


_ALWAYS: Mapping[str, str] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
