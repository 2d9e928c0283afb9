"""From keys and what clients say to entities, and back to rows: what all use cases of entities share.

What does not belong here: privileges, and what a change sets in motion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from alveary.errors import (
    ENTITY_EXISTS,
    ENTITY_KEY_UNREADABLE,
    NO_SUCH_ENTITY,
    REFERENCED_ENTITY_MISSING,
    Kind,
    Refusal,
)
from alveary.model.edm import EntityKey, EntitySet, Owner, Parsed, Property, Row
from alveary.model.edm_values import EdmType
from alveary.model.entities import Entity, JsonValue
from alveary.model.queries import All, Column, Compare, Comparison, Literal, Query, Source
from alveary.model.values import frozen
from alveary.ports import Ports
from alveary.ports.store import EntityReader, WriteTx
from alveary.usecases.services import Home
from alveary.wire.odata_keys import parse_key


@frozen
class Address:
    """An entity as a URL names it: its set, and what stands between the parentheses."""

    entity_set: str
    key: str


class HasEntities(Protocol):
    """A transaction that reads entities, be it one that changes them too."""

    @property
    def entities(self) -> EntityReader: ...


_NOTHING: Final[Mapping[str, JsonValue]] = {}
_KEY: Final = Column(EdmType.STRING, Source.KEY)


# From an address to an entity


def key_of(ports: Ports, entity_set: EntitySet, raw: str, kind: Kind = ENTITY_KEY_UNREADABLE) -> EntityKey:
    """The key that *raw* spells, its URLs as they are stored.

    Raises:
        Refusal: KEY_IS_NULL, ENTITY_KEY_UNREADABLE, or *kind* when given.
    """
    key = parse_key(entity_set, raw, kind)
    own = entity_set.by_name[entity_set.key[0]]
    return EntityKey((ports.urls.to_local(key.name), *key.values[1:])) if own.url else key


async def find(tx: HasEntities, home: Home, entity_set: EntitySet, key: EntityKey) -> Entity | None:
    """The entity of that key."""
    owner = entity_set.owner
    if owner is not None and owner.names[0] not in entity_set.key:  # its key is unique without its owner
        query = Query(entity_set.kind, where=Compare(Comparison.EQ, _KEY, Literal(key.name)), top=1)
        return next(iter(await tx.entities.query(query)), None)
    scope = entity_set.type_id or home.scope
    if owner is not None:
        owning = await _owning(tx, home, owner, key.values[1:])
        if owning is None:
            return None
        scope = owning
    return await tx.entities.find(entity_set.kind, scope, key.name)


async def get(
    tx: HasEntities, home: Home, entity_set: EntitySet, key: EntityKey, missing: Kind = NO_SUCH_ENTITY
) -> Entity:
    """The entity of that key, which must be there.

    Raises:
        Refusal: NO_SUCH_ENTITY, or *missing* when given.
    """
    entity = await find(tx, home, entity_set, key)
    if entity is None:
        raise Refusal(missing)
    return entity


async def _owning(tx: HasEntities, home: Home, owner: Owner, values: Sequence[str | None]) -> str | None:
    """The scope of what belongs to the owner of that key: the owner's id, empty for none, None when it is missing."""
    if values[0] is None:
        return None if owner.required else ""
    found = await find(tx, home, home.sets[owner.kind.value], EntityKey(tuple(values)))
    return None if found is None else found.id


# From what a client says to an entity


def touch(entity: Entity, tx: WriteTx) -> Entity:
    """*entity* in its next version, changed now."""
    return replace(entity, version=entity.version + 1, updated_ms=tx.now_ms)


