"""One request on its connection: its body on the way in, its answer on the way out.

What belongs here: framing, and how the two sides wait for each other. What does not: what a request means, and the
order of the requests of a connection.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Final

from alveary.http.channel import Channel
from alveary.http.request import ClientGone, Request
from alveary.http.response import NO_BODY, Response, header_lines
from alveary.http.websocket import Talk

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HELD_BYTES: Final = 64 * 1024
"""How much of a body waits for its reader before its client has to."""

_END: Final = "\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """A request under way and its answer.

    ``request`` is set before anything is asked of it. ``whole``: its body has arrived. ``begun`` and ``answered`` are
    the answer's. ``keep_alive`` says whether the connection outlives it, ``gone`` that nobody waits for it any more,
    ``leaving`` that it should not keep anyone waiting, ``talk`` what goes on over a WebSocket once it is answered,
    ``task`` what works at it when that had to wait.
    """

    __slots__ = (
        "_arrival",
        "_channel",
        "_common",
        "_continued",
        "_held_bytes",
        "_on_answered",
        "_on_leaving",
        "_pieces",
        "answered",
        "begun",
        "gone",
        "keep_alive",
        "leaving",
        "request",
        "talk",
        "task",
        "whole",
    )

    request: Request
    task: asyncio.Task[None] | None

    def __init__(
        self,
        channel: Channel,
        common: Callable[[], str],
        on_answered: Callable[[], None],
        *,
        keep_alive: bool,
    ) -> None:
        """*common* gives the header lines that every answer has, each with its end."""
        self._channel = channel
        self._common = common
        self._on_answered = on_answered
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._arrival: asyncio.Future[None] | None = None
        self._continued = False
        self.keep_alive = keep_alive
        self._on_leaving: Callable[[], None] | None = None
        self.talk: Talk | None = None
        self.task = None
        self.whole = self.begun = self.answered = self.leaving = self.gone = False

    # The body of the request

    def feed(self, piece: bytes) -> None:
        """Take a *piece* of the body; the client has to wait when too much is held."""
        if self.answered:
            return
        self._pieces.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes > _HELD_BYTES:
            self._channel.pause_reading()
        self._wake()

    def end(self) -> None:
        """The body is whole."""
        self.whole = True
        self._wake()

    def lose(self) -> None:
        """Nobody waits for the answer any more."""
        self.gone = True
        self._wake()
        self.leave()

    def leave(self) -> None:
        """The answer should not be waited for any longer."""
        self.leaving = True
        if self._on_leaving is not None:
            self._on_leaving()

    def on_leaving(self, notify: Callable[[], None]) -> None:
        """Have *notify* called at :meth:`leave`, at once when that has been."""
        self._on_leaving = notify
        if self.leaving:
            notify()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def receive(self) -> bytes:
        """What came of the body since the last call, at least one byte; none at its end.

        Raises:
            ClientGone: the client left before the end, or has its answer already.
        """
        if not self._continued:
            self._continued = True
            if self.request.headers.get("expect", "").lower() == "100-continue":
                self._channel.send(_CONTINUE)
        while not (self._pieces or self.whole or self.gone or self.answered):
            self._channel.resume_reading()
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        if self.gone or self.answered:
            raise ClientGone
        piece = b"".join(self._pieces)
        self._pieces.clear()
        self._held_bytes = 0
        return piece

    # The answer

    async def answer(self, response: Response) -> None:
        """Send *response* and close its body.

        Raises:
            ClientGone: the client left before the end.
            ValueError: the response is not what its headers say, or they cannot be sent.
        """
        body = response.body
        if response.talk is not None:
            self.talk, self.keep_alive = response.talk, True
        try:
            head = self._head(response)
            if self._channel.write_paused:
                await self._channel.drain()
            self._check_there()
            self.begun = True
            if body is None or self.request.method == "HEAD" or response.status in NO_BODY:
                self._channel.send_soon(head)
            elif isinstance(body, bytes):
                self._channel.send_soon(head, body)
            else:
                await self._stream(head, body, response)
            self.answered = True
            self._wake()
            if not self.keep_alive:
                self._channel.close()
            self._on_answered()
        finally:
            if (close := getattr(body, "aclose", None)) is not None:
                await close()

    def _head(self, response: Response) -> bytes:
        request = self.request
        size_bytes = response.size_bytes
        lines = header_lines(response, request, size_bytes)
        if self._is_chunked(size_bytes):
            lines.append("transfer-encoding: chunked")
        if "expect" in request.headers and not request.body_begun and request.has_body:
            # Nobody asked for the body, so the client may send it or not: what follows could not be told from it.
            self.keep_alive = False
        if not self.keep_alive:
            lines.append("connection: close")
        if not "".join(lines).isprintable() and any(map(_CONTROL.search, lines)):
            raise ValueError("a header holds a control character")
        status_line = _STATUS_LINES.get(response.status) or f"HTTP/1.1 {response.status} \r\n"
        return f"{status_line}{self._common()}{_END.join(lines)}\r\n\r\n".encode("latin-1", "replace")

    def _is_chunked(self, size_bytes: int | None) -> bool:
        """Whether the body says itself where it ends; to a client of HTTP 1.0 the connection's end does."""
        return size_bytes is None and self.request.method != "HEAD" and self.request.http_version == "1.1"

    async def _stream(self, head: bytes, body: AsyncIterator[bytes], response: Response) -> None:
        self._channel.send(head)
        size_bytes = response.size_bytes
        chunked = self._is_chunked(size_bytes)
        sent_bytes = 0
        async for piece in body:
            sent_bytes += len(piece)
            if size_bytes is not None and sent_bytes > size_bytes:
                raise ValueError("the body is longer than its headers say")
            if not chunked:
                self._channel.send(piece)
            elif piece:
                self._channel.send(b"%x\r\n" % len(piece), piece, b"\r\n")
            if self._channel.write_paused:
                await self._channel.drain()
            self._check_there()
        if size_bytes is not None and sent_bytes < size_bytes:
            raise ValueError("the body is shorter than its headers say")
        if chunked:
            self._channel.send(b"0\r\n\r\n")

    def _check_there(self) -> None:
        if self.gone or self._channel.is_closing:
            raise ClientGone
