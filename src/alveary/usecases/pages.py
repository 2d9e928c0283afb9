"""HTML pages that a cell shows under its own URL: found where its properties or the configuration say, and passed on.

A page of another host is fetched under the unit's policy; one of this unit is read without the network, by the rights
that anyone has. What does not belong here: when a page is shown, and what is put into it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from alveary.errors import RELAY_NOT_HTML, RELAY_UNREACHABLE, RELAY_URL_FORMAT, Refusal
from alveary.model.cell import Cell, CellStatus
from alveary.ports import Ports
from alveary.ports.outbound import OutboundFailed, OutboundRefused
from alveary.ports.store import ReadTx
from alveary.usecases import files
from alveary.usecases.access import BoxPath
from alveary.usecases.authentication import Credentials, authenticate
from alveary.usecases.cell_settings import text_of
from alveary.wire.media_types import essence
from alveary.wire.urls import decode_path

HTML: Final = "text/html"
_SCHEMES: Final = frozenset({"http", "https"})
_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([\w.:+-]{1,40})', re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is passed on: the status that its source gave, ``text/html`` with a charset if it has one."""

    status: int
    content_type: str
    body: bytes


async def url_of(ports: Ports, cell: Cell, name: str, default: str) -> str:
    """The URL that the cell's property *name*, one of Personium's namespace, says, else *default*; empty for none."""

    async def find(tx: ReadTx) -> str | None:
        return text_of(await tx.nodes.root(), name)

    return await ports.store.contents(cell).read(find) or default


async def page(ports: Ports, cell: Cell, url: str) -> Page:
    """The page at *url*: http, https, ``personium-localunit:``, or ``personium-localcell:``, which is of *cell*.

    It has at most ``outbound.max_bytes``.

    Raises:
        Refusal: RELAY_URL_FORMAT, RELAY_UNREACHABLE, RELAY_NOT_HTML.
    """
    absolute = ports.urls.to_http(url, cell=cell.name)
    if absolute.partition(":")[0].lower() not in _SCHEMES:
        raise Refusal(RELAY_URL_FORMAT, url=url)
    place = ports.urls.locate(absolute)
    if place is not None:
        return await _own(ports, url, *place)
    return await _foreign(ports, url)


async def _foreign(ports: Ports, url: str) -> Page:
    try:
        found = await ports.outbound.get(url, accept=HTML, max_bytes=ports.config.outbound.max_bytes)
    except (OutboundFailed, OutboundRefused) as problem:
        raise Refusal(RELAY_UNREACHABLE, url=url, cause=problem) from None
    return Page(found.status, _html(url, found.headers.get("content-type", "")), found.body)


async def _own(ports: Ports, url: str, cell_name: str, rest: str) -> Page:
    cell = await _served(ports, cell_name)
    found = await _file(ports, cell, rest) if cell is not None else None
    if cell is None or found is None:
        raise Refusal(RELAY_UNREACHABLE, url=url, cause="anyone may read no such file of this unit")
    content_type = _html(url, found.node.media_type or "")
    content = found.content
    if content.size_bytes > ports.config.outbound.max_bytes:
        raise Refusal(RELAY_UNREACHABLE, url=url, cause="the file is too large")
    if content.inline is not None:
        return Page(200, content_type, content.inline)
    pieces = ports.store.contents(cell).blobs.read(content)
    return Page(200, content_type, b"".join([piece async for piece in pieces]))


async def _served(ports: Ports, name: str) -> Cell | None:
    """The cell of that name, unless its contents are closed to everyone."""
    cell = await ports.registry.read(lambda tx: tx.cells.find(name))
    return None if cell is None or cell.status is CellStatus.IMPORT_FAILED else cell


async def _file(ports: Ports, cell: Cell, rest: str) -> files.OpenFile | None:
    """The file at what follows the URL of *cell*, None when there is none that anyone may read."""
    anyone = await authenticate(ports, cell, Credentials())
    try:
        path = decode_path(re.split("[?#]", rest)[0].encode())
        found = await files.get(ports, anyone, BoxPath(path[0], path[1:])) if path else None
    except Refusal:
        return None
    return found if isinstance(found, files.OpenFile) else None


def _html(url: str, content_type: str) -> str:
    """*content_type* without more than its charset, when it is that of HTML.

    Raises:
        Refusal: RELAY_NOT_HTML.
    """
    if essence(content_type) != HTML:
        raise Refusal(RELAY_NOT_HTML, url=url, expected=HTML)
    charset = _CHARSET.search(content_type)
    return f"{HTML};charset={charset[1]}" if charset else HTML
