"""The rules of a collection's schema and user data in plain Python: what is refused how, and what there is then.

Each operation answers the kinds of refusals that it may be answered with, and does nothing then; with none, it is
done. What does not belong here: keys, URLs and the other spellings of OData.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from alveary.errors import (
    ENDS_NOT_LINKABLE,
    ENTITY_ETAG_MISMATCH,
    ENTITY_EXISTS,
    FIELD_FORMAT,
    FIELD_REQUIRED,
    HAS_RELATED,
    LINK_EXISTS,
    LINK_NOT_FOUND,
    NO_SUCH_ASSOCIATION,
    NO_SUCH_ENTITY,
    NO_SUCH_ENTITY_SET,
    NO_SUCH_NAVIGATION,
    NOT_IMPLEMENTED,
    REFERENCED_ENTITY_MISSING,
    SCHEMA_CHANGE,
    TOO_MANY_LINKS,
    TYPES_RELATED,
    Kind,
)

Json = Any
Refused = set[Kind]

PRIMITIVE = ("Edm.String", "Edm.Boolean", "Edm.Int32", "Edm.Double")
FIXED = ("nullable", "default", "is_list", "is_key")


@dataclass(eq=False)
class Prop:
    name: str
    kind: str
    nullable: bool = True
    default: str | None = None
    is_list: bool = False
    is_key: bool = False
    declared: bool = True


@dataclass(eq=False)
class Owner:
    """A complex type, or an entity type."""

    name: str
    props: dict[str, Prop] = field(default_factory=dict)


@dataclass(eq=False)
class Type(Owner):
    ends: dict[str, End] = field(default_factory=dict)
    things: dict[str, Thing] = field(default_factory=dict)


@dataclass(eq=False)
class Thing:
    """User data: its values by property, those of complex types too."""

    id: str
    values: dict[Prop, Json]


@dataclass(eq=False)
class End:
    name: str
    multiplicity: str
    owner: Type
    relation: Relation | None = None


@dataclass(eq=False)
class Relation:
    """Two association ends that are linked, and the pairs of user data that are so along them."""

    ends: tuple[End, End]
    pairs: set[frozenset[Thing]] = field(default_factory=set)

    def beyond(self, thing: Thing) -> set[Thing]:
        """What *thing* is linked with."""
        return {next(iter(pair - {thing}), thing) for pair in self.pairs if thing in pair}


@dataclass
class Model:
    """A collection; an entity has at most *most_links* links along a relation from many to many."""

    most_links: int
    types: dict[str, Type] = field(default_factory=dict)
    complexes: dict[str, Owner] = field(default_factory=dict)

    # Types of either kind

    def create_owner(self, complex_: bool, name: str) -> Refused:
        held: dict[str, Any] = self.complexes if complex_ else self.types
        if name in held:
            return {ENTITY_EXISTS}
        held[name] = Owner(name) if complex_ else Type(name)
        return set()

    def rename_owner(self, complex_: bool, name: str, new: str, *, merge: bool) -> Refused:
        held: dict[str, Any] = self.complexes if complex_ else self.types
        refused: Refused = {NOT_IMPLEMENTED} if merge and complex_ else set()
        if name not in held:
            return refused | {NO_SUCH_ENTITY}
        if new != name and new in held:
            refused |= {ENTITY_EXISTS}
        if complex_ and new != name and self._users(name):
            refused |= {HAS_RELATED}
        if not refused:
            owner = held.pop(name)
            owner.name = new
            held[new] = owner
        return refused

    def delete_type(self, name: str) -> Refused:
        if name not in self.types:
            return {NO_SUCH_ENTITY}
        found = self.types[name]
        if found.things or found.ends or any(each.declared for each in found.props.values()):
            return {HAS_RELATED}
        del self.types[name]
        return set()

    def delete_complex(self, name: str) -> Refused:
        if name not in self.complexes:
            return {NO_SUCH_ENTITY}
        if self.complexes[name].props or self._users(name):
            return {HAS_RELATED}
        del self.complexes[name]
        return set()

    # Properties of either

    def create_prop(self, complex_: bool, owner: str, prop: Prop) -> Refused:
        found = self._owner(complex_, owner)
        if found is None:
            return {REFERENCED_ENTITY_MISSING} | self._wrong(prop)
        refused = self._wrong(prop)
        if prop.name in found.props:
            refused |= {ENTITY_EXISTS}
        if not prop.nullable and self._has_data(complex_, found):
            refused |= {FIELD_FORMAT}
        if not refused:
            found.props[prop.name] = prop
        return refused

    def _wrong(self, prop: Prop) -> Refused:
        if prop.kind not in PRIMITIVE:
            return {FIELD_FORMAT} if prop.kind not in self.complexes or prop.default is not None else set()
        problems: Refused = set()
        if prop.default is not None:
            scalar(prop.kind, prop.default, problems)
        return problems

    def change_prop(self, complex_: bool, owner: str, name: str, new: Prop, new_owner: str) -> Refused:
        found = self._owner(complex_, owner)
        if found is None or name not in found.props:
            return {NO_SUCH_ENTITY}
        old = found.props[name]
        refused: Refused = set()
        if new_owner != owner:
            refused |= {SCHEMA_CHANGE} if self._owner(complex_, new_owner) else {REFERENCED_ENTITY_MISSING}
        if new.name != name and new.name in found.props:
            refused |= {ENTITY_EXISTS}
        widened = (old.kind, new.kind) == ("Edm.Int32", "Edm.Double")
        if (old.kind != new.kind and not widened) or any(getattr(old, each) != getattr(new, each) for each in FIXED):
            refused |= {SCHEMA_CHANGE}
        if not refused:
            del found.props[name]
            old.name, old.kind = new.name, new.kind
            found.props[old.name] = old
        return refused

    def delete_prop(self, complex_: bool, owner: str, name: str) -> Refused:
        found = self._owner(complex_, owner)
        if found is None or name not in found.props:
            return {NO_SUCH_ENTITY}
        if self._has_data(complex_, found):
            return {HAS_RELATED}
        del found.props[name]
        return set()

    def _owner(self, complex_: bool, name: str) -> Owner | None:
        return self.complexes.get(name) if complex_ else self.types.get(name)

    def _users(self, complex_name: str) -> list[Owner]:
        every = [*self.types.values(), *self.complexes.values()]
        return [owner for owner in every if any(each.kind == complex_name for each in owner.props.values())]

    def reaches(self, owner: str, goal: str) -> bool:
        """Whether values of the complex type *owner* hold values of *goal* at whatever depth."""
        if owner == goal:
            return True
        found = self.complexes.get(owner)
        return found is not None and any(self.reaches(each.kind, goal) for each in found.props.values())

    def _has_data(self, complex_: bool, owner: Owner) -> bool:
        if isinstance(owner, Type):
            return bool(owner.things)
        return any(self._has_data(complex_, user) for user in self._users(owner.name))

    # Association ends

    def create_end(self, owner: str, name: str, multiplicity: str) -> Refused:
        if owner not in self.types:
            return {REFERENCED_ENTITY_MISSING}
        if name in self.types[owner].ends:
            return {ENTITY_EXISTS}
        self.types[owner].ends[name] = End(name, multiplicity, self.types[owner])
        return set()

    def end(self, owner: str, name: str) -> End | None:
        return self.types[owner].ends.get(name) if owner in self.types else None

    def change_end(self, owner: str, name: str, new: str, multiplicity: str) -> Refused:
        found = self.end(owner, name)
        if found is None:
            return {NO_SUCH_ENTITY}
        refused: Refused = set()
        if new != name and new in found.owner.ends:
            refused |= {ENTITY_EXISTS}
        if multiplicity != found.multiplicity:
            refused |= {SCHEMA_CHANGE}
        if not refused:
            del found.owner.ends[name]
            found.name = new
            found.owner.ends[new] = found
        return refused

    def delete_end(self, owner: str, name: str) -> Refused:
        found = self.end(owner, name)
        if found is None:
            return {NO_SUCH_ENTITY}
        self._dissolve(found.relation)
        del found.owner.ends[name]
        return set()

    def relate(self, one: End | None, other: End | None) -> Refused:
        if one is None:
            return {LINK_NOT_FOUND}
        if other is None:
            return {FIELD_FORMAT}
        refused = self._unrelatable(one, other.owner, other.multiplicity)
        if other.relation is not None or one is other:
            refused |= {LINK_EXISTS}
        if not refused:
            one.relation = other.relation = Relation((one, other))
        return refused

    def create_related_end(self, one: End | None, owner: str, name: str, multiplicity: str) -> Refused:
        """A new end that is linked with *one*."""
        refused: Refused = {LINK_NOT_FOUND} if one is None else set()
        if owner not in self.types:
            return refused | {REFERENCED_ENTITY_MISSING}
        target = self.types[owner]
        if name in target.ends:
            refused |= {LINK_EXISTS}
        if one is not None:
            refused |= self._unrelatable(one, target, multiplicity)
        if not refused and one is not None:
            target.ends[name] = End(name, multiplicity, target)
            one.relation = target.ends[name].relation = Relation((one, target.ends[name]))
        return refused

    def _unrelatable(self, one: End, target: Type, multiplicity: str) -> Refused:
        refused: Refused = set()
        if one.multiplicity == multiplicity == "1":
            refused |= {ENDS_NOT_LINKABLE}
        if one.relation is not None:
            refused |= {LINK_EXISTS}
        if self.relation(one.owner, target) is not None:
            refused |= {TYPES_RELATED}
        return refused

    def part(self, one: End | None, other: End | None) -> Refused:
        if one is None or other is None or one.relation is None or one.relation is not other.relation or one is other:
            return {LINK_NOT_FOUND}
        self._dissolve(one.relation)
        return set()

    @staticmethod
    def _dissolve(relation: Relation | None) -> None:
        for each in relation.ends if relation is not None else ():
            each.relation = None

    @staticmethod
    def relation(one: Type, other: Type) -> Relation | None:
        """What relates two types."""
        for end in one.ends.values():
            if end.relation is None:
                continue
            first, second = end.relation.ends
            if (second if first is end else first).owner is other:
                return end.relation
        return None

    def relations(self) -> Iterator[tuple[Type, Type, Relation]]:
        """Every relation, from either side."""
        for one in self.types.values():
            for other in self.types.values():
                found = self.relation(one, other)
                if found is not None:
                    yield one, other, found

    # User data

    def create(self, type_name: str, given: dict[str, Json]) -> Refused:
        owner = self.types.get(type_name)
        if owner is None:
            return {NO_SUCH_ENTITY_SET}
        refused, thing, fresh = self._new(owner, given)
        if not refused:
            self._keep(owner, thing, fresh)
        return refused

    def _new(
        self, owner: Type, given: dict[str, Json], taken: Kind = ENTITY_EXISTS
    ) -> tuple[Refused, Thing, list[Prop]]:
        problems: Refused = set()
        thing = Thing(str(given.get("__id")), {})
        fresh = self._undeclared(owner, given, problems)
        for prop in (*owner.props.values(), *fresh):
            thing.values[prop] = self.coerce(prop, given.get(prop.name), problems)
        if not re.fullmatch("[a-z0-9]+", thing.id):
            problems |= {FIELD_FORMAT}
        if thing.id in owner.things:
            problems |= {taken}
        if self._is_double(owner, thing, owner.things.get(thing.id)):
            problems |= {ENTITY_EXISTS}
        return problems, thing, fresh

    @staticmethod
    def _keep(owner: Type, thing: Thing, fresh: Iterable[Prop]) -> None:
        owner.props.update({each.name: each for each in fresh})
        owner.things[thing.id] = thing

    def change(
        self, type_name: str, key: str, given: dict[str, Json], *, merge: bool, stale: bool = False
    ) -> Refused:
        """*stale*: on the condition that the thing is still what it is not any more."""
        owner = self.types.get(type_name)
        if owner is None:
            return {NO_SUCH_ENTITY_SET}
        thing = owner.things.get(key)
        problems: Refused = {NO_SUCH_ENTITY} if thing is None else {ENTITY_ETAG_MISMATCH} if stale else set()
        fresh = self._undeclared(owner, given, problems)
        old = thing.values if thing is not None else {}
        new = Thing(key, {})
        for prop in (*owner.props.values(), *fresh):
            if not merge:
                new.values[prop] = self.coerce(prop, given.get(prop.name), problems)
            elif prop.name in given:
                new.values[prop] = self._merged(prop, given[prop.name], old.get(prop), problems)
            else:
                new.values[prop] = old.get(prop)
        if thing is not None and self._is_double(owner, new, thing):
            problems |= {ENTITY_EXISTS}
        if not problems and thing is not None:
            thing.values = new.values
            self._keep(owner, thing, fresh)
        return problems

    def delete(self, type_name: str, key: str, *, stale: bool = False) -> Refused:
        owner = self.types.get(type_name)
        if owner is None:
            return {NO_SUCH_ENTITY_SET}
        thing = owner.things.get(key)
        if thing is None:
            return {NO_SUCH_ENTITY}
        refused: Refused = {ENTITY_ETAG_MISMATCH} if stale else set()
        for one, _, relation in self.relations():
            here, there = self._ways(one, relation)
            if one is owner and here.multiplicity != "*" and there.multiplicity == "*" and relation.beyond(thing):
                refused |= {HAS_RELATED}
        if refused:
            return refused
        del owner.things[key]
        for _, _, relation in self.relations():
            relation.pairs = {pair for pair in relation.pairs if thing not in pair}
        return set()

    @staticmethod
    def _undeclared(owner: Type, given: dict[str, Json], problems: Refused) -> list[Prop]:
        found = []
        for name, value in given.items():
            if name == "__id" or name in owner.props:
                continue
            if isinstance(value, list | dict):
                problems |= {FIELD_FORMAT}
                continue
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            kind = "Edm.Boolean" if isinstance(value, bool) else "Edm.Double" if is_number else "Edm.String"
            found.append(Prop(name, kind, declared=False))
        return found

    @staticmethod
    def _is_double(owner: Type, thing: Thing, old: Thing | None = None) -> bool:
        """Whether another thing has the same values of all properties that are said to be keys."""
        keys = [each for each in owner.props.values() if each.is_key and each.kind in PRIMITIVE and not each.is_list]
        own = [thing.values.get(each) for each in keys]
        if not keys or None in own:
            return False
        others = (each for each in owner.things.values() if each is not old)
        return any([other.values.get(each) for each in keys] == own for other in others)

    # Values

    def coerce(self, prop: Prop, raw: Json, problems: Refused) -> Json:
        if raw is None:
            if prop.default is not None and not prop.is_list:
                return scalar(prop.kind, prop.default, problems)
            if not prop.nullable:
                problems |= {FIELD_REQUIRED}
            return None
        if not prop.is_list:
            return self._one(prop, raw, problems)
        if not isinstance(raw, list):
            problems |= {FIELD_FORMAT}
            return None
        return [None if each is None else self._one(prop, each, problems) for each in raw]

    def _one(self, prop: Prop, raw: Json, problems: Refused) -> Json:
        if prop.kind in PRIMITIVE:
            return scalar(prop.kind, raw, problems)
        inner = self.complexes[prop.kind].props
        if not isinstance(raw, dict) or not raw or not raw.keys() <= inner.keys():
            problems |= {FIELD_FORMAT}
            return None
        return {each: self.coerce(each, raw.get(each.name), problems) for each in inner.values()}

    def _merged(self, prop: Prop, raw: Json, old: Json, problems: Refused) -> Json:
        if prop.kind in PRIMITIVE or prop.is_list:
            return self.coerce(prop, raw, problems)
        if raw is None:
            return old
        if old is None or not isinstance(raw, dict) or not raw:
            return self.coerce(prop, raw, problems)
        inner = self.complexes[prop.kind].props
        if not raw.keys() <= inner.keys():
            problems |= {FIELD_FORMAT}
        merged = {inner[name]: self._merged(inner[name], raw[name], old.get(inner[name]), problems)
                  for name in raw.keys() & inner.keys()}  # fmt: skip
        return {**old, **merged}

    def shown(self, owner: Type) -> dict[str, dict[str, Json]]:
        """The values of all things of a type by their ids, as they are answered."""
        return {
            key: {each.name: self._shown(each, thing.values.get(each)) for each in owner.props.values()}
            for key, thing in owner.things.items()
        }

    def _shown(self, prop: Prop, value: Json) -> Json:
        if isinstance(value, list):
            return [self._shown(prop, each) for each in value]
        if prop.kind in PRIMITIVE or value is None:
            return value
        inner = self.complexes[prop.kind].props.values()
        return {each.name: self._shown(each, value.get(each)) for each in inner}

    # Links

    def _ways(self, here: Type, relation: Relation) -> tuple[End, End]:
        """The ends of a relation as seen from one of its types: this one, and the other."""
        first, second = relation.ends
        return (first, second) if first.owner is here else (second, first)

    def link(self, type_name: str, key: str, target_name: str, target_key: str) -> Refused:
        owner, target = self.types.get(type_name), self.types.get(target_name)
        if owner is None:
            return {NO_SUCH_ENTITY_SET}
        relation = self.relation(owner, target) if target is not None else None
        if target is None or relation is None:
            return {NO_SUCH_ASSOCIATION}
        one, other = owner.things.get(key), target.things.get(target_key)
        if one is None:
            return {LINK_NOT_FOUND}
        if other is None:
            return {FIELD_FORMAT}
        refused = self._unlinkable(owner, relation, one, other)
        if not refused:
            relation.pairs.add(frozenset({one, other}))
        return refused

    def _unlinkable(self, owner: Type, relation: Relation, one: Thing, other: Thing | None) -> Refused:
        """What keeps *one* from being linked with *other*, None: with a new one."""
        here, there = self._ways(owner, relation)
        beyond = relation.beyond(one)
        before = relation.beyond(other) if other is not None else set()
        if here.multiplicity == there.multiplicity == "*":
            refused: Refused = {LINK_EXISTS} if other in beyond else set()
            return refused | ({TOO_MANY_LINKS} if max(len(beyond), len(before)) >= self.most_links else set())
        taken = (there.multiplicity != "*" and beyond) or (here.multiplicity != "*" and before)
        return {LINK_EXISTS} if taken or one is other else set()

    def unlink(self, type_name: str, key: str, target_name: str, target_key: str) -> Refused:
        owner, target = self.types.get(type_name), self.types.get(target_name)
        if owner is None:
            return {NO_SUCH_ENTITY_SET}
        relation = self.relation(owner, target) if target is not None else None
        if target is None or relation is None:
            return {NO_SUCH_ASSOCIATION}
        one, other = owner.things.get(key), target.things.get(target_key)
        if one is None or other is None or frozenset({one, other}) not in relation.pairs:
            return {LINK_NOT_FOUND}
        relation.pairs.remove(frozenset({one, other}))
        return set()

    def create_linked(self, type_name: str, key: str, target_name: str, given: dict[str, Json]) -> Refused:
        owner, target = self.types.get(type_name), self.types.get(target_name)
        if owner is None:
            return {NO_SUCH_ENTITY_SET}
        relation = self.relation(owner, target) if target is not None else None
        if target is None or relation is None:
            return {NO_SUCH_NAVIGATION}
        refused, thing, fresh = self._new(target, given, taken=LINK_EXISTS)
        one = owner.things.get(key)
        refused |= {LINK_NOT_FOUND} if one is None else self._unlinkable(owner, relation, one, None)
        if not refused and one is not None:
            self._keep(target, thing, fresh)
            relation.pairs.add(frozenset({one, thing}))
        return refused


def scalar(kind: str, raw: Json, problems: Refused) -> Json:
    """*raw* as a value of a primitive type."""
    found = next((make(raw) for it_is, make in _SPELLINGS[kind] if it_is(raw)), None)
    if found is None:
        problems |= {FIELD_FORMAT}
    return found


def _is_truth(raw: Json) -> bool:
    return isinstance(raw, bool)


def _is_integer(raw: Json) -> bool:
    return isinstance(raw, int) and not isinstance(raw, bool)


def _is_number(raw: Json) -> bool:
    return isinstance(raw, float) or _is_integer(raw)


def _is_digits(raw: Json) -> bool:
    return isinstance(raw, str) and re.fullmatch("[0-9]+", raw) is not None


_SPELLINGS: dict[str, list[tuple[Callable[[Json], bool], Callable[[Json], Json]]]] = {
    "Edm.String": [
        (lambda raw: isinstance(raw, str), str),
        (_is_truth, lambda raw: "true" if raw else "false"),
        (_is_number, str),
    ],
    "Edm.Boolean": [(_is_truth, bool), (lambda raw: raw in ("true", "false"), lambda raw: raw == "true")],
    "Edm.Int32": [(_is_integer, int), (_is_digits, int)],
    "Edm.Double": [(_is_number, float), (_is_digits, float)],
}
"""What a value may look like, and what it then is."""
