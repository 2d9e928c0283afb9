"""The paths of the unit that are no cells: its root, ``crossdomain.xml``, ``healthz``, ``readyz``.

What does not belong here: ``__ctl``, which is of the OData face.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson

from alveary.errors import METHOD_NOT_ALLOWED, NO_SUCH_URI, SHUTTING_DOWN, Refusal
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.usecases import cells

_JSON: Final = {"content-type": "application/json"}
_OPEN_POLICY: Final = (
    b'<?xml version="1.0"?>\n<cross-domain-policy>'
    b'<allow-access-from domain="*"/><allow-http-request-headers-from domain="*" headers="*"/>'
    b"</cross-domain-policy>\n"
)
_READING: Final = ("GET", "HEAD")


async def root(call: Call) -> Response:
    """GET {unit}: 200 with the unit's URL and the style of its cells' URLs.

    Source: API reference 107.
    """
    unit = {"url": call.urls.unit_url, "path_based_cellurl_enabled": call.urls.path_style}
    return Response(200, _JSON, orjson.dumps({"unit": unit}))


async def crossdomain(call: Call) -> Response:
    """GET {unit}crossdomain.xml: 200 with a policy that lets every origin in.

    Source: API reference 001.
    """
    return Response(200, {"content-type": "application/xml"}, _OPEN_POLICY)


async def healthz(call: Call) -> Response:
    """GET {unit}healthz: 200 as long as the process answers.

    Source: an extension.
    """
    return Response(200, _JSON, b'{"status":"ok"}')


async def readyz(call: Call) -> Response:
    """GET {unit}readyz: 200 when the unit serves requests, 503 once it is shutting down.

    Source: an extension.
    """
    if call.ports.jobs.stopping:
        raise Refusal(SHUTTING_DOWN)
    await cells.check_ready(call.ports)
    return Response(200, _JSON, b'{"status":"ready"}')


HANDLERS: Final[Mapping[tuple[str, ...], Callable[[Call], Awaitable[Response]]]] = {
    (): root,
    ("crossdomain.xml",): crossdomain,
    ("healthz",): healthz,
    ("readyz",): readyz,
}
"""Each path by its segments; all of them are read only."""


async def serve(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on a path of the unit's own."""
    handler = HANDLERS.get(segments)
    if handler is None:
        raise Refusal(NO_SUCH_URI)
    if call.request.method not in _READING:
        raise Refusal(METHOD_NOT_ALLOWED, headers={"allow": ", ".join(_READING)})
    return await handler(call)
