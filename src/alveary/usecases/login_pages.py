"""The pages that a cell, or the unit, shows in place of the built-in login forms.

What does not belong here: how a page is fetched (``pages``), and the built-in forms (``wire.login_page``).
"""

from __future__ import annotations

from typing import Final

from alveary.errors import Refusal
from alveary.model.cell import Cell
from alveary.ports import Ports
from alveary.usecases.pages import page, url_of

_LOGIN: Final = "authorizationhtmlurl"
_PASSWORD_CHANGE: Final = "authorizationpasswordchangehtmlurl"  # nosec B105 - the name of a property
_UTF_8: Final = "utf-8"
_FOUND: Final = 200


async def own_page(ports: Ports, cell: Cell, *, changing: bool) -> bytes | None:
    """The HTML that *cell*, else the unit, has chosen for the login (*changing*: for the change of a password).

    In UTF-8. None when none is chosen, or when it cannot be had: then the built-in form serves.
    """
    html = ports.config.html
    name, default = (_PASSWORD_CHANGE, html.password_change_url) if changing else (_LOGIN, html.authorization_url)
    url = await url_of(ports, cell, name, default)
    return await _fetched(ports, cell, url) if url else None


async def _fetched(ports: Ports, cell: Cell, url: str) -> bytes | None:
    try:
        found = await page(ports, cell, url)
        charset = found.content_type.partition("charset=")[2] or _UTF_8
        return found.body.decode(charset).encode() if found.status == _FOUND else None
    except (Refusal, LookupError, UnicodeError):
        return None
