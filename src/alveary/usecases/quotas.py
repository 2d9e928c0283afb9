"""How much cells hold, and how much they may: told to their owners, set by administrators.

What does not belong here: holding writes to it, which the store does within their transactions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from alveary.errors import NO_SUCH_CELL, Refusal
from alveary.model.cell import Cell
from alveary.model.quotas import Quota, Usage
from alveary.ports import Ports
from alveary.ports.store import ReadTx
from alveary.usecases.access import Access

Change = Callable[[Quota], Quota]
"""Makes of a cell's own quota another."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a cell stands: what it holds, and the quota that counts for it."""

    usage: Usage
    quota: Quota


async def find(ports: Ports, access: Access, name: str) -> Standing:
    """How the cell of that name stands, for who owns it.

    Raises:
        Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, NOT_OWNER_OF_CELL, NO_SUCH_CELL.
    """
    access.require_unit()
    cell = await _cell(ports, name)
    access.require_owner(cell)
    return await standing_of(ports, cell)


async def change(ports: Ports, access: Access, name: str, change: Change) -> Standing:
    """Give the cell of that name another quota; how it stands then. What it holds already stays.

    Raises:
        Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, LACKS_PRIVILEGE, NO_SUCH_CELL, DISK_FULL.
    """
    access.require_admin()
    cell = await _cell(ports, name)

    def put(row: Cell) -> Cell:
        return replace(row, quota=change(row.quota))

    return await standing_of(ports, await ports.registry.update(cell.id, put))


async def standing_of(ports: Ports, cell: Cell) -> Standing:
    """How *cell* stands."""
    return Standing(await ports.store.contents(cell).read(_usage), effective(ports, cell))


def effective(ports: Ports, cell: Cell) -> Quota:
    """The quota that counts for *cell*."""
    limits = ports.config.limits
    return cell.quota.within(Quota(limits.cell_bytes, limits.cell_entities))


async def _usage(tx: ReadTx) -> Usage:
    return await tx.usage.now()


async def _cell(ports: Ports, name: str) -> Cell:
    cell = await ports.registry.read(lambda tx: tx.cells.find(name))
    if cell is None:
        raise Refusal(NO_SUCH_CELL)
    return cell
