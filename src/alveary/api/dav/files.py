"""Files and collections: GET, PUT, POST, DELETE, MKCOL, OPTIONS.

What does not belong here: COPY and MOVE (``transfers``), properties and ACLs (``properties``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from alveary.api.dav import uploads
from alveary.errors import (
    BAD_HEADER,
    MEDIA_TYPE_UNSUPPORTED,
    METHOD_NOT_ALLOWED,
    NOT_IMPLEMENTED,
    Kind,
    Refusal,
)
from alveary.http.call import Call
from alveary.http.compression import gets_smaller, is_worth_it
from alveary.http.conditional import change_condition
from alveary.http.dav import read_xml
from alveary.http.digests import refuse_part, sent_digest, told_digest
from alveary.http.ranges import Download, file_response
from alveary.http.response import Response
from alveary.http.user_content import guarded
from alveary.model.active_content import is_active, may_act, trust_of
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import SOURCE_COLLECTION, NodeKind
from alveary.usecases import files
from alveary.usecases.access import BoxPath, Need, Who
from alveary.usecases.files import OpenFile, Put, Saved, etag_of
from alveary.wire.dav_xml import InvalidResourceType, parse_mkcol
from alveary.wire.media_types import essence
from alveary.wire.uploads import PARTIAL

XML: Final = "application/xml"

GET_REFUSED: Final[dict[NodeKind, Kind]] = {
    NodeKind.ODATA: NOT_IMPLEMENTED,
    NodeKind.SERVICE: METHOD_NOT_ALLOWED,
    NodeKind.STREAM: METHOD_NOT_ALLOWED,
}
"""Why a collection of that kind is not read as one."""

_EVERYTHING: Final = "OPTIONS, GET, PUT, DELETE, MKCOL, PROPFIND, PROPPATCH, ACL"
_COLLECTION: Final = "OPTIONS, DELETE, COPY, MOVE, PROPFIND, PROPPATCH, ACL"
ALLOWED: Final[dict[NodeKind | None, str]] = {
    None: _EVERYTHING,
    NodeKind.BOX: _EVERYTHING,
    NodeKind.COLLECTION: "OPTIONS, GET, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, ACL",
    NodeKind.FILE: "OPTIONS, GET, PUT, DELETE, COPY, MOVE, PROPFIND, PROPPATCH, ACL",
    NodeKind.ODATA: "OPTIONS, GET, DELETE, COPY, MOVE, PROPFIND, PROPPATCH, ACL",
    NodeKind.SERVICE: _COLLECTION,
    NodeKind.STREAM: _COLLECTION,
}
"""What OPTIONS answers about a resource of that kind (None: nothing is there)."""

_XML_TYPES: Final = frozenset({"", "application/xml", "text/xml"})
_POST: Final = Need(BoxPrivilege.WRITE, BoxPrivilege.WRITE)


async def get(call: Call, path: BoxPath) -> Response:
    """GET and HEAD {cell}/{box}/{path}: a file in whole or in parts (200, 206, 304), a collection's URL as text.

    ``?download`` has a browser save the file.

    Source: API reference 312. Deviation: docs/deviations.md#ranges, docs/deviations.md#files-in-browsers.
    """
    found = await files.get(call.ports, call.access, path)
    if not isinstance(found, OpenFile):
        if found.kind in GET_REFUSED:
            raise Refusal(GET_REFUSED[found.kind])
        if found.name == SOURCE_COLLECTION:
            raise Refusal(METHOD_NOT_ALLOWED)
        url = call.urls.resource_url(call.here.name, path.box, path.segments)
        return Response(200, {"content-type": "text/plain", "etag": str(etag_of(found))}, f"URL : {url}".encode())
    content, request = found.content, call.request
    source = content.inline
    media_type = found.node.media_type or "application/octet-stream"
    download = Download(
        found.etag,
        media_type,
        content.size_bytes,
        content.sha256,
        partial(call.ports.store.contents(call.here).blobs.read, content) if source is None else source,
        guarded(request, found.node.name, acts=not is_active(media_type) or _may_act(call, found)),
        shrinkable=call.ports.config.dav.compress and gets_smaller(media_type) and is_worth_it(content.size_bytes),
    )
    return file_response(request.headers, download, call.ports.ids.hex, method=request.method)


def _may_act(call: Call, found: OpenFile) -> bool:
    access = call.access
    by_itself = "authorization" not in call.request.headers and access.who not in {Who.ANONYMOUS, Who.REFUSED}
    default = call.ports.config.dav.active_content
    return may_act(default, trust_of(found.box.properties), ambient=by_itself or access.basic)


async def put(call: Call, path: BoxPath) -> Response:
    """PUT {cell}/{box}/{path}: 201 when created, 204 when replaced, with the new ETag.

    A digest that comes with the body has to be the body's (RFC 9530).

    Source: API reference 311 and 381. Deviation: docs/deviations.md#conditional-put.
    """
    headers = call.request.headers
    refuse_part(headers)
    media_type = headers.get("content-type") or _default_media_type(path.segments[-1])
    if "/" not in media_type:
        raise Refusal(BAD_HEADER, name="Content-Type", value=media_type)
    if uploads.begins(headers):
        return await uploads.begin(call, path, media_type)
    saved = await files.put(
        call.ports,
        call.access,
        Put(path, media_type, change_condition(headers)),
        call.request.body_within(call.ports.config.limits.upload_bytes),
        sha256=sent_digest(headers),
    )
    return _saved(headers, saved)


def _saved(headers: Mapping[str, str], saved: Saved) -> Response:
    digest = told_digest(headers, saved.sha256) if saved.sha256 else {}
    return Response(201 if saved.created else 204, {"etag": str(saved.etag), **digest})


def _default_media_type(name: str) -> str:
    return "text/javascript" if name.endswith(".js") else "application/octet-stream"


async def post(call: Call, path: BoxPath) -> Response:
    """POST {cell}/{box}/{path}: nothing takes it; 405, or 404 where nothing is.

    Source: Personium's answer to POST on files and collections.
    """
    files.existing(await call.access.require_at(call.ports, path, _POST))
    raise Refusal(METHOD_NOT_ALLOWED)


async def delete(call: Call, path: BoxPath) -> Response:
    """DELETE {cell}/{box}/{path}: 204; a collection that is not empty only with X-Personium-Recursive: true.

    Source: API reference 310 and 313.
    """
    headers = call.request.headers
    recursive = headers.get("x-personium-recursive")
    if recursive is not None and recursive.lower() not in {"true", "false"}:
        raise Refusal(BAD_HEADER, name="X-Personium-Recursive", value=recursive)
    await files.delete(
        call.ports,
        call.access,
        path,
        recursive=recursive is not None and recursive.lower() == "true",
        expect=change_condition(headers),
    )
    return Response(204)


async def mkcol(call: Call, path: BoxPath) -> Response:
    """MKCOL {cell}/{box}/{path}: 201 and a new collection of the kind that the body asks for.

    Source: API reference 306 and 380; RFC 5689.
    """
    await call.access.require_at(call.ports, path, files.MAKE)
    if call.request.has_body and files.semantics_of(call.ports).checks_bodies:
        _check_is_xml(call)
    text = await read_xml(call)
    try:
        kind = parse_mkcol(text, max_depth=call.ports.config.limits.xml_depth) if text else NodeKind.COLLECTION
    except InvalidResourceType as invalid:
        return Response(403, {"content-type": XML}, invalid.answer)
    saved = await files.make_collection(call.ports, call.access, path, kind)
    return Response(201, {"etag": str(saved.etag)})


def _check_is_xml(call: Call) -> None:
    media_type = essence(call.request.headers.get("content-type"))
    if media_type not in _XML_TYPES:
        raise Refusal(MEDIA_TYPE_UNSUPPORTED)


async def options(call: Call, path: BoxPath) -> Response:
    """OPTIONS {cell}/{box}/{path} with credentials: 200 and the methods that this resource takes.

    Source: spec of the server; without credentials every URL is answered alike.
    """
    place = await call.access.require_at(call.ports, path, files.READ)
    node = place.node
    allowed = f"{ALLOWED[node.kind if node else None]}, LOCK, UNLOCK"
    if node is not None and files.is_source_collection(place):
        allowed = "OPTIONS, PROPFIND"
    classes = files.semantics_of(call.ports).classes
    answer = {"allow": allowed, "access-control-allow-methods": allowed, "dav": classes}
    return Response(200, {**answer, "accept-patch": PARTIAL} if "PUT" in allowed else answer)
