"""Links between the entities of a service: made and taken away, by themselves or with a new entity at their end.

What does not belong here: links that are listed or followed (``lists``), and those that a property names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from alveary.errors import (
    FIELD_FORMAT,
    LINK_COLLIDES,
    LINK_EXISTS,
    LINK_KEY_UNREADABLE,
    LINK_NOT_FOUND,
    NO_SUCH_ASSOCIATION,
    NO_SUCH_NAVIGATION,
    TOO_MANY_LINKS,
    UNLINK_COLLIDES,
    Kind,
    Refusal,
)
from alveary.model.edm import Ends, EntityKey, EntitySet, Navigation, Row
from alveary.model.entities import Entity, EntityKind, JsonValue, Link
from alveary.ports import Ports
from alveary.ports.store import WriteTx
from alveary.usecases import rows
from alveary.usecases.access import Access, Concern, Doing
from alveary.usecases.entities import Draft, Given, add, check_served
from alveary.usecases.events import event
from alveary.usecases.lifecycles import LIFECYCLES
from alveary.usecases.lists import linked
from alveary.usecases.rows import Address
from alveary.usecases.schemas import check_relation, unrelate
from alveary.usecases.services import Home, Service
from alveary.wire.odata_keys import render_key


@dataclass(frozen=True, slots=True)
class Way:
    """Where links begin: an entity of a set, and the navigation property that they go along."""

    home: Home
    entity_set: EntitySet
    navigation: Navigation

    @property
    def target(self) -> EntitySet:
        """The set that the navigation property leads to."""
        return self.home.named(self.navigation.target)


def _way(home: Home, name: str, navigation: str, missing: Kind) -> Way:
    entity_set = home.named(name)
    found = entity_set.navigation(navigation)
    if found is None:
        raise Refusal(missing)
    return Way(home, entity_set, found)


async def link(
    ports: Ports,
    access: Access,
    service: Service,
    source: Address,
    navigation: str,
    keys: Callable[[EntitySet], Awaitable[Sequence[EntityKey]]],
) -> None:
    """Link the entity at *source* with one of *navigation*'s target: the first there is of those whose keys are read.

    Raises:
        Refusal: as Access.require_set; NO_SUCH_ENTITY_SET, NO_SUCH_ASSOCIATION, ENTITY_KEY_UNREADABLE,
            LINK_NOT_FOUND, FIELD_FORMAT, LINK_EXISTS, LINK_COLLIDES, TOO_MANY_LINKS, ENDS_NOT_LINKABLE,
            TYPES_RELATED, CELL_LOCKED.
    """
    home = await access.require_set(
        ports, service, Concern(source.entity_set, navigation, links_alone=True), Doing.WRITE
    )
    concern = Concern(source.entity_set, navigation, links_alone=True)
    way = _way(home, source.entity_set, navigation, NO_SUCH_ASSOCIATION)
    source_key = rows.key_of(ports, way.entity_set, source.key)
    if not way.navigation.linkable:
        raise Refusal(NO_SUCH_ASSOCIATION)
    target_keys = await keys(way.target)

    async def save(tx: WriteTx) -> None:
        home = await service.open(tx, access, concern, Doing.WRITE)
        way = _way(home, source.entity_set, navigation, NO_SUCH_ASSOCIATION)
        one = await rows.get(tx, home, way.entity_set, source_key, LINK_NOT_FOUND)
        target_key, other = await _first(tx, home, way.target, target_keys)
        await _connect(ports, tx, way, one, other)
        await _tell_link(tx, access, service, way, source_key, target_key, "create")

    await ports.store.contents(access.here).write(save)


async def _first(
    tx: WriteTx, home: Home, entity_set: EntitySet, keys: Sequence[EntityKey]
) -> tuple[EntityKey, Entity]:
    for key in keys:
        entity = await rows.find(tx, home, entity_set, key)
        if entity is not None:
            return key, entity
    raise Refusal(FIELD_FORMAT, field="uri")


async def unlink(
    ports: Ports, access: Access, service: Service, source: Address, navigation: str, raw_key: str
) -> None:
    """Take away the link from the entity at *source* to the one that *raw_key* spells the key of.

    Raises:
        Refusal: as :func:`link`; LINK_KEY_UNREADABLE, UNLINK_COLLIDES.
    """
    home = await access.require_set(
        ports, service, Concern(source.entity_set, navigation, links_alone=True), Doing.WRITE
    )
    concern = Concern(source.entity_set, navigation, links_alone=True)
    way = _way(home, source.entity_set, navigation, NO_SUCH_ASSOCIATION)
    source_key = rows.key_of(ports, way.entity_set, source.key)
    target_key = rows.key_of(ports, way.target, raw_key, LINK_KEY_UNREADABLE)
    if not way.navigation.linkable:
        raise Refusal(NO_SUCH_ASSOCIATION)

    async def save(tx: WriteTx) -> None:
        home = await service.open(tx, access, concern, Doing.WRITE)
        way = _way(home, source.entity_set, navigation, NO_SUCH_ASSOCIATION)
        one = await rows.get(tx, home, way.entity_set, source_key, LINK_NOT_FOUND)
        other = await rows.get(tx, home, way.target, target_key, LINK_NOT_FOUND)
        await _disconnect(ports, tx, way, one, other)
        await _tell_link(tx, access, service, way, source_key, target_key, "delete")

    await ports.store.contents(access.here).write(save)


async def create_linked(
    ports: Ports,
    access: Access,
    service: Service,
    source: Address,
    navigation: str,
    given: Given,
    *,
    password: str | None = None,
) -> Row:
    """A new entity at the other end of *navigation*, linked with the one at *source*.

    Raises:
        Refusal: as ``entities.create`` and :func:`link`, but NO_SUCH_NAVIGATION; LINK_EXISTS for a key that is taken.
    """
    home = await access.require_set(ports, service, Concern(source.entity_set, navigation), Doing.WRITE)
    concern = Concern(source.entity_set, navigation)
    way = _way(home, source.entity_set, navigation, NO_SUCH_NAVIGATION)
    check_served(way.target, "POST")
    source_key = rows.key_of(ports, way.entity_set, source.key)
    draft = await Draft.of(ports, way.target, _owned(way, source_key, await given()), password)

    async def save(tx: WriteTx) -> Row:
        home = await service.open(tx, access, concern, Doing.WRITE)
        way = _way(home, source.entity_set, navigation, NO_SUCH_NAVIGATION)
        one = await rows.get(tx, home, way.entity_set, source_key, LINK_NOT_FOUND)
        made = await add(ports, tx, home, draft, taken=LINK_EXISTS)
        if not _owns(way):
            other = await tx.entities.get(made.id)
            assert other is not None
            changed = await _connect(ports, tx, way, one, other)
            made = replace(made, version=changed.version, updated_ms=changed.updated_ms)
        kind = service.event("create", way.entity_set.name, ("navprop", way.target.name))
        url = f"{service.root}{way.entity_set.name}{render_key(way.entity_set, source_key)}/{navigation}"
        await tx.outbox.append(event(access, kind, url, 201))
        return made

    return await ports.store.contents(access.here).write(save)


def _owns(way: Way) -> bool:
    """Whether what the way leads to belongs to where it begins: then it is linked by its key alone."""
    owner = way.target.owner
    return owner is not None and owner.kind.value == way.entity_set.name


def _owned(way: Way, key: EntityKey, members: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """*members* with the key of the owner, whatever the client says of it, where the way begins at the owner."""
    owner = way.target.owner
    if owner is None or not _owns(way):
        return members
    return {**members, **dict(zip(owner.names, key.values, strict=True))}


# Making and unmaking


async def _connect(ports: Ports, tx: WriteTx, way: Way, one: Entity, other: Entity) -> Entity:
    """Link the two; *other* as it is then."""
    match way.navigation.ends:
        case Ends.MANY_TO_MANY:
            await _join(ports, tx, way, one, other)
            return other
        case Ends.MANY_TO_ONE:
            await _bind(ports, tx, way, way.entity_set, one, other)
            return other
        case Ends.ONE_TO_MANY:
            return await _bind(ports, tx, way, way.target, other, one)
        case Ends.ONE_TO_ONE:
            return await _pair(ports, tx, way, one, other)


async def _disconnect(ports: Ports, tx: WriteTx, way: Way, one: Entity, other: Entity) -> None:
    match way.navigation.ends:
        case Ends.MANY_TO_MANY:
            joint = _between(way, one, other, tx.now_ms)
            if not await tx.links.exists(joint):
                raise Refusal(LINK_NOT_FOUND)
            await tx.links.remove(joint)
        case Ends.MANY_TO_ONE:
            await _release(ports, tx, way, way.entity_set, one, other)
        case Ends.ONE_TO_MANY:
            await _release(ports, tx, way, way.target, other, one)
        case Ends.ONE_TO_ONE:
            if one.kind is EntityKind.ASSOCIATION_END:
                await unrelate(tx, one, other)
            await _release(ports, tx, way, way.entity_set, one, other)
            await _release(ports, tx, way, way.target, other, one)


async def _join(ports: Ports, tx: WriteTx, way: Way, one: Entity, other: Entity) -> None:
    joint = _between(way, one, other, tx.now_ms)
    if await tx.links.exists(joint):
        raise Refusal(LINK_EXISTS)
    most = ports.config.limits.links_per_entity
    back = replace(way.navigation, target_type=way.navigation.back, back=way.navigation.target_type)
    for target, along, here in ((way.target, way.navigation, one), (way.entity_set, back, other)):
        if await tx.entities.matching(linked(target, along, here.id)) >= most:
            raise Refusal(TOO_MANY_LINKS)
    await tx.links.save(joint)


def _between(way: Way, one: Entity, other: Entity, now_ms: int) -> Link:
    joint = Link.between((way.navigation.back, one.id), (way.navigation.target_type, other.id), now_ms)
    return replace(joint, box=way.home.box, node=way.home.node)


async def _bind(ports: Ports, tx: WriteTx, way: Way, entity_set: EntitySet, entity: Entity, one: Entity) -> Entity:
    """Let *entity*, one of *entity_set* of which there may be many, hold a link to *one*; it as it is then."""
    link_type = _type_at_other_end(way, entity_set)
    if entity.ref(link_type) is not None:
        raise Refusal(LINK_EXISTS)
    bound = replace(rows.touch(entity, tx), refs=(*entity.refs, (link_type, one.id)))
    if _belongs(entity_set, one):
        bound = await _moved(ports, tx, way, entity, replace(bound, scope=one.id), LINK_COLLIDES)
    await tx.entities.save(bound)
    return bound


async def _release(ports: Ports, tx: WriteTx, way: Way, entity_set: EntitySet, entity: Entity, one: Entity) -> None:
    link_type = _type_at_other_end(way, entity_set)
    if entity.ref(link_type) != one.id:
        raise Refusal(LINK_NOT_FOUND)
    refs = tuple(ref for ref in entity.refs if ref != (link_type, one.id))
    released = replace(rows.touch(entity, tx), refs=refs)
    if _belongs(entity_set, one):
        released = await _moved(ports, tx, way, entity, replace(released, scope=""), UNLINK_COLLIDES)
    await tx.entities.save(released)


def _type_at_other_end(way: Way, entity_set: EntitySet) -> str:
    return way.navigation.target_type if entity_set is way.entity_set else way.navigation.back


def _belongs(entity_set: EntitySet, one: Entity) -> bool:
    return entity_set.owner is not None and entity_set.owner.kind is one.kind


async def _moved(ports: Ports, tx: WriteTx, way: Way, old: Entity, new: Entity, collision: Kind) -> Entity:
    """What is saved of an entity that belongs to another now, where its key may be another's already."""
    if await tx.entities.find(new.kind, new.scope, new.key):
        raise Refusal(collision, entity=new.key)
    return await LIFECYCLES[new.kind].changing(ports, tx, way.home, old, new)


async def _pair(ports: Ports, tx: WriteTx, way: Way, one: Entity, other: Entity) -> Entity:
    """Let each of the two hold a link to the other."""
    there, back = way.navigation.target_type, way.navigation.back
    if one.kind is EntityKind.ASSOCIATION_END:
        check_relation(way.home.schema, one, other)
    if one.ref(there) is not None or other.ref(back) is not None or one.id == other.id:
        raise Refusal(LINK_EXISTS)
    await _bind(ports, tx, way, way.entity_set, one, other)
    return await _bind(ports, tx, way, way.target, other, one)


async def _tell_link(
    tx: WriteTx, access: Access, service: Service, way: Way, key: EntityKey, target_key: EntityKey, what: str
) -> None:
    end = f"/$links/{way.navigation.name}{render_key(way.target, target_key)}"
    url = f"{service.root}{way.entity_set.name}{render_key(way.entity_set, key)}{end}"
    kind = service.event(what, way.entity_set.name, ("links", way.target.name))
    await tx.outbox.append(event(access, kind, url, 204))
