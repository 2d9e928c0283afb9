"""``{UnitURL}__ctl/Cell`` and ``Cell(key)``: the unit's cells.

What does not belong here: the removal of a cell with all it holds, which its own URL does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alveary.api.odata.bodies import NO_CONTENT, allowing, changed, created, given, many, one
from alveary.api.odata.entities import EntityHandler, SetHandler
from alveary.http.call import Call
from alveary.http.conditional import change_condition
from alveary.http.response import Response
from alveary.model.edm import EntityKey, EntitySet
from alveary.usecases import cells
from alveary.wire.odata_options import Paging, check_format, parse_query


async def create(call: Call, entity_set: EntitySet) -> Response:
    """POST {unit}__ctl/Cell: 201 with the new cell.

    Source: API reference 100.
    """
    check_format(parse_query(call.request.query_string))
    return created(call, await cells.create(call.ports, call.access, given(call, entity_set)))


async def list_page(call: Call, entity_set: EntitySet) -> Response:
    """GET {unit}__ctl/Cell: 200 with the cells of the unit user who asks.

    Source: API reference 101.
    """
    query = parse_query(call.request.query_string)
    check_format(query, call.request.headers.get("accept", ""))
    paging = Paging.parse(query, call.ports.config.limits)
    return many(call, await cells.list_page(call.ports, call.access, paging))


async def options_of_set(call: Call, entity_set: EntitySet) -> Response:
    """OPTIONS {unit}__ctl/Cell with credentials: 200 and the methods of the set.

    Source: Personium answers it to the unit's own users.
    """
    call.access.require_unit()
    return allowing(OF_SET)


async def retrieve(call: Call, entity_set: EntitySet, key: EntityKey) -> Response:
    """GET {unit}__ctl/Cell(key): 200 with the cell.

    Source: API reference 102.
    """
    check_format(parse_query(call.request.query_string), call.request.headers.get("accept", ""))
    return one(call, await cells.retrieve(call.ports, call.access, key))


async def update(call: Call, entity_set: EntitySet, key: EntityKey) -> Response:
    """PUT {unit}__ctl/Cell(key): 204, and the cell has another name.

    Source: API reference 103.
    """
    return await _change(call, entity_set, key, merge=False)


async def merge(call: Call, entity_set: EntitySet, key: EntityKey) -> Response:
    """MERGE or PATCH {unit}__ctl/Cell(key): 204, and the cell has another name if the body says one.

    Source: Personium, undocumented.
    """
    return await _change(call, entity_set, key, merge=True)


async def _change(call: Call, entity_set: EntitySet, key: EntityKey, *, merge: bool) -> Response:
    expect = change_condition(call.request.headers)
    row = await cells.change(call.ports, call.access, key, given(call, entity_set), merge=merge, expect=expect)
    return changed(row)


async def remove(call: Call, entity_set: EntitySet, key: EntityKey) -> Response:
    """DELETE {unit}__ctl/Cell(key): 204, when the cell is empty.

    Source: API reference 104.
    """
    await cells.remove(call.ports, call.access, key, expect=change_condition(call.request.headers))
    return NO_CONTENT


async def options(call: Call, entity_set: EntitySet, key: EntityKey) -> Response:
    """OPTIONS {unit}__ctl/Cell(key) with credentials: 200 and the methods of a cell, be it there or not.

    Source: Personium answers it to the unit's own users.
    """
    call.access.require_unit()
    return allowing(OF_ENTITY)


OF_SET: Final[Mapping[str, SetHandler]] = {
    "GET": list_page,
    "HEAD": list_page,
    "POST": create,
    "OPTIONS": options_of_set,
}

OF_ENTITY: Final[Mapping[str, EntityHandler]] = {
    "GET": retrieve,
    "HEAD": retrieve,
    "PUT": update,
    "MERGE": merge,
    "PATCH": merge,
    "DELETE": remove,
    "OPTIONS": options,
}
