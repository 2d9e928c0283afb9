"""From a request to its handler: the cell, its state, who is asking, and the route.

What belongs here: what holds for every call of a cell. What does not: the tables of routes, which the faces make.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from alveary.errors import CELL_IMPORT_FAILED, CELL_LOCKED, NO_SUCH_CELL, NO_SUCH_URI, Refusal
from alveary.http.call import Call
from alveary.http.request import Request
from alveary.http.response import Response
from alveary.model import acl as acls
from alveary.model.cell import Cell, CellStatus
from alveary.ports import Ports
from alveary.usecases.access import Access, Who
from alveary.usecases.authentication import Credentials, KnownTokens, authenticate
from alveary.wire.urls import Target, Urls

Handler = Callable[[Call, tuple[str, ...]], Awaitable[Response]]
"""Answers a call; the segments are those below the unit, or below the cell."""

EVERY_METHOD: Final[frozenset[str] | None] = None
NO_METHOD: Final[frozenset[str]] = frozenset()

READING_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"})


@dataclass(frozen=True, slots=True)
class Route:
    """Where a first segment leads.

    ``reads_credentials`` is False where the Authorization header speaks of a client and not of the subject;
    ``basic_names_client`` is True where that holds for Basic with a POST alone.
    ``open_when_failed``: the methods that a cell still answers after a failed import (None: every one).
    ``open_when_locked``: those beside the reading ones that it answers while its contents are being replaced.
    """

    handler: Handler
    reads_credentials: bool = True
    basic_names_client: bool = False
    open_when_failed: frozenset[str] | None = NO_METHOD
    open_when_locked: frozenset[str] = NO_METHOD


@dataclass(frozen=True, slots=True)
class Routes:
    """The tables: unit level and cell level by first segment, and the one route into boxes."""

    unit: Mapping[str, Route]
    cell: Mapping[str, Route]
    box: Route


class Dispatcher:
    """Finds the cell and the route of each request."""

    def __init__(self, ports: Ports, urls: Urls, routes: Routes) -> None:
        self._ports = ports
        self._urls = urls
        self._routes = routes
        self._known = KnownTokens()

    async def dispatch(self, request: Request, target: Target) -> Response:
        """The answer to *request*.

        Raises:
            Refusal: NO_SUCH_CELL, NO_SUCH_URI, CELL_IMPORT_FAILED, CELL_LOCKED, and all that handlers raise.
        """
        segments = target.segments
        first = segments[0] if segments else ""
        if target.cell is None:
            route = self._routes.unit.get(first)
            if route is None:
                raise Refusal(NO_SUCH_URI)
            return await route.handler(await self._call(request, None, route), segments)
        cell = await self._cell(target.cell)
        route = self._routes.cell.get(first)
        if route is None:
            if first.startswith("__") and first != "__":
                raise Refusal(NO_SUCH_URI)
            route = self._routes.box
        self._check_state(cell, route, request.method)
        return await route.handler(await self._call(request, cell, route), segments)

    async def _cell(self, name: str) -> Cell:
        cell = await self._ports.registry.read(lambda tx: tx.cells.find(name))
        if cell is None:
            raise Refusal(NO_SUCH_CELL)
        return cell

    def _check_state(self, cell: Cell, route: Route, method: str) -> None:
        if cell.status is CellStatus.IMPORT_FAILED:
            opened = route.open_when_failed
            if opened is not None and method not in opened:
                raise Refusal(CELL_IMPORT_FAILED)
        if method in READING_METHODS or method in route.open_when_locked:
            return
        reason = self._ports.store.locked(cell)
        if reason is not None:
            raise Refusal(CELL_LOCKED, reason=reason)

    async def _call(self, request: Request, cell: Cell | None, route: Route) -> Call:
        authorization = request.headers.get("authorization")
        names_client = route.basic_names_client and request.method == "POST" and _is_basic(authorization)
        if names_client or not route.reads_credentials:
            access = self._nobody(cell)
        else:
            known = self._known.find(self._ports, cell, authorization) if cell and authorization else None
            access = known or await self._access(request, cell, authorization)
        if request.method not in READING_METHODS:
            access = access.asking(request.request_key(self._ports.ids.hex))
        return Call(self._ports, access, cell, request, self._urls)

    async def _access(self, request: Request, cell: Cell | None, authorization: str | None) -> Access:
        if _is_basic(authorization) and _is_fetched_by_another_site(request):
            authorization = None
        credentials = _credentials(request, authorization)
        if authorization is None or cell is None or not authorization.startswith("Bearer "):
            return await authenticate(self._ports, cell, credentials)
        return await self._known.learn(self._ports, cell, authorization, credentials)

    def _nobody(self, cell: Cell | None) -> Access:
        return Access(cell, Who.ANONYMOUS, frozenset(), acls.EMPTY)


def _is_basic(authorization: str | None) -> bool:
    return authorization is not None and authorization[:6].lower() == "basic "


def _is_fetched_by_another_site(request: Request) -> bool:
    """Whether a browser says that another site's page sent it, other than by a link that was followed.

    A browser adds the password that it remembers of this site to whatever any page has it send.
    """
    followed = request.method in {"GET", "HEAD"} and request.headers.get("sec-fetch-mode") == "navigate"
    return request.headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not followed


def _credentials(request: Request, authorization: str | None) -> Credentials:
    cookie_peer = None
    if authorization is None and "p_cookie_peer=" in request.query_string:
        cookie_peer = parse_qs(request.query_string).get("p_cookie_peer", [None])[0]
    headers = request.headers
    return Credentials(
        authorization=authorization,
        cookie=request.cookie("p_cookie") if cookie_peer is not None else None,
        cookie_peer=cookie_peer,
        unit_user=headers.get("x-personium-unit-user"),
        address=request.peer or None,
    )
