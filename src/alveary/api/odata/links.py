"""``{CellURL}__ctl/E(key)/$links/_T`` and ``E(key)/_T``: what an entity is linked with.

What does not belong here: links that a field of an entity names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from alveary.api.odata.bodies import NO_CONTENT, allowing, many, service_url, uris
from alveary.errors import KEY_AFTER_NAVIGATION, KEY_NEEDED_AFTER_NAVIGATION, NOT_IMPLEMENTED, Refusal
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.model.edm import GUARDS, EntityKey
from alveary.model.privileges import CellPrivilege
from alveary.usecases import links
from alveary.usecases.links import Origin
from alveary.usecases.rows import Page
from alveary.wire.odata_json import parse_link
from alveary.wire.odata_options import Paging, parse_query

LinkHandler = Callable[[Call, Origin, EntityKey | None], Awaitable[Response]]
"""Answers a call on links; the key is that of the entity at the other end, None when the URL names none."""


async def link(call: Call, origin: Origin, key: EntityKey | None) -> Response:
    """POST {cell}__ctl/E(key)/$links/_T: 204, and the entity whose URL is in the body is linked.

    Source: API reference 206, 217, 261.
    """
    if key is not None:
        raise Refusal(KEY_AFTER_NAVIGATION)

    async def read() -> EntityKey:
        body = await call.request.read(call.ports.config.limits.json_bytes)
        return parse_link(body, service_url(call), origin.target, call.urls.canonical)

    await links.link(call.ports, call.access, origin, read)
    return NO_CONTENT


async def list_uris(call: Call, origin: Origin, key: EntityKey | None) -> Response:
    """GET {cell}__ctl/E(key)/$links/_T: 200 with the URLs of the linked entities.

    Source: API reference 207, 218, 262.
    """
    return uris(call, await _linked(call, origin, key))


async def list_entities(call: Call, origin: Origin, key: EntityKey | None) -> Response:
    """GET {cell}__ctl/E(key)/_T: 200 with the linked entities, a list whatever the multiplicity.

    Source: API reference 211, 222, 266.
    """
    return many(call, await _linked(call, origin, key))


async def _linked(call: Call, origin: Origin, key: EntityKey | None) -> Page:
    if key is not None:
        raise Refusal(KEY_AFTER_NAVIGATION)
    paging = Paging.parse(parse_query(call.request.query_string), call.ports.config.limits)
    return await links.list_linked(call.ports, call.access, origin, paging)


async def unlink(call: Call, origin: Origin, key: EntityKey | None) -> Response:
    """DELETE {cell}__ctl/E(key)/$links/_T(key): 204, and the two are linked no more.

    Source: API reference 209, 220, 264.
    """
    if key is None:
        raise Refusal(KEY_NEEDED_AFTER_NAVIGATION)
    await links.unlink(call.ports, call.access, origin, key)
    return NO_CONTENT


async def replace(call: Call, origin: Origin, key: EntityKey | None) -> Response:
    """PUT {cell}__ctl/E(key)/$links/_T(key): 501. A link is replaced by making one and taking the other away.

    Source: API reference 208, 219, 263.
    """
    call.access.require(GUARDS[origin.entity_set.name].write)
    call.access.require(GUARDS[origin.target.name].write)
    raise Refusal(KEY_NEEDED_AFTER_NAVIGATION if key is None else NOT_IMPLEMENTED)


async def options_of_links(call: Call, origin: Origin, key: EntityKey | None) -> Response:
    """OPTIONS {cell}__ctl/E(key)/$links/_T with credentials: 200 and the methods of links.

    Source: Personium asks for social-read here.
    """
    call.access.require(CellPrivilege.SOCIAL_READ)
    return allowing(OF_LINKS)


async def options(call: Call, origin: Origin, key: EntityKey | None) -> Response:
    """OPTIONS {cell}__ctl/E(key)/_T with credentials: 200 and the methods of a navigation property.

    Source: Personium asks for social-read here.
    """
    call.access.require(CellPrivilege.SOCIAL_READ)
    return allowing(OF_NAVIGATION)


OF_LINKS: Final[Mapping[str, LinkHandler]] = {
    "GET": list_uris,
    "HEAD": list_uris,
    "POST": link,
    "PUT": replace,
    "DELETE": unlink,
    "OPTIONS": options_of_links,
}

OF_NAVIGATION: Final[Mapping[str, LinkHandler]] = {
    "GET": list_entities,
    "HEAD": list_entities,
    "OPTIONS": options,
}
