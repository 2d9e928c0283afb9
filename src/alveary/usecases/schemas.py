"""The rules of a collection's schema: what may be added, and what may still be changed once there is data.

What does not belong here: the schema's entity sets (``model.schema_edm``), and the data (``user_data``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from alveary.errors import (
    ENDS_NOT_LINKABLE,
    FIELD_FORMAT,
    HAS_RELATED,
    SCHEMA_CHANGE,
    TOO_MANY_ENTITY_TYPES,
    TOO_MANY_PROPERTIES,
    TYPES_RELATED,
    Refusal,
)
from alveary.model.edm import EntitySet
from alveary.model.edm_values import EdmType, parse_scalar
from alveary.model.entities import Entity, EntityKind
from alveary.model.queries import Query
from alveary.model.user_edm import Schema
from alveary.ports import Ports
from alveary.ports.store import WriteTx
from alveary.usecases.services import Home

_PRIMITIVE: Final = {each.value: each for each in EdmType}
_MAY_WIDEN: Final = {(EdmType.INT32.value, EdmType.DOUBLE.value)}
"""The types from and to which a property with values may change."""
_FIXED: Final = ("Nullable", "DefaultValue", "CollectionKind", "IsKey", "UniqueKey")


# Entity types and complex types


async def adding_entity_type(ports: Ports, tx: WriteTx, home: Home, entity: Entity) -> Entity:
    """A new entity type, if the collection may have one more.

    Raises:
        Refusal: TOO_MANY_ENTITY_TYPES.
    """
    if len(home.schema.types) >= ports.config.limits.entity_types:
        raise Refusal(TOO_MANY_ENTITY_TYPES)
    return entity


async def removing_entity_type(ports: Ports, tx: WriteTx, home: Home, entity_set: EntitySet, entity: Entity) -> None:
    """Let an entity type go that has no data and nothing declared; what came with former data goes too.

    Raises:
        Refusal: HAS_RELATED.
    """
    properties = home.schema.properties_of(entity.id)
    declared = any(each.values.get("IsDeclared") is not False for each in properties)
    if declared or home.schema.ends_of(entity.id) or await _has_data(tx, {entity.id}):
        raise Refusal(HAS_RELATED)
    for each in properties:
        await tx.entities.remove(each.id)


async def changing_complex_type(ports: Ports, tx: WriteTx, home: Home, old: Entity, new: Entity) -> Entity:
    """A complex type under another name, if nothing calls it by the old one.

    Raises:
        Refusal: HAS_RELATED.
    """
    if old.key != new.key and home.schema.users_of(old.key):
        raise Refusal(HAS_RELATED)
    return new


async def removing_complex_type(ports: Ports, tx: WriteTx, home: Home, entity_set: EntitySet, entity: Entity) -> None:
    """Let a complex type go that nothing uses and that has no properties.

    Raises:
        Refusal: HAS_RELATED.
    """
    if home.schema.users_of(entity.key) or home.schema.properties_of(entity.id):
        raise Refusal(HAS_RELATED)


# Properties of either


async def adding_property(ports: Ports, tx: WriteTx, home: Home, entity: Entity) -> Entity:
    """A new property with the alias under which its values are going to be stored.

    Raises:
        Refusal: FIELD_FORMAT, TOO_MANY_PROPERTIES.
    """
    schema = home.schema
    kind = str(entity.values.get("Type"))
    if kind not in _PRIMITIVE and kind not in schema.complex_entities:
        raise Refusal(FIELD_FORMAT, field="Type")
    _check_default(entity, kind, tx.now_ms)
    if entity.values.get("Nullable") is False and await _has_data(tx, _data_types(schema, entity)):
        raise Refusal(FIELD_FORMAT, field="Nullable")
    alias = next(schema.next_aliases(entity.scope, is_complex=kind not in _PRIMITIVE))
    # Personium's own documents say it of both kinds of properties.
    values = {**entity.values, "IsDeclared": True}
    added = replace(entity, values=values, hidden={**entity.hidden, "Alias": alias})
    check_limits(ports, schema, [added])
    return added


def _check_default(entity: Entity, kind: str, now_ms: int) -> None:
    default = entity.values.get("DefaultValue")
    if default is None:
        return
    if kind not in _PRIMITIVE:
        raise Refusal(FIELD_FORMAT, field="DefaultValue")
    parse_scalar(_PRIMITIVE[kind], default, "DefaultValue", now_ms)


async def changing_property(ports: Ports, tx: WriteTx, home: Home, old: Entity, new: Entity) -> Entity:
    """A property under another name, or of the one type that holds all values of the old one.

    Raises:
        Refusal: SCHEMA_CHANGE.
    """
    if old.scope != new.scope:
        owner = "EntityType" if old.kind is EntityKind.PROPERTY else "ComplexType"
        raise Refusal(SCHEMA_CHANGE, field=f"_{owner}.Name")
    before, after = str(old.values.get("Type")), str(new.values.get("Type"))
    if before != after and (before, after) not in _MAY_WIDEN:
        raise Refusal(SCHEMA_CHANGE, field="Type")
    for name in _FIXED:
        if old.values.get(name) != new.values.get(name):
            raise Refusal(SCHEMA_CHANGE, field=name)
    return replace(new, values={**new.values, "IsDeclared": old.values.get("IsDeclared") is not False})


async def removing_property(ports: Ports, tx: WriteTx, home: Home, entity_set: EntitySet, entity: Entity) -> None:
    """Let a property go that no data can have a value of.

    Raises:
        Refusal: HAS_RELATED.
    """
    if await _has_data(tx, _data_types(home.schema, entity)):
        raise Refusal(HAS_RELATED)


def _data_types(schema: Schema, entity: Entity) -> set[str]:
    """The ids of the entity types whose data has values of that property."""
    if entity.kind is EntityKind.PROPERTY:
        return {entity.scope}
    owner = schema.type_named(entity.scope)
    return set() if owner is None else schema.types_using(owner.key)


async def _has_data(tx: WriteTx, type_ids: set[str]) -> bool:
    for each in type_ids:
        if await tx.entities.query(Query(EntityKind.USER_DATA, scope=each, top=1)):
            return True
    return False


# How many properties there may be


def check_limits(ports: Ports, schema: Schema, added: Sequence[Entity]) -> None:
    """Pass when no entity type has more properties than it may once *added*, properties of one type, are there.

    Names that begin with ``_`` are not counted. An entity type is the layer 0, what its complex properties hold the
    layer 1 and so on; a complex type that no entity type uses may hold what the widest layer may.

    Raises:
        Refusal: TOO_MANY_PROPERTIES.
    """
    if not added:
        return
    scope = added[0].scope
    owned = {owner: [*entities] for owner, entities in schema.owned.items()}
    owned.setdefault(scope, []).extend(added)
    census = _Census(ports, schema, owned)
    if added[0].kind is EntityKind.PROPERTY:
        census.check(scope)
        return
    owner = schema.type_named(scope)
    users = set() if owner is None else schema.types_using(owner.key)
    for type_id in users:
        census.check(type_id)
    if not users:
        census.check_alone(scope)


class _Census:
    """Properties counted per layer."""

    def __init__(self, ports: Ports, schema: Schema, owned: dict[str, list[Entity]]) -> None:
        limits = ports.config.limits
        self._simple = limits.simple_properties.counts
        self._complex = limits.complex_properties.counts
        self._most = limits.properties
        self._ids = {name: entity.id for name, entity in schema.complex_entities.items()}
        self._owned = owned

    def check(self, type_id: str) -> None:
        """Pass when the entity type of that id and all below it is within bounds."""
        if self._count(type_id, 0) > self._most:
            raise Refusal(TOO_MANY_PROPERTIES)

    def check_alone(self, type_id: str) -> None:
        """Pass when the complex type of that id fits into one layer at least."""
        simple, nested = self._parts(type_id)
        widest = [count for count in self._simple[1:] if count is not None] or [self._most]
        widest_complex = [count for count in self._complex[1:] if count is not None] or [self._most]
        if simple > max(widest) or len(nested) > max(widest_complex):
            raise Refusal(TOO_MANY_PROPERTIES)

    def _parts(self, type_id: str) -> tuple[int, list[str]]:
        """How many simple properties a type has, and the types of its complex ones."""
        kinds = {EntityKind.PROPERTY, EntityKind.COMPLEX_TYPE_PROPERTY}
        counted = [
            str(each.values.get("Type"))
            for each in self._owned.get(type_id, ())
            if each.kind in kinds and not each.key.startswith("_")
        ]
        nested = [each for each in counted if each not in _PRIMITIVE]
        return len(counted) - len(nested), nested

    def _count(self, type_id: str, layer: int) -> int:
        simple, nested = self._parts(type_id)
        if layer >= len(self._simple):
            raise Refusal(TOO_MANY_PROPERTIES)
        for count, bounds in ((simple, self._simple), (len(nested), self._complex)):
            most = bounds[layer] if layer < len(bounds) else 0
            if most is not None and count > most:
                raise Refusal(TOO_MANY_PROPERTIES)
        total = simple + len(nested)
        for name in nested:
            if name in self._ids:
                total += self._count(self._ids[name], layer + 1)
            if total > self._most:
                raise Refusal(TOO_MANY_PROPERTIES)
        return total


# Association ends


async def changing_association_end(ports: Ports, tx: WriteTx, home: Home, old: Entity, new: Entity) -> Entity:
    """An association end under another name.

    Raises:
        Refusal: SCHEMA_CHANGE.
    """
    if old.scope != new.scope:
        raise Refusal(SCHEMA_CHANGE, field="_EntityType.Name")
    if old.values.get("Multiplicity") != new.values.get("Multiplicity"):
        raise Refusal(SCHEMA_CHANGE, field="Multiplicity")
    return new


async def removing_association_end(
    ports: Ports, tx: WriteTx, home: Home, entity_set: EntitySet, entity: Entity
) -> None:
    """Let an association end go; if it was linked, what its entity type was related by goes too."""
    partner = await tx.entities.get(entity.ref(EntityKind.ASSOCIATION_END) or "")
    if partner is not None:
        await unrelate(tx, entity, partner)


async def unrelate(tx: WriteTx, one: Entity, other: Entity) -> None:
    """Remove the links of user data that go along the relation of those two association ends: no way leads there."""
    await tx.links.forget(one.scope, other.scope)


def check_relation(schema: Schema, one: Entity, other: Entity) -> None:
    """Pass when the two association ends may be linked: then their entity types are related.

    Raises:
        Refusal: ENDS_NOT_LINKABLE, TYPES_RELATED.
    """
    if one.values.get("Multiplicity") == other.values.get("Multiplicity") == "1":
        raise Refusal(ENDS_NOT_LINKABLE)
    ends = {each.id: each for type_ends in schema.owned.values() for each in type_ends}
    for each in schema.ends_of(one.scope):
        partner = ends.get(each.ref(EntityKind.ASSOCIATION_END) or "")
        if partner is not None and partner.scope == other.scope:
            raise Refusal(TYPES_RELATED)
