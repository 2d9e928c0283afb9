"""``{UnitURL}__ctl/Cell`` and ``Cell(key)``: the unit's cells.

What does not belong here: the removal of a cell with all it holds, which its own URL does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alveary.api.odata.bodies import (
    NO_CONTENT,
    Site,
    changed,
    created,
    given,
    many,
    one,
    text,
    view,
    wanted,
)
from alveary.api.odata.entities import EntityHandler, SetHandler
from alveary.http.call import Call
from alveary.http.conditional import change_condition
from alveary.http.response import Response, allowing
from alveary.model.control_edm import CELL
from alveary.usecases import cells
from alveary.usecases.rows import Address, key_of
from alveary.wire import odata_json
from alveary.wire.odata_options import EntityOptions, ListOptions


async def create(call: Call, site: Site, name: str) -> Response:
    """POST {unit}__ctl/Cell: 201 with the new cell.

    Source: API reference 100.
    """
    answer = wanted(call, call.query, posted=True)
    return created(call, site, await cells.create(call.ports, call.access, given(call)), answer)


async def list_page(call: Call, site: Site, name: str) -> Response:
    """GET {unit}__ctl/Cell: 200 with the cells of the unit user who asks.

    Source: API reference 101.
    """
    answer = wanted(call, call.query)
    options = ListOptions.parse(call.query, call.ports.config.limits)
    page = await cells.list_page(call.ports, call.access, options)
    return await many(call, name, page, view(call, site, answer, options.select), answer, name)


async def count(call: Call, site: Site, name: str) -> Response:
    """GET {unit}__ctl/Cell/$count: 200 with the number of cells alone.

    Source: OData V2; Personium has none.
    """
    options = ListOptions.parse({**call.query, "$inlinecount": "allpages", "$top": "0"}, call.ports.config.limits)
    page = await cells.list_page(call.ports, call.access, options)
    return text(odata_json.render_count(page.count or 0))


async def options_of_set(call: Call, site: Site, name: str) -> Response:
    """OPTIONS {unit}__ctl/Cell with credentials: 200 and the methods of the set.

    Source: Personium answers it to the unit's own users.
    """
    call.access.require_unit()
    return allowing(OF_SET)


async def retrieve(call: Call, site: Site, address: Address) -> Response:
    """GET {unit}__ctl/Cell(key): 200 with the cell.

    Source: API reference 102.
    """
    answer = wanted(call, call.query)
    options = EntityOptions.parse(call.query, call.ports.config.limits)
    row = await cells.retrieve(call.ports, call.access, key_of(call.ports, CELL, address.key))
    return await one(call, row, view(call, site, answer, options.select), answer)


async def update(call: Call, site: Site, address: Address) -> Response:
    """PUT {unit}__ctl/Cell(key): 204, and the cell has another name.

    Source: API reference 103.
    """
    return await _change(call, address, merge=False)


async def merge(call: Call, site: Site, address: Address) -> Response:
    """MERGE or PATCH {unit}__ctl/Cell(key): 204, and the cell has another name if the body says one.

    Source: Personium, undocumented.
    """
    return await _change(call, address, merge=True)


async def _change(call: Call, address: Address, *, merge: bool) -> Response:
    expect = change_condition(call.request.headers)
    key = key_of(call.ports, CELL, address.key)
    return changed(await cells.change(call.ports, call.access, key, given(call), merge=merge, expect=expect))


async def remove(call: Call, site: Site, address: Address) -> Response:
    """DELETE {unit}__ctl/Cell(key): 204, when the cell is empty.

    Source: API reference 104.
    """
    expect = change_condition(call.request.headers)
    await cells.remove(call.ports, call.access, key_of(call.ports, CELL, address.key), expect=expect)
    return NO_CONTENT


async def options(call: Call, site: Site, address: Address) -> Response:
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
