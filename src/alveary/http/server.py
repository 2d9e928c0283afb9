"""The server process: a listening socket, one event loop, an orderly end.

What belongs here: uvicorn's set-up and its signals. What does not: what is served.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import uvicorn

from alveary.http.app import Edge
from alveary.http.connection import Connection
from alveary.http.settings import EdgeSettings

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_BACKLOG: Final = 2048

Stop = Callable[[], None]
"""Makes the server finish: requests under way get their time, new connections are refused."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at *host* (a name or address) and *port*; 0 lets the system choose one.

    It exists before the unit is composed, whose URLs may depend on the port: ``listener.getsockname()[1]``.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


async def serve(app: Edge, listener: socket.socket, settings: EdgeSettings, on_ready: Callable[[Stop], None]) -> None:
    """Serve *app* on *listener* until SIGTERM, SIGINT or the function given to *on_ready*.

    *on_ready* is called once connections are accepted. The listener is closed at the end.
    """
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # only our own connections call it
        interface="asgi3",
        http=partial(Connection, app, settings),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,  # type: ignore[arg-type]
        timeout_graceful_shutdown=settings.shutdown_s,  # type: ignore[arg-type]
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )
    await _Server(config, on_ready).serve(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server, which returns at a signal instead of killing its process with it afterwards."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[Stop], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections and say so."""
        await super().startup(sockets)
        self._on_ready(self._stop)

    def _stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that end a process, in the main thread, while the server runs."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        # Not taken back at the end: whatever closes after the server must not be killed by a second signal.
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
