"""What a cell signs with its own key: id tokens, and what those ask it to who may.

What does not belong here: trans-cell tokens, which the unit signs (``assertions``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from alveary.model.cell import Cell
from alveary.model.keep import SigningKey
from alveary.model.privileges import CellPrivilege
from alveary.ports import Ports
from alveary.ports.store import KeepReadTx, KeepTx
from alveary.usecases.access import Access
from alveary.wire.jose import CellKey

ID_TOKEN_S: Final = 3600
_PURPOSE: Final = "signing key"


async def sign(ports: Ports, access: Access, payload: bytes) -> str:
    """*payload* as a compact JWS of the cell.

    Raises:
        Refusal: as Access.require.
    """
    access.require(CellPrivilege.SIGN)
    return (await key_of(ports, access.here)).sign(payload)


async def id_token(ports: Ports, cell: Cell, account: str, client_id: str, nonce: str | None) -> str:
    """A token that tells the app *client_id* who logged in. Source: OpenID Connect Core, 2."""
    now_s = ports.clock.now_ms() // 1000
    claims = {
        "iss": ports.urls.cell_url(cell.name),
        "sub": account,
        "aud": client_id,
        "iat": now_s,
        "exp": now_s + ID_TOKEN_S,
    }
    return (await key_of(ports, cell)).id_token(claims if nonce is None else {**claims, "nonce": nonce})


async def key_of(ports: Ports, cell: Cell) -> CellKey:
    """The key by which *cell* signs, made when it is first asked for.

    A key that can no longer be read, for the secret under which it was sealed is gone, is followed by a new one.
    """

    async def find(tx: KeepReadTx) -> SigningKey | None:
        return await tx.signing_keys.newest()

    keep = ports.store.keep(cell)
    key = await keep.read(find)
    pem = _opened(ports, key)
    if key is not None and pem is not None:
        if not ports.keys.is_current(key.sealed):
            sealed = replace(key, sealed=ports.keys.seal(_PURPOSE, pem))
            await keep.write(lambda tx: tx.signing_keys.save(sealed))
        return CellKey(key.id, pem)
    fresh = await ports.key_pairs.make()

    async def save(tx: KeepTx) -> CellKey:
        newest = await tx.signing_keys.newest()
        quicker = _opened(ports, newest)
        if newest is not None and quicker is not None:  # another request has made one meanwhile
            return CellKey(newest.id, quicker)
        made = SigningKey(ports.ids.new(), tx.now_ms, ports.keys.seal(_PURPOSE, fresh))
        await tx.signing_keys.save(made)
        return CellKey(made.id, fresh)

    return await keep.write(save)


def _opened(ports: Ports, key: SigningKey | None) -> bytes | None:
    return None if key is None else ports.keys.unseal(_PURPOSE, key.sealed, stored=True)
