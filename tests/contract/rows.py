"""Entities and links as the suites of the store write them."""

from __future__ import annotations

from typing import Any

from alveary.model.entities import Entity, EntityKind, Link
from tests.stores import NOON_MS, Unit, new_id


def entity(kind: EntityKind, key: str, scope: str = "", **fields: Any) -> Entity:
    return Entity(new_id(), kind, scope, key, 1, NOON_MS, NOON_MS, **fields)


def linked(account: Entity, role: Entity, now_ms: int = NOON_MS) -> Link:
    return Link.between((account.kind.value, account.id), (role.kind.value, role.id), now_ms)


async def save(unit: Unit, *entities: Entity) -> None:
    async def act(tx: Any) -> None:
        for each in entities:
            await tx.entities.save(each)

    await unit.write(act)


async def link(unit: Unit, *links: Link) -> None:
    async def act(tx: Any) -> None:
        for each in links:
            await tx.links.save(each)

    await unit.write(act)
