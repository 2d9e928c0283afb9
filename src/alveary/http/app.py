"""The ASGI application: each request is checked, dispatched and answered here, whatever happens on the way.

What belongs here: the order of these steps, and what is logged of them. What does not: routes and
authentication, which are the dispatcher's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final

from alveary.errors import (
    ERROR,
    INFO,
    SHUTTING_DOWN,
    TOO_MANY_REQUESTS,
    UNEXPECTED,
    WARN,
    Refusal,
)
from alveary.http.refusals import render
from alveary.http.request import ClientGone, Receive, Request, Scope, Send
from alveary.http.response import PREFLIGHT, Response, write
from alveary.http.settings import EdgeSettings
from alveary.obs import Log
from alveary.ports.clock import Ids
from alveary.wire.urls import Target

Dispatch = Callable[[Request, Target], Awaitable[Response]]
"""What finds the route, the access and the handler. A Refusal is rendered, any other exception is a bug."""

_LEVELS: Final = {INFO: logging.INFO, WARN: logging.WARNING, ERROR: logging.ERROR}
_CACHED_TARGETS: Final = 4096
_CACHED_PATH_BYTES: Final = 256
"""Longer paths are read anew each time, so that no client fills memory with them."""


class Edge:
    """The unit as an ASGI application around *dispatch*."""

    def __init__(self, dispatch: Dispatch, settings: EdgeSettings, ids: Ids, log: Log) -> None:
        self._dispatch = dispatch
        self._settings = settings
        self._ids = ids
        self._log = log
        self._version = settings.api_version.encode("latin-1")
        self._known_target = lru_cache(maxsize=_CACHED_TARGETS)(settings.urls.target)
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI *scope*."""
        if scope["type"] != "http":
            await _OTHER_SCOPES[scope["type"]](receive, send)
            return
        request = Request(scope, receive, self._settings.trusted_proxies)
        self._running += 1
        try:
            await write(await self._answer(request), request, self._version, send)
        except ClientGone:
            pass
        finally:
            self._running -= 1

    async def _answer(self, request: Request) -> Response:
        target: Target | None = None
        try:
            if self._running > self._settings.concurrent_requests:
                raise Refusal(TOO_MANY_REQUESTS, headers={"retry-after": "1"})
            request.check()
            if request.method == "OPTIONS" and "authorization" not in request.headers:
                return PREFLIGHT
            target = self._target(request)
            return await self._dispatch(request, target)
        except Refusal as refusal:
            return self._refuse(refusal, request, target)
        except asyncio.CancelledError:  # the server stopped and has waited long enough
            return self._refuse(Refusal(SHUTTING_DOWN), request, target)
        except ClientGone:
            raise
        except Exception as bug:
            trace = self._ids.hex()
            return self._refuse(Refusal(UNEXPECTED, trace=trace), request, target, bug)

    def _target(self, request: Request) -> Target:
        if len(request.raw_path) > _CACHED_PATH_BYTES:
            return self._settings.urls.target(request.authority, request.raw_path)
        return self._known_target(request.authority, request.raw_path)

    def _refuse(
        self, refusal: Refusal, request: Request, target: Target | None, bug: Exception | None = None
    ) -> Response:
        self._log.log(
            _LEVELS[refusal.kind.level],
            "refused",
            code=refusal.kind.code,
            reason=refusal.text,
            method=request.method,
            # Without the query, which may carry credentials.
            path=request.raw_path.decode("latin-1"),
            request_key=request.request_key(self._ids.hex),
            exc_info=bug,
        )
        urls = self._settings.urls
        return render(refusal, urls.cell_url(target.cell) if target and target.cell else urls.unit_url)


async def _live(receive: Receive, send: Send) -> None:
    """Agree to everything: who composes the unit opens it before the server starts and closes it after."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _refuse_websocket(receive: Receive, send: Send) -> None:
    """Closed before it is accepted, a WebSocket is answered with 403."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})


_OTHER_SCOPES: Final = {"lifespan": _live, "websocket": _refuse_websocket}
