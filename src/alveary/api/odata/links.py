"""``{service}/E(key)/$links/_T`` and ``E(key)/_T``: what an entity is linked with.

What does not belong here: links that a property of an entity names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from alveary.api.odata.bodies import NO_CONTENT, Site, created, given, many, one, text, uris, view, wanted
from alveary.api.odata.entities import password
from alveary.errors import (
    KEY_AFTER_NAVIGATION,
    KEY_NEEDED_AFTER_NAVIGATION,
    NO_SUCH_ENTITY,
    NOT_IMPLEMENTED,
    Refusal,
)
from alveary.http.call import Call
from alveary.http.response import Response, allowing
from alveary.model.edm import EntityKey, EntitySet
from alveary.model.privileges import CellPrivilege
from alveary.usecases import links, lists
from alveary.usecases.access import Concern, Doing
from alveary.usecases.rows import Address
from alveary.usecases.services import CONTROL
from alveary.wire import odata_json
from alveary.wire.odata_json import V2, parse_link
from alveary.wire.odata_options import ListOptions


@dataclass(frozen=True, slots=True)
class Way:
    """Links as a URL names them: where they begin, the navigation property, and the key behind it, if any.

    ``path`` is what the URL has below that of the service, as it is spelled; ``links_alone``: by ``$links``.
    """

    source: Address
    navigation: str
    key: str | None
    path: str
    links_alone: bool = False

    @property
    def concern(self) -> Concern:
        """What calls on them are about."""
        return Concern(self.source.entity_set, self.navigation, self.links_alone)


LinkHandler = Callable[[Call, Site, Way], Awaitable[Response]]


async def link(call: Call, site: Site, way: Way) -> Response:
    """POST {service}/E(key)/$links/_T: 204, and the entity whose URL is in the body is linked.

    Source: API reference 206, 217, 228, 239, 250, 261, 2A5, 373.
    """
    await _refuse_key(call, site, way, Doing.WRITE)

    async def read(target: EntitySet) -> tuple[EntityKey, ...]:
        body = await call.request.read(call.ports.config.limits.json_bytes)
        keys = parse_link(body, site.url, target, call.urls.canonical)
        if not target.by_name[target.key[0]].url:
            return keys
        return tuple(EntityKey((call.urls.to_local(key.name), *key.values[1:])) for key in keys)

    await links.link(call.ports, call.access, site.service, way.source, way.navigation, read)
    return NO_CONTENT


async def list_uris(call: Call, site: Site, way: Way) -> Response:
    """GET {service}/E(key)/$links/_T: 200 with the URLs of the linked entities.

    Source: API reference 207, 218, 229, 240, 251, 262, 2A6, 374.
    """
    await _refuse_key(call, site, way, Doing.READ)
    answer = wanted(call, call.query, posted=True)
    options = ListOptions.parse(call.query, call.ports.config.limits)
    page, navigation = await lists.list_links(
        call.ports, call.access, site.service, way.source, way.navigation, options
    )
    return await uris(page, view(call, site, answer), to_one=navigation.to_one)


async def list_entities(call: Call, site: Site, way: Way) -> Response:
    """GET {service}/E(key)/_T: 200 with the linked entities: a list, but in the shape of V2 where a link is to one.

    Source: API reference 211, 222, 233, 244, 255, 266, 2A9, 378.
    """
    await _refuse_key(call, site, way, Doing.READ)
    answer = wanted(call, call.query)
    options = ListOptions.parse(call.query, call.ports.config.limits)
    page, navigation = await lists.list_related(
        call.ports, call.access, site.service, way.source, way.navigation, options
    )
    how = view(call, site, answer, options.select)
    if navigation.to_one and answer.shape == V2:
        if not page.rows:
            raise Refusal(NO_SUCH_ENTITY)
        return await one(call, page.rows[0], how, answer)
    return await many(call, way.navigation, page, how, answer, way.path)


async def count(call: Call, site: Site, way: Way) -> Response:
    """GET {service}/E(key)/_T/$count: 200 with the number of linked entities alone.

    Source: OData V2; Personium has none.
    """
    await _refuse_key(call, site, way, Doing.READ)
    options = ListOptions.parse({**call.query, "$inlinecount": "allpages", "$top": "0"}, call.ports.config.limits)
    page, _ = await lists.list_related(call.ports, call.access, site.service, way.source, way.navigation, options)
    return text(odata_json.render_count(page.count or 0))


async def create(call: Call, site: Site, way: Way) -> Response:
    """POST {service}/E(key)/_T: 201 with a new entity that is linked.

    Source: API reference 210, 221, 232, 243, 254, 265, 2A8, 377.
    """
    await _refuse_key(call, site, way, Doing.WRITE)
    answer = wanted(call, call.query, posted=True)
    row = await links.create_linked(
        call.ports,
        call.access,
        site.service,
        way.source,
        way.navigation,
        given(call),
        password=password(call),
    )
    return created(call, site, row, answer)


async def unlink(call: Call, site: Site, way: Way) -> Response:
    """DELETE {service}/E(key)/$links/_T(key): 204, and the two are linked no more.

    Source: API reference 209, 220, 231, 242, 253, 264, 2A7, 376.
    """
    if way.key is None:
        await call.access.require_set(call.ports, site.service, way.concern, Doing.WRITE)
        raise Refusal(KEY_NEEDED_AFTER_NAVIGATION)
    await links.unlink(call.ports, call.access, site.service, way.source, way.navigation, way.key)
    return NO_CONTENT


async def replace(call: Call, site: Site, way: Way) -> Response:
    """PUT {service}/E(key)/$links/_T(key): 501. A link is replaced by making one and taking the other away.

    Source: API reference 208, 219, 230, 241, 252, 263, 375.
    """
    await call.access.require_set(call.ports, site.service, way.concern, Doing.WRITE)
    raise Refusal(KEY_NEEDED_AFTER_NAVIGATION if way.key is None else NOT_IMPLEMENTED)


async def _refuse_key(call: Call, site: Site, way: Way, doing: Doing) -> None:
    if way.key is not None:
        await call.access.require_set(call.ports, site.service, way.concern, doing)
        raise Refusal(KEY_AFTER_NAVIGATION)


async def options_of_links(call: Call, site: Site, way: Way) -> Response:
    """OPTIONS {service}/E(key)/$links/_T with credentials: 200 and the methods of links.

    Source: Personium asks for social-read here, among control objects.
    """
    await _require_for_options(call, site, way)
    return allowing(OF_LINKS)


async def options(call: Call, site: Site, way: Way) -> Response:
    """OPTIONS {service}/E(key)/_T with credentials: 200 and the methods of a navigation property.

    Source: Personium asks for social-read here, among control objects.
    """
    await _require_for_options(call, site, way)
    return allowing(OF_NAVIGATION)


async def _require_for_options(call: Call, site: Site, way: Way) -> None:
    if site.service is CONTROL:
        call.access.require(CellPrivilege.SOCIAL_READ)
    else:
        await call.access.require_set(call.ports, site.service, way.concern, Doing.READ)


OF_LINKS: Final[Mapping[str, LinkHandler]] = {
    "GET": list_uris,
    "HEAD": list_uris,
    "DELETE": unlink,
    "PUT": replace,
    "POST": link,
    "OPTIONS": options_of_links,
}

OF_NAVIGATION: Final[Mapping[str, LinkHandler]] = {
    "GET": list_entities,
    "HEAD": list_entities,
    "POST": create,
    "OPTIONS": options,
}
