"""What leads a client to boxes and roles of a cell: the box of an app, the URLs of roles.

What does not belong here: boxes and roles as entities.
"""

from __future__ import annotations

from typing import Final

import orjson

from alveary.errors import METHOD_NOT_ALLOWED, NO_SUCH_URI, QUERY_VALUE, Refusal
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.model.names import is_schema_uri
from alveary.usecases import boxes, roles

JSON: Final = "application/json"
_READING: Final = frozenset({"GET", "HEAD"})
_DEEPEST: Final = 3


async def box(call: Call, segments: tuple[str, ...]) -> Response:
    """GET {cell}__box?schema={url}: 200 with the URL of the app's box, in the body and as Location.

    Source: API reference 304.
    """
    _require_reading(call)
    if len(segments) != 1:
        raise Refusal(NO_SUCH_URI)
    schema = call.query.get("schema")
    if schema is not None and not is_schema_uri(schema):
        raise Refusal(QUERY_VALUE, name="schema", value=schema)
    found = await boxes.of_app(call.ports, call.access, schema)
    url = call.urls.box_url(call.here.name, found.name)
    return Response(200, {"content-type": JSON, "location": url}, orjson.dumps({"Url": url}))


async def role(call: Call, segments: tuple[str, ...]) -> Response:
    """GET {cell}__role, also with a box and a role after it: 200 with the roles there and their URLs.

    Source: Personium's reference does not tell of it; its server answers a placeholder.
    """
    _require_reading(call)
    found = await roles.listed(call.ports, call.access)
    if len(segments) > _DEEPEST:
        raise Refusal(NO_SUCH_URI)
    wanted = segments[1:]
    shown = [each for each in found if (each.box, each.name)[: len(wanted)] == wanted]
    if wanted and not shown:
        raise Refusal(NO_SUCH_URI)
    url = f"{call.urls.cell_url(call.here.name)}__role/"
    body = [{"Name": each.name, "_Box.Name": each.box, "Url": f"{url}{each.box}/{each.name}"} for each in shown]
    return Response(200, {"content-type": JSON}, orjson.dumps({"roles": body}))


def _require_reading(call: Call) -> None:
    if call.request.method not in _READING:
        raise Refusal(METHOD_NOT_ALLOWED)
