"""What the use cases may expect of entities and their links, on every adapter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from alveary.errors import ENTITY_EXISTS, Kind, Refusal
from alveary.model.entities import Entity, EntityKind, Link
from alveary.model.queries import Query
from tests.contract.rows import entity, link, linked, save
from tests.stores import Unit, new_id


async def refusal_of(call: Any) -> Kind:
    with pytest.raises(Refusal) as caught:
        await call
    assert caught.value.text
    return caught.value.kind


class TestEntities:
    async def test_an_entity_keeps_all_that_it_is_given(self, unit: Unit) -> None:
        full = Entity(
            new_id(), EntityKind.EXT_ROLE, "scope", "key", 3, 5, 7, {"a": [1, 2.5, None, "é\0"]}, {"b": {"c": True}},
            (("Relation", "r"), ("Box", "b")), "box", "node",
        )  # fmt: skip
        await save(unit, full)
        assert await unit.read(lambda tx: tx.entities.get(full.id)) == full
        assert await unit.read(lambda tx: tx.entities.find(EntityKind.EXT_ROLE, "scope", "key")) == full

    async def test_a_key_is_unique_within_kind_and_scope(self, unit: Unit) -> None:
        there = entity(EntityKind.ROLE, "key")
        await save(unit, there, entity(EntityKind.RELATION, "key"), entity(EntityKind.ROLE, "key", "scope"))
        assert await refusal_of(save(unit, entity(EntityKind.ROLE, "key"))) is ENTITY_EXISTS
        other = entity(EntityKind.ROLE, "other")
        await save(unit, other)
        assert await refusal_of(save(unit, replace(other, key="key", version=2))) is ENTITY_EXISTS
        assert await unit.read(lambda tx: tx.entities.find(EntityKind.ROLE, "", "key")) == there
        assert await unit.read(lambda tx: tx.entities.get(other.id)) == other

    async def test_of_many_that_race_for_a_key_one_wins(self, unit: Unit) -> None:
        rivals = [entity(EntityKind.ROLE, "key") for _ in range(20)]
        outcomes = await asyncio.gather(*(save(unit, each) for each in rivals), return_exceptions=True)
        kinds = [outcome.kind for outcome in outcomes if isinstance(outcome, Refusal)]
        assert kinds == [ENTITY_EXISTS] * 19
        assert await unit.read(lambda tx: tx.entities.count(EntityKind.ROLE)) == 1

    async def test_one_whose_id_or_key_is_taken_is_not_added(self, unit: Unit) -> None:
        there = entity(EntityKind.ROLE, "key")
        for each, added in (
            (there, True),
            (replace(there, key="other"), False),
            (replace(there, id=new_id()), False),
            (replace(there, id=new_id(), key="other"), True),
        ):
            assert await unit.write(lambda tx, each=each: tx.entities.add(each)) is added
        assert await unit.read(lambda tx: tx.entities.get(there.id)) == there

    @pytest.mark.parametrize("refs", [(), (("Kind", "k"),)])
    @pytest.mark.parametrize("count", [1, 499, 500, 501, 1_000])
    async def test_many_that_are_added_at_once_are_there_with_their_events_or_none_is(
        self, unit: Unit, count: int, refs: tuple[tuple[str, str], ...]
    ) -> None:
        people = [entity(EntityKind.USER_DATA, str(number), refs=refs) for number in range(count)]

        async def add(tx: Any) -> None:
            for each in people:
                assert await tx.entities.add(each)
                await tx.outbox.append({"added": each.key})

        async def add_in_vain(tx: Any) -> None:
            await add(tx)
            raise Refusal(ENTITY_EXISTS)

        assert await refusal_of(unit.write(add_in_vain)) is ENTITY_EXISTS
        assert await unit.read(lambda tx: tx.entities.count(EntityKind.USER_DATA)) == 0
        assert await unit.told(unit.contents) == []
        await unit.write(add)
        assert await unit.read(lambda tx: tx.entities.count(EntityKind.USER_DATA)) == count
        assert await unit.read(lambda tx: tx.entities.referring("k")) == sorted(each.id for each in people if refs)
        assert await unit.told(unit.contents) == [{"added": each.key} for each in people]

    async def test_pages_come_in_the_order_of_making(self, unit: Unit) -> None:
        made = [replace(entity(EntityKind.ROLE, key), published_ms=ms) for key, ms in (("c", 1), ("a", 2), ("b", 3))]
        await save(unit, *reversed(made))
        pages = [
            await unit.read(lambda tx, skip=skip: tx.entities.query(Query(EntityKind.ROLE, skip=skip, top=2)))
            for skip in (0, 2, 4)
        ]
        assert pages == [made[:2], made[2:], []]
        assert await unit.read(lambda tx: tx.entities.count(EntityKind.ROLE)) == 3
        assert await unit.read(lambda tx: tx.entities.count(EntityKind.BOX)) == 0

    async def test_scopes_are_asked_by_kind(self, unit: Unit) -> None:
        await save(unit, entity(EntityKind.ROLE, "key", "scope"))
        kinds = EntityKind.ROLE, EntityKind.BOX
        assert await unit.read(lambda tx: tx.entities.scoped("scope", kinds))
        assert not await unit.read(lambda tx: tx.entities.scoped("scope", kinds[1:]))
        assert not await unit.read(lambda tx: tx.entities.scoped("", kinds))

    @pytest.mark.parametrize("version", [1, 2])
    async def test_a_replaced_entity_refers_to_what_it_says_now(self, unit: Unit, version: int) -> None:
        role = entity(EntityKind.ROLE, "role", refs=(("Box", "old"),))
        await save(unit, role)
        await save(unit, replace(role, version=version, refs=(("Box", "new"),)))
        assert await unit.read(lambda tx: tx.entities.referring("old")) == []
        assert await unit.read(lambda tx: tx.entities.referring("new")) == [role.id]
        assert await unit.read(lambda tx: tx.entities.referring("new", (EntityKind.ROLE,))) == [role.id]
        assert await unit.read(lambda tx: tx.entities.referring("new", (EntityKind.RULE,))) == []

    async def test_a_removed_entity_takes_its_links_of_both_kinds(self, unit: Unit) -> None:
        box, account = entity(EntityKind.BOX, "box"), entity(EntityKind.ACCOUNT, "ann")
        role = entity(EntityKind.ROLE, "role", refs=(("Box", box.id), ("Other", "kept")))
        await save(unit, box, account, role)
        await link(unit, linked(account, role))
        await unit.write(lambda tx: tx.entities.remove(box.id))
        assert await unit.read(lambda tx: tx.entities.get(role.id)) == replace(role, refs=(("Other", "kept"),))
        assert await unit.read(lambda tx: tx.entities.referring(box.id)) == []
        await unit.write(lambda tx: tx.entities.remove(role.id))
        assert not await unit.read(lambda tx: tx.links.exists(linked(account, role)))
        assert await unit.read(lambda tx: tx.entities.referring("kept")) == []
        await unit.write(lambda tx: tx.entities.remove("nobody"))


class TestLinks:
    async def test_both_ends_know_each_other_in_the_order_of_linking(self, unit: Unit) -> None:
        ann, roles = entity(EntityKind.ACCOUNT, "ann"), [entity(EntityKind.ROLE, str(n)) for n in range(3)]
        for at_ms, role in zip((3, 1, 2), roles, strict=True):
            await link(unit, linked(ann, role, at_ms))
        others = await unit.read(lambda tx: tx.links.others(ann.id, "Role"))
        assert others == [roles[1].id, roles[2].id, roles[0].id]
        assert await unit.read(lambda tx: tx.links.others(roles[0].id, "Account")) == [ann.id]
        assert await unit.read(lambda tx: tx.links.others(ann.id, "Relation")) == []

    async def test_linking_twice_is_one_link_and_unlinking_ends_it(self, unit: Unit) -> None:
        one, two = entity(EntityKind.ROLE, "a"), entity(EntityKind.RELATION, "b")
        await link(unit, linked(one, two, 1), linked(two, one, 2))

        async def all_links(tx: Any) -> list[Link]:
            return [each async for each in tx.links.each()]

        assert await unit.read(all_links) == [linked(one, two, 2)]
        assert await unit.read(lambda tx: tx.links.count()) == 1
        await unit.write(lambda tx: tx.links.remove(linked(one, two)))
        await unit.write(lambda tx: tx.links.remove(linked(one, two)))
        assert await unit.read(all_links) == []

    async def test_a_link_with_itself_is_told_once(self, unit: Unit) -> None:
        one = entity(EntityKind.USER_DATA, "1", "type")
        await link(unit, Link.between(("type", one.id), ("type", one.id), 1))
        assert await unit.read(lambda tx: tx.links.others(one.id, "type")) == [one.id]
