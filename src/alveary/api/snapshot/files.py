"""The snapshot area and the files in it: GET, PUT, DELETE, PROPFIND, OPTIONS.

What does not belong here: how files come to be there otherwise (``jobs``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from alveary.errors import METHOD_NOT_ALLOWED, NO_SUCH_URI, NOT_IMPLEMENTED, Refusal
from alveary.http.call import Call
from alveary.http.conditional import change_condition
from alveary.http.dav import levels_of, read_propfind
from alveary.http.digests import refuse_part, sent_digest, told_digest
from alveary.http.ranges import Download, file_response
from alveary.http.response import Response
from alveary.http.user_content import guarded
from alveary.model.active_content import is_active
from alveary.model.keep import SnapshotFile
from alveary.model.names import MAIN_BOX, SnapshotFileName
from alveary.model.privileges import CellPrivilege
from alveary.usecases import properties, snapshots
from alveary.usecases.properties import Shown
from alveary.wire import acl_xml, dav_properties, dav_xml
from alveary.wire.acl_xml import WrittenAce
from alveary.wire.dav_xml import Asked
from alveary.wire.urls import encode_segment

XML: Final = "application/xml"
UNTYPED: Final = "application/octet-stream"
AREA_ALLOWED: Final = "OPTIONS, PROPFIND"
FILE_ALLOWED: Final = "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND"

FileHandler = Callable[[Call, SnapshotFileName], Awaitable[Response]]


# The area


async def propfind_area(call: Call) -> Response:
    """PROPFIND {cell}__snapshot, Depth 0 or 1: 207 with the area, and with the files in it.

    Source: API reference 505.
    """
    levels = levels_of(call, implied=None)
    asked = await read_propfind(call)
    cell, shown = await properties.find_of_cell(call.ports, call.access)
    own = dav_properties.of_area(shown.node.published_ms, shown.node.updated_ms, _acl(call, shown, None))
    url = f"{call.urls.cell_url(cell.name)}__snapshot"
    parts = [dav_xml.response(url, dav_properties.propstats(own, asked))]
    if levels:
        acl, files = _inherited_acl(call, shown), await snapshots.list_files(call.ports, call.access)
        parts += [_described(call, file, acl, asked) for file in files]
    return _multistatus(parts, {})


async def options_of_area(call: Call) -> Response:
    """OPTIONS {cell}__snapshot: 200 and the methods of the area."""
    return _options(AREA_ALLOWED)


# Its files


async def get(call: Call, name: SnapshotFileName) -> Response:
    """GET and HEAD {cell}__snapshot/{name}: the file in whole or in parts (200, 206, 304).

    Source: API reference 504. Deviation: docs/deviations.md#ranges.
    """
    file = await snapshots.get(call.ports, call.access, name)
    content, request = file.content, call.request
    blobs = call.ports.store.keep(call.here).blobs
    download = Download(
        snapshots.etag_of(file),
        file.media_type,
        content.size_bytes,
        content.sha256,
        content.inline if content.inline is not None else partial(blobs.read, content),
        guarded(request, file.name, acts=not is_active(file.media_type)),
    )
    return file_response(request.headers, download, call.ports.ids.hex, method=request.method)


async def put(call: Call, name: SnapshotFileName) -> Response:
    """PUT {cell}__snapshot/{name}: 201 when created, 204 when replaced, with the new ETag.

    Source: API reference 503. Deviation: docs/deviations.md#conditional-put.
    """
    headers = call.request.headers
    refuse_part(headers)
    saved = await snapshots.put(
        call.ports,
        call.access,
        name,
        call.request.body_within(call.ports.config.limits.snapshot_bytes),
        media_type=headers.get("content-type") or UNTYPED,
        expect=change_condition(headers),
        sha256=sent_digest(headers),
    )
    return Response(201 if saved.created else 204, {"etag": str(saved.etag), **told_digest(headers, saved.sha256)})


async def delete(call: Call, name: SnapshotFileName) -> Response:
    """DELETE {cell}__snapshot/{name}: 204, and the file is gone.

    Source: API reference 506.
    """
    await snapshots.delete(call.ports, call.access, name, expect=change_condition(call.request.headers))
    return Response(204)


async def propfind(call: Call, name: SnapshotFileName) -> Response:
    """PROPFIND {cell}__snapshot/{name}, Depth 0 or 1: 207 with the file's properties.

    Source: API reference 505.
    """
    levels_of(call, implied=None)
    asked = await read_propfind(call)
    file = await snapshots.get(call.ports, call.access, name)
    _, shown = await properties.find_of_cell(call.ports, call.access)
    text = _described(call, file, _inherited_acl(call, shown), asked)
    return _multistatus([text], {"etag": str(snapshots.etag_of(file))})


async def options(call: Call, name: SnapshotFileName) -> Response:
    """OPTIONS {cell}__snapshot/{name}: 200 and the methods of a file, whether it is there or not."""
    return _options(FILE_ALLOWED)


async def report(call: Call, name: SnapshotFileName) -> Response:
    """REPORT {cell}__snapshot/{name}: 501.

    Source: Personium's REPORT on every resource.
    """
    raise Refusal(NOT_IMPLEMENTED)


# How they are described


def _described(call: Call, file: SnapshotFile, acl: str, asked: Asked) -> str:
    url = f"{call.urls.cell_url(call.here.name)}__snapshot/{encode_segment(file.name)}"
    own = dav_properties.of_file(file.published_ms, file.updated_ms, file.content.size_bytes, file.media_type, acl)
    return dav_xml.response(url, dav_properties.propstats(own, asked))


def _inherited_acl(call: Call, shown: Shown) -> str:
    return _acl(call, shown, call.urls.cell_url(call.here.name).rstrip("/"))


def _acl(call: Call, shown: Shown, inherited: str | None) -> str:
    """The ACL of the cell, which is that of the area and, *inherited* from the cell's URL, that of its files."""
    entries = [WrittenAce(ace.principal, ace.privileges, inherited) for ace in shown.aces or ()]
    base = f"{call.urls.cell_url(call.here.name)}__role/{MAIN_BOX}/"
    return acl_xml.render(entries, shown.node.acl.require_schema_authz, base)


def _multistatus(parts: list[str], headers: Mapping[str, str]) -> Response:
    body = f"{dav_xml.OPEN}{''.join(parts)}{dav_xml.CLOSE}".encode()
    return Response(207, {"content-type": XML, **headers}, body)


def _options(allowed: str) -> Response:
    return Response(200, {"allow": allowed, "access-control-allow-methods": allowed, "dav": "1"})


# Which handler answers what

AREA: Final[Mapping[str, Callable[[Call], Awaitable[Response]]]] = {
    "PROPFIND": propfind_area,
    "OPTIONS": options_of_area,
}

FILE: Final[Mapping[str, FileHandler]] = {
    "GET": get,
    "HEAD": get,
    "PUT": put,
    "DELETE": delete,
    "PROPFIND": propfind,
    "OPTIONS": options,
    "REPORT": report,
}


async def area(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on ``{CellURL}__snapshot`` and on the files in it."""
    call.access.require(CellPrivilege.ROOT)
    method = call.request.method
    match segments:
        case [_] if method in AREA:
            return await AREA[method](call)
        case [_, raw] if method in FILE:
            return await FILE[method](call, SnapshotFileName.parse(raw))
        case [_] | [_, _]:
            raise Refusal(METHOD_NOT_ALLOWED)
    raise Refusal(NO_SUCH_URI)
