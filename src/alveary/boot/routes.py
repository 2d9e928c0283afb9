"""The tables of routes: which face answers what, at unit level, at cell level and in boxes.

What does not belong here: how a request comes to its route (``http.routing``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from alveary.api import cell, dav, oauth, odata, service, snapshot, stream, unit
from alveary.errors import Refusal
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.http.routing import EVERY_METHOD, Route, Routes
from alveary.model.tree import NodeKind
from alveary.usecases.access import BoxPath
from alveary.usecases.boxes import offers_basic
from alveary.usecases.files import PLAIN, face_of


async def _scripts(call: Call, path: BoxPath, depth: int) -> Response:
    """A service, within a task: its time limits need one, which the start of a request does not have."""
    await asyncio.sleep(0)
    return await service.serve(call, path)


def _files(call: Call, path: BoxPath, depth: int) -> Awaitable[Response]:
    return dav.serve(call, path)


_BOX_AND_NAME: Final = 2
_READING: Final = frozenset({"GET", "HEAD"})

FACES: Final[dict[NodeKind, Callable[[Call, BoxPath, int], Awaitable[Response]]]] = {
    NodeKind.COLLECTION: _files,
    NodeKind.SERVICE: _scripts,
    NodeKind.ODATA: odata.collection,
    NodeKind.STREAM: stream.serve,
}
"""Which face answers below a collection of that kind; how many names lead to it is told to each."""


async def in_box(call: Call, segments: tuple[str, ...]) -> Response:
    """Any request on a box or below it, by the face of the collection it is in."""
    # Directly under a box there is nothing but WebDAV, and the service documents of OData collections.
    path = BoxPath(segments[0], segments[1:])
    face = PLAIN
    reading = call.request.method in _READING
    if len(segments) >= (_BOX_AND_NAME if reading else _BOX_AND_NAME + 1):
        face = await face_of(call.ports, call.here, path, reading=reading)
    try:
        return await FACES[face.kind](call, path, face.depth)
    except Refusal as refusal:
        if refusal.kind.status == HTTPStatus.UNAUTHORIZED and await offers_basic(call.ports, call.here, path.box):
            raise Refusal(refusal.kind, **{**refusal.params, "challenge": ("Bearer", "Basic")}) from None
        raise


ROUTES: Final = Routes(
    unit={
        "": Route(unit.serve),
        "crossdomain.xml": Route(unit.serve),
        "healthz": Route(unit.serve),
        "readyz": Route(unit.serve),
        "__ctl": Route(odata.unit_control),
        "__quota": Route(unit.quota),
    },
    cell={
        "": Route(cell.serve, open_when_failed=frozenset({"PROPFIND", "OPTIONS", "DELETE"})),
        "__token": Route(
            oauth.token, reads_credentials=False, open_when_failed=EVERY_METHOD, open_when_locked=frozenset({"POST"})
        ),
        "__authz": Route(oauth.authorize, reads_credentials=False, open_when_locked=frozenset({"POST"})),
        "__html": Route(oauth.html, reads_credentials=False),
        "__mypassword": Route(oauth.mypassword),
        "__logout": Route(oauth.logout),
        "__introspect": Route(oauth.introspect, basic_names_client=True, open_when_locked=frozenset({"POST"})),
        "__revoke": Route(oauth.revoke, reads_credentials=False, open_when_locked=frozenset({"POST"})),
        "__certs": Route(oauth.certs),
        "__sign": Route(oauth.sign, open_when_locked=frozenset({"POST"})),
        ".well-known": Route(oauth.well_known),
        "__ctl": Route(odata.control),
        "__box": Route(cell.box),
        "__role": Route(cell.role),
        "__upload": Route(dav.uploading),
        "__snapshot": Route(snapshot.area, open_when_failed=EVERY_METHOD),
        "__export": Route(snapshot.export, open_when_failed=EVERY_METHOD),
        "__topic": Route(stream.subscribe, reads_credentials=False),
        "__import": Route(snapshot.import_, open_when_failed=EVERY_METHOD),
    },
    box=Route(in_box),
)
