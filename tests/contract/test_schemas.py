"""What the use cases may expect of the schemas of OData collections, on every adapter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alveary.model.entities import Entity, EntityKind, JsonValue
from tests.contract.rows import entity, save
from tests.stores import Unit

NODE = "node"


class BrokenError(Exception):
    pass


def entity_type(name: str, node: str = NODE) -> Entity:
    return entity(EntityKind.ENTITY_TYPE, name, node, node=node, values={"Name": name})


def described(owner: Entity, name: str, alias: str, kind: str = "Edm.String") -> Entity:
    values: dict[str, JsonValue] = {"Name": name, "Type": kind, "Nullable": True}
    what = EntityKind.PROPERTY if owner.kind is EntityKind.ENTITY_TYPE else EntityKind.COMPLEX_TYPE_PROPERTY
    return entity(
        what, name, owner.id, node=owner.node, values=values, hidden={"Alias": alias},
        refs=((owner.kind.value, owner.id),),
    )  # fmt: skip


async def schema(unit: Unit, node: str = NODE) -> Any:
    return await unit.read(lambda tx: tx.schemas.of(node))


def shown(found: Any) -> dict[str, list[str]]:
    """The properties of each entity set but its id."""
    return {name: [each.name for each in made.properties[1:]] for name, made in found.sets.items()}


class TestSchemas:
    async def test_it_says_what_the_entities_of_the_node_describe(self, unit: Unit) -> None:
        person_type, order = entity_type("Person"), entity_type("Order")
        address = entity(EntityKind.COMPLEX_TYPE, "Address", NODE, node=NODE, values={"Name": "Address"})
        elsewhere = entity_type("Elsewhere", "other")
        await save(
            unit, person_type, order, address, elsewhere, described(person_type, "name", "P001"),
            described(person_type, "home", "C001", "Address"), described(address, "city", "P001"),
            described(elsewhere, "x", "P001"),
        )  # fmt: skip
        found = await schema(unit)
        assert shown(found) == {"Person": ["home", "name"], "Order": []}
        assert found.sets["Person"].type_id == person_type.id
        assert [each.name for each in found.complex_types["Address"].properties] == ["city"]
        assert found.sets["Person"].by_name["home"].type is found.complex_types["Address"]
        assert shown(await schema(unit, "other")) == {"Elsewhere": ["x"]}
        assert shown(await schema(unit, "nothing")) == {}

    async def test_it_is_the_same_until_an_entity_of_it_changes(self, unit: Unit) -> None:
        kind, other = entity_type("Person"), entity_type("Other")
        name = described(kind, "name", "P001")
        await save(unit, kind, other, name)
        before = await schema(unit)
        data = entity(EntityKind.USER_DATA, "a", kind.id, node=NODE)
        for change in (data, entity(EntityKind.ROLE, "r"), entity(EntityKind.BOX, "b")):
            await save(unit, change)
            assert await schema(unit) is before
        await save(unit, replace(name, key="called", version=2))
        after = await schema(unit)
        assert (shown(before), shown(after)) == (
            {"Other": [], "Person": ["name"]},
            {"Other": [], "Person": ["called"]},
        )
        assert await schema(unit) is after
        await unit.write(lambda tx: tx.entities.remove(other.id))
        assert shown(await schema(unit)) == {"Person": ["called"]}
        end = entity(EntityKind.ASSOCIATION_END, "end", kind.id, node=NODE, values={"Multiplicity": "*"})
        assert await unit.write(lambda tx: tx.entities.add(end))
        assert (await schema(unit)).ends_of(kind.id) == (end,)

    async def test_every_reader_gets_the_same(self, unit: Unit) -> None:
        await save(unit, entity_type("Person"))
        found = await schema(unit)
        ask = lambda tx: tx.schemas.of(NODE)  # noqa: E731
        assert [await run(ask) is found for run in (unit.contents.look, unit.contents.scan)] == [True, True]

    async def test_a_transaction_sees_what_it_has_changed_of_it(self, unit: Unit) -> None:
        kind = entity_type("Person")
        await save(unit, kind)
        await schema(unit)

        async def declare(tx: Any) -> Any:
            before = await tx.schemas.of(NODE)
            await tx.entities.save(described(kind, "name", "P001"))
            middle = await tx.schemas.of(NODE)
            await tx.entities.save(described(kind, "age", "P002", "Edm.Int32"))
            return [shown(each) for each in (before, middle, await tx.schemas.of(NODE))]

        assert await unit.write(declare) == [{"Person": []}, {"Person": ["name"]}, {"Person": ["age", "name"]}]
        assert shown(await schema(unit)) == {"Person": ["age", "name"]}
        assert shown(await unit.write(lambda tx: tx.schemas.of(NODE))) == {"Person": ["age", "name"]}

    async def test_what_was_taken_back_is_forgotten(self, unit: Unit) -> None:
        kind = entity_type("Person")
        await save(unit, kind)
        before = await schema(unit)

        async def broken(tx: Any) -> None:
            await tx.entities.save(described(kind, "name", "P001"))
            assert shown(await tx.schemas.of(NODE)) == {"Person": ["name"]}
            raise BrokenError

        with pytest.raises(BrokenError):
            await unit.write(broken)
        assert shown(await schema(unit)) == shown(before)
        assert shown(await unit.write(lambda tx: tx.schemas.of(NODE))) == {"Person": []}
        await save(unit, described(kind, "other", "P001"))
        assert shown(await schema(unit)) == {"Person": ["other"]}

    async def test_it_goes_with_its_collection(self, unit: Unit) -> None:
        collection = await unit.make_collection(await unit.main_box(), "odata")
        kind = entity_type("Person", collection.id)
        await save(unit, kind, described(kind, "name", "P001"))
        assert shown(await schema(unit, collection.id)) == {"Person": ["name"]}

        async def remove(tx: Any) -> Any:
            await tx.nodes.remove(collection.id)
            return await tx.schemas.of(collection.id)

        assert shown(await unit.write(remove)) == {}
        assert shown(await schema(unit, collection.id)) == {}

    async def test_new_contents_have_a_schema_of_their_own(self, unit: Unit) -> None:
        await save(unit, entity_type("Old"))
        assert shown(await schema(unit)) == {"Old": []}
        async with unit.store.build(unit.cell) as build:
            await build.fill(lambda tx: tx.entities.save(entity_type("New")))
            assert shown(await schema(unit)) == {"Old": []}
            unit.cell = await build.swap()
        assert shown(await schema(unit)) == {"New": []}
