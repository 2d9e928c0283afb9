"""uvicorn's HTTP protocol with bounds on what a client may send, and for how long.

What belongs here: what is refused before there is a request, and connections that stall. The parser itself
refuses contradictory lengths, bare line feeds and whatever else would let two servers read one message
differently. What does not: anything that needs a request's meaning.
"""

from __future__ import annotations

import asyncio
import http
import re
from enum import Enum
from typing import Any, Final, NoReturn, cast

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from alveary.errors import HEADERS_TOO_LARGE, MALFORMED_REQUEST, REQUEST_TIMEOUT, URI_TOO_LONG, Refusal
from alveary.http.refusals import render
from alveary.http.settings import EdgeSettings

_LINGER_S: Final = 2.0
"""How long a refused client may go on sending: a reset while it does would destroy the answer on its way."""

_ABSOLUTE_FORM: Final = re.compile(rb"https?://([^/?]+)(.*)", re.IGNORECASE)
_SLASH: Final = ord("/")


class _Phase(Enum):
    """What the connection waits for."""

    REQUEST = "the next request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    LEFTOVER = "the rest of a body that was answered without it"


_REQUEST, _HEAD, _BODY, _LEFTOVER = _Phase


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Within bounds it behaves as uvicorn's own and costs next to nothing more."""

    def __init__(
        self,
        settings: EdgeSettings,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._settings = settings
        self._phase = _REQUEST
        self._field_bytes = 0
        self._piece_bytes = 0
        self._refusal: Refusal | None = None
        self._closing = False
        self._watch: asyncio.TimerHandle | None = None
        self._watched: _Phase | None = None
        self._write_watch: asyncio.TimerHandle | None = None
        self._heard_s = 0.0
        self._unsent_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first head its time."""
        super().connection_made(transport)
        self._watch = self.loop.call_later(self._settings.header_timeout_s, self._head_overdue)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all watches."""
        self._unwatch()
        self._unwatch_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, within bounds."""
        if self._closing:
            return
        before = self.scope
        self._piece_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Upgrades are ignored as RFC 9110 allows, but the parser stops at one.
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(self._refusal or Refusal(MALFORMED_REQUEST, cause="it is not valid HTTP"))
            return
        phase = self._phase
        if (phase is _HEAD and self.scope is before) or (phase is _BODY and self.headers):
            self._bound_fields()
        if phase is not _REQUEST or self._watch is not None:
            self._rewatch()

    def _bound_fields(self) -> None:
        """Count what came of a head that is not complete yet, or of fields behind a body."""
        self._field_bytes += self._piece_bytes
        if self._field_bytes > self._settings.header_bytes:
            in_url = self._phase is _HEAD and not self.headers
            self._refuse(self._uri_too_long() if in_url else self._headers_too_large())

    # The parser's callbacks. An exception from one comes out of feed_data as an HttpParserError.

    def on_message_begin(self) -> None:
        """A request begins, which ends the time in which the connection may idle."""
        self._unset_keepalive_if_required()
        super().on_message_begin()
        self._phase = _HEAD
        self._watched = None
        self._field_bytes = 0

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is one to refuse."""
        if len(self.url) > self._settings.url_bytes:
            self._stop(self._uri_too_long())
        if self._field_bytes + self._piece_bytes > self._settings.header_bytes:
            self._measure_head()
        if self.url[0] != _SLASH:
            self._to_origin_form()
        self._unset_keepalive_if_required()  # set meanwhile if an answer ended within this head
        super().on_headers_complete()
        self._phase = _BODY
        # Fields behind a chunked body go nowhere: nobody has checked them.
        self.headers = []

    def _measure_head(self) -> None:
        """Tell a head that is too large from one that only came in one piece with its body."""
        fields_bytes = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) + fields_bytes > self._settings.header_bytes:
            self._stop(self._headers_too_large())

    def on_message_complete(self) -> None:
        """The request has arrived whole."""
        super().on_message_complete()
        self._phase = _REQUEST

    def _to_origin_form(self) -> None:
        """Bring ``http://host/path`` and ``*`` into the form that the rest knows (RFC 9112, section 3.2)."""
        if self.url == b"*":
            self.url = b"/"
            return
        found = _ABSOLUTE_FORM.fullmatch(self.url)
        if found is None:
            self._stop(Refusal(MALFORMED_REQUEST, cause="the request target is not understood"))
        self.headers[:] = [line for line in self.headers if line[0] != b"host"]
        self.headers.append((b"host", found[1]))
        self.url = found[2] if found[2].startswith(b"/") else b"/" + found[2]

    def _headers_too_large(self) -> Refusal:
        return Refusal(HEADERS_TOO_LARGE, limit=self._settings.header_bytes)

    def _uri_too_long(self) -> Refusal:
        return Refusal(URI_TOO_LONG, limit=self._settings.url_bytes)

    def _stop(self, refusal: Refusal) -> NoReturn:
        """Make the parser stop, so that :meth:`data_received` answers with *refusal*."""
        self._refusal = refusal
        raise refusal

    # Answers to what is no request

    def _refuse(self, refusal: Refusal) -> None:
        """Answer *refusal* if it is this client's turn to get one, then let go of the connection."""
        self._closing = True
        self._unwatch()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:  # the requests before the faulty one are answered first
                cycle.keep_alive = False
                return
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(self._raw(refusal))
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(_LINGER_S, self.transport.close)
        else:
            self.transport.close()

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
            self._heard_s = self.loop.time()
            if self.cycle.response_complete:  # nobody reads the rest: it gets a time as a whole
                phase = self._phase = _LEFTOVER
        if phase is self._watched:
            return
        self._unwatch()
        self._watched = phase
        if phase is _HEAD:
            self._watch = self.loop.call_later(self._settings.header_timeout_s, self._head_overdue)
        elif phase is _BODY:
            self._watch = self.loop.call_later(self._settings.body_idle_s, self._body_overdue)
        elif phase is _LEFTOVER:
            self._watch = self.loop.call_later(self._settings.header_timeout_s, self.transport.close)

    def _unwatch(self) -> None:
        self._watched = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _head_overdue(self) -> None:
        self._watch = None
        if self._phase is _REQUEST:  # a connection on which nothing ever came
            self.transport.close()
        else:
            self._refuse(Refusal(REQUEST_TIMEOUT))

    def _body_overdue(self) -> None:
        """Refuse a client that paused for too long; while reading is paused the pause is not the client's."""
        self._watch = None
        now_s = self.loop.time()
        if self.flow.read_paused:
            self._heard_s = now_s
        left_s = self._heard_s + self._settings.body_idle_s - now_s
        if left_s > 0:
            self._watch = self.loop.call_later(left_s, self._body_overdue)
        elif self.cycle.response_complete:
            self.transport.close()
        else:
            self._refuse(Refusal(REQUEST_TIMEOUT))

    def pause_writing(self) -> None:
        """Watch a client that does not read its answer."""
        super().pause_writing()
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._write_watch = self.loop.call_later(self._settings.body_idle_s, self._answer_overdue)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._unwatch_writing()

    def _unwatch_writing(self) -> None:
        if self._write_watch is not None:
            self._write_watch.cancel()
            self._write_watch = None

    def _answer_overdue(self) -> None:
        unsent_bytes = self.transport.get_write_buffer_size()
        if unsent_bytes >= self._unsent_bytes:
            self.transport.abort()
        else:
            self._unsent_bytes = unsent_bytes
            self._write_watch = self.loop.call_later(self._settings.body_idle_s, self._answer_overdue)
