"""An answer as a value, and the headers that go with it.

What belongs here: the headers of every answer, CORS. What does not: what is answered, and its way onto the wire.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import field
from typing import Final

from alveary.http.request import Request
from alveary.http.websocket import Talk
from alveary.model.values import frozen

Headers = Mapping[str, str | tuple[str, ...]]
"""Response headers by lower-case name; a tuple makes one line of each value."""

METHODS: Final = (
    "OPTIONS, GET, POST, PUT, DELETE, HEAD, MERGE, PATCH, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, ACL, LOCK, UNLOCK"
)
"""What a preflight is told, whatever it is about: it carries no credentials to look further."""

NO_BODY: Final = frozenset({101, 204, 304})
"""The statuses whose answers have no body, nor say how long it is."""

_EXPOSED: Final = (
    "X-Personium-Version, DataServiceVersion, ETag, Location, Lock-Token, Accept-Ranges, Content-Range,"
    " WWW-Authenticate, Content-Disposition, Repr-Digest, Upload-Complete, Upload-Offset, Upload-Length, Upload-Limit"
)


@frozen
class Response:
    """An answer: status, headers and a body, which is bytes, a stream, or None for none.

    A stream is closed when it is done with, or when the client leaves. Content-Length is set where it is
    known; for a stream, and for the body that HEAD leaves out, the headers may say it. ``talk`` is what goes on over
    a WebSocket after an answer of status 101.
    """

    status: int
    headers: Headers = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] | None = None
    talk: Talk | None = None

    @property
    def size_bytes(self) -> int | None:
        """How long the body is; None for a stream that does not say."""
        body = self.body
        if isinstance(body, bytes):
            return len(body)
        said = self.headers.get("content-length")
        if isinstance(said, str):
            return int(said)
        return 0 if body is None else None


PREFLIGHT: Final = Response(
    200,
    {"allow": METHODS, "access-control-allow-methods": METHODS, "access-control-max-age": "86400", "dav": "1, 2"},
)


def allowing(methods: Iterable[str], headers: Headers | None = None) -> Response:
    """200 with the *methods* that are served here, as an answer to OPTIONS."""
    allowed = ", ".join(methods)
    return Response(200, {"allow": allowed, "access-control-allow-methods": allowed, **(headers or {})})


def header_lines(response: Response, request: Request, size_bytes: int | None) -> list[str]:
    """The headers of *response* to *request*, its length among them where *size_bytes* is known."""
    lines = _cors(request) if "origin" in request.headers else ["access-control-allow-origin: *", "vary: Origin"]
    for name, value in response.headers.items():
        if isinstance(value, tuple):
            lines += [f"{name}: {each}" for each in value]
        elif name != "content-length":
            lines.append(f"{name}: {value}")
    if request.method == "HEAD" != request.wire_method:
        # Overridden: the client's HTTP library takes this for the answer to a POST and waits for a body.
        lines.append("content-length: 0")
    elif size_bytes is not None and response.status not in NO_BODY:
        lines.append(f"content-length: {size_bytes}")
    return lines


def _cors(request: Request) -> list[str]:
    lines = [
        f"access-control-allow-origin: {request.headers['origin']}",
        "access-control-allow-credentials: true",
        f"access-control-expose-headers: {_EXPOSED}",
        "vary: Origin",
    ]
    if (asked := request.headers.get("access-control-request-headers")) is not None:
        lines.append(f"access-control-allow-headers: {asked}")
    return lines
