"""The edge of the application: each request is checked, dispatched and answered here, whatever happens on the way.

What belongs here: the order of these steps, and what is logged of them. What does not: routes and
authentication, which are the dispatcher's, and connections.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final

from websockets.frames import CloseCode

from alveary.errors import (
    ERROR,
    INFO,
    SHUTTING_DOWN,
    TOO_MANY_REQUESTS,
    UNEXPECTED,
    WARN,
    Refusal,
)
from alveary.http.eager import Work
from alveary.http.refusals import render
from alveary.http.request import ClientGone, Request
from alveary.http.response import PREFLIGHT, Response
from alveary.http.settings import EdgeSettings
from alveary.http.websocket import SocketClosed, Talk, WebSocket
from alveary.obs import Log
from alveary.ports.clock import Ids
from alveary.wire.urls import Target

Dispatch = Callable[[Request, Target], Awaitable[Response]]
"""What finds the route, the access and the handler. A Refusal is rendered, any other exception is a bug."""

Reply = Callable[[Response], Awaitable[None]]
"""Sends an answer; ClientGone when there is nobody to have it."""

_LEVELS: Final = {INFO: logging.INFO, WARN: logging.WARNING, ERROR: logging.ERROR}
_TALKS_IN_A_TURN: Final = 4
"""How many WebSockets go on in the same turn of the event loop, when a message wakes many of them."""

_CACHED_TARGETS: Final = 4096
_CACHED_PATH_BYTES: Final = 256
"""Longer paths are read anew each time, so that no client fills memory with them."""


class Edge:
    """The unit around *dispatch*, as connections see it; its WebSockets share ``turns``."""

    def __init__(self, dispatch: Dispatch, settings: EdgeSettings, ids: Ids, log: Log) -> None:
        self._dispatch = dispatch
        self._settings = settings
        self._ids = ids
        self._log = log
        self._known_target = lru_cache(maxsize=_CACHED_TARGETS)(settings.urls.target)
        self._running = 0
        self._talking = 0
        self.turns = asyncio.Semaphore(_TALKS_IN_A_TURN)

    async def serve(self, request: Request, reply: Reply) -> None:
        """Answer *request* by *reply*, unless its client leaves. No error comes out."""
        self._running += 1
        try:
            await reply(await self._answer(request))
        except ClientGone:
            pass
        except Exception as bug:
            self._log.error("answer cut", method=request.method, path=_shown(request), exc_info=bug)
        finally:
            self._running -= 1

    def talk(self, talk: Talk, socket: WebSocket) -> Work:
        """What runs *talk* over *socket* and closes it at its end; it counts from now on, and no error comes out."""
        self._talking += 1
        return self._talk(talk, socket)

    async def _talk(self, talk: Talk, socket: WebSocket) -> None:
        try:
            await talk(socket)
        except SocketClosed:
            pass
        except Exception as bug:
            self._log.error("talk cut", exc_info=bug)
            socket.close(CloseCode.INTERNAL_ERROR)
        finally:
            self._talking -= 1
            socket.close(CloseCode.NORMAL_CLOSURE)

    async def _answer(self, request: Request) -> Response:
        target: Target | None = None
        try:
            if self._running > self._settings.concurrent_requests:
                raise Refusal(TOO_MANY_REQUESTS, headers={"retry-after": "1"})
            request.check()
            if request.method == "OPTIONS" and "authorization" not in request.headers:
                return PREFLIGHT
            target = self._target(request)
            response = await self._dispatch(request, target)
            if response.talk is not None and self._talking >= self._settings.sockets:
                raise Refusal(TOO_MANY_REQUESTS, headers={"retry-after": "1"})
            return response
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
            path=_shown(request),
            request_key=request.request_key(self._ids.hex),
            exc_info=bug,
        )
        urls = self._settings.urls
        return render(refusal, urls.cell_url(target.cell) if target and target.cell else urls.unit_url)


def _shown(request: Request) -> str:
    """Its path without the query, which may carry credentials."""
    return request.raw_path.decode("latin-1")
