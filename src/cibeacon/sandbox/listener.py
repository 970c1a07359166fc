"""Knows how an ASGI app is served on this machine by uvicorn, on a thread of its own. Does not know what the app answers.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable
from email.utils import formatdate
from threading import Thread
from typing import Any, Self

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_HOST = "127.0.0.1"
_IDLE = 60
"""Seconds after which an idle connection is closed."""


class Listener:
    """Serves an ASGI app on the loopback interface between start and stop; also a context manager.

    The app may `hang_up` instead of an answer, or in the middle of one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: _Running | None = None
        self.faults: list[Exception] = []
        """What the app raised, answered 500; empty unless the app itself has a defect."""

    @property
    def url(self) -> str:
        """Base URL without a trailing slash, while started."""
        if self._running is None:
            raise RuntimeError("not started")
        return f"http://{_HOST}:{self._running.port}"

    def start(self, port: int = 0) -> Self:
        """Listen on `port`, 0 for any free one. Raises OSError when it is in use."""
        self._running = _Running(self._serve, port)
        return self

    def stop(self) -> None:
        """Close every connection and wait until the app has ended; harmless when not started."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __enter__(self) -> Self:
        return self if self._running else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_complete(message: Message) -> None:
            nonlocal started
            started = True
            await send(_with_headers(message) if message["type"] == "http.response.start" else message)

        try:
            await self._app(scope, receive, send_complete)
        except ClientDisconnect:
            pass
        except Exception as error:
            self.faults.append(error)
            if not started:
                headers = [(b"content-length", b"0"), (b"connection", b"close")]
                await send({"type": "http.response.start", "status": 500, "headers": headers})
                await send({"type": "http.response.body"})


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection of a request without another word."""
    scope["state"]["hang_up"]()
    while (await receive())["type"] != "http.disconnect":
        pass


def _with_headers(message: Message) -> Message:
    """A response with the headers that every response has; those that the app sent come first."""
    sent: Iterable[tuple[bytes, bytes]] = message.get("headers", ())
    given = {name.lower(): value for name, value in sent}
    always = {
        b"server": b"sandbox",
        b"date": formatdate(usegmt=True).encode(),
        b"cache-control": b"no-store",
        b"x-content-type-options": b"nosniff",
    }
    return {**message, "headers": list((always | given).items())}


class _Running:
    """A server from its construction until `stop`."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._socket = socket.create_server((_HOST, port), backlog=128)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body of an answer are two writes
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        config = uvicorn.Config(
            app,
            http=_Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_IDLE,
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
        )
        self._server = _Server(config)
        self._thread = Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._server.stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        finally:
            self._loop.close()


class _Server(uvicorn.Server):
    """Ends at once when it is asked to: uvicorn's own loop and its shutdown take a tenth of a second each."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # connections learn here that they are lost
        while tasks := set(self.server_state.tasks):
            await asyncio.wait(tasks)


class _Connection(H11Protocol):
    """A connection that an app may hang up, and that answers a client which has finished sending, unlike uvicorn's own."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, {**app_state, "hang_up": self._hang_up}, _loop)
        self._finished_sending = False

    def eof_received(self) -> bool:  # type: ignore[override]
        self._finished_sending = True
        return self._is_answering()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._finished_sending and not self._is_answering():
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def _hang_up(self) -> None:
        self.transport.close()
