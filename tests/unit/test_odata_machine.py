"""A collection's schema, its user data and their links, changed at random, against the rules in plain Python."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alveary.errors import Refusal
from alveary.model.edm import EntityKey, EntitySet, Row
from alveary.model.names import MAIN_BOX
from alveary.model.schema_edm import SCHEMA_SETS
from alveary.model.tree import Node, NodeKind
from alveary.usecases import entities, links, lists
from alveary.usecases.access import BoxPath
from alveary.usecases.lists import Page
from alveary.usecases.rows import Address
from alveary.usecases.services import SchemaService, Service, UserDataService
from alveary.wire.etags import Precondition
from alveary.wire.odata_json import PERSONIUM, View, etag_of, render_entities
from alveary.wire.odata_keys import render_key
from alveary.wire.odata_options import EntityOptions, ListOptions
from tests.control_unit import ALWAYS, Unit, given, opened
from tests.odata_model import PRIMITIVE, Json, Model, Owner, Prop, Refused

T = TypeVar("T")
PATH = BoxPath(MAIN_BOX, ("od",))
SCHEMA, DATA = SchemaService(PATH), UserDataService(PATH)
ALL = ListOptions(top=1000, count=True)

type_names = st.sampled_from("ABC")
complex_names = st.sampled_from("XYZ")
prop_names = st.sampled_from("pqrst")
end_names = st.sampled_from("efg")
multiplicities = st.sampled_from(["0..1", "1", "*"])
ids = st.sampled_from("123")
scalars = st.sampled_from([0, 5, 2.5, "7", "x", "", "true", True, False])
objects = st.dictionaries(
    prop_names, st.none() | scalars | st.dictionaries(prop_names, scalars, min_size=1), min_size=1
)
values = st.one_of(st.none(), scalars, scalars, objects, st.lists(st.none() | scalars | objects, max_size=2))
bodies = st.dictionaries(prop_names, values, max_size=4)
FITTING = {
    "Edm.String": st.sampled_from(["x", "y", ""]),
    "Edm.Boolean": st.sampled_from([True, False, "true"]),
    "Edm.Int32": st.sampled_from([5, 6, "7"]),
    "Edm.Double": st.sampled_from([5, 2.5, "7"]),
}
seldom = st.sampled_from([False, False, False, True])
hows = st.sampled_from(["always", "always", "always", "current", "stale"])
props = st.builds(
    Prop,
    name=prop_names,
    kind=st.sampled_from([*PRIMITIVE, *PRIMITIVE, "X", "Y", "Z"]),
    nullable=st.sampled_from([True, True, True, False]),
    default=st.sampled_from([None, None, None, "7", "true"]),
    is_list=st.sampled_from([False, False, True]),
    is_key=st.sampled_from([False, False, False, False, True]),
)


def prop_body(complex_: bool, owner: str, prop: Prop) -> dict[str, Json]:
    body = {
        "Name": prop.name,
        "Type": prop.kind,
        "Nullable": prop.nullable,
        "DefaultValue": prop.default,
        "CollectionKind": "List" if prop.is_list else "None",
        owner_field(complex_): owner,
    }
    return body if complex_ else {**body, "IsKey": prop.is_key}


def owner_field(complex_: bool) -> str:
    return "_ComplexType.Name" if complex_ else "_EntityType.Name"


def owner_set(complex_: bool) -> str:
    return "ComplexType" if complex_ else "EntityType"


def prop_set(complex_: bool) -> str:
    return "ComplexTypeProperty" if complex_ else "Property"


def at(set_name: str, *key: str) -> Address:
    """An entity of the schema."""
    return Address(set_name, render_key(SCHEMA_SETS[set_name], EntityKey(key))[1:-1])


def thing(type_name: str, key: str) -> Address:
    return Address(type_name, f"'{key}'")


class ODataMachine(RuleBasedStateMachine):
    """What the use cases answer, and what they show after each step, is what the model says."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        self.unit: Unit = self.run(self.stack.enter_async_context(opened(Path(self.folder.name))))
        self.model = Model(self.unit.ports.config.limits.links_per_entity)
        self.run(self._make_collection())

    async def _make_collection(self) -> None:
        main = (await self.unit.place_of(MAIN_BOX)).node
        assert main is not None

        async def save(tx: Any) -> None:
            await tx.nodes.save(
                Node(self.unit.ports.ids.new(), main.id, "od", NodeKind.ODATA, 1, tx.now_ms, tx.now_ms)
            )

        await self.unit.apply(save)

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def attempt(self, refused: Refused, call: Coroutine[Any, Any, Any]) -> Any:
        """What *call* answers, which is refused in one of those ways, or in none."""
        try:
            answer = self.run(call)
        except Refusal as refusal:
            assert refusal.kind in refused, f"{refusal.kind.code}, not {[each.code for each in refused]}"
            return None
        assert not refused, f"done, though {[each.code for each in refused]}"
        return answer

    # The use cases, asked by the unit's administrator

    def create(self, service: Service, name: str, body: dict[str, Json]) -> Coroutine[Any, Any, Any]:
        return entities.create(self.unit.ports, self.unit.admin, service, name, given(**body))

    def change(
        self,
        service: Service,
        address: Address,
        body: dict[str, Json],
        *,
        merge: bool = False,
        expect: Precondition = ALWAYS,
    ) -> Coroutine[Any, Any, Any]:
        how: Any = {"merge": merge, "expect": expect}
        return entities.change(self.unit.ports, self.unit.admin, service, address, given(**body), **how)

    def remove(self, service: Service, address: Address, expect: Precondition = ALWAYS) -> Coroutine[Any, Any, Any]:
        return entities.remove(self.unit.ports, self.unit.admin, service, address, expect=expect)

    def link_with(self, service: Service, source: Address, way: str, *key: str) -> Coroutine[Any, Any, Any]:
        async def read(_: EntitySet) -> tuple[EntityKey]:
            return (EntityKey(key),)

        return links.link(self.unit.ports, self.unit.admin, service, source, way, read)

    def unlink_from(self, service: Service, source: Address, way: str, key: str) -> Coroutine[Any, Any, Any]:
        return links.unlink(self.unit.ports, self.unit.admin, service, source, way, key)

    def create_beyond(
        self, service: Service, source: Address, way: str, body: dict[str, Json]
    ) -> Coroutine[Any, Any, Any]:
        return links.create_linked(self.unit.ports, self.unit.admin, service, source, way, given(**body))

    # What is there to begin with

    @initialize(
        ends=st.tuples(multiplicities, multiplicities, multiplicities, multiplicities),
        is_key=st.booleans(),
        about=props,
    )
    def begin(self, ends: tuple[str, str, str, str], is_key: bool, about: Prop) -> None:
        """Three related types with some data, so that there is something to change from the first step."""
        for name in "ABC":
            self.create_type(False, name)
        for name in "XY":
            self.create_type(True, name)
        for complex_, owner, prop in (
            (True, "Y", Prop("p", "Edm.Boolean")),
            (True, "X", Prop("p", "Edm.Int32")),
            (True, "X", Prop("q", "Y")),
            (False, "A", Prop("p", "Edm.Int32", is_key=is_key)),
            (False, "A", Prop("q", "Edm.Double", is_list=True)),
            (False, "A", Prop("r", "X")),
            (False, "B", about),
        ):
            self.create_property(complex_, owner, prop)
        for one, other, here, there in (("A", "B", *ends[:2]), ("B", "C", *ends[2:])):
            self.create_end(one, "e", here)
            self.create_related_end(one, "e", other, "f", there)
        for key in "12":
            self.create_thing("A", {"p": int(key), "r": {"p": 5, "q": {"p": True}}}, key)
            self.create_thing("B", {"s": "x"}, key)
            self.create_thing("C", {}, key)
            self.make_link("A", key, "B", "1")
            self.make_link("B", key, "C", "2")

    # What is chosen: mostly of what is there

    @staticmethod
    def some(data: Any, there: Iterable[T], otherwise: st.SearchStrategy[T]) -> T:
        there = list(there)
        chosen = st.sampled_from(there) if there else otherwise
        return cast(T, data.draw(st.one_of(chosen, chosen, chosen, otherwise)))

    def type_name(self, data: Any) -> str:
        return self.some(data, self.model.types, type_names)

    def complex_name(self, data: Any) -> str:
        return self.some(data, self.model.complexes, complex_names)

    def prop_of(self, data: Any, complex_: bool) -> tuple[str, str]:
        held: Any = self.model.complexes if complex_ else self.model.types
        there = [(owner.name, name) for owner in held.values() for name in owner.props]
        return self.some(data, there, st.tuples(complex_names if complex_ else type_names, prop_names))

    def end_of(self, data: Any, *, related: bool | None = None) -> tuple[str, str]:
        ends = [end for owner in self.model.types.values() for end in owner.ends.values()]
        there = [each for each in ends if related is None or (each.relation is not None) == related]
        return self.some(data, [(each.owner.name, each.name) for each in there], st.tuples(type_names, end_names))

    def thing_of(self, data: Any, type_name: str) -> str:
        held = self.model.types.get(type_name)
        return self.some(data, held.things if held is not None else (), ids)

    def way_of(self, data: Any) -> tuple[str, str]:
        there = [(one.name, other.name) for one, other, _ in self.model.relations()]
        return self.some(data, there, st.tuples(type_names, type_names))

    def body(self, data: Any, type_name: str) -> dict[str, Json]:
        held = self.model.types.get(type_name)
        if held is None or data.draw(st.sampled_from([False, False, True])):
            return cast(dict[str, Json], data.draw(bodies))
        found = self.fitting_members(data, held)
        if data.draw(st.booleans()):
            found[data.draw(prop_names)] = data.draw(scalars)
        return found

    def fitting_members(self, data: Any, owner: Owner) -> dict[str, Json]:
        """Values of the types that they are declared to be, and now and then one of another type."""
        found = {}
        for prop in owner.props.values():
            how = data.draw(st.sampled_from(["fit"] * 6 + ["absent", "absent", "null", "any"]))
            if how == "fit":
                found[prop.name] = self.fitting(data, prop)
            elif how != "absent":
                found[prop.name] = None if how == "null" else data.draw(values)
        return found

    def fitting(self, data: Any, prop: Prop) -> Json:
        if prop.is_list:
            length = data.draw(st.integers(0, 2))
            return [self.fitting(data, replace(prop, is_list=False)) for _ in range(length)]
        if prop.kind in PRIMITIVE:
            return data.draw(FITTING[prop.kind])
        inner = self.model.complexes[prop.kind]
        return self.fitting_members(data, inner) or dict.fromkeys(inner.props)

    # The schema

    @rule(data=st.data())
    def change_types(self, data: Any) -> None:
        ways = (self.make_type, self.rename_type, self.rename_complex, self.delete_type, self.delete_complex)
        data.draw(st.sampled_from(ways))(data)

    def make_type(self, data: Any) -> None:
        complex_ = data.draw(st.booleans())
        self.create_type(complex_, data.draw(complex_names if complex_ else type_names))

    def create_type(self, complex_: bool, name: str) -> None:
        call = self.create(SCHEMA, owner_set(complex_), {"Name": name})
        self.attempt(self.model.create_owner(complex_, name), call)

    def rename_type(self, data: Any) -> None:
        name, new, merge = self.type_name(data), data.draw(type_names), data.draw(st.booleans())
        call = self.change(SCHEMA, at("EntityType", name), {"Name": new}, merge=merge)
        self.attempt(self.model.rename_owner(False, name, new, merge=merge), call)

    def rename_complex(self, data: Any) -> None:
        name, new, merge = self.complex_name(data), data.draw(complex_names), data.draw(seldom)
        call = self.change(SCHEMA, at("ComplexType", name), {"Name": new}, merge=merge)
        self.attempt(self.model.rename_owner(True, name, new, merge=merge), call)

    def delete_type(self, data: Any) -> None:
        name = self.type_name(data)
        self.attempt(self.model.delete_type(name), self.remove(SCHEMA, at("EntityType", name)))

    def delete_complex(self, data: Any) -> None:
        name = self.complex_name(data)
        self.attempt(self.model.delete_complex(name), self.remove(SCHEMA, at("ComplexType", name)))

    @rule(data=st.data())
    def change_properties(self, data: Any) -> None:
        ways = (self.make_property, self.make_property, self.change_property, self.delete_property)
        data.draw(st.sampled_from(ways))(data, data.draw(st.booleans()))

    def make_property(self, data: Any, complex_: bool) -> None:
        owner, prop = self.complex_name(data) if complex_ else self.type_name(data), data.draw(props)
        if complex_:
            assume(not self.model.reaches(prop.kind, owner))  # a circle is found by how deep a schema may be
        self.create_property(complex_, owner, prop)

    def create_property(self, complex_: bool, owner: str, prop: Prop) -> None:
        prop = replace(prop, is_key=prop.is_key and not complex_)
        call = self.create(SCHEMA, prop_set(complex_), prop_body(complex_, owner, prop))
        self.attempt(self.model.create_prop(complex_, owner, prop), call)

    def change_property(self, data: Any, complex_: bool) -> None:
        owner, name = self.prop_of(data, complex_)
        held: Any = self.model.complexes if complex_ else self.model.types
        old = held[owner].props.get(name) if owner in held else None
        new = replace(old or Prop(name, "Edm.String"), name=data.draw(prop_names))
        if data.draw(seldom):
            new = replace(data.draw(props), name=new.name)
        new.is_key = new.is_key and not complex_
        if new.kind == "Edm.Int32" and data.draw(st.booleans()):
            new.kind = "Edm.Double"
        new_owner = owner
        if data.draw(seldom):
            new_owner = data.draw(complex_names if complex_ else type_names)
        call = self.change(SCHEMA, at(prop_set(complex_), name, owner), prop_body(complex_, new_owner, new))
        self.attempt(self.model.change_prop(complex_, owner, name, new, new_owner), call)

    def delete_property(self, data: Any, complex_: bool) -> None:
        owner, name = self.prop_of(data, complex_)
        call = self.remove(SCHEMA, at(prop_set(complex_), name, owner))
        self.attempt(self.model.delete_prop(complex_, owner, name), call)

    # Association ends

    @rule(data=st.data())
    def change_ends(self, data: Any) -> None:
        ways = (self.make_end, self.change_end, self.delete_end, self.relate, self.make_related_end, self.part)
        data.draw(st.sampled_from(ways))(data)

    def make_end(self, data: Any) -> None:
        self.create_end(self.type_name(data), data.draw(end_names), data.draw(multiplicities))

    def create_end(self, owner: str, name: str, multiplicity: str) -> None:
        body = {"Name": name, "_EntityType.Name": owner, "Multiplicity": multiplicity}
        self.attempt(self.model.create_end(owner, name, multiplicity), self.create(SCHEMA, "AssociationEnd", body))

    def change_end(self, data: Any) -> None:
        owner, name = self.end_of(data)
        new, merge, old = data.draw(end_names), data.draw(st.booleans()), self.model.end(owner, name)
        keeps = old is not None and not data.draw(seldom)
        multiplicity = old.multiplicity if old is not None and keeps else data.draw(multiplicities)
        body = {"Name": new, "_EntityType.Name": owner, "Multiplicity": multiplicity}
        call = self.change(SCHEMA, at("AssociationEnd", name, owner), body, merge=merge)
        self.attempt(self.model.change_end(owner, name, new, multiplicity), call)

    def delete_end(self, data: Any) -> None:
        owner, name = self.end_of(data, related=data.draw(seldom))
        self.attempt(self.model.delete_end(owner, name), self.remove(SCHEMA, at("AssociationEnd", name, owner)))

    def relate(self, data: Any) -> None:
        owner, name = self.end_of(data, related=False)
        other_owner, other_name = self.end_of(data, related=data.draw(seldom))
        one, other = self.model.end(owner, name), self.model.end(other_owner, other_name)
        if one is not None and other is not None and one.owner is other.owner:
            # Seen from one of its own types there is one way only, which cannot be both to one and to many.
            assume((one.multiplicity == "*") == (other.multiplicity == "*"))
        call = self.link_with(SCHEMA, at("AssociationEnd", name, owner), "_AssociationEnd", other_name, other_owner)
        self.attempt(self.model.relate(one, other), call)

    def make_related_end(self, data: Any) -> None:
        owner, name = self.end_of(data, related=False)
        self.create_related_end(owner, name, self.type_name(data), data.draw(end_names), data.draw(multiplicities))

    def create_related_end(self, owner: str, name: str, other_owner: str, other_name: str, multiplicity: str) -> None:
        one = self.model.end(owner, name)
        if one is not None and owner == other_owner:
            assume((one.multiplicity == "*") == (multiplicity == "*"))
        body = {"Name": other_name, "_EntityType.Name": other_owner, "Multiplicity": multiplicity}
        call = self.create_beyond(SCHEMA, at("AssociationEnd", name, owner), "_AssociationEnd", body)
        self.attempt(self.model.create_related_end(one, other_owner, other_name, multiplicity), call)

    def part(self, data: Any) -> None:
        owner, name = self.end_of(data, related=True)
        one = self.model.end(owner, name)
        other_owner, other_name = self.end_of(data)
        if one is not None and one.relation is not None and not data.draw(seldom):
            (other,) = (each for each in one.relation.ends if each is not one)
            other_owner, other_name = other.owner.name, other.name
            again = data.draw(st.booleans())
        else:
            again = False
        key = at("AssociationEnd", other_name, other_owner).key
        call = self.unlink_from(SCHEMA, at("AssociationEnd", name, owner), "_AssociationEnd", key)
        other_end = self.model.end(other_owner, other_name)
        self.attempt(self.model.part(one, other_end), call)
        if again:  # what was linked before is not so again
            back = self.link_with(
                SCHEMA, at("AssociationEnd", name, owner), "_AssociationEnd", other_name, other_owner
            )
            self.attempt(self.model.relate(one, other_end), back)

    # User data

    @rule(data=st.data(), key=st.sampled_from(["1", "2", "3", "4", "-"]))
    def make_thing(self, data: Any, key: str) -> None:
        type_name = self.type_name(data)
        self.create_thing(type_name, self.body(data, type_name), key)

    def create_thing(self, type_name: str, body: dict[str, Json], key: str) -> None:
        body = {**body, "__id": key}
        row = self.attempt(self.model.create(type_name, body), self.create(DATA, type_name, body))
        assert row is None or row.key.name == key

    @rule(data=st.data(), merge=st.booleans(), how=hows, says_id=st.booleans())
    def change_thing(self, data: Any, merge: bool, how: str, says_id: bool) -> None:
        type_name = self.type_name(data)
        key, body = self.thing_of(data, type_name), self.body(data, type_name)
        if says_id:
            body = {**body, "__id": "3"}  # which the URL knows better
        expect = self._expect(type_name, key, how)
        call = self.change(DATA, thing(type_name, key), body, merge=merge, expect=expect)
        self.attempt(self.model.change(type_name, key, body, merge=merge, stale=how == "stale"), call)

    @rule(data=st.data(), how=hows)
    def delete_thing(self, data: Any, how: str) -> None:
        type_name = self.type_name(data)
        key = self.thing_of(data, type_name)
        call = self.remove(DATA, thing(type_name, key), self._expect(type_name, key, how))
        self.attempt(self.model.delete(type_name, key, stale=how == "stale"), call)

    def _expect(self, type_name: str, key: str, how: str) -> Precondition:
        if how == "always" or type_name not in self.model.types or key not in self.model.types[type_name].things:
            return ALWAYS
        tag = etag_of(self.run(self._retrieve(thing(type_name, key))))
        return Precondition.parse(str(tag if how == "current" else replace(tag, version=tag.version + 1)))

    async def _retrieve(self, address: Address) -> Row:
        return await entities.retrieve(self.unit.ports, self.unit.admin, DATA, address, EntityOptions())

    # Links

    @rule(data=st.data())
    def link(self, data: Any) -> None:
        one, other = self.way_of(data)
        self.make_link(one, self.thing_of(data, one), other, self.thing_of(data, other))

    def make_link(self, one: str, key: str, other: str, other_key: str) -> None:
        call = self.link_with(DATA, thing(one, key), f"_{other}", other_key)
        self.attempt(self.model.link(one, key, other, other_key), call)

    @rule(data=st.data())
    def unlink(self, data: Any) -> None:
        there = [
            (one.name, each.id, other.name, beyond.id)
            for one, other, relation in self.model.relations()
            for each in one.things.values()
            for beyond in relation.beyond(each)
        ]
        one, key, other, other_key = self.some(data, sorted(there), st.tuples(type_names, ids, type_names, ids))
        call = self.unlink_from(DATA, thing(one, key), f"_{other}", f"'{other_key}'")
        self.attempt(self.model.unlink(one, key, other, other_key), call)

    @rule(data=st.data(), other_key=st.sampled_from("345"))
    def create_linked(self, data: Any, other_key: str) -> None:
        one, other = self.way_of(data)
        key, body = self.thing_of(data, one), {**self.body(data, other), "__id": other_key}
        call = self.create_beyond(DATA, thing(one, key), f"_{other}", body)
        self.attempt(self.model.create_linked(one, key, other, body), call)

    # What must hold

    @invariant()
    def the_schema_is_what_it_should_be(self) -> None:
        model = self.model
        owners = {"EntityType": model.types, "ComplexType": model.complexes}
        for set_name, held in owners.items():
            assert {each["Name"] for each in self.listed(SCHEMA, set_name)} == held.keys()
        for complex_, owned in ((False, model.types), (True, model.complexes)):
            shown = [
                {**prop_body(complex_, owner.name, prop), **({} if complex_ else {"IsDeclared": prop.declared})}
                for owner in owned.values()
                for prop in owner.props.values()
            ]
            found = self.listed(SCHEMA, prop_set(complex_))
            assert len(found) == len(shown)
            for each in shown:
                assert any(each.items() <= one.items() for one in found), each

    @invariant()
    def association_ends_are_what_they_should_be(self) -> None:
        ends = [end for owner in self.model.types.values() for end in owner.ends.values()]
        found = self.listed(SCHEMA, "AssociationEnd")
        assert sorted((each["_EntityType.Name"], each["Name"], each["Multiplicity"]) for each in found) == sorted(
            (end.owner.name, end.name, end.multiplicity) for end in ends
        )
        for end in ends:
            beyond = self.beyond(SCHEMA, at("AssociationEnd", end.name, end.owner.name), "_AssociationEnd")
            partners = [] if end.relation is None else [each for each in end.relation.ends if each is not end]
            assert [each.key.values for each in beyond] == [(each.name, each.owner.name) for each in partners]

    @invariant()
    def values_are_what_they_should_be(self) -> None:
        for name, owner in self.model.types.items():
            found = self.listed(DATA, name)
            shown = self.model.shown(owner)
            ours = {"__published", "__updated", "__metadata", "__id"}
            assert {
                each["__id"]: {key: value for key, value in each.items() if key not in ours and key[0] != "_"}
                for each in found
            } == shown

    @invariant()
    def links_are_what_they_should_be(self) -> None:
        related = {(one.name, other.name): relation for one, other, relation in self.model.relations()}
        for one in self.model.types.values():
            for other in self.model.types.values():
                relation = related.get((one.name, other.name))
                for key, each in one.things.items() if relation is not None else ():
                    found = [row.key.name for row in self.beyond(DATA, thing(one.name, key), f"_{other.name}")]
                    assert sorted(found) == sorted(linked.id for linked in relation.beyond(each))

    def listed(self, service: Service, name: str) -> list[dict[str, Json]]:
        """What a set lists, as it is answered."""
        page: Page = self.run(lists.list_page(self.unit.ports, self.unit.admin, service, name, ALL))
        assert page.count == len(page.rows)
        view = View("https://unit.example/", PERSONIUM, None, lambda url: url, with_navigations=False)
        found: list[dict[str, Json]] = json.loads(render_entities(page.rows, view, count=None, next_url=None))["d"][
            "results"
        ]
        return found

    def beyond(self, service: Service, source: Address, way: str) -> list[Row]:
        """What an entity is linked with, as its list and its links tell alike."""
        ports, admin = self.unit.ports, self.unit.admin
        related, _ = self.run(lists.list_related(ports, admin, service, source, way, ALL))
        uris, _ = self.run(lists.list_links(ports, admin, service, source, way, ALL))
        assert {row.id for row in uris.rows} == {row.id for row in related.rows}
        assert related.count == uris.count == len(related.rows) == len(uris.rows)
        rows: list[Row] = related.rows
        return rows


TestOData = ODataMachine.TestCase
TestOData.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
