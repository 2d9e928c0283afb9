"""PROPFIND, PROPPATCH and ACL on boxes and on what is in them.

What does not belong here: the same on a cell, which has no children and other privileges.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

from alveary.api.dav import locks, quotas
from alveary.http.call import Call
from alveary.http.dav import levels_of, read_propfind, read_xml
from alveary.http.response import Response
from alveary.model.tree import NodeKind
from alveary.usecases import properties
from alveary.usecases.access import BoxPath
from alveary.usecases.files import semantics_of
from alveary.usecases.properties import Shown, ShownAce
from alveary.wire import acl_xml, dav_properties, dav_xml
from alveary.wire.acl_xml import WrittenAce
from alveary.wire.dav_xml import Asked

XML: Final = "application/xml"


async def propfind(call: Call, path: BoxPath) -> Response:
    """PROPFIND {cell}/{box}/{path}: 207 with the properties that are asked for, of as many levels as Depth says.

    Source: API reference 305, 307 and 382; RFC 4918, section 9.1. Deviation: docs/deviations.md#propfind.
    """
    await call.access.require_at(call.ports, path, properties.READ)
    semantics = semantics_of(call.ports)
    levels = levels_of(
        call,
        implied=None if semantics.needs_depth else "infinity",
        infinity=semantics.infinity or call.ports.config.dav.infinity,
    )
    asked = await read_propfind(call)
    etag, batches = await properties.find(call.ports, call.access, path, levels=levels)
    render = _renderer(call, path.box, asked, await quotas.properties(call, asked))
    return Response(207, {"content-type": XML, "etag": str(etag)}, _multistatus(batches, render))


async def _multistatus(batches: AsyncIterator[list[Shown]], render: Callable[[Shown], str]) -> AsyncIterator[bytes]:
    yield dav_xml.OPEN.encode()
    async for batch in batches:
        yield "".join(map(render, batch)).encode()
    yield dav_xml.CLOSE.encode()


def _renderer(call: Call, box: str, asked: Asked, quota: Mapping[str, str]) -> Callable[[Shown], str]:
    cell = call.here.name
    base = f"{call.urls.cell_url(cell)}__role/{box}/"
    ending = "/" if semantics_of(call.ports).slashes else ""
    shows_locks = locks.are_asked_for(call, asked)
    acls: dict[tuple[tuple[ShownAce, ...], str | None], str] = {}

    def url(segments: tuple[str, ...]) -> str:
        if not segments:
            return call.urls.cell_url(cell).rstrip("/")
        return call.urls.resource_url(cell, segments[0], segments[1:])

    def acl(aces: tuple[ShownAce, ...], level: str | None) -> str:
        # Most resources of a listing have no entries of their own: one text serves them all.
        known = acls.get((aces, level))
        if known is None:
            known = acls[aces, level] = acl_xml.render(_written(aces, url), level, base)
        return known

    def render(shown: Shown) -> str:
        node = shown.node
        text = None if shown.aces is None else acl(shown.aces, node.acl.require_schema_authz)
        known = dav_properties.of_node(node, shown.segments[-1], acl=text)
        if shows_locks:
            known |= locks.properties(call, box, shown.locks)
        if quota and node.kind is not NodeKind.FILE:
            known |= quota
        href = url(shown.segments) + ("" if node.kind is NodeKind.FILE else ending)
        return dav_xml.response(href, dav_properties.propstats(known, asked))

    return render


def _written(aces: Sequence[ShownAce], url: Callable[[tuple[str, ...]], str]) -> list[WrittenAce]:
    return [WrittenAce(ace.principal, ace.privileges, None if ace.above is None else url(ace.above)) for ace in aces]


async def proppatch(call: Call, path: BoxPath) -> Response:
    """PROPPATCH {cell}/{box}/{path}: 207 with what became of each property.

    Source: API reference 308 and 316. Deviation: docs/deviations.md#proppatch.
    """
    await call.access.require_at(call.ports, path, properties.PATCH)
    limits = call.ports.config.limits
    changes = dav_xml.parse_property_update(await read_xml(call), max_depth=limits.xml_depth)
    etag, outcomes = await properties.patch(call.ports, call.access, path, changes)
    href = call.urls.resource_url(call.here.name, path.box, path.segments)
    values = semantics_of(call.ports).echoes_values
    return Response(207, {"content-type": XML, "etag": str(etag)}, dav_xml.patched(href, outcomes, values=values))


async def acl(call: Call, path: BoxPath) -> Response:
    """ACL {cell}/{box}/{path}: 200 with the new ETag; the ACL is replaced whole.

    Source: API reference 315.
    """
    await call.access.require_at(call.ports, path, properties.SET_ACL)
    cell_url = call.urls.cell_url(call.here.name)
    limits = call.ports.config.limits
    written = acl_xml.parse(await read_xml(call), cell_url, call.urls.canonical, max_depth=limits.xml_depth)
    acl_xml.check_level(written, of_cell=False)
    etag = await properties.set_acl(call.ports, call.access, path, written)
    return Response(200, {"etag": str(etag)})
