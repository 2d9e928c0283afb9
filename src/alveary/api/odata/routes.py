"""From the segments under ``__ctl`` to a handler.

What does not belong here: what a handler does, and what its entity sets are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from alveary.api.odata import cells, entities, links
from alveary.api.odata.bodies import not_among
from alveary.api.odata.entities import EntityHandler, SetHandler
from alveary.api.odata.links import LinkHandler
from alveary.errors import (
    LINK_KEY_UNREADABLE,
    NO_SUCH_ASSOCIATION,
    NO_SUCH_ENTITY_SET,
    NO_SUCH_NAVIGATION,
    NO_SUCH_URI,
    Refusal,
)
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.model.edm import CELL, CELL_SETS, EntityKey, EntitySet
from alveary.usecases.links import Origin
from alveary.wire.odata_keys import parse_key, split_segment

_Handler = TypeVar("_Handler")


@dataclass(frozen=True, slots=True)
class Service:
    """The entity sets of one ``__ctl``, and who answers which method on a set and on an entity."""

    sets: Mapping[str, EntitySet]
    of_set: Mapping[str, SetHandler]
    of_entity: Mapping[str, EntityHandler]


UNIT: Final = Service({CELL.name: CELL}, cells.OF_SET, cells.OF_ENTITY)
IN_CELL: Final = Service(CELL_SETS, entities.OF_SET, entities.OF_ENTITY)


async def control(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on ``{CellURL}__ctl/...``."""
    return await _serve(IN_CELL, call, segments[1:])


async def unit_control(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on ``{UnitURL}__ctl/...``."""
    return await _serve(UNIT, call, segments[1:])


async def _serve(service: Service, call: Call, segments: tuple[str, ...]) -> Response:
    # The service document and $metadata are not served: a client takes 404 for a service without them.
    if not segments or segments[0].startswith("$"):
        raise Refusal(NO_SUCH_URI)
    name, raw_key = split_segment(segments[0])
    entity_set = service.sets.get(name)
    if entity_set is None:
        raise Refusal(NO_SUCH_ENTITY_SET)
    method = call.request.method
    if raw_key is None:
        if len(segments) > 1:
            raise Refusal(NO_SUCH_URI)
        return await _pick(service.of_set, method)(call, entity_set)
    key = parse_key(entity_set, raw_key)
    if len(segments) == 1:
        return await _pick(service.of_entity, method)(call, entity_set, key)
    handlers, origin, target_key = _links(entity_set, key, segments[1:])
    return await _pick(handlers, method)(call, origin, target_key)


def _links(
    entity_set: EntitySet, key: EntityKey, segments: tuple[str, ...]
) -> tuple[Mapping[str, LinkHandler], Origin, EntityKey | None]:
    """What *segments*, which follow an entity, lead to: its links, or the entities at their ends."""
    match segments:
        case ("$links", segment):
            handlers, missing = links.OF_LINKS, NO_SUCH_ASSOCIATION
        case (segment,) if segment != "$links":
            handlers, missing = links.OF_NAVIGATION, NO_SUCH_NAVIGATION
        case _:
            raise Refusal(NO_SUCH_URI)
    name, raw_key = split_segment(segment, LINK_KEY_UNREADABLE)
    navigation = entity_set.navigation(name)
    if navigation is None:
        raise Refusal(missing)
    origin = Origin(entity_set, key, navigation)
    target_key = None if raw_key is None else parse_key(origin.target, raw_key, LINK_KEY_UNREADABLE)
    return handlers, origin, target_key


def _pick(handlers: Mapping[str, _Handler], method: str) -> _Handler:
    handler = handlers.get(method)
    if handler is None:
        raise not_among(handlers)
    return handler
