"""Knows how an ASGI app is served on this machine by uvicorn, on a separate thread. Does not know what the app answers.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import closing
from threading import Thread
from typing import Any, Self

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_HOST = "127.0.0.1"
_HEADERS = [("server", "sandbox"), ("cache-control", "no-store"), ("x-content-type-options", "nosniff")]


class Listener:
    """Serves an ASGI app on the loopback interface between start and stop; also a context manager.

    The app may `hang_up` instead of an answer, or in the middle of one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._server: _Server | None = None
        self.faults: list[Exception] = []
        """What the app raised, which was answered with 500; empty unless the app has a defect."""

    @property
    def url(self) -> str:
        """Base URL without a trailing slash, while started."""
        if self._server is None:
            raise RuntimeError("not started")
        return f"http://{_HOST}:{self._server.port}"

    def start(self, port: int = 0) -> Self:
        """Listen on `port`, 0 for any free one. Raises OSError when it is in use."""
        self._server = _Server(self._serve, port)
        return self

    def stop(self) -> None:
        """Close every connection and wait until the app has ended; harmless when not started."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self if self._server else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            pass
        except Exception as error:
            self.faults.append(error)  # uvicorn answers 500 where nothing else was, and closes a half answer


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection of a request without an answer."""
    scope["state"]["hang_up"]()
    while (await receive())["type"] != "http.disconnect":
        pass


class _Server(uvicorn.Server):
    """Runs on a separate thread until `stop`, and stops at once: uvicorn's loop and shutdown take 0.1 s each."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._socket = socket.create_server((_HOST, port), backlog=128)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a body waits 40 ms behind its headers
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=_Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            date_header=False,  # DCI dates by the sandbox's clock
            headers=_HEADERS,
            timeout_keep_alive=60,
            log_config=None,
            log_level=logging.CRITICAL,
        )
        super().__init__(config)
        self._loop, self._stopping = asyncio.new_event_loop(), asyncio.Event()
        self._thread = Thread(target=self._run_on_thread, name="listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run_on_thread(self) -> None:
        with closing(self._loop):
            self._loop.run_until_complete(self.serve([self._socket]))

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # connections learn here that they are lost
        while tasks := set(self.server_state.tasks):
            await asyncio.wait(tasks)


class _Connection(H11Protocol):
    """A connection that an app may hang up."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, {**app_state, "hang_up": lambda: self.transport.close()}, _loop)
