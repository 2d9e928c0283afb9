"""A client's connection: HTTP/1.1 messages in, answers out in the same order.

What belongs here: bounds on what a client may send and for how long, and whose turn it is. The parser itself refuses
contradictory lengths, bare line feeds and whatever else would let two servers read one message differently. What does
not: the framing of answers, and anything that needs a request's meaning.
"""

from __future__ import annotations

import asyncio
import http
import re
from collections import deque
from enum import Enum
from typing import Final, NoReturn, cast

import httptools
from uvicorn.protocols.utils import get_remote_addr, is_ssl
from uvicorn.server import ServerState

from alveary.errors import HEADERS_TOO_LARGE, MALFORMED_REQUEST, REQUEST_TIMEOUT, URI_TOO_LONG, Refusal
from alveary.http.app import Edge
from alveary.http.channel import Channel
from alveary.http.eager import Work, run_at_once
from alveary.http.exchange import Exchange
from alveary.http.refusals import render
from alveary.http.request import Fields, Request
from alveary.http.settings import EdgeSettings
from alveary.http.websocket import Talk, WebSocket

_LINGER_S: Final = 2.0
"""How long a refused client may go on sending: a reset while it does would destroy the answer on its way."""

_ABSOLUTE_FORM: Final = re.compile(rb"https?://([^/?]+)(.*)", re.IGNORECASE)
_SLASH: Final = ord("/")
_PIECE_BYTES: Final = 16 * 1024
"""How much is read at once of a client that does not wait for answers."""


class _Phase(Enum):
    """What the connection waits for."""

    REQUEST = "the next request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    LEFTOVER = "the rest of a body that was answered without it"


_REQUEST, _HEAD, _BODY, _LEFTOVER = _Phase


