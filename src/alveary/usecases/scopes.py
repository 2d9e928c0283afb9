"""Which scopes a token gets of those that are asked for.

What does not belong here: what a scope bounds (``access``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alveary.errors import ACL_ROLE_MISSING, Refusal
from alveary.model.cell import Cell
from alveary.model.entities import EntityKind
from alveary.model.names import MAIN_BOX
from alveary.model.privileges import GRANTED_BY, CellPrivilege
from alveary.ports import Ports
from alveary.ports.store import ReadTx

OPENID: Final = "openid"
_PRIVILEGES: Final = {privilege.value: privilege for privilege in CellPrivilege}
_ROLE_SEGMENTS: Final = 2


async def arbitrate(ports: Ports, cell: Cell, requested: Iterable[str], most: str) -> tuple[str, ...]:
    """What is given of *requested*: ``openid``, what *most* covers, and URLs of roles of the cell.

    All of *most* when nothing is asked for.

    Raises:
        Refusal: ACL_ROLE_MISSING for a URL that is none of a role of the cell.
    """
    words = tuple(dict.fromkeys(requested))
    if not words:
        return tuple(most.split())
    urls = [word for word in words if ":" in word]

    async def check(tx: ReadTx) -> None:
        for url in urls:
            await _require_role(ports, tx, cell, url)

    if urls:
        await ports.store.contents(cell).read(check)
    bound = frozenset(most.split())
    return tuple(word for word in words if word == OPENID or word in urls or covers(bound, word))


def covers(scopes: frozenset[str], word: str) -> bool:
    """Whether *scopes* include the privilege that *word* names."""
    privilege = _PRIVILEGES.get(word)
    return privilege is not None and not scopes.isdisjoint(GRANTED_BY[privilege])


def narrowed(scopes: tuple[str, ...], requested: str) -> tuple[str, ...]:
    """What *requested* asks for of *scopes*; all of them when it asks for nothing."""
    words = tuple(dict.fromkeys(requested.split()))
    held = frozenset(scopes)
    return tuple(word for word in words if word in held or covers(held, word)) if words else scopes


async def _require_role(ports: Ports, tx: ReadTx, cell: Cell, url: str) -> None:
    root = ports.urls.to_local(f"{ports.urls.cell_url(cell.name)}__role/")
    place = ports.urls.to_local(url)
    segments = place.removeprefix(root).split("/")
    if not place.startswith(root) or len(segments) != _ROLE_SEGMENTS:
        raise Refusal(ACL_ROLE_MISSING)
    box_name, name = segments
    box = None if box_name == MAIN_BOX else await tx.boxes.find(box_name)
    if box is None and box_name != MAIN_BOX:
        raise Refusal(ACL_ROLE_MISSING)
    if await tx.entities.find(EntityKind.ROLE, box.id if box else "", name) is None:
        raise Refusal(ACL_ROLE_MISSING)
