"""The schema of an OData collection: its entity sets, made from the entities that describe them.

Values are stored under aliases (``P001``, ``C001`` for complex ones), so that a property is renamed without a look at
its data. What does not belong here: the sets that the schema itself is made of (``schema_edm``), and how it changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from alveary.model.edm import ComplexType, EntitySet, Navigation, Property, ends_of
from alveary.model.edm_values import EdmType
from alveary.model.entities import Entity, EntityKind
from alveary.model.names import EntityId

NAMESPACE: Final = "UserData"
ID: Final = "__id"

SCHEMA_KINDS: Final = frozenset(
    {
        EntityKind.ENTITY_TYPE,
        EntityKind.COMPLEX_TYPE,
        EntityKind.PROPERTY,
        EntityKind.COMPLEX_TYPE_PROPERTY,
        EntityKind.ASSOCIATION_END,
    }
)
"""The kinds of entities that a schema consists of."""

_ALIAS: Final = re.compile(r"([PC])([0-9]{1,6})")
_DEEPEST: Final = 16
"""How far complex types are followed: deeper than any schema may be, so that a circle ends."""

ID_PROPERTY: Final = Property(ID, generated=True, constraint=EntityId.parse)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """What a collection's schema says.

    ``types`` are the entity types, ``complex_entities`` the complex types, by name; ``owned`` what belongs to a type
    of either kind, by its id: properties and association ends.
    """

    sets: Mapping[str, EntitySet] = field(default_factory=dict)
    complex_types: Mapping[str, ComplexType] = field(default_factory=dict)
    types: Mapping[str, Entity] = field(default_factory=dict)
    complex_entities: Mapping[str, Entity] = field(default_factory=dict)
    owned: Mapping[str, tuple[Entity, ...]] = field(default_factory=dict)

    @classmethod
    def build(cls, entities: Iterable[Entity]) -> Schema:
        """The schema that *entities*, all those of a collection, describe."""
        return _Builder(entities).schema()

    def properties_of(self, type_id: str) -> tuple[Entity, ...]:
        """The properties that belong to the type of that id."""
        kinds = {EntityKind.PROPERTY, EntityKind.COMPLEX_TYPE_PROPERTY}
        return tuple(each for each in self.owned.get(type_id, ()) if each.kind in kinds)

    def ends_of(self, type_id: str) -> tuple[Entity, ...]:
        """The association ends of the entity type of that id."""
        return tuple(each for each in self.owned.get(type_id, ()) if each.kind is EntityKind.ASSOCIATION_END)

    def next_aliases(self, type_id: str, *, is_complex: bool) -> Iterator[str]:
        """Aliases that no property of the type of that id has, without end."""
        letter = "C" if is_complex else "P"
        used = (_ALIAS.fullmatch(str(each.hidden.get("Alias"))) for each in self.properties_of(type_id))
        last = max((int(each[2]) for each in used if each and each[1] == letter), default=0)
        return (f"{letter}{number:03}" for number in count(last + 1))

    def users_of(self, complex_name: str) -> list[Entity]:
        """The properties whose type is the complex type of that name."""
        every = (each for owned in self.owned.values() for each in owned)
        return [each for each in every if each.values.get("Type") == complex_name]

    def type_named(self, type_id: str) -> Entity | None:
        """The entity type or complex type of that id."""
        every = (*self.types.values(), *self.complex_entities.values())
        return next((each for each in every if each.id == type_id), None)

    def types_using(self, complex_name: str) -> set[str]:
        """The ids of the entity types whose entities hold values of that complex type, at whatever depth."""
        found: set[str] = set()
        seen, waiting = {complex_name}, [complex_name]
        while waiting:
            for user in self.users_of(waiting.pop()):
                if user.kind is EntityKind.PROPERTY:
                    found.add(user.scope)
                elif (owner := self.type_named(user.scope)) is not None and owner.key not in seen:
                    seen.add(owner.key)
                    waiting.append(owner.key)
        return found


class _Builder:
    """A schema being made."""

    def __init__(self, entities: Iterable[Entity]) -> None:
        self._types: dict[str, Entity] = {}
        self._complex: dict[str, Entity] = {}
        owned: dict[str, list[Entity]] = {}
        self._ends: dict[str, Entity] = {}
        for each in entities:
            if each.kind is EntityKind.ENTITY_TYPE:
                self._types[each.key] = each
            elif each.kind is EntityKind.COMPLEX_TYPE:
                self._complex[each.key] = each
            else:
                owned.setdefault(each.scope, []).append(each)
                if each.kind is EntityKind.ASSOCIATION_END:
                    self._ends[each.id] = each
        self._owned = {scope: tuple(sorted(each, key=lambda one: one.key)) for scope, each in owned.items()}
        self._names = {each.id: name for name, each in self._types.items()}
        self._made: dict[str, ComplexType] = {}

    def schema(self) -> Schema:
        for name in sorted(self._complex):
            self._complex_type(name, _DEEPEST)
        return Schema(
            sets={name: self._entity_set(self._types[name]) for name in sorted(self._types)},
            complex_types=dict(sorted(self._made.items())),
            types=self._types,
            complex_entities=self._complex,
            owned=self._owned,
        )

    def _complex_type(self, name: str, depth: int) -> ComplexType | None:
        if name in self._made:
            return self._made[name]
        entity = self._complex.get(name)
        if entity is None or not depth:
            return None
        made = ComplexType(name, self._properties(entity.id, EntityKind.COMPLEX_TYPE_PROPERTY, depth - 1))
        return self._made.setdefault(name, made)

    def _properties(self, owner: str, kind: EntityKind, depth: int) -> tuple[Property, ...]:
        described = (self._property(each, depth) for each in self._owned.get(owner, ()) if each.kind is kind)
        return tuple(each for each in described if each is not None)

    def _property(self, entity: Entity, depth: int) -> Property | None:
        """The property that *entity* describes, None when no value can be stored for it."""
        said, alias = str(entity.values.get("Type")), str(entity.hidden.get("Alias"))
        kind = _PRIMITIVE.get(said) or self._complex_type(said, depth)
        if kind is None or not _ALIAS.fullmatch(alias):
            return None
        default, unique_key = entity.values.get("DefaultValue"), entity.values.get("UniqueKey")
        return Property(
            entity.key,
            kind,
            nullable=entity.values.get("Nullable") is not False,
            is_list=entity.values.get("CollectionKind") == "List",
            column=alias,
            default_text=default if isinstance(default, str) else None,
            unique_key=unique_key if isinstance(unique_key, str) else None,
            is_key=entity.values.get("IsKey") is True,
            is_declared=entity.values.get("IsDeclared") is not False,
        )

    def _entity_set(self, entity: Entity) -> EntitySet:
        return EntitySet(
            entity.key,
            NAMESPACE,
            EntityKind.USER_DATA,
            key=(ID,),
            properties=(ID_PROPERTY, *self._properties(entity.id, EntityKind.PROPERTY, _DEEPEST)),
            navigations=tuple(self._navigations(entity)),
            type_id=entity.id,
        )

    def _navigations(self, entity: Entity) -> Iterable[Navigation]:
        seen: set[str] = set()
        # By age: of a relation within one type the older end is the near one, whatever the two are called by now.
        for end in sorted(self._owned.get(entity.id, ()), key=lambda each: (each.published_ms, each.id)):
            other = self._ends.get(end.ref(EntityKind.ASSOCIATION_END) or "")
            if end.kind is not EntityKind.ASSOCIATION_END or other is None or other.scope not in self._names:
                continue
            target = self._names[other.scope]
            if target in seen:  # both ends at one type: there is one way
                continue
            seen.add(target)
            here, there = str(end.values.get("Multiplicity")), str(other.values.get("Multiplicity"))
            first, second = sorted((entity.key, target))
            yield Navigation(
                f"_{target}",
                target,
                ends_of(here, there),
                back=entity.id,
                target_type=other.scope,
                association=f"{first}-{second}-assoc",
                role=f"{entity.key}:{end.key}",
                target_role=f"{target}:{other.key}",
                multiplicities=(here, there),
            )


_PRIMITIVE: Final[dict[str, EdmType]] = {each.value: each for each in EdmType}
