"""What requests with WebDAV methods have in common, on cells and in boxes.

What does not belong here: what the XML says.
"""

from __future__ import annotations

from alveary.errors import BAD_DEPTH, DEPTH_INFINITY, Refusal
from alveary.http.call import Call


def depth_of(call: Call, *, default: int | None) -> int:
    """The Depth of a PROPFIND, 0 or 1; *default* when there is no such header (None: there must be one).

    Raises:
        Refusal: BAD_DEPTH, DEPTH_INFINITY.
    """
    raw = call.request.headers.get("depth")
    if raw is None and default is not None:
        return default
    if raw is not None and raw.lower() == "infinity":
        raise Refusal(DEPTH_INFINITY)
    if raw not in {"0", "1"}:
        raise Refusal(BAD_DEPTH, value=raw)
    return int(raw)


async def read_xml(call: Call) -> bytes:
    """The whole body of a request that carries XML, empty when it has none.

    Raises:
        Refusal: BODY_TOO_LARGE.
    """
    if not call.request.has_body:
        return b""
    return await call.request.read(call.ports.config.limits.xml_bytes)
