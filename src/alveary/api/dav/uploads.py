"""Files in several requests, by the draft of the IETF: PUT begins, HEAD tells, PATCH goes on, DELETE gives up.

What does not belong here: files that come in one request (``files``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, TypeVar

from alveary.api.dav import locks
from alveary.errors import (
    BAD_HEADER,
    HEADER_MISSING,
    MEDIA_TYPE_UNSUPPORTED,
    METHOD_NOT_ALLOWED,
    NO_SUCH_URI,
    Refusal,
)
from alveary.http.call import Call
from alveary.http.digests import PART, WHOLE, sent_digest
from alveary.http.request import ClientGone, Request
from alveary.http.response import Response
from alveary.model.uploads import Upload
from alveary.usecases import uploads
from alveary.usecases.access import BoxPath
from alveary.wire.media_types import essence
from alveary.wire.uploads import PARTIAL, parse_count, parse_flag, render_flag, render_limits

T = TypeVar("T")

PATH: Final = "__upload"
ALLOWED: Final = "OPTIONS, HEAD, PATCH, DELETE"
_AREA_AND_ID: Final = 2


def begins(headers: Mapping[str, str]) -> bool:
    """Whether a PUT with those *headers* brings but the beginning of a file."""
    return "upload-complete" in headers and parse_flag(headers["upload-complete"]) is False


async def begin(call: Call, path: BoxPath, media_type: str) -> Response:
    """PUT {cell}/{box}/{path} with ``Upload-Complete: ?0``: 201 and the URL of an upload that has these bytes.

    Source: draft-ietf-httpbis-resumable-upload, 4.2. Deviation: docs/deviations.md#resumable-uploads.
    """
    headers = call.request.headers
    upload = await uploads.begin(
        call.ports,
        call.access,
        path,
        media_type=media_type,
        conditions=(headers.get("if-match"), headers.get("if-none-match"), headers.get("if-unmodified-since")),
        length_bytes=parse_count(headers.get("upload-length")),
        sha256=sent_digest(headers, [WHOLE]),
    )
    if call.request.has_body:
        upload = await _append(call, upload, 0)
    location = f"{call.urls.cell_url(call.here.name)}{PATH}/{upload.id}"
    return Response(201, {"location": location, **_state(call, upload)})


async def tell(call: Call, upload_id: str) -> Response:
    """HEAD {cell}__upload/{id}: 204 and how much of the file has come.

    Source: draft-ietf-httpbis-resumable-upload, 4.3.
    """
    return Response(204, _state(call, await uploads.find(call.ports, call.access, upload_id)))


async def go_on(call: Call, upload_id: str) -> Response:
    """PATCH {cell}__upload/{id}: 204 and how much has come; at its end what a PUT of all had answered.

    Source: draft-ietf-httpbis-resumable-upload, 4.4.
    """
    headers = call.request.headers
    upload = await uploads.find(call.ports, call.access, upload_id)
    if essence(headers.get("content-type")) != PARTIAL:
        raise Refusal(MEDIA_TYPE_UNSUPPORTED, headers={"accept-patch": PARTIAL})
    offset_bytes = _required(headers, "Upload-Offset", parse_count)
    complete = _required(headers, "Upload-Complete", parse_flag)
    upload = await _append(call, upload, offset_bytes)
    if not complete:
        return Response(204, _state(call, upload))
    saved = await uploads.finish(call.ports, call.access, upload)
    return Response(201 if saved.created else 204, {"etag": str(saved.etag), "upload-complete": render_flag(True)})


async def give_up(call: Call, upload_id: str) -> Response:
    """DELETE {cell}__upload/{id}: 204, and what has come is forgotten.

    Source: draft-ietf-httpbis-resumable-upload, 4.5.
    """
    await uploads.cancel(call.ports, call.access, upload_id)
    return Response(204)


async def options(call: Call, upload_id: str) -> Response:
    """OPTIONS {cell}__upload/{id}: 200 and the methods, whatever there is."""
    return Response(200, {"allow": ALLOWED, "access-control-allow-methods": ALLOWED, "accept-patch": PARTIAL})


async def _append(call: Call, upload: Upload, offset_bytes: int) -> Upload:
    request = call.request
    body = _Arriving(request)
    upload = await uploads.append(
        call.ports,
        call.access,
        upload,
        body.pieces(),
        lambda: body.whole,
        offset_bytes=offset_bytes,
        length_bytes=parse_count(request.headers.get("upload-length")),
        sha256=sent_digest(request.headers, [PART]),
    )
    if not body.whole:
        raise ClientGone
    return upload


class _Arriving:
    """The body of a request as far as it comes: the client's leaving ends it, and leaves ``whole`` False."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.whole = False

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._request.body:
                yield piece
        except ClientGone:
            return
        self.whole = True


def _state(call: Call, upload: Upload) -> dict[str, str]:
    limits = call.ports.config.limits
    bounds = {"max-age": max(0, (upload.until_ms - call.ports.clock.now_ms()) // 1000)}
    if limits.upload_bytes:
        bounds["max-size"] = limits.upload_bytes
    state = {
        "upload-offset": str(upload.offset_bytes),
        "upload-complete": render_flag(upload.complete),
        "upload-limit": render_limits(bounds),
        "cache-control": "no-store",
    }
    return state if upload.length_bytes is None else {**state, "upload-length": str(upload.length_bytes)}


def _required(headers: Mapping[str, str], name: str, parse: Callable[[str], T | None]) -> T:
    raw = headers.get(name.lower())
    if raw is None:
        raise Refusal(HEADER_MISSING, name=name)
    value = parse(raw)
    if value is None:
        raise Refusal(BAD_HEADER, name=name, value=raw)
    return value


METHODS: Final[Mapping[str, Callable[[Call, str], Awaitable[Response]]]] = {
    "HEAD": tell,
    "PATCH": go_on,
    "DELETE": give_up,
    "OPTIONS": options,
}


async def uploading(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on ``{CellURL}__upload/{id}``."""
    call.access.require_known()
    if len(segments) != _AREA_AND_ID:
        raise Refusal(NO_SUCH_URI)
    handler = METHODS.get(call.request.method)
    if handler is None:
        raise Refusal(METHOD_NOT_ALLOWED)
    return await handler(locks.claiming(call), segments[1])
