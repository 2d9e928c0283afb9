"""Links between the control entities of a cell: made, listed and taken away.

What does not belong here: user data, and links that a field of an entity names (``entities``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from alveary.errors import (
    FIELD_FORMAT,
    LINK_COLLIDES,
    LINK_EXISTS,
    LINK_NOT_FOUND,
    TOO_MANY_LINKS,
    UNLINK_COLLIDES,
    Kind,
    Refusal,
)
from alveary.model.edm import CELL_SETS, GUARDS, Ends, EntityKey, EntitySet, Navigation
from alveary.model.entities import Entity, Link
from alveary.ports import Ports
from alveary.ports.store import ReadTx, WriteTx
from alveary.usecases import rows
from alveary.usecases.access import Access
from alveary.usecases.events import event
from alveary.usecases.rows import Page
from alveary.wire.odata_keys import control_url, render_key
from alveary.wire.odata_options import Paging


@dataclass(frozen=True, slots=True)
class Origin:
    """The entity that links begin at, and the navigation property that they go along."""

    entity_set: EntitySet
    key: EntityKey
    navigation: Navigation

    @property
    def target(self) -> EntitySet:
        """The set that the navigation property leads to."""
        return CELL_SETS[self.navigation.target]


async def link(ports: Ports, access: Access, origin: Origin, key: Callable[[], Awaitable[EntityKey]]) -> None:
    """Link the entity that *key* reads the key of.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, LINK_NOT_FOUND, FIELD_FORMAT, LINK_EXISTS, LINK_COLLIDES,
            TOO_MANY_LINKS, CELL_LOCKED.
    """
    access.require(GUARDS[origin.entity_set.name].write)
    access.require(GUARDS[origin.target.name].write)
    target_key = await key()

    async def save(tx: WriteTx) -> None:
        one = await rows.get(tx, origin.entity_set, origin.key, LINK_NOT_FOUND)
        other = await rows.find(tx, origin.target, target_key)
        if other is None:
            raise Refusal(FIELD_FORMAT, field="uri")
        match origin.navigation.ends:
            case Ends.MANY_TO_MANY:
                await _join(tx, one, other, ports.config.limits.links_per_entity)
            case Ends.MANY_TO_ONE:
                await _bind(tx, one, other)
            case Ends.ONE_TO_MANY:
                await _bind(tx, other, one)
        await _tell(tx, access, origin, target_key, "create")

    await ports.store.contents(access.here).write(save)


async def unlink(ports: Ports, access: Access, origin: Origin, key: EntityKey) -> None:
    """Take away the link to the entity of that key.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, LINK_NOT_FOUND, UNLINK_COLLIDES, CELL_LOCKED.
    """
    access.require(GUARDS[origin.entity_set.name].write)
    access.require(GUARDS[origin.target.name].write)

    async def save(tx: WriteTx) -> None:
        one = await rows.get(tx, origin.entity_set, origin.key, LINK_NOT_FOUND)
        other = await rows.get(tx, origin.target, key, LINK_NOT_FOUND)
        match origin.navigation.ends:
            case Ends.MANY_TO_MANY:
                await _part(tx, one, other)
            case Ends.MANY_TO_ONE:
                await _release(tx, one, other)
            case Ends.ONE_TO_MANY:
                await _release(tx, other, one)
        await _tell(tx, access, origin, key, "delete")

    await ports.store.contents(access.here).write(save)


async def list_linked(ports: Ports, access: Access, origin: Origin, paging: Paging) -> Page:
    """The entities that are linked, ordered by key.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, LINK_NOT_FOUND.
    """
    access.require(GUARDS[origin.entity_set.name].read)
    access.require(GUARDS[origin.target.name].read)

    async def find(tx: ReadTx) -> Page:
        one = await rows.get(tx, origin.entity_set, origin.key, LINK_NOT_FOUND)
        found = [await tx.entities.get(each) for each in await _linked_ids(tx, one, origin.navigation)]
        linked = sorted((each for each in found if each), key=lambda each: (each.key, each.id))
        part = linked[paging.skip : paging.skip + paging.top]
        return Page(await rows.show(tx, origin.target, part), len(linked) if paging.count else None)

    return await ports.store.contents(access.here).scan(find)


async def _linked_ids(tx: ReadTx, one: Entity, navigation: Navigation) -> Sequence[str]:
    match navigation.ends:
        case Ends.MANY_TO_MANY:
            return await tx.links.others(one.id, navigation.target)
        case Ends.ONE_TO_MANY:
            return await tx.entities.referring(one.id, [navigation.target])
        case Ends.MANY_TO_ONE:
            target = one.ref(navigation.target)
            return [] if target is None else [target]


async def _join(tx: WriteTx, one: Entity, other: Entity, most: int) -> None:
    joint = _between(one, other, tx.now_ms)
    if await tx.links.exists(joint):
        raise Refusal(LINK_EXISTS)
    for here, there in ((one, other), (other, one)):
        if len(await tx.links.others(here.id, there.kind)) >= most:
            raise Refusal(TOO_MANY_LINKS)
    await tx.links.save(joint)


async def _part(tx: WriteTx, one: Entity, other: Entity) -> None:
    joint = _between(one, other, tx.now_ms)
    if not await tx.links.exists(joint):
        raise Refusal(LINK_NOT_FOUND)
    await tx.links.remove(joint)


def _between(one: Entity, other: Entity, now_ms: int) -> Link:
    return Link.between((one.kind.value, one.id), (other.kind.value, other.id), now_ms)


async def _bind(tx: WriteTx, entity: Entity, owner: Entity) -> None:
    if entity.ref(owner.kind) is not None:
        raise Refusal(LINK_EXISTS)
    refs = (*entity.refs, (owner.kind.value, owner.id))
    await _move(tx, replace(rows.touch(entity, tx), scope=owner.id, refs=refs), LINK_COLLIDES)


async def _release(tx: WriteTx, entity: Entity, owner: Entity) -> None:
    if entity.ref(owner.kind) != owner.id:
        raise Refusal(LINK_NOT_FOUND)
    refs = tuple(ref for ref in entity.refs if ref[1] != owner.id)
    await _move(tx, replace(rows.touch(entity, tx), scope="", refs=refs), UNLINK_COLLIDES)


async def _move(tx: WriteTx, entity: Entity, collision: Kind) -> None:
    if await tx.entities.find(entity.kind, entity.scope, entity.key):
        raise Refusal(collision, entity=entity.key)
    await tx.entities.save(entity)


async def _tell(tx: WriteTx, access: Access, origin: Origin, key: EntityKey, what: str) -> None:
    first, second = sorted((origin.entity_set.name, origin.target.name))
    way = f"/$links/{origin.navigation.name}{render_key(origin.target, key)}"
    url = control_url(origin.entity_set, origin.key) + way
    await tx.outbox.append(event(access, f"cellctl.{first}.links.{second}.{what}", url, 204))
