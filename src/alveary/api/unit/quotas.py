"""``{UnitURL}__quota/{cell}``: how much a cell holds, and how much it may.

What does not belong here: what follows when it is full.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson

from alveary.errors import (
    JSON_KEY_UNKNOWN,
    JSON_UNREADABLE,
    JSON_VALUE_FORMAT,
    METHOD_NOT_ALLOWED,
    NO_SUCH_URI,
    Refusal,
)
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.model.quotas import Quota
from alveary.usecases import quotas
from alveary.usecases.quotas import Standing

_JSON: Final = {"content-type": "application/json"}
_ALLOWED: Final = "GET, HEAD, PUT"
_AREA_AND_CELL: Final = 2
_FIELDS: Final = {"bytes": "file_bytes", "entities": "entities"}
_MOST: Final = 2**63 - 1


async def show(call: Call, name: str) -> Response:
    """GET {unit}__quota/{cell}: 200 with what the cell holds and may hold; null where that is any amount.

    Source: an extension. Deviation: docs/deviations.md#quotas.
    """
    return _shown(await quotas.find(call.ports, call.access, name))


async def put(call: Call, name: str) -> Response:
    """PUT {unit}__quota/{cell}: 200 as for GET, and the cell may hold what the body says: 0 any, null the default.

    Source: an extension. Deviation: docs/deviations.md#quotas.
    """
    call.access.require_admin()
    said = _parse(await call.request.read(call.ports.config.limits.json_bytes))

    def change(quota: Quota) -> Quota:
        return replace(quota, **said)

    return _shown(await quotas.change(call.ports, call.access, name, change))


def _parse(body: bytes) -> dict[str, int | None]:
    """The fields of a quota that *body* names; those that it does not stay as they are."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise Refusal(JSON_UNREADABLE, cause=problem) from None
    if not isinstance(given, dict):
        raise Refusal(JSON_UNREADABLE, cause="it is no object")
    for key, value in given.items():
        if key not in _FIELDS:
            raise Refusal(JSON_KEY_UNKNOWN, key=key)
        if value is not None and (type(value) is not int or not 0 <= value <= _MOST):
            raise Refusal(JSON_VALUE_FORMAT, key=key, form="a number from 0 or null")
    return {_FIELDS[key]: value for key, value in given.items()}


def _shown(standing: Standing) -> Response:
    usage, quota = standing.usage, standing.quota
    body = {
        "used": {"bytes": usage.file_bytes, "entities": usage.entities},
        "quota": {"bytes": quota.file_bytes or None, "entities": quota.entities or None},
    }
    return Response(200, _JSON, orjson.dumps(body))


async def quota(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on ``{UnitURL}__quota/{cell}``."""
    call.access.require_unit()
    if len(segments) != _AREA_AND_CELL:
        raise Refusal(NO_SUCH_URI)
    match call.request.method:
        case "GET" | "HEAD":
            return await show(call, segments[1])
        case "PUT":
            return await put(call, segments[1])
        case _:
            raise Refusal(METHOD_NOT_ALLOWED, headers={"allow": _ALLOWED})
