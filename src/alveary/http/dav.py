"""What requests with WebDAV methods have in common, on cells and in boxes.

What does not belong here: what the XML says.
"""

from __future__ import annotations

from typing import Final

from alveary.errors import BAD_DEPTH, DEPTH_INFINITY, Refusal
from alveary.http.call import Call
from alveary.wire import acl_xml
from alveary.wire.acl_xml import WrittenAcl
from alveary.wire.dav_xml import Asked, parse_propfind


def levels_of(call: Call, *, implied: str | None, infinity: bool = False) -> int | None:
    """How many levels below the resource the Depth of a PROPFIND asks for; None: all.

    *implied* is the Depth when there is no such header (None: there must be one); *infinity*: it is served.

    Raises:
        Refusal: BAD_DEPTH, DEPTH_INFINITY.
    """
    raw = call.request.headers.get("depth", implied)
    if raw in _LEVELS:
        return _LEVELS[raw]
    if raw is None or raw.lower() != "infinity":
        raise Refusal(BAD_DEPTH, value=raw or "")
    if not infinity:
        raise Refusal(DEPTH_INFINITY)
    return None


_LEVELS: Final = {"0": 0, "1": 1}


async def read_propfind(call: Call) -> Asked:
    """What the body of a PROPFIND asks for.

    Raises:
        Refusal: XML_UNREADABLE, BODY_TOO_LARGE.
    """
    return parse_propfind(await read_xml(call), max_depth=call.ports.config.limits.xml_depth)


async def read_xml(call: Call) -> bytes:
    """The whole body of a request that carries XML, empty when it has none.

    Raises:
        Refusal: BODY_TOO_LARGE.
    """
    if not call.request.has_body:
        return b""
    return await call.request.read(call.ports.config.limits.xml_bytes)


async def read_acl(call: Call) -> WrittenAcl:
    """The ACL in the body of a request.

    Raises:
        Refusal: BODY_TOO_LARGE; XML_CONTENT, ACL_INVALID, ACL_ROLE_MISSING.
    """
    limits = call.ports.config.limits
    return acl_xml.parse(
        await read_xml(call),
        call.urls.cell_url(call.here.name),
        call.urls.canonical,
        max_depth=limits.xml_depth,
        max_entries=limits.acl_entries,
    )
