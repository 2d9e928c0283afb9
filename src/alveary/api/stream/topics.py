"""Subscribers of topics over WebSockets.

What does not belong here: publishing, which is HTTP's (``endpoints``).
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial
from typing import Final

from websockets.frames import CloseCode

from alveary.errors import METHOD_NOT_ALLOWED, NO_SUCH_URI, Refusal
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.http.websocket import WebSocket, handshake
from alveary.model.streams import Published, StreamKind
from alveary.ports import Ports
from alveary.usecases.access import BoxPath
from alveary.usecases.streams import StreamPath
from alveary.usecases.subscribers import Subscriber
from alveary.wire import stream_json
from alveary.wire.stream_json import Asked, Reason

_READING: Final = frozenset({"GET"})


async def subscribe(call: Call, segments: tuple[str, ...]) -> Response:
    """GET {cell}/__topic/{box}/{path}: 101, and a WebSocket over which a client hears a topic.

    The path is that of ``{stream}/topic/{name}`` below the box, with dots for slashes as Personium has it, or as it
    is. Nobody is asked who they are before the first message, which brings a token.

    Source: API reference 389. Deviation: docs/deviations.md#subscribers-of-topics.
    """
    if call.request.method not in _READING:
        raise Refusal(METHOD_NOT_ALLOWED)
    subscriber = Subscriber(call.ports, call.here.id, _topic(segments[1:]))
    return Response(101, handshake(call.request), talk=partial(_talk, call.ports, subscriber))


def _topic(names: tuple[str, ...]) -> StreamPath:
    """The topic that a box's name and the path below it lead to.

    Raises:
        Refusal: NO_SUCH_URI.
    """
    box, *below = names or ("",)
    if len(below) == 1:
        below = below[0].split(".")
    match below:
        case [*collection, StreamKind.TOPIC, name] if collection and all(below):
            return StreamPath(BoxPath(box, tuple(collection)), StreamKind.TOPIC, name)
        case _:
            raise Refusal(NO_SUCH_URI)


async def _talk(ports: Ports, subscriber: Subscriber, socket: WebSocket) -> None:
    with ExitStack() as listening:
        session = _Session(ports, subscriber, socket, listening)
        try:
            while True:
                async with asyncio.timeout(session.left_s):
                    await session.answer(await socket.receive())
        except TimeoutError:
            session.end(Asked.UNKNOWN, Reason.SESSION_EXPIRED)


class _Session:
    """A subscriber's WebSocket: until when it may go on, and by which token."""

    def __init__(self, ports: Ports, subscriber: Subscriber, socket: WebSocket, listening: ExitStack) -> None:
        self._ports = ports
        self._subscriber = subscriber
        self._socket = socket
        self._listening = listening
        self._token: str | None = None
        self._until_ms = self._now_ms + ports.config.socket.token_s * 1000

    @property
    def _now_ms(self) -> int:
        return self._ports.clock.now_ms()

    @property
    def left_s(self) -> float:
        """How long the session may go on."""
        return (self._until_ms - self._now_ms) / 1000

    async def answer(self, item: object) -> None:
        """Do what *item* asks for, a frame of the client or a message to the topic."""
        match item:
            case Published():
                await self._deliver(item)
            case str() if (token := stream_json.parse_token(item)) is not None:
                await self._take(token)
            case _:
                self.end(Asked.UNKNOWN, Reason.INVALID_MESSAGE)

    async def _take(self, token: str) -> None:
        """Go on by *token*, the first one or a later one."""
        try:
            access = await self._subscriber.admit(token)
        except Refusal:
            self.end(Asked.ACCESS_TOKEN, Reason.TOKEN_INACTIVE)
            return
        if self._token is None:
            self._listening.enter_context(self._subscriber.listen(access, self._post))
        self._token, self._until_ms = token, self._subscriber.until_ms(access)
        await self._socket.send(stream_json.render_welcome(int(self.left_s), self._now_ms))

    def _post(self, message: Published) -> bool:
        return self._socket.post(message, len(message.text))

    async def _deliver(self, message: Published) -> None:
        """Let the client hear *message*, if it still may."""
        try:
            await self._subscriber.admit(self._token or "")
        except Refusal:
            self.end(Asked.ACCESS_TOKEN, Reason.TOKEN_INACTIVE)
            return
        await self._socket.send(message.text)

    def end(self, asked: Asked, reason: Reason) -> None:
        """Say why, and close."""
        last = stream_json.render_farewell(asked, reason, self._now_ms)
        self._socket.close(CloseCode.POLICY_VIOLATION, reason, last=last)
