"""A WebSocket: a client's connection after its upgrade (RFC 6455), on the frames of the package ``websockets``.

What belongs here: the handshake, bounds on what a client may send and on what waits for it, pings, the orderly end.
No extension and no subprotocol is spoken, and the Origin is not asked: no cookie counts, a client proves itself by
what it says. What does not belong here: what is said.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from struct import pack
from typing import Final, cast

from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as HandshakeRequest
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol

from alveary.errors import MALFORMED_REQUEST, UPGRADE_REQUIRED, Refusal
from alveary.http.channel import Channel
from alveary.http.request import Request
from alveary.http.settings import EdgeSettings

_LINGER_S: Final = 2.0
"""How long a client may take to close after the unit has said that it does."""

_ITEM_BYTES: Final = 1_024
"""What waits counts for that much beside its text."""

_TURN_BYTES: Final = 2 * 1024
"""How much of what a client said is taken in one turn of the event loop: up to some hundred frames, a millisecond or
two of work."""

_WHOLE_TEXT: Final = 0x80 | Opcode.TEXT
"""The first byte of a frame that is a text by itself."""

_SHORT_BYTES: Final = 125
_LONG_BYTES: Final = 0xFFFF
"""Up to which lengths the head of a frame has none but its second byte to say it, or two more."""

_ANSWERED: Final = ("Upgrade", "Connection", "Sec-WebSocket-Accept")


class SocketClosed(Exception):  # noqa: N818 - how every talk ends, not an error
    """The client has left, or is being let go."""


def handshake(request: Request) -> Mapping[str, str]:
    """The headers of the 101 that accepts *request* as the handshake of a WebSocket.

    Raises:
        Refusal: UPGRADE_REQUIRED when it is none, MALFORMED_REQUEST when it is a broken one.
    """
    asked = HandshakeRequest("/", Headers(request.headers), request.wire_method, f"HTTP/{request.http_version}")
    answer = ServerProtocol().accept(asked)
    if answer.status_code == 101:
        return {name.lower(): answer.headers[name] for name in _ANSWERED}
    if answer.status_code == 426 or request.headers.get("sec-websocket-version", "13") != "13":
        expected = {"upgrade": "websocket", "sec-websocket-version": "13"}
        raise Refusal(UPGRADE_REQUIRED, headers=expected)
    raise Refusal(MALFORMED_REQUEST, cause="the handshake of the WebSocket is not valid")


class WebSocket(asyncio.Protocol):
    """One WebSocket, with a box into which go the client's messages and whatever others have for its talk."""

    def __init__(
        self, channel: Channel, settings: EdgeSettings, state: ServerState, turns: asyncio.Semaphore
    ) -> None:
        """Begin on *channel*, over which the 101 has gone; *turns*, shared by all, says how many go on at once."""
        self._channel = channel
        self._settings = settings
        self._state = state
        self._turns = turns
        self._loop = asyncio.get_running_loop()
        self._frames = Protocol(Side.SERVER, state=State.OPEN, max_size=settings.socket_message_bytes)
        self._untaken = bytearray()
        self._turn: asyncio.Handle | None = None
        self._second_s = self._loop.time()
        self._frames_of_second = 0
        self._message = bytearray()
        self._fragments = 0
        self._is_text = True
        self._box: deque[tuple[object, int]] = deque()
        self._box_bytes = 0
        self._arrival: asyncio.Future[None] | None = None
        self._unanswered = 0
        self._pinging: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None

    # What a talk does

    async def receive(self) -> object:
        """What comes next: a text or bytes of the client, or what was given to :meth:`post`.

        Raises:
            SocketClosed: nothing more does.
        """
        while self.is_open and not self._box:
            self._arrival = self._loop.create_future()
            await self._arrival
        async with self._turns:  # a message may have come for hundreds: others come in between
            await asyncio.sleep(0)
        self._check_open()
        item, size_bytes = self._box.popleft()
        self._box_bytes -= size_bytes
        self._control_reading()
        return item

    def post(self, item: object, size_bytes: int) -> bool:
        """Put *item*, which holds that many bytes, into the box; False when this is closed.

        A client so slow that there is no room for it is let go.
        """
        if self.is_open and self._box and self._box_bytes + size_bytes > self._settings.socket_backlog_bytes:
            self.close(CloseCode.TRY_AGAIN_LATER, "what waits is too much")
        if not self.is_open:
            return False
        self._put(item, size_bytes)
        return True

    async def send(self, text: bytes) -> None:
        """Send *text*, in UTF-8, once the client has taken most of what was sent before; it is not copied.

        Raises:
            SocketClosed: nothing more reaches it.
        """
        if self._channel.write_paused:
            await self._channel.drain()
        self._check_open()
        self._channel.send(_head_of(text), text)

    def close(self, code: int, reason: str = "", *, last: bytes | None = None) -> None:
        """Say goodbye, after the text *last*, and end soon; nothing more is received."""
        if not self.is_open:
            return
        if last is not None:
            self._frames.send_text(last)
        self._frames.send_close(code, reason)
        self._flush()

    @property
    def is_open(self) -> bool:
        """Whether neither side has said goodbye."""
        return self._frames.state is State.OPEN and not self._channel.is_closing

    def _check_open(self) -> None:
        if not self.is_open:
            raise SocketClosed

    # The transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count among the server's connections, and begin to ask whether the client is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._pinging = self._loop.call_later(self._settings.socket_ping_s, self._ping)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for the client, and stop all timers."""
        self._state.connections.discard(self)
        self._frames.receive_eof()
        self._channel.resume_writing()
        self._untaken.clear()
        for handle in (self._turn, self._pinging, self._lingering):
            if handle is not None:
                handle.cancel()
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Take what the client says, a little in each turn of the loop: others come in between."""
        self._untaken += data
        if self._turn is None and not self._has_to_wait:
            self._take()

    def eof_received(self) -> bool:
        """The client sends no more: it is gone."""
        return False

    def pause_writing(self) -> None:
        """Hear nothing from a client that does not read: each ping of its would make an answer to be kept."""
        self._channel.pause_writing()
        self._control_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._channel.resume_writing()
        self._control_reading()

    def shutdown(self) -> None:
        """Close: the server ends."""
        self.close(CloseCode.GOING_AWAY)

    # Frames

    def _take(self) -> None:
        """Take the turn's share of what the client said, and answer what needs no talk."""
        self._turn = None
        if self._frames.state is State.CLOSED:
            return
        share = self._untaken[:_TURN_BYTES]
        del self._untaken[:_TURN_BYTES]
        self._frames.receive_data(share)
        frames = self._frames.events_received()
        if self._are_too_many(len(frames)):
            self._frames.fail(CloseCode.POLICY_VIOLATION, "too many frames in a second")
            frames = []
        for frame in frames:
            self._hear(cast(Frame, frame))
        self._flush()
        self._control_reading()

    def _are_too_many(self, count: int) -> bool:
        """Whether *count* more frames are more than may come in a second."""
        now_s = self._loop.time()
        if now_s - self._second_s >= 1:
            self._second_s, self._frames_of_second = now_s, 0
        self._frames_of_second += count
        return self._frames_of_second > self._settings.socket_frames_per_second

    def _hear(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                self._gather(frame)
            case Opcode.PONG:
                self._unanswered = 0

    def _gather(self, frame: Frame) -> None:
        if not self.is_open:
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            self._fragments = 0
        self._fragments += 1
        if self._fragments > self._settings.socket_fragments:  # empty ones never reach the bound of bytes
            self._frames.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            return
        self._message += frame.data
        if not frame.fin:
            return
        message = bytes(self._message)
        self._message.clear()
        try:
            self._put(message.decode() if self._is_text else message, len(message))
        except UnicodeDecodeError:
            self._frames.fail(CloseCode.INVALID_DATA)

    def _put(self, item: object, size_bytes: int) -> None:
        size_bytes += _ITEM_BYTES
        self._box.append((item, size_bytes))
        self._box_bytes += size_bytes
        self._control_reading()
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    @property
    def _has_to_wait(self) -> bool:
        """Whether the client says more than its talk takes, or does not read."""
        too_much = self._box_bytes > self._settings.socket_message_bytes
        return self.is_open and (too_much or self._channel.write_paused)

    def _control_reading(self) -> None:
        """Read on once all is taken that was read, and take what is left in the next turn."""
        waits = self._has_to_wait
        if waits or self._untaken:
            self._channel.pause_reading()
        else:
            self._channel.resume_reading()
        if self._untaken and not waits and self._turn is None:
            self._turn = self._loop.call_soon(self._take)

    def _flush(self) -> None:
        """Send what there is to send; an empty piece is the end."""
        for piece in self._frames.data_to_send():
            if piece:
                self._channel.send(piece)
            else:
                self._transport.close()
        if not self.is_open:
            self._box.clear()
            self._control_reading()  # the client's goodbye is still to be heard
            self._wake()
            if self._lingering is None:
                self._lingering = self._loop.call_later(_LINGER_S, self._transport.abort)

    def _ping(self) -> None:
        if self._unanswered > self._settings.socket_unanswered_pings:
            self.close(CloseCode.INTERNAL_ERROR, "no answer to pings")
            return
        self._unanswered += 1
        if self.is_open:
            self._frames.send_ping(b"")
            self._flush()
            self._pinging = self._loop.call_later(self._settings.socket_ping_s, self._ping)


def _head_of(text: bytes) -> bytes:
    """What stands before *text* in a frame of its own (RFC 6455, section 5.2); the library would copy the text."""
    size_bytes = len(text)
    if size_bytes <= _SHORT_BYTES:
        return pack("!BB", _WHOLE_TEXT, size_bytes)
    if size_bytes <= _LONG_BYTES:
        return pack("!BBH", _WHOLE_TEXT, 126, size_bytes)
    return pack("!BBQ", _WHOLE_TEXT, 127, size_bytes)


Talk = Callable[[WebSocket], Awaitable[None]]
"""What goes on over a WebSocket until it ends."""
