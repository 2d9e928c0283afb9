"""The pages that a cell, or the unit, shows in place of the built-in login forms.

What does not belong here: how a page is fetched, and the built-in forms (``wire.login_page``).
"""

from __future__ import annotations

from typing import Final

from alveary.model.cell import Cell
from alveary.ports import Ports
from alveary.ports.store import ReadTx
from alveary.usecases.cell_settings import text_of

_LOGIN: Final = "authorizationhtmlurl"
_PASSWORD_CHANGE: Final = "authorizationpasswordchangehtmlurl"  # nosec B105 - the name of a property


async def own_page(ports: Ports, cell: Cell, *, changing: bool) -> bytes | None:
    """The HTML that *cell*, else the unit, has chosen for the login (*changing*: for the change of a password).

    None when none is chosen, or when it cannot be had: then the built-in form serves.
    """
    name = _PASSWORD_CHANGE if changing else _LOGIN
    html = ports.config.html

    async def find(tx: ReadTx) -> str | None:
        return text_of(await tx.nodes.root(), name)

    chosen = await ports.store.contents(cell).read(find)
    url = chosen or (html.password_change_url if changing else html.authorization_url)
    return await _fetched(ports, cell, url) if url else None


async def _fetched(ports: Ports, cell: Cell, url: str) -> bytes | None:
    """The HTML at *url*; None when it cannot be had. Nothing is fetched yet: it takes an outbound policy."""
    return None