async def fill(
    tx: WriteTx,
    home: Home,
    entity_set: EntitySet,
    parsed: Parsed,
    *,
    old: Entity | None = None,
    new_id: str = "",
    hidden: Mapping[str, JsonValue] = _NOTHING,
) -> Entity:
    """The entity that *parsed* says: the next version of *old*, else a new one of that id.

    *hidden* is what comes with it unseen; an old one keeps what it has beside that, and its other links.

    Raises:
        Refusal: REFERENCED_ENTITY_MISSING; ENTITY_EXISTS when a unique value belongs to one of another key.
    """
    scope, refs = entity_set.type_id or home.scope, old.refs if old is not None else ()
    owner = entity_set.owner
    if owner is not None:
        owning = await _owning(tx, home, owner, parsed.owner_key)
        if owning is None:
            raise Refusal(REFERENCED_ENTITY_MISSING, field=owner.names[0])
        scope = owning
        refs = tuple(ref for ref in refs if ref[0] != owner.kind)
        refs = ((owner.kind.value, owning), *refs) if owning else refs
    filled = Entity(
        old.id if old is not None else new_id,
        entity_set.kind,
        scope,
        parsed.name,
        old.version + 1 if old is not None else 1,
        old.published_ms if old is not None else tx.now_ms,
        tx.now_ms,
        parsed.values,
        {**old.hidden, **hidden} if old is not None else hidden,
        refs,
        home.box,
        home.node,
    )
    await _require_unique(tx, entity_set, filled)
    return filled


async def _require_unique(tx: WriteTx, entity_set: EntitySet, entity: Entity) -> None:
    for columns in _unique_groups(entity_set) if entity_set.has_unique else ():
        values = [entity.values.get(each.column) for each in columns]
        if any(value is None or isinstance(value, list | dict) for value in values):
            continue
        same = All(tuple(map(_equals, columns, values)))
        query = Query(entity.kind, scope=entity_set.type_id or None, where=same, top=2)
        if any(_is_another(each, entity) for each in await tx.entities.query(query)):
            raise Refusal(ENTITY_EXISTS)


def _is_another(one: Entity, entity: Entity) -> bool:
    """Whether *one* keeps *entity* from having a value: not if it has its key, for which it is refused anyway."""
    return one.id != entity.id and (one.scope, one.key) != (entity.scope, entity.key)


def _equals(column: Property, value: object) -> Compare:
    assert isinstance(column.type, EdmType) and isinstance(value, str | bool | int | float)
    return Compare(Comparison.EQ, Column(column.type, path=(column.column,)), Literal(value))


def _unique_groups(entity_set: EntitySet) -> list[tuple[Property, ...]]:
    """The properties whose values no two entities of the set have together; with a null among them, any may."""
    groups: dict[str, list[Property]] = {}
    for each in entity_set.stored:
        if not isinstance(each.type, EdmType) or each.is_list:
            continue
        if each.unique:
            groups[f"unique {each.name}"] = [each]
        if each.is_key:
            groups.setdefault("key", []).append(each)
        if each.unique_key is not None:
            groups.setdefault(f"unique key {each.unique_key}", []).append(each)
    return [tuple(group) for group in groups.values()]


# From entities to rows


async def show(tx: HasEntities, home: Home, entity_set: EntitySet, entities: Sequence[Entity]) -> list[Row]:
    """*entities* as their set shows them."""
    if entity_set.owner is None:
        return [row(entity_set, entity) for entity in entities]
    owner_set = home.sets[entity_set.owner.kind.value]
    owners: dict[str, Entity] = {}
    for scope in {entity.scope for entity in entities if entity.scope}:
        found = await tx.entities.get(scope)
        if found is not None:
            owners[scope] = found
    owner_rows = await show(tx, home, owner_set, list(owners.values()))
    keys: Mapping[str, tuple[str | None, ...]] = {each.id: (each.key.name, *each.owner_key) for each in owner_rows}
    blank = (None,) * len(entity_set.owner.names)
    return [row(entity_set, entity, keys.get(entity.scope, blank)) for entity in entities]


def row(entity_set: EntitySet, entity: Entity, owner_key: tuple[str | None, ...] = ()) -> Row:
    """*entity*, the key of whose owner is known, as its set shows it."""
    owned = owner_key if len(entity_set.key) > 1 else ()
    return Row(
        entity_set,
        entity.id,
        EntityKey((entity.key, *owned)),
        entity.values,
        entity.version,
        entity.published_ms,
        entity.updated_ms,
        owner_key,
    )
