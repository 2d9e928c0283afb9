"""The cell's own URL: what it is, its properties and ACL, its removal.

What does not belong here: what is under that URL.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson

from alveary.errors import METHOD_NOT_ALLOWED, PRECONDITION_HEADER, RELAY_URL_UNSET, Refusal
from alveary.http.call import Call
from alveary.http.dav import levels_of, read_acl, read_propfind, read_xml
from alveary.http.response import Response, allowing
from alveary.model.cell import Cell
from alveary.model.names import MAIN_BOX
from alveary.model.privileges import PERSONIUM_NAMESPACE, CellPrivilege
from alveary.usecases import cells, pages, properties
from alveary.usecases.files import etag_of, semantics_of
from alveary.usecases.properties import ShownAce
from alveary.wire import acl_xml, dav_properties, dav_xml, xml
from alveary.wire.acl_xml import WrittenAce

XML: Final = "application/xml"
HOME_PROPERTY: Final = "relayhtmlurl"
ALLOWED: Final = ("OPTIONS", "GET", "PROPFIND", "PROPPATCH", "ACL", "DELETE")


async def get(call: Call) -> Response:
    """GET {cell}: 200 with the cell's name and URLs as JSON, or its id as XML; else the cell's page.

    The page is the one that the property ``relayhtmlurl`` or the configuration names, with its own status and body.

    Source: API reference 200 and 296. Deviation: docs/deviations.md#html-at-a-cells-root.
    """
    accepted = [part.partition(";")[0].strip() for part in call.request.headers.get("accept", "").split(",")]
    cell, urls = call.here, call.urls
    url = urls.cell_url(cell.name)
    if "application/json" in accepted:
        body = {
            "cell": {"name": str(cell.name), "url": url},
            "unit": {"url": urls.unit_url, "path_based_cellurl_enabled": urls.path_style},
        }
        return Response(200, {"content-type": "application/json"}, orjson.dumps(body))
    if XML in accepted:
        text = (
            f'<?xml version="1.0" encoding="utf-8"?>\n<cell xmlns="urn:x-personium:xmlns"><uuid>{cell.id}</uuid>'
            f"<ctl>{xml.escape(url)}__ctl/</ctl></cell>"
        )
        return Response(200, {"content-type": XML}, text.encode())
    return await _page(call)


async def _page(call: Call) -> Response:
    ports, cell = call.ports, call.here
    url = await pages.url_of(ports, cell, HOME_PROPERTY, ports.config.html.relay_url)
    if not url:
        raise Refusal(RELAY_URL_UNSET, name=HOME_PROPERTY)
    page = await pages.page(ports, cell, url)
    # No content security policy: the page is the cell's own, the home of its owner's apps.
    return Response(page.status, {"content-type": page.content_type, "x-content-type-options": "nosniff"}, page.body)


async def propfind(call: Call) -> Response:
    """PROPFIND {cell}: 207 with its properties, the status of the cell among them; Depth 0 when there is none.

    Source: API reference 290.
    """
    call.access.require(CellPrivilege.PROPFIND)
    levels_of(call, implied="0")
    asked = await read_propfind(call)
    cell, shown = await properties.find_of_cell(call.ports, call.access)
    url = call.urls.cell_url(cell.name)
    acl = None
    if shown.aces is not None:
        level = shown.node.acl.require_schema_authz
        acl = acl_xml.render([_written(ace) for ace in shown.aces], level, f"{url}__role/{MAIN_BOX}/")
    known = dav_properties.of_node(shown.node, cell.name, acl=acl) | {dav_properties.CELL_STATUS: _cell_status(cell)}
    body = dav_xml.response(url.rstrip("/"), dav_properties.propstats(known, asked))
    return Response(
        207,
        {"content-type": XML, "etag": str(etag_of(shown.node))},
        f"{dav_xml.OPEN}{body}{dav_xml.CLOSE}".encode(),
    )


def _cell_status(cell: Cell) -> str:
    return f'<p:cellstatus xmlns:p="{PERSONIUM_NAMESPACE}">{cell.status.value}</p:cellstatus>'


def _written(ace: ShownAce) -> WrittenAce:
    return WrittenAce(ace.principal, ace.privileges)


async def proppatch(call: Call) -> Response:
    """PROPPATCH {cell}: 207 with what became of each property; for unit users alone.

    Source: API reference 291. Deviation: docs/deviations.md#proppatch.
    """
    call.access.require_owned()
    limits = call.ports.config.limits
    changes = dav_xml.parse_property_update(await read_xml(call), max_depth=limits.xml_depth)
    etag, outcomes = await properties.patch_cell(call.ports, call.access, changes)
    href = call.urls.cell_url(call.here.name).rstrip("/")
    values = semantics_of(call.ports).echoes_values
    return Response(207, {"content-type": XML, "etag": str(etag)}, dav_xml.patched(href, outcomes, values=values))


async def acl(call: Call) -> Response:
    """ACL {cell}: 200 with the new ETag; the ACL is replaced whole.

    Source: API reference 289.
    """
    call.access.require(CellPrivilege.ACL)
    written = await read_acl(call)
    etag = await properties.set_acl_of_cell(call.ports, call.access, written)
    return Response(200, {"etag": str(etag)})


async def delete(call: Call) -> Response:
    """DELETE {cell} with X-Personium-Recursive: true: 204, and the cell is gone with all it held.

    Source: API reference 105.
    """
    call.access.require_owner(call.here)
    if call.request.headers.get("x-personium-recursive") != "true":
        raise Refusal(PRECONDITION_HEADER, name="X-Personium-Recursive")
    await cells.delete_recursively(call.ports, call.access, call.here)
    return Response(204)


async def options(call: Call) -> Response:
    """OPTIONS {cell} with credentials: 200 and the methods of a cell.

    Source: Personium asks for social-read here.
    """
    call.access.require(CellPrivilege.SOCIAL_READ)
    return allowing(ALLOWED)


METHODS: Final[Mapping[str, Callable[[Call], Awaitable[Response]]]] = {
    "GET": get,
    "HEAD": get,
    "PROPFIND": propfind,
    "PROPPATCH": proppatch,
    "ACL": acl,
    "DELETE": delete,
    "OPTIONS": options,
}


async def serve(call: Call, segments: tuple[str, ...]) -> Response:
    """Any method on ``{CellURL}``."""
    handler = METHODS.get(call.request.method)
    if handler is None:
        raise Refusal(METHOD_NOT_ALLOWED)
    return await handler(call)
