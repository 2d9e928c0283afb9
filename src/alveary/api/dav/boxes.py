"""Boxes themselves: their description, their removal.

What does not belong here: what a box shares with every collection.
"""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from alveary.errors import METHOD_NOT_ALLOWED, NOT_IMPLEMENTED, PRECONDITION_HEADER, Refusal
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.model.names import MAIN_BOX
from alveary.model.privileges import CellPrivilege
from alveary.usecases import boxes
from alveary.usecases.access import BoxPath

JSON = "application/json"


async def get(call: Call, path: BoxPath) -> Response:
    """GET {cell}/{box}: 200 with what the box is.

    Source: API reference 303.
    """
    box = await boxes.describe(call.ports, call.access, path.box)
    cell = call.here
    cell_url = call.urls.cell_url(cell.name)
    schema = cell_url if box.name == MAIN_BOX else call.urls.to_http(box.schema) if box.schema else None
    installed = datetime.fromtimestamp(box.published_ms / 1000, UTC)
    body = {
        "box": {
            "name": box.name,
            "url": call.urls.box_url(cell.name, box.name),
            "schema": schema,
            "status": "ready",
            "installed_at": f"{installed:%Y-%m-%dT%H:%M:%S}.{box.published_ms % 1000:03d}Z",
        },
        "cell": {"name": cell.name, "url": cell_url},
        "unit": {"url": call.urls.unit_url, "path_based_cellurl_enabled": call.urls.path_style},
    }
    return Response(
        200, {"content-type": JSON}, orjson.dumps(body, option=orjson.OPT_PASSTHROUGH_SUBCLASS, default=str)
    )


async def delete(call: Call, path: BoxPath) -> Response:
    """DELETE {cell}/{box} with X-Personium-Recursive: true: 204, and all that belongs to the box is gone.

    Source: API reference 295.
    """
    call.access.require(CellPrivilege.BOX)
    if call.request.headers.get("x-personium-recursive", "").lower() != "true":
        raise Refusal(PRECONDITION_HEADER, name="X-Personium-Recursive")
    await boxes.delete(call.ports, call.access, path.box)
    return Response(204)


async def install(call: Call, path: BoxPath) -> Response:
    """MKCOL {cell}/{box}: 405 on the main box; 501 elsewhere, for boxes are not installed from bar files yet.

    Source: API reference 302.
    """
    call.access.require(CellPrivilege.BOX_INSTALL)
    raise Refusal(METHOD_NOT_ALLOWED if path.box == MAIN_BOX else NOT_IMPLEMENTED)
