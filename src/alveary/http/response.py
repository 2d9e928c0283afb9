"""An answer as a value, and its way onto the wire.

What belongs here: framing, HEAD, the headers of every answer, CORS. What does not: what is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from alveary.http.request import ClientGone, Request, Send

Headers = Mapping[str, str | tuple[str, ...]]
"""Response headers by lower-case name; a tuple makes one line of each value."""

METHODS: Final = "OPTIONS, GET, POST, PUT, DELETE, HEAD, MERGE, MKCOL, MOVE, PROPFIND, PROPPATCH, ACL"
"""What a preflight is told, whatever it is about: it carries no credentials to look further."""

_EXPOSED: Final = (
    b"X-Personium-Version, DataServiceVersion, ETag, Location, Accept-Ranges, Content-Range, WWW-Authenticate"
)
_NO_BODY: Final = frozenset({204, 304})
_NO_ORIGIN: Final = ((b"access-control-allow-origin", b"*"),)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: status, headers and a body, which is bytes, a stream, or None for none.

    A stream is closed when it is done with, or when the client leaves. Content-Length is set where it is
    known; for a stream the headers may say it.
    """

    status: int
    headers: Headers = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] | None = None


PREFLIGHT: Final = Response(
    200, {"allow": METHODS, "access-control-allow-methods": METHODS, "access-control-max-age": "86400"}
)


async def write(response: Response, request: Request, version: bytes, send: Send) -> None:
    """Send *response* to the client of *request*; *version* is the API version that every answer names.

    Raises:
        ClientGone: the client left before the end of a stream.
    """
    body = response.body
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": _head(response, request, version),
        }
    )
    if body is None or isinstance(body, bytes):
        silent = not body or request.method == "HEAD"
        await send({"type": "http.response.body", "body": b"" if silent else body})
        return
    try:
        if request.method != "HEAD":
            await _stream(body, request, send)
        await send({"type": "http.response.body"})
    finally:
        await _close(body)


async def _stream(body: AsyncIterator[bytes], request: Request, send: Send) -> None:
    # send() is silent about a client that left, so somebody has to listen for it.
    gone = asyncio.create_task(request.wait_until_gone())
    try:
        async for piece in body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if gone.done():
                raise ClientGone
    finally:
        gone.cancel()


async def _close(body: AsyncIterator[bytes]) -> None:
    if close := getattr(body, "aclose", None):
        await close()


def _head(response: Response, request: Request, version: bytes) -> list[tuple[bytes, bytes]]:
    head = [(b"x-personium-version", version)]
    head += _cors(request) if "origin" in request.headers else _NO_ORIGIN
    for name, value in response.headers.items():
        if isinstance(value, str):
            head.append((name.encode(), value.encode("latin-1", "replace")))
        else:
            head += [(name.encode(), line.encode("latin-1", "replace")) for line in value]
    body = response.body
    if request.method == "HEAD" != request.wire_method:
        # Overridden: the client's HTTP library takes this for the answer to a POST and waits for a body.
        head = [line for line in head if line[0] != b"content-length"]
        head.append((b"content-length", b"0"))
    elif "content-length" not in response.headers:
        if isinstance(body, bytes):
            head.append((b"content-length", b"%d" % len(body)))
        elif body is None and response.status not in _NO_BODY:
            head.append((b"content-length", b"0"))
    if "expect" in request.headers and not request.body_begun and request.has_body:
        # Nobody asked for the body, so the client may send it or not: what follows could not be told from it.
        head.append((b"connection", b"close"))
    return head


def _cors(request: Request) -> tuple[tuple[bytes, bytes], ...]:
    cors = (
        (b"access-control-allow-origin", request.headers["origin"].encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"Origin"),
    )
    asked = request.headers.get("access-control-request-headers")
    return cors if asked is None else (*cors, (b"access-control-allow-headers", asked.encode("latin-1")))
