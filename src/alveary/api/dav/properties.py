"""PROPFIND, PROPPATCH and ACL on boxes and on what is in them.

What does not belong here: the same on a cell, which has no children and other privileges.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from alveary.api.dav import locks, quotas
from alveary.http.call import Call
from alveary.http.dav import levels_of, read_acl, read_propfind, read_xml
from alveary.http.response import Response
from alveary.model.tree import NodeKind
from alveary.usecases import properties
from alveary.usecases.access import BoxPath
from alveary.usecases.files import semantics_of
from alveary.usecases.properties import Inherited, Shown, ShownAce
from alveary.wire import acl_xml, dav_properties, dav_xml
from alveary.wire.acl_xml import WrittenAce
from alveary.wire.dav_xml import Asked

XML: Final = "application/xml"
_PIECE_CHARS: Final = 256 * 1024


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
    with_acls = asked.wants(dav_properties.ACL)
    etag, batches = await properties.find(call.ports, call.access, path, levels=levels, with_acls=with_acls)
    render = _renderer(call, path.box, asked, await quotas.properties(call, asked))
    return Response(207, {"content-type": XML, "etag": str(etag)}, _multistatus(batches, render))


async def _multistatus(batches: AsyncIterator[list[Shown]], render: Callable[[Shown], str]) -> AsyncIterator[bytes]:
    yield dav_xml.OPEN.encode()
    async for batch in batches:
        for piece in _in_pieces(map(render, batch)):
            yield piece
    yield dav_xml.CLOSE.encode()


def _in_pieces(texts: Iterable[str]) -> Iterator[bytes]:
    """*texts* put together to pieces: few small ones, and none so large that making it holds up others."""
    held, chars = [], 0
    for text in texts:
        held.append(text)
        chars += len(text)
        if chars >= _PIECE_CHARS:
            yield "".join(held).encode()
            held, chars = [], 0
    if held:
        yield "".join(held).encode()


def _renderer(call: Call, box: str, asked: Asked, quota: Mapping[str, str]) -> Callable[[Shown], str]:
    cell = call.here.name
    base = f"{call.urls.cell_url(cell)}__role/{box}/"
    ending = "/" if semantics_of(call.ports).slashes else ""
    shows_locks = locks.are_asked_for(call, asked)

    def url(segments: tuple[str, ...]) -> str:
        if not segments:
            return call.urls.cell_url(cell).rstrip("/")
        return call.urls.resource_url(cell, segments[0], segments[1:])

    # What is listed before what is below it needs one text for each level of the way down, however many resources.
    @lru_cache(maxsize=call.ports.config.limits.depth + 2)
    def entries(inherited: Inherited) -> str:
        return acl_xml.render_entries(_written(inherited.aces, url), base)

    def acl(shown: Shown) -> str | None:
        if shown.aces is None:
            return None
        level = shown.node.acl.require_schema_authz
        return acl_xml.render(_written(shown.aces, url), level, base, entries(shown.inherited))

    def render(shown: Shown) -> str:
        node = shown.node
        known = dav_properties.of_node(node, shown.segments[-1], acl=acl(shown))
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
    written = await read_acl(call)
    acl_xml.check_level(written, of_cell=False)
    etag = await properties.set_acl(call.ports, call.access, path, written)
    return Response(200, {"etag": str(etag)})
