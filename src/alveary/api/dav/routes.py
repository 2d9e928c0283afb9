"""Which handler answers which method on a box and on what is in it.

What does not belong here: the handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from alveary.api.dav import boxes, files, locks, properties, transfers
from alveary.errors import METHOD_NOT_ALLOWED, NOT_IMPLEMENTED, Refusal
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.usecases.access import BoxPath
from alveary.usecases.files import MAKE, PUT, READ, REMOVE
from alveary.usecases.locks import LOCK
from alveary.usecases.properties import PATCH, SET_ACL
from alveary.usecases.properties import READ as READ_PROPERTIES

PathHandler = Callable[[Call, BoxPath], Awaitable[Response]]


async def report(call: Call, path: BoxPath) -> Response:
    """REPORT: 501, whatever is there, for one who may read it.

    Source: Personium's REPORT on every resource.
    """
    await call.access.require_at(call.ports, path, READ)
    raise Refusal(NOT_IMPLEMENTED)


BOX: Final[Mapping[str, PathHandler]] = {
    "GET": boxes.get,
    "HEAD": boxes.get,
    "DELETE": boxes.delete,
    "MKCOL": boxes.install,
    "COPY": transfers.copy,
    "MOVE": transfers.move,
    "LOCK": locks.lock,
    "UNLOCK": locks.unlock,
    "PROPFIND": properties.propfind,
    "PROPPATCH": properties.proppatch,
    "ACL": properties.acl,
    "OPTIONS": files.options,
    "REPORT": report,
}

RESOURCE: Final[Mapping[str, PathHandler]] = {
    "GET": files.get,
    "HEAD": files.get,
    "PUT": files.put,
    "POST": files.post,
    "DELETE": files.delete,
    "MKCOL": files.mkcol,
    "COPY": transfers.copy,
    "MOVE": transfers.move,
    "LOCK": locks.lock,
    "UNLOCK": locks.unlock,
    "PROPFIND": properties.propfind,
    "PROPPATCH": properties.proppatch,
    "ACL": properties.acl,
    "OPTIONS": files.options,
    "REPORT": report,
}


async def serve(call: Call, path: BoxPath) -> Response:
    """Any method on ``{CellURL}{box}`` and on what is below it."""
    handler = (RESOURCE if path.segments else BOX).get(call.request.method)
    if handler is None:
        # Who may not read here is not told by it whether another face answers below.
        await call.access.require_at(call.ports, path, READ)
        raise Refusal(METHOD_NOT_ALLOWED)
    try:
        return await handler(locks.claiming(call), path)
    except Refusal as refusal:
        if refusal.kind.status == HTTPStatus.BAD_REQUEST and path.segments:
            # Who may not do it is not told what else was wrong, and so not that no other face answers below.
            await call.access.require_at(call.ports, path, _NEEDS.get(call.request.method, READ))
        raise locks.told(call, path, refusal) from None


_NEEDS: Final = {
    "PUT": PUT,
    "DELETE": REMOVE,
    "MKCOL": MAKE,
    "MOVE": REMOVE,
    "LOCK": LOCK,
    "UNLOCK": LOCK,
    "PROPFIND": READ_PROPERTIES,
    "PROPPATCH": PATCH,
    "ACL": SET_ACL,
}
"""What a method needs on a resource, where that is not to read it."""
