"""COPY and MOVE: their headers.

What does not belong here: what is done.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin, urlsplit

from alveary.errors import BAD_DEPTH, BAD_HEADER, HEADER_MISSING, Refusal
from alveary.http.call import Call
from alveary.http.conditional import change_condition
from alveary.http.response import Response
from alveary.usecases import transfers
from alveary.usecases.access import BoxPath
from alveary.usecases.files import semantics_of
from alveary.usecases.transfers import Transfer, Verb
from alveary.wire.urls import decode_path

_DEPTHS: Final = {Verb.COPY: frozenset({"0", "infinity"}), Verb.MOVE: frozenset({"infinity"})}


async def copy(call: Call, path: BoxPath) -> Response:
    """COPY {cell}/{box}/{path}: 201 when the destination is new, 204 when what was there has been replaced.

    Source: RFC 4918, section 9.8. Deviation: docs/deviations.md#copy.
    """
    return await _transfer(call, path, Verb.COPY)


async def move(call: Call, path: BoxPath) -> Response:
    """MOVE {cell}/{box}/{path}: 201 when the destination is new, 204 when what was there has been replaced.

    Source: API reference 309 and 314; RFC 4918, section 9.9.
    """
    return await _transfer(call, path, Verb.MOVE)


async def _transfer(call: Call, path: BoxPath, verb: Verb) -> Response:
    await call.access.require_at(call.ports, path, transfers.needed_on(verb, path))
    headers = call.request.headers
    depth = headers.get("depth", "infinity").lower()
    if depth not in _DEPTHS[verb]:
        raise Refusal(BAD_DEPTH, value=headers["depth"])
    destination = _destination(call, path) if path.segments else path
    order = Transfer(verb, destination, _overwrite(call), change_condition(headers), shallow=depth == "0")
    saved = await transfers.transfer(call.ports, call.access, path, order)
    location = call.urls.resource_url(call.here.name, destination.box, destination.segments)
    return Response(201 if saved.created else 204, {"etag": str(saved.etag), "location": location})


def _overwrite(call: Call) -> bool:
    raw = call.request.headers.get("overwrite")
    if raw is None:
        return semantics_of(call.ports).overwrites
    if raw.upper() not in {"T", "F"}:
        raise Refusal(BAD_HEADER, name="Overwrite", value=raw)
    return raw.upper() == "T"


def _destination(call: Call, path: BoxPath) -> BoxPath:
    """The place that the Destination header names, which must be in the box of *path*."""
    raw = call.request.headers.get("destination")
    if not raw:
        raise Refusal(HEADER_MISSING, name="Destination")
    bad = Refusal(BAD_HEADER, name="Destination", value=raw)
    here = call.urls.resource_url(call.here.name, path.box)
    try:
        asked, box = urlsplit(urljoin(here, raw)), urlsplit(here)
        inside = f"{box.path}/"
        if (asked.scheme, asked.netloc.lower()) not in _own_authorities(call) or not asked.path.startswith(inside):
            raise Refusal(semantics_of(call.ports).foreign, name="Destination", value=raw)
        # Header values come in as Latin-1; a name that was not percent-encoded is UTF-8 underneath.
        segments = decode_path(asked.path[len(inside) :].encode("latin-1"))
    except (ValueError, UnicodeError):
        raise bad from None
    if not segments:
        raise bad
    return BoxPath(path.box, segments)


def _own_authorities(call: Call) -> set[tuple[str, str]]:
    own = urlsplit(call.urls.cell_url(call.here.name))
    return {(own.scheme, own.netloc), (call.request.scheme, (call.request.authority or own.netloc).lower())}
