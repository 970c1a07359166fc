"""A server on this machine that does to its clients what networks do: real sockets, and one fault for each connection."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable, Mapping
from threading import Event, Lock, Thread
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest

Fault: TypeAlias = Callable[[socket.socket, "FaultServer"], None]
"""What is done with a connection, once it is accepted. It may wait for `server.over`."""

DRIP_SECONDS = 0.05


class FaultServer:
    """Treats every connection to a free port of this machine with one fault; a context manager.

    Args:
        fault: what is done with a connection.
        tls: wraps every connection.
    """

    def __init__(self, fault: Fault, tls: ssl.SSLContext | None = None) -> None:
        self._fault, self._tls = fault, tls
        self._lock = Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [Thread(target=self._accept)]
        self.over = Event()
        """Set when the server stops."""
        self.requests: list[bytes] = []
        """Every request that was read, head and body."""
        self.accepted = 0
        self._asked = Event()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> FaultServer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._threads[0].join()
        self._socket.close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                self.accepted += 1
                self._connections.append(connection)
            thread = Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(120)
        with contextlib.suppress(OSError), connection:  # clients of a faulty server leave as they like
            if self._tls:
                with self._tls.wrap_socket(connection, server_side=True) as secure:
                    self._fault(secure, self)
            else:
                self._fault(connection, self)

    def read(self, connection: socket.socket) -> bytes:
        """One request, head and body as its Content-Length says; remembered in `requests`."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].partition(b":")[2]) if lengths else 0
        while len(body) < length:
            piece = connection.recv(65536)
            if not piece:
                break
            body += piece
        with self._lock:
            self.requests.append(head + b"\r\n\r\n" + body)
        self._asked.set()
        return self.requests[-1]

    def waited_for(self) -> None:
        """Returns once a request was read."""
        assert self._asked.wait(120), "no request came"


class Refusing:
    """A port of this machine where nobody listens, kept from others."""

    def __enter__(self) -> Refusing:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def answers(*raw: bytes) -> Fault:
    """Each connection is answered with the next of the given bytes (the last one for ever) and closed."""
    left = list(raw)

    def fault(connection: socket.socket, server: FaultServer) -> None:
        server.read(connection)
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return fault


def response(body: bytes, *, status: str = "200 OK", kind: str = "application/json", **headers: str) -> bytes:
    """A whole response; `headers` with underscores for dashes."""
    fields = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def hangs_unread(connection: socket.socket, server: FaultServer) -> None:
    """Accepts, and neither reads nor answers."""
    server.over.wait()


def hangs(connection: socket.socket, server: FaultServer) -> None:
    """Reads the request and never answers."""
    server.read(connection)
    server.over.wait()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def resets_unread(connection: socket.socket, server: FaultServer) -> None:
    """Resets before it reads."""
    _reset(connection)


def resets(connection: socket.socket, server: FaultServer) -> None:
    """Reads the whole request, then resets: the client cannot know whether it was done."""
    server.read(connection)
    _reset(connection)


def resets_in_the_body(connection: socket.socket, server: FaultServer) -> None:
    """Resets in the middle of an answer."""
    server.read(connection)
    connection.sendall(response(b"{" + b" " * 1000)[:-500])
    _reset(connection)


def closes(connection: socket.socket, server: FaultServer) -> None:
    """Reads the request and closes in good order."""
    server.read(connection)


def half_closes(connection: socket.socket, server: FaultServer) -> None:
    """Closes its own side only: the client may still write, and hears nothing."""
    connection.shutdown(socket.SHUT_WR)
    server.read(connection)
    server.over.wait()


def _drips(connection: socket.socket, server: FaultServer, data: bytes) -> None:
    for number in range(len(data)):
        if server.over.wait(DRIP_SECONDS):
            return
        connection.sendall(data[number : number + 1])


def drips(connection: socket.socket, server: FaultServer) -> None:
    """A body that comes byte by byte, each well within every read timeout."""
    server.read(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    _drips(connection, server, b" " * 100_000)


def drips_headers(connection: socket.socket, server: FaultServer) -> None:
    """A header that comes byte by byte, each well within every read timeout."""
    server.read(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _drips(connection, server, b"a" * 60_000)


def answers_unread(connection: socket.socket, server: FaultServer) -> None:
    """Answers that all is well before it has read a byte, and resets."""
    connection.sendall(response(b"{"))
    _reset(connection)


def speaks_first(connection: socket.socket, server: FaultServer) -> None:
    """Answers before it was asked, and not in TLS."""
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.recv(65536)


def continues(connection: socket.socket, server: FaultServer) -> None:
    """Says `100 Continue` without an end."""
    server.read(connection)
    while not server.over.wait(0.001):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)


def hints(connection: socket.socket, server: FaultServer) -> None:
    """Says `103 Early Hints` without an end."""
    server.read(connection)
    while not server.over.wait(0.001):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 10)


def drips_chunks(connection: socket.socket, server: FaultServer) -> None:
    """The same in chunks of one byte, without an end."""
    server.read(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not server.over.wait(DRIP_SECONDS):
        connection.sendall(b"1\r\n \r\n")


def drips_compressed(connection: socket.socket, server: FaultServer) -> None:
    """A compressed body of which no byte ever comes out: empty blocks without an end."""
    server.read(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.sendall(b"a\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\r\n")
    while not server.over.wait(DRIP_SECONDS):
        connection.sendall(b"5\r\n\x00\x00\x00\xff\xff\r\n")


def garbles_chunks(connection: socket.socket, server: FaultServer) -> None:
    """Chunks of which no size is a number."""
    server.read(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")


def floods(connection: socket.socket, server: FaultServer) -> None:
    """A body of 10 MB of JSON."""
    server.read(connection)
    connection.sendall(response(json.dumps({"ok": True, "x": "a" * 10_000_000}).encode()))


def in_turn(*acts: Fault) -> Fault:
    """Each connection gets the next of the faults, and the last one for ever."""
    left, lock = list(acts), Lock()

    def fault(connection: socket.socket, server: FaultServer) -> None:
        with lock:
            act = left.pop(0) if len(left) > 1 else left[0]
        act(connection, server)

    return fault


def carried(url: str, then: Fault | None = None) -> Fault:
    """The request reaches the server at `url` and is done there; then its response is lost in this way, or passed on."""

    def fault(connection: socket.socket, server: FaultServer) -> None:
        request = server.read(connection)
        if not request:
            return
        reply = _asked(url, request)
        if then is None:
            connection.sendall(reply)
        else:
            then(_ReadAlready(connection), server)

    return fault


class _ReadAlready:
    """A connection of which nothing is left to read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def recv(self, size: int) -> bytes:
        return b""


def _asked(url: str, request: bytes) -> bytes:
    """The whole response of another server."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=120) as there:
        there.sendall(request.replace(b"Connection: keep-alive", b"Connection: close", 1))
        pieces = []
        while piece := there.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)


PLAYS: Mapping[str, Fault] = {
    play.__name__: play
    for play in (
        answers_unread, closes, continues, drips, drips_chunks, drips_compressed, drips_headers, floods, garbles_chunks,
        half_closes, hangs, hangs_unread, resets, resets_in_the_body, resets_unread, speaks_first,
    )
}  # fmt: skip
"""Faults by name, for tables."""


def self_signed(folder):
    """A certificate for 127.0.0.1 that nobody trusts, and its key: paths of two files."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here to make a certificate")
    made, key = folder / "made.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    return made, key


def encrypted(certificate, key) -> ssl.SSLContext:
    """What a server wraps its connections in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
