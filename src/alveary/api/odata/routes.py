"""From the segments under a service to a handler.

What does not belong here: what a handler does, and what the entity sets are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from alveary.api.odata import batch, cells, documents, entities, links
from alveary.api.odata.bodies import Site, not_among
from alveary.api.odata.entities import EntityHandler, SetHandler
from alveary.api.odata.links import Way
from alveary.errors import (
    LINK_KEY_UNREADABLE,
    METHOD_NOT_ALLOWED,
    NO_SUCH_ASSOCIATION,
    NO_SUCH_ENTITY_SET,
    NO_SUCH_NAVIGATION,
    NO_SUCH_URI,
    Refusal,
)
from alveary.http.call import Call
from alveary.http.response import Response
from alveary.model.control_edm import CELL
from alveary.usecases.access import BoxPath, Doing
from alveary.usecases.rows import Address
from alveary.usecases.services import CONTROL, SchemaService, Service, UserDataService
from alveary.wire.odata_keys import split_segment
from alveary.wire.urls import encode_segment

_Handler = TypeVar("_Handler")

METADATA: Final = "$metadata"
BATCH: Final = "$batch"
COUNT: Final = "$count"
LINKS: Final = "$links"


@dataclass(frozen=True, slots=True)
class Handlers:
    """Who answers which method on a set and on an entity of it, and who counts."""

    of_set: Mapping[str, SetHandler]
    of_entity: Mapping[str, EntityHandler]
    count: SetHandler


ANY: Final = Handlers(entities.OF_SET, entities.OF_ENTITY, entities.count)
CELLS: Final = Handlers(cells.OF_SET, cells.OF_ENTITY, cells.count)


async def control(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on ``{CellURL}__ctl/...``."""
    site = Site(CONTROL, f"{call.urls.cell_url(call.here.name)}__ctl/")
    match segments[1:]:
        case ():
            return await documents.service_document(call, site)
        case ("$metadata",):
            return await documents.metadata(call, site)
        case rest:
            return await serve(call, site, rest)


async def unit_control(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on ``{UnitURL}__ctl/...``."""
    # The cells of a unit are no service of a cell: their handlers ask for none.
    site = Site(cast(Service, None), f"{call.urls.unit_url}__ctl/")
    match segments[1:]:
        case ():
            call.access.require_unit()
            return documents.service_answer(call, site.url, documents.UNIT_HOME)
        case ("$metadata",):
            return await documents.metadata_answer(call, documents.UNIT_HOME)
        case rest if split_segment(rest[0])[0] != CELL.name:
            raise Refusal(NO_SUCH_URI if rest[0].startswith("$") else NO_SUCH_ENTITY_SET)
        case rest:
            return await _serve_set(call, site, rest, CELLS)


async def collection(call: Call, path: BoxPath, depth: int) -> Response:
    """Any method below the OData collection that the first *depth* names lead to, and GET of itself."""
    path, rest = BoxPath(path.box, path.segments[:depth]), path.segments[depth:]
    url = f"{call.urls.resource_url(call.here.name, path.box, path.segments)}/"
    site = Site(UserDataService(path), url)
    if rest[:1] == (METADATA,) and len(rest) > 1:
        site = Site(SchemaService(path), f"{url}{METADATA}/")
    try:
        return await _serve_collection(call, site, rest)
    except Refusal:
        # Who may do nothing here is not told what else was wrong, and so not that there is a collection.
        await call.access.require_any(call.ports, site.service, Doing.READ, Doing.WRITE)
        raise


async def _serve_collection(call: Call, site: Site, rest: tuple[str, ...]) -> Response:
    match rest:
        case ():
            return await documents.service_document(call, site)
        case ("$metadata",):
            return await documents.metadata(call, site)
        case ("$metadata", "$metadata"):
            return await documents.schema_metadata(call, site)
        case ("$metadata", *below):
            return await serve(call, site, tuple(below))
        case _:
            return await serve(call, site, rest)


async def serve(call: Call, site: Site, segments: tuple[str, ...]) -> Response:
    """Any method on what *segments*, of which there is one at least, lead to below a service."""
    if segments == (BATCH,):
        if call.request.method != "POST":
            raise Refusal(METHOD_NOT_ALLOWED, headers={"allow": "POST"})
        return await batch.run(call, site, serve)
    if segments[0].startswith("$"):
        raise Refusal(NO_SUCH_URI)
    return await _serve_set(call, site, segments, ANY)


async def _serve_set(call: Call, site: Site, segments: tuple[str, ...], handlers: Handlers) -> Response:
    name, raw_key = split_segment(segments[0])
    method = call.request.method
    if raw_key is None:
        if segments[1:] == (COUNT,):
            return await _pick(_reading(handlers.count), method)(call, site, name)
        if len(segments) > 1:
            raise Refusal(NO_SUCH_URI)
        return await _pick(handlers.of_set, method)(call, site, name)
    address = Address(name, raw_key)
    if len(segments) == 1:
        return await _pick(handlers.of_entity, method)(call, site, address)
    if handlers is CELLS:
        raise Refusal(NO_SUCH_ASSOCIATION if segments[1] == LINKS else NO_SUCH_NAVIGATION)
    return await _beyond(call, site, address, segments)


async def _beyond(call: Call, site: Site, address: Address, segments: tuple[str, ...]) -> Response:
    """What *segments*, the first of which names an entity, lead to: its links, linked entities, a property."""
    method = call.request.method
    match segments[1:]:
        case ("$links", end):
            return await _pick(links.OF_LINKS, method)(call, site, _way(address, end, segments))
        case ("$links", *_):
            raise Refusal(NO_SUCH_URI)
        case (end, "$count") if end.startswith("_"):
            return await _pick(_reading(links.count), method)(call, site, _way(address, end, segments[:-1]))
        case (end,) if end.startswith("_") and not _is_property(end):
            return await _pick(links.OF_NAVIGATION, method)(call, site, _way(address, end, segments))
        case path:
            if method not in {"GET", "HEAD"}:
                raise Refusal(METHOD_NOT_ALLOWED, headers={"allow": "GET, HEAD"})
            return await entities.retrieve_property(call, site, address, path)


def _is_property(name: str) -> bool:
    """Whether *name* is of a property although it begins as navigation properties do."""
    return name.startswith("__") or "." in split_segment(name)[0]


def _way(source: Address, segment: str, segments: tuple[str, ...]) -> Way:
    name, raw_key = split_segment(segment, LINK_KEY_UNREADABLE)
    return Way(source, name, raw_key, "/".join(map(encode_segment, segments)), segments[1] == LINKS)


def _reading(handler: Callable[..., Awaitable[Response]]) -> Mapping[str, Callable[..., Awaitable[Response]]]:
    return {"GET": handler, "HEAD": handler}


def _pick(handlers: Mapping[str, _Handler], method: str) -> _Handler:
    handler = handlers.get(method)
    if handler is None:
        raise not_among(handlers)
    return handler
