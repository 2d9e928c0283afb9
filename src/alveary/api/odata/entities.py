"""``{service}/E``, ``E(key)`` and the properties of an entity: any service's entities.

What does not belong here: ``$links`` and navigation properties (``links``), the unit's cells (``cells``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from alveary.api.odata.bodies import (
    NO_CONTENT,
    Site,
    changed,
    created,
    given,
    json,
    many,
    one,
    text,
    view,
    wanted,
)
from alveary.errors import NO_SUCH_URI, Refusal
from alveary.http.call import Call
from alveary.http.conditional import change_condition
from alveary.http.response import Response, allowing
from alveary.model.columns import find_column
from alveary.model.edm import Row
from alveary.usecases import entities, lists
from alveary.usecases.access import Concern, Doing
from alveary.usecases.rows import Address
from alveary.wire import odata_json
from alveary.wire.odata_options import EntityOptions, ListOptions

SetHandler = Callable[[Call, Site, str], Awaitable[Response]]
"""Answers a call on the set of that name."""
EntityHandler = Callable[[Call, Site, Address], Awaitable[Response]]

VALUE: Final = "$value"


async def create(call: Call, site: Site, name: str) -> Response:
    """POST {service}/E: 201 with the new entity.

    Source: API reference 201, 212, 223, 234, 245, 256, 2A0, 318, 327, 336, 345, 355, 364.
    """
    answer = wanted(call, call.query, posted=True)
    row = await entities.create(call.ports, call.access, site.service, name, given(call), password=password(call))
    return created(call, site, row, answer)


async def list_page(call: Call, site: Site, name: str) -> Response:
    """GET {service}/E: 200 with a list of entities.

    Source: API reference 202, 214, 224, 235, 246, 257, 268, 273, 2A2, 319, 365, 400 to 408.
    """
    answer = wanted(call, call.query)
    options = ListOptions.parse(call.query, call.ports.config.limits)
    page = await lists.list_page(call.ports, call.access, site.service, name, options)
    return await many(call, name, page, view(call, site, answer, options.select), answer, name)


async def count(call: Call, site: Site, name: str) -> Response:
    """GET {service}/E/$count: 200 with the number of entities alone.

    Source: OData V2; Personium has none.
    """
    options = ListOptions.parse(call.query, call.ports.config.limits)
    return text(odata_json.render_count(await lists.count(call.ports, call.access, site.service, name, options)))


async def options_of_set(call: Call, site: Site, name: str) -> Response:
    """OPTIONS {service}/E with credentials: 200 and the methods of a set.

    Source: Personium asks for the privilege that reads the set.
    """
    home = await call.access.require_set(call.ports, site.service, Concern(name), Doing.READ)
    home.named(name)
    return allowing(OF_SET)


async def retrieve(call: Call, site: Site, address: Address) -> Response:
    """GET {service}/E(key): 200 with the entity.

    Source: API reference 203, 213, 225, 236, 247, 258, 269, 272, 2A1, 320, 366.
    """
    answer = wanted(call, call.query)
    options = EntityOptions.parse(call.query, call.ports.config.limits)
    row = await entities.retrieve(call.ports, call.access, site.service, address, options)
    return await one(call, row, view(call, site, answer, options.select), answer)


async def retrieve_property(call: Call, site: Site, address: Address, path: tuple[str, ...]) -> Response:
    """GET {service}/E(key)/P, also P/Q of a complex value, and P/$value: 200 with the value alone.

    Source: OData V2; Personium has none.
    """
    answer = wanted(call, call.query)
    row = await entities.retrieve(call.ports, call.access, site.service, address, EntityOptions())
    names = path[:-1] if path[-1] == VALUE else path
    if not names or not _leads_to_property(row, names):
        raise Refusal(NO_SUCH_URI)
    how = view(call, site, answer)
    if path[-1] != VALUE:
        return json(odata_json.render_property(row, names, how))
    value = odata_json.render_value(row, names, how)
    if value is None:
        raise Refusal(NO_SUCH_URI)
    return text(value)


def _leads_to_property(row: Row, names: tuple[str, ...]) -> bool:
    return find_column(row.entity_set, names) is not None


async def update(call: Call, site: Site, address: Address) -> Response:
    """PUT {service}/E(key): 204; what the body leaves out goes back to its default.

    Source: API reference 204, 215, 226, 237, 248, 259, 2A3, 321, 367.
    """
    return await _change(call, site, address, merge=False)


async def merge(call: Call, site: Site, address: Address) -> Response:
    """MERGE or PATCH {service}/E(key): 204; what the body leaves out stays as it is.

    Source: API reference 2AB to 2B0, 369.
    """
    return await _change(call, site, address, merge=True)


async def _change(call: Call, site: Site, address: Address, *, merge: bool) -> Response:
    row = await entities.change(
        call.ports,
        call.access,
        site.service,
        address,
        given(call),
        merge=merge,
        expect=change_condition(call.request.headers),
        password=password(call),
    )
    return changed(row)


async def remove(call: Call, site: Site, address: Address) -> Response:
    """DELETE {service}/E(key): 204.

    Source: API reference 205, 216, 227, 238, 249, 260, 270, 274, 2A4, 322, 370.
    """
    expect = change_condition(call.request.headers)
    await entities.remove(call.ports, call.access, site.service, address, expect=expect)
    return NO_CONTENT


async def options(call: Call, site: Site, address: Address) -> Response:
    """OPTIONS {service}/E(key) with credentials: 200 and the methods of an entity, be it there or not.

    Source: Personium asks for the privilege that reads the set.
    """
    home = await call.access.require_set(call.ports, site.service, Concern(address.entity_set), Doing.READ)
    home.named(address.entity_set)
    return allowing(OF_ENTITY)


def password(call: Call) -> str | None:
    """The password that comes with an account."""
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