class Connection(asyncio.Protocol):
    """One connection, made by uvicorn's server."""

    def __init__(
        self,
        edge: Edge,
        settings: EdgeSettings,
        *,
        config: object,
        server_state: ServerState,
        app_state: object,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """The last four are what uvicorn gives to a protocol."""
        self._edge = edge
        self._settings = settings
        self._state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        # What follows a request that asks to close is ours to ignore, not a reason to refuse that request.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._url = b""
        self._fields: Fields = []
        self._field_bytes = 0
        self._piece_bytes = 0
        self._phase = _REQUEST
        self._exchange: Exchange | None = None
        self._early: bytes | None = None
        self._waiting: deque[Exchange] = deque()
        self._unread = b""
        self._at_once = False
        self._refusal: Refusal | None = None
        self._closing = False
        self._watch: asyncio.TimerHandle | None = None
        self._watched: _Phase | None = None
        self._heard_s = 0.0
        self._write_watch: asyncio.TimerHandle | None = None
        self._unsent_bytes = 0
        self._idle_watch: asyncio.TimerHandle | None = None
        self._idle_since_s = 0.0

    # The transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the first head its time."""
        self._transport = transport = cast(asyncio.Transport, transport)
        self._channel = Channel(transport, self._loop)
        self._scheme = "https" if is_ssl(transport) else "http"
        address = get_remote_addr(transport)
        self._peer = address[0] if address else ""
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._watch = self._loop.call_later(self._settings.header_timeout_s, self._head_overdue)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever still waits for the client, and stop all watches."""
        self._state.connections.discard(self)
        if self._exchange is not None:
            self._exchange.lose()
        self._waiting.clear()
        self._unread = b""
        self._channel.resume_writing()
        self._end_watches()

    def eof_received(self) -> bool:
        """The client sends no more. It may still wait for its answer; one that left in its midst does not."""
        self._channel.flush()
        exchange = self._exchange
        if exchange is None or exchange.begun or not exchange.whole or self._scheme == "https":
            return False
        exchange.keep_alive = False
        exchange.leave()
        return True

    def data_received(self, data: bytes) -> None:
        """Feed the parser, within bounds."""
        if self._closing:
            return
        if self._early is not None:
            self._hold(data)
        elif self._unread:
            self._unread += data
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        """Feed the parser *data*, but no more than little of it that comes behind a request without an answer.

        Requests take more memory than what they are read from: a client may send thousands before it reads an answer.
        """
        for start in range(0, len(data), _PIECE_BYTES):
            if self._waiting:
                self._unread = data[start:]
                self._unwatch()  # the rest of a head is here, and its time has not come
                return
            self._read_piece(data[start : start + _PIECE_BYTES])
            if self._closing:
                return
            if self._early is not None:
                self._hold(data[start + _PIECE_BYTES :])
                return

    def _read_on(self) -> None:
        """Read what has waited, unless the connection has ended."""
        unread, self._unread = self._unread, b""
        if not self._closing and not self._channel.is_closing:
            self._read(unread)
            if self._is_answered() and not self._unread:
                self._await_next()

    def _read_piece(self, data: bytes) -> None:
        before = self._fields
        self._piece_bytes = len(data)
        self._at_once = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Whether it is one is the answer's to say: what is not is ignored, as RFC 9110 allows, and then closed.
            self._hold(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._refusal or Refusal(MALFORMED_REQUEST, cause="it is not valid HTTP"))
            return
        phase = self._phase
        if (phase is _HEAD and self._fields is before) or (phase is _BODY and self._fields):
            self._bound_fields()
        if phase is not _REQUEST or self._watch is not None:
            self._rewatch()

    def _hold(self, data: bytes) -> None:
        """Keep what came behind an upgrade before its answer, which a client should wait for."""
        self._early = (self._early or b"") + data
        self._channel.pause_reading()
        if len(self._early) > self._settings.header_bytes:
            self._channel.close()

    def shutdown(self) -> None:
        """Close once what was asked is answered: the server ends."""
        if self._exchange is None or self._exchange.answered:
            self._channel.close()
        else:
            self._exchange.keep_alive = False
            self._exchange.leave()

    def _bound_fields(self) -> None:
        """Count what came of a head that is not complete yet, or of fields behind a body."""
        self._field_bytes += self._piece_bytes
        if self._field_bytes > self._settings.header_bytes:
            in_url = self._phase is _HEAD and not self._fields
            self._refuse(self._uri_too_long() if in_url else self._headers_too_large())

    # The parser's callbacks. An exception from one comes out of feed_data as an HttpParserError.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._fields = []
        self._field_bytes = 0
        self._phase = _HEAD
        self._watched = None

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a field behind the body."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is one to refuse."""
        settings, parser = self._settings, self._parser
        if len(self._url) > settings.url_bytes:
            self._stop(self._uri_too_long())
        if self._field_bytes + self._piece_bytes > settings.header_bytes:
            self._measure_head()
        if self._url[0] != _SLASH:
            self._to_origin_form()
        version = parser.get_http_version()
        keep_alive = version != "1.0" and parser.should_keep_alive() and not parser.should_upgrade()
        exchange = Exchange(self._channel, self._common, self._answered, keep_alive=keep_alive)
        exchange.request = Request(
            parser.get_method().decode("ascii"),
            self._url,
            self._fields,
            exchange.receive,
            http_version=version,
            scheme=self._scheme,
            peer=self._peer,
            trusted_proxies=settings.trusted_proxies,
        )
        exchange.request.on_leaving = exchange.on_leaving
        self._fields = []  # those behind a chunked body go nowhere: nobody has checked them
        self._phase = _BODY
        self._take(exchange)

    def on_body(self, body: bytes) -> None:
        """A piece of the request's body."""
        cast(Exchange, self._exchange).feed(body)

    def on_message_complete(self) -> None:
        """The request has arrived whole."""
        exchange = cast(Exchange, self._exchange)
        exchange.end()
        self._phase = _REQUEST
        if exchange.answered:
            self._idle()

    def _measure_head(self) -> None:
        """Tell a head that is too large from one that only came in one piece with its body."""
        fields_bytes = sum(len(name) + len(value) + 4 for name, value in self._fields)
        if len(self._url) + fields_bytes > self._settings.header_bytes:
            self._stop(self._headers_too_large())

    def _to_origin_form(self) -> None:
        """Bring ``http://host/path`` and ``*`` into the form that the rest knows (RFC 9112, section 3.2)."""
        if self._url == b"*":
            self._url = b"/"
            return
        found = _ABSOLUTE_FORM.fullmatch(self._url)
        if found is None:
            self._stop(Refusal(MALFORMED_REQUEST, cause="the request target is not understood"))
        self._fields = [line for line in self._fields if line[0].lower() != b"host"]
        self._fields.append((b"host", found[1]))
        self._url = found[2] if found[2].startswith(b"/") else b"/" + found[2]

    def _headers_too_large(self) -> Refusal:
        return Refusal(HEADERS_TOO_LARGE, limit=self._settings.header_bytes)

    def _uri_too_long(self) -> Refusal:
        return Refusal(URI_TOO_LONG, limit=self._settings.url_bytes)

    def _stop(self, refusal: Refusal) -> NoReturn:
        """Make the parser stop, so that :meth:`data_received` answers with *refusal*."""
        self._refusal = refusal
        raise refusal

    # Turns

    def _take(self, exchange: Exchange) -> None:
        """Start *exchange* when all before it are answered.

        The first request of a piece of data runs on the spot, unless it has a body to wait for. All others run as
        tasks, so that no client keeps the loop for itself.
        """
        last, self._exchange = self._exchange, exchange
        if last is not None and not last.answered:
            self._channel.pause_reading()
            self._waiting.append(exchange)
            return
        if last is not None and not last.keep_alive:  # it was the connection's last
            return
        work = self._run(exchange)
        at_once, self._at_once = self._at_once, False
        alone = at_once and not (exchange.request.has_body or self._parser.should_upgrade())
        rest = run_at_once(work) if alone else work
        if rest is not None:
            exchange.task = self._spawn(rest)

    def _spawn(self, work: Work) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._state.tasks.add(task)
        return task

    async def _run(self, exchange: Exchange) -> None:
        try:
            await self._edge.serve(exchange.request, exchange.answer)
        finally:
            exchange.request.let_go()
            if exchange.task is not None:
                self._state.tasks.discard(exchange.task)
            if not exchange.answered and not exchange.gone:
                self._channel.close()
        if exchange.talk is not None and exchange.answered:
            self._switch(exchange, exchange.talk)

    def _switch(self, exchange: Exchange, talk: Talk) -> None:
        """Go on as a WebSocket: this connection is one of HTTP no more."""
        self._end_watches()
        self._channel.flush()
        self._state.connections.discard(self)
        socket = WebSocket(self._channel, self._settings, self._state, self._edge.turns)
        self._transport.set_protocol(socket)
        socket.connection_made(self._transport)
        self._spawn(self._edge.talk(talk, socket)).add_done_callback(self._state.tasks.discard)
        self._channel.resume_reading()
        if self._early:
            socket.data_received(self._early)
        if exchange.leaving:  # the server ends, and has told all connections that there were
            socket.shutdown()

    def _common(self) -> str:
        """The header lines of every answer."""
        (_, date), *_ = self._state.default_headers
        return f"date: {date.decode()}\r\nx-personium-version: {self._settings.api_version}\r\n"

    def _answered(self) -> None:
        """The turn is the next one's."""
        self._state.total_requests += 1
        if self._channel.is_closing:
            return
        if self._waiting:
            following = self._waiting.popleft()
            following.task = self._spawn(self._run(following))
        elif not self._unread:
            self._await_next()
        if self._unread and not self._waiting:  # the rest of a body may be in it
            self._loop.call_soon(self._read_on)

    def _await_next(self) -> None:
        self._channel.resume_reading()
        if self._phase is _REQUEST:
            self._idle()

    # Answers to what is no request

    def _refuse(self, refusal: Refusal) -> None:
        """Answer *refusal* if it is this client's turn to get one, then let go of the connection."""
        self._closing = True
        self._unwatch()
        exchange = self._exchange
        if exchange is not None and not exchange.answered:
            if exchange.whole:  # the requests before the faulty one are answered first
                exchange.keep_alive = False
                return
            if exchange.begun or self._waiting:
                self._channel.close()
                return
            exchange.lose()
        self._channel.send(self._raw(refusal))
        if self._transport.can_write_eof():
            self._transport.write_eof()
            self._loop.call_later(_LINGER_S, self._channel.close)
        else:
            self._channel.close()

    def _raw(self, refusal: Refusal) -> bytes:
        answer = render(refusal, self._settings.urls.unit_url)
        body = cast(bytes, answer.body)
        lines = [
            f"HTTP/1.1 {answer.status} {http.HTTPStatus(answer.status).phrase}",
            f"content-type: {answer.headers['content-type']}",
            f"content-length: {len(body)}",
            f"x-personium-version: {self._settings.api_version}",
            "access-control-allow-origin: *",
            "connection: close",
        ]
        return "\r\n".join((*lines, "", "")).encode("latin-1") + body

    # Time. A request that arrives in one piece and a client that reads its answer set no timer.

    def _rewatch(self) -> None:
        """Have a timer exactly while the client owes something, and a new one for each thing that it owes."""
        phase = self._phase
        if phase is _BODY:
            self._heard_s = self._loop.time()
            if self._is_answered():  # nobody reads the rest: it gets a time as a whole
                phase = self._phase = _LEFTOVER
        if phase is self._watched:
            return
        self._unwatch()
        self._watched = phase
        if phase is _HEAD:
            self._watch = self._loop.call_later(self._settings.header_timeout_s, self._head_overdue)
        elif phase is _BODY:
            self._watch = self._loop.call_later(self._settings.body_idle_s, self._body_overdue)
        elif phase is _LEFTOVER:
            self._watch = self._loop.call_later(self._settings.header_timeout_s, self._channel.close)

    def _is_answered(self) -> bool:
        return self._exchange is not None and self._exchange.answered

    def _unwatch(self) -> None:
        self._watched = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _end_watches(self) -> None:
        self._unwatch()
        self._unwatch_writing()
        if self._idle_watch is not None:
            self._idle_watch.cancel()

    def _idle(self) -> None:
        """Count from now on; the timer of an earlier time finds out itself that it rang too early."""
        self._idle_since_s = self._loop.time()
        if self._idle_watch is None:
            self._idle_watch = self._loop.call_later(self._settings.keep_alive_s, self._idle_overdue)

    def _idle_overdue(self) -> None:
        self._idle_watch = None
        if self._phase is not _REQUEST or not self._is_answered():
            return
        left_s = self._idle_since_s + self._settings.keep_alive_s - self._loop.time()
        if left_s > 0:
            self._idle_watch = self._loop.call_later(left_s, self._idle_overdue)
        else:
            self._channel.close()

    def _head_overdue(self) -> None:
        self._watch = None
        if self._phase is _REQUEST:  # a connection on which nothing ever came
            self._channel.close()
        else:
            self._refuse(Refusal(REQUEST_TIMEOUT))

    def _body_overdue(self) -> None:
        """Refuse a client that paused for too long; while reading is paused the pause is not the client's."""
        self._watch = None
        now_s = self._loop.time()
        if self._channel.read_paused:
            self._heard_s = now_s
        left_s = self._heard_s + self._settings.body_idle_s - now_s
        if left_s > 0:
            self._watch = self._loop.call_later(left_s, self._body_overdue)
        elif self._is_answered():
            self._channel.close()
        else:
            self._refuse(Refusal(REQUEST_TIMEOUT))

    def pause_writing(self) -> None:
        """Watch a client that does not read its answer."""
        self._channel.pause_writing()
        self._unsent_bytes = self._transport.get_write_buffer_size()
        self._write_watch = self._loop.call_later(self._settings.body_idle_s, self._answer_overdue)

    def resume_writing(self) -> None:
        """The client reads again."""
        self._channel.resume_writing()
        self._unwatch_writing()

    def _unwatch_writing(self) -> None:
        if self._write_watch is not None:
            self._write_watch.cancel()
            self._write_watch = None

    def _answer_overdue(self) -> None:
        unsent_bytes = self._transport.get_write_buffer_size()
        if unsent_bytes >= self._unsent_bytes:
            self._transport.abort()
        else:
            self._unsent_bytes = unsent_bytes
            self._write_watch = self._loop.call_later(self._settings.body_idle_s, self._answer_overdue)
