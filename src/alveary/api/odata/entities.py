"""``{CellURL}__ctl/E`` and ``E(key)``: the control entities of a cell.

What does not belong here: ``$links`` and navigation properties (``links``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from alveary.api.odata.bodies import NO_CONTENT, allowing, changed, created, given, many, one
from alveary.http.call import Call
from alveary.http.conditional import change_condition
from alveary.http.response import Response
from alveary.model.edm import GUARDS, EntityKey, EntitySet
from alveary.usecases import entities
from alveary.wire.odata_options import Paging, check_format, parse_query

SetHandler = Callable[[Call, EntitySet], Awaitable[Response]]
EntityHandler = Callable[[Call, EntitySet, EntityKey], Awaitable[Response]]


async def create(call: Call, entity_set: EntitySet) -> Response:
    """POST {cell}__ctl/E: 201 with the new entity.

    Source: API reference 201, 212, 256.
    """
    check_format(parse_query(call.request.query_string))
    row = await entities.create(
        call.ports, call.access, entity_set, given(call, entity_set), password=_password(call)
    )
    return created(call, row)


async def list_page(call: Call, entity_set: EntitySet) -> Response:
    """GET {cell}__ctl/E: 200 with a list of entities.

    Source: API reference 202, 214, 257.
    """
    query = parse_query(call.request.query_string)
    check_format(query, call.request.headers.get("accept", ""))
    paging = Paging.parse(query, call.ports.config.limits)
    return many(call, await entities.list_page(call.ports, call.access, entity_set, paging))


async def options_of_set(call: Call, entity_set: EntitySet) -> Response:
    """OPTIONS {cell}__ctl/E with credentials: 200 and the methods of a set.

    Source: Personium asks for the privilege that reads the set.
    """
    call.access.require(GUARDS[entity_set.name].read)
    return allowing(OF_SET)


async def retrieve(call: Call, entity_set: EntitySet, key: EntityKey) -> Response:
    """GET {cell}__ctl/E(key): 200 with the entity.

    Source: API reference 203, 213, 258.
    """
    check_format(parse_query(call.request.query_string), call.request.headers.get("accept", ""))
    return one(call, await entities.retrieve(call.ports, call.access, entity_set, key))


async def update(call: Call, entity_set: EntitySet, key: EntityKey) -> Response:
    """PUT {cell}__ctl/E(key): 204; what the body leaves out goes back to its default.

    Source: API reference 204, 215, 259.
    """
    return await _change(call, entity_set, key, merge=False)


async def merge(call: Call, entity_set: EntitySet, key: EntityKey) -> Response:
    """MERGE or PATCH {cell}__ctl/E(key): 204; what the body leaves out stays as it is.

    Source: API reference 2AB, 2AC, 2B0.
    """
    return await _change(call, entity_set, key, merge=True)


async def _change(call: Call, entity_set: EntitySet, key: EntityKey, *, merge: bool) -> Response:
    row = await entities.change(
        call.ports,
        call.access,
        entity_set,
        key,
        given(call, entity_set),
        merge=merge,
        expect=change_condition(call.request.headers),
        password=_password(call),
    )
    return changed(row)


async def remove(call: Call, entity_set: EntitySet, key: EntityKey) -> Response:
    """DELETE {cell}__ctl/E(key): 204.

    Source: API reference 205, 216, 260.
    """
    expect = change_condition(call.request.headers)
    await entities.remove(call.ports, call.access, entity_set, key, expect=expect)
    return NO_CONTENT


async def options(call: Call, entity_set: EntitySet, key: EntityKey) -> Response:
    """OPTIONS {cell}__ctl/E(key) with credentials: 200 and the methods of an entity, be it there or not.

    Source: Personium asks for the privilege that reads the set.
    """
    call.access.require(GUARDS[entity_set.name].read)
    return allowing(OF_ENTITY)


def _password(call: Call) -> str | None:
    return call.request.headers.get("x-personium-credential")


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
