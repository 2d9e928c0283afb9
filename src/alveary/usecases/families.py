"""Families of tokens: all that one login led to, which end together.

What does not belong here: who may end one (``introspection``).
"""

from __future__ import annotations

from alveary.model.cell import Cell
from alveary.model.keep import FamilyState
from alveary.ports import Ports
from alveary.ports.store import KeepReadTx, KeepTx


async def is_revoked(ports: Ports, cell: Cell, family: str) -> bool:
    """Whether the tokens of *family* are good no more."""

    async def find(tx: KeepReadTx) -> FamilyState | None:
        return await tx.families.find(family)

    return await ports.store.keep(cell).read(find) is FamilyState.REVOKED


async def redeem(ports: Ports, cell: Cell, family: str) -> bool:
    """Whether the code of *family* is exchanged for the first time; a second time ends the whole family.

    Source: RFC 6749, 4.1.2.
    """
    longest_ms = _longest_ms(ports)

    async def mark(tx: KeepTx) -> bool:
        first = await tx.families.find(family) is None
        state = FamilyState.REDEEMED if first else FamilyState.REVOKED
        await tx.families.save(family, state, tx.now_ms + longest_ms)
        return first

    return await ports.store.keep(cell).write(mark)


async def revoke(ports: Ports, cell: Cell, family: str) -> None:
    """End *family*: none of its tokens is good from now on."""
    longest_ms = _longest_ms(ports)

    async def mark(tx: KeepTx) -> None:
        await tx.families.save(family, FamilyState.REVOKED, tx.now_ms + longest_ms)

    await ports.store.keep(cell).write(mark)


def _longest_ms(ports: Ports) -> int:
    """How long the last token of a family may live that is given now."""
    auth = ports.config.auth
    return max(auth.refresh_token_s, auth.access_token_s, auth.code_s) * 1000
