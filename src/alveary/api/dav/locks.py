"""LOCK and UNLOCK, and what every WebDAV request says and is told of locks.

What does not belong here: what a lock forbids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, cast
from urllib.parse import urljoin, urlsplit

from alveary.errors import BAD_DEPTH, BAD_HEADER, HEADER_MISSING, Refusal
from alveary.http.call import Call
from alveary.http.dav import read_xml
from alveary.http.response import Response
from alveary.model.locks import Lock, Trail
from alveary.usecases import locks
from alveary.usecases.access import BoxPath, Claim
from alveary.usecases.files import semantics_of
from alveary.usecases.locks import Granted, Order
from alveary.wire import dav_locks
from alveary.wire.dav_if import If
from alveary.wire.dav_xml import Asked

XML: Final = "application/xml"

_DEPTHS: Final = {"0": False, "infinity": True}
_HEEDLESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND", "POST", "REPORT", "UNLOCK"})
"""The methods that change nothing by themselves: their If header counts for nothing."""

_SUPPORTED: Final = "supportedlock@DAV:"
_DISCOVERY: Final = "lockdiscovery@DAV:"
_PROPERTIES: Final = frozenset({_SUPPORTED, _DISCOVERY})

_NOWHERE: Final = BoxPath("", ())
"""A place without locks, where nothing is: what a URL of another cell or host stands for in an If header."""


async def lock(call: Call, path: BoxPath) -> Response:
    """LOCK {cell}/{box}/{path}: 200 and a lock, 201 with an empty file for it where nothing was.

    Without a body, the lock that the If header names lives on. Where locks below stand against a deep one, 207 names
    them.

    Source: RFC 4918, section 9.10. Deviation: docs/deviations.md#lock-and-unlock.
    """
    await call.access.require_at(call.ports, path, locks.LOCK)
    headers, config = call.request.headers, call.ports.config
    life_s = dav_locks.parse_timeout(headers.get("timeout"), longest_s=config.dav.lock_s)
    text = await read_xml(call)
    if not text:
        return await _refresh(call, path, life_s)
    depth = headers.get("depth", "infinity")
    if depth.lower() not in _DEPTHS:
        raise Refusal(BAD_DEPTH, value=depth)
    scope, owner = dav_locks.parse_lock(
        text, max_depth=config.limits.xml_depth, max_owner_bytes=config.limits.lock_owner_bytes
    )
    order = Order(scope, _DEPTHS[depth.lower()], owner, life_s)
    answer = await locks.lock(call.ports, call.access, path, order)
    if not isinstance(answer, Granted):
        members = [_href(call, path, trail) for trail in answer.roots]
        return Response(207, {"content-type": XML}, dav_locks.hindered(_href(call, path, path.segments), members))
    told_token = {"content-type": XML, "lock-token": f"<{answer.lock.token}>"}
    return Response(201 if answer.created else 200, told_token, _body(call, path, answer.lock))


async def _refresh(call: Call, path: BoxPath, life_s: int) -> Response:
    raw = call.request.headers.get("if")
    if raw is None:
        raise Refusal(HEADER_MISSING, name="If")
    if len(call.access.claim.tokens) != 1:
        raise Refusal(BAD_HEADER, name="If", value=raw)
    renewed = await locks.refresh(call.ports, call.access, path, life_s)
    return Response(200, {"content-type": XML}, _body(call, path, renewed))


def _body(call: Call, path: BoxPath, held: Lock) -> bytes:
    return dav_locks.granted(_discovery(call, path, (held,)))


async def unlock(call: Call, path: BoxPath) -> Response:
    """UNLOCK {cell}/{box}/{path}: 204, and the lock of the token in Lock-Token is no more.

    Source: RFC 4918, section 9.11.
    """
    await call.access.require_at(call.ports, path, locks.LOCK)
    token = dav_locks.parse_lock_token(call.request.headers.get("lock-token"))
    await locks.unlock(call.ports, call.access, path, token)
    return Response(204)


# What every request says and is told


def are_asked_for(call: Call, asked: Asked) -> bool:
    """Whether a PROPFIND shows the properties of locks: among all under RFC 4918, else where it names them."""
    return semantics_of(call.ports).tells_locks or not _PROPERTIES.isdisjoint(asked.keys)


def properties(call: Call, box: str, held: Iterable[Lock]) -> dict[str, str]:
    """The properties ``supportedlock`` and ``lockdiscovery`` of a resource in *box* with those locks, by key."""
    return {_SUPPORTED: dav_locks.SUPPORTED, _DISCOVERY: _discovery(call, BoxPath(box, ()), held)}


def _discovery(call: Call, path: BoxPath, held: Iterable[Lock]) -> str:
    return dav_locks.discovery(held, lambda trail: _href(call, path, trail), call.ports.clock.now_ms())


def claiming(call: Call) -> Call:
    """*call* with what its If header claims, where its method heeds one.

    Raises:
        Refusal: BAD_HEADER.
    """
    raw = call.request.headers.get("if")
    if raw is None or call.request.method in _HEEDLESS:
        return call
    header = If.parse(raw, max_conditions=call.ports.config.limits.if_conditions)
    claim = Claim(
        tuple(
            (None if each.resource is None else _place(call, each.resource), each.conditions) for each in header.lists
        )
    )
    return replace(call, access=replace(call.access, claim=claim))


def _place(call: Call, url: str) -> BoxPath:
    """What *url* names in the call's cell."""
    try:
        parts = urlsplit(urljoin(call.urls.cell_url(call.here.name), url))
        # Header values come in as Latin-1; a name that was not percent-encoded is UTF-8 underneath.
        target = call.urls.target(parts.netloc, parts.path.encode("latin-1"))
    except (ValueError, Refusal):
        return _NOWHERE
    if target.cell != call.here.name or not target.segments:
        return _NOWHERE
    return BoxPath(target.segments[0], target.segments[1:])


def told(call: Call, path: BoxPath, refusal: Refusal) -> Refusal:
    """*refusal* in WebDAV's words, where it names a condition of WebDAV that was not met."""
    condition = refusal.params.get("condition")
    if condition is None:
        return refusal
    roots = cast(Iterable[Trail], refusal.params["roots"])
    body = dav_locks.unmet(str(condition), [_href(call, path, trail) for trail in roots], refusal)
    return Refusal(refusal.kind, **refusal.params, xml=body)


def _href(call: Call, path: BoxPath, trail: Trail) -> str:
    return call.urls.resource_url(call.here.name, path.box, trail)
