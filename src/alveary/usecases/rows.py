"""From keys and values to entities, and back to rows: what all use cases of control entities share.

What does not belong here: privileges, and what a change sets in motion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from alveary.errors import ENTITY_EXISTS, NO_SUCH_ENTITY, REFERENCED_ENTITY_MISSING, Kind, Refusal
from alveary.model.edm import EntityKey, EntitySet, Row, Values
from alveary.model.entities import Entity
from alveary.ports.store import EntityReader, WriteTx


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and how many it has in all when that was asked for."""

    rows: list[Row]
    count: int | None


class HasEntities(Protocol):
    """A transaction that reads entities, be it one that changes them too."""

    @property
    def entities(self) -> EntityReader: ...


# From a key or values to an entity


async def find(tx: HasEntities, entity_set: EntitySet, key: EntityKey) -> Entity | None:
    """The entity of that key."""
    refs = await _refs(tx, entity_set, dict(zip(entity_set.key, key.values, strict=True)))
    return None if refs is None else await tx.entities.find(entity_set.kind, _scope(refs), key.name)


async def get(tx: HasEntities, entity_set: EntitySet, key: EntityKey, missing: Kind = NO_SUCH_ENTITY) -> Entity:
    """The entity of that key, which must be there.

    Raises:
        Refusal: NO_SUCH_ENTITY, or *missing* when given.
    """
    entity = await find(tx, entity_set, key)
    if entity is None:
        raise Refusal(missing)
    return entity


def touch(entity: Entity, tx: WriteTx) -> Entity:
    """*entity* in its next version, changed now."""
    return replace(entity, version=entity.version + 1, updated_ms=tx.now_ms)


async def fill(tx: WriteTx, entity_set: EntitySet, entity: Entity, values: Values) -> Entity:
    """*entity* with *values* in place of its own.

    Raises:
        Refusal: REFERENCED_ENTITY_MISSING; ENTITY_EXISTS when a unique value belongs to another.
    """
    refs = await _refs(tx, entity_set, values)
    if refs is None:
        referring = next(each.name for each in entity_set.fields if each.refers)
        raise Refusal(REFERENCED_ENTITY_MISSING, field=referring)
    own = {each.name: values[each.name] for each in entity_set.fields if each.refers is None}
    filled = replace(
        entity,
        scope=_scope(refs),
        key=own[entity_set.key[0]] or "",
        values={name: value for name, value in own.items() if value is not None},
        refs=refs,
    )
    for name in (each.name for each in entity_set.fields if each.unique and own[each.name] is not None):
        holders = {each.id async for each in tx.entities.each(entity.kind) if each.values.get(name) == own[name]}
        if holders - {entity.id}:
            raise Refusal(ENTITY_EXISTS)
    return filled


async def _refs(tx: HasEntities, entity_set: EntitySet, values: Values) -> tuple[tuple[str, str], ...] | None:
    """The N:1 links that *values* name, None when one leads nowhere."""
    refs: list[tuple[str, str]] = []
    for field in entity_set.fields:
        name = values[field.name] if field.refers else None
        if field.refers and name is not None:
            target = await tx.entities.find(field.refers, "", name)
            if target is None:
                return None
            refs.append((field.refers.value, target.id))
    return tuple(refs)


def _scope(refs: Sequence[tuple[str, str]]) -> str:
    return refs[0][1] if refs else ""


# From entities to rows


async def show(tx: HasEntities, entity_set: EntitySet, entities: Sequence[Entity]) -> list[Row]:
    """*entities* as their set shows them."""
    names: dict[str, str | None] = {}
    for target in {target for entity in entities for _, target in entity.refs}:
        found = await tx.entities.get(target)
        names[target] = found.key if found else None
    return [row(entity_set, entity, _values(entity_set, entity, names)) for entity in entities]


def _values(entity_set: EntitySet, entity: Entity, names: Mapping[str, str | None]) -> Values:
    values: dict[str, str | None] = {}
    for field in entity_set.fields:
        if field.refers is None:
            value = entity.values.get(field.name)
            values[field.name] = value if isinstance(value, str) else field.default
        else:
            values[field.name] = names.get(entity.ref(field.refers) or "")
    return values


def row(entity_set: EntitySet, entity: Entity, values: Values) -> Row:
    """*entity*, whose values are known, as its set shows it."""
    return Row(entity_set, values, entity.version, entity.published_ms, entity.updated_ms)
