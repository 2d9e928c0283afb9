"""What a cell holds is counted exactly, and what it may hold is held to within each write, on every adapter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alveary.errors import QUOTA_EXCEEDED, Refusal
from alveary.model.entities import Entity, EntityKind
from alveary.model.quotas import Quota, Usage
from alveary.model.tree import Content, NodeKind
from alveary.model.uploads import Upload
from tests.stores import ADAPTERS, INLINE_BYTES, Unit, new_file, new_id, on_sqlite, open_registry

LARGE = INLINE_BYTES * 3


def role(number: int) -> Entity:
    return Entity(new_id(), EntityKind.ROLE, "", f"r{number}", 1, 1, 1)


def person(number: int) -> Entity:
    return Entity(new_id(), EntityKind.USER_DATA, "people", f"p{number}", 1, 1, 1)


def content(size_bytes: int) -> Content:
    return Content(size_bytes, b"", inline=b"x" * size_bytes)


async def usage(unit: Unit) -> Usage:
    found = await unit.read(lambda tx: tx.usage.now())
    assert isinstance(found, Usage)
    return found


async def allow(unit: Unit, **quota: int | None) -> None:
    await unit.registry.update(unit.cell.id, lambda row: replace(row, quota=Quota(**quota)))


async def refused(call: Awaitable[object]) -> bool:
    try:
        await call
    except Refusal as refusal:
        assert refusal.kind is QUOTA_EXCEEDED
        return True
    return False


async def recounted(unit: Unit) -> Usage:
    """What there is, counted one by one."""

    async def count(tx: Any) -> Usage:
        _, size_bytes = await tx.nodes.totals()
        return Usage(size_bytes, sum([await tx.entities.count(kind) for kind in EntityKind]))

    found = await unit.read(count)
    assert isinstance(found, Usage)
    return found


class TestCounting:
    async def test_a_new_cell_holds_nothing(self, unit: Unit) -> None:
        assert await usage(unit) == Usage(0, 0)

    async def test_files_count_by_their_size_whatever_becomes_of_them(self, unit: Unit) -> None:
        main = await unit.main_box()
        file = await unit.put(main, "f", b"12345")
        await unit.put(main, "large", b"x" * LARGE)
        assert (await usage(unit)).file_bytes == 5 + LARGE
        await unit.put(main, "f", b"1")
        assert (await usage(unit)).file_bytes == 1 + LARGE
        await unit.write(lambda tx: tx.nodes.move(replace(file, name="moved", version=3)))
        assert (await usage(unit)).file_bytes == 1 + LARGE
        await unit.write(lambda tx: tx.nodes.remove(file.id))
        assert (await usage(unit)).file_bytes == LARGE

    async def test_a_tree_is_uncounted_with_all_that_is_in_it(self, unit: Unit) -> None:
        main = await unit.main_box()
        col = await unit.make_collection(main, "col")
        await unit.put(await unit.make_collection(col, "inner"), "f", b"12345")
        await unit.put(col, "g", b"123")
        assert (await usage(unit)).file_bytes == 8
        await unit.write(lambda tx: tx.nodes.remove(col.id))
        assert await usage(unit) == Usage(0, 0)

    async def test_entities_of_every_kind_count_once(self, unit: Unit) -> None:
        roles, people = [role(number) for number in range(3)], [person(number) for number in range(4)]

        async def save(tx: Any) -> None:
            for each in (*roles, *people):
                await tx.entities.add(each)
            await tx.entities.save(replace(roles[0], version=2))

        await unit.write(save)
        assert await usage(unit) == Usage(0, 7)
        await unit.write(lambda tx: tx.entities.remove(people[0].id))
        assert await usage(unit) == Usage(0, 6)

    async def test_pieces_of_uploads_count_until_they_are_a_file_and_then_once(self, unit: Unit) -> None:
        main, upload = await unit.main_box(), Upload(new_id(), "a", "__", ("f",), "text/plain", 1)

        async def begin(tx: Any) -> None:
            await tx.uploads.save(upload)
            await tx.uploads.add_piece(upload, new_id(), content(7))

        await unit.write(begin)
        assert (await usage(unit)).file_bytes == 7

        async def end(tx: Any) -> None:
            await tx.nodes.save(new_file(tx, main, "f", content(7)))
            await tx.uploads.drop_pieces(upload.id)

        await unit.write(end)
        assert (await usage(unit)).file_bytes == 7

    async def test_what_was_rolled_back_was_never_counted(self, unit: Unit) -> None:
        async def broken(tx: Any) -> None:
            await tx.entities.save(role(1))
            raise ValueError

        for both in ((broken, broken), (broken, lambda tx: tx.entities.save(role(2)))):
            await asyncio.gather(*map(unit.write, both), return_exceptions=True)
        assert await usage(unit) == Usage(0, 1) == await recounted(unit)

    @pytest.mark.parametrize("seed", range(4))
    async def test_after_any_changes_the_counters_say_what_there_is(self, unit: Unit, seed: int) -> None:
        chance, main = random.Random(seed), await unit.main_box()
        made: list[str] = []

        async def change() -> None:
            match chance.randrange(5):
                case 0:
                    entity = role(chance.randrange(10**6))
                    await unit.write(lambda tx: tx.entities.save(entity))
                    made.append(entity.id)
                case 1 if made:
                    await unit.write(lambda tx: tx.entities.remove(made.pop()))
                case 2:
                    await unit.put(main, f"f{chance.randrange(5)}", b"x" * chance.choice((0, 3, LARGE)))
                case 3:
                    place = await unit.locate(f"f{chance.randrange(5)}")
                    if (node := place.node) is not None:
                        await unit.write(lambda tx: tx.nodes.remove(node.id))
                case _:
                    await unit.put(await unit.make_collection(main, new_id()), "in", b"12")

        for _ in range(40):
            await change()
        assert await usage(unit) == await recounted(unit)


class TestHoldingTo:
    async def test_the_last_that_fits_is_taken_and_one_more_changes_nothing(self, unit: Unit) -> None:
        main = await unit.main_box()
        await allow(unit, file_bytes=10, entities=2)
        await unit.put(main, "f", b"x" * 10)
        for add in (role(1), person(2)):
            await unit.write(lambda tx, add=add: tx.entities.add(add))
        before = await usage(unit)
        assert before == Usage(10, 2)
        assert await refused(unit.put(main, "g", b"x"))
        assert await refused(unit.put(main, "f", b"x" * 11))
        for more in (role(3), person(4)):
            assert await refused(unit.write(lambda tx, more=more: tx.entities.add(more)))
        assert await usage(unit) == before == await recounted(unit)
        assert await unit.bytes_of((await unit.locate("f")).nearest.content) == b"x" * 10

    async def test_a_cell_that_holds_too_much_already_may_shrink_and_change_but_not_grow(self, unit: Unit) -> None:
        main = await unit.main_box()
        file = await unit.put(main, "f", b"x" * 20)
        roles = [role(number) for number in range(3)]
        for each in roles:
            await unit.write(lambda tx, each=each: tx.entities.save(each))
        await allow(unit, file_bytes=5, entities=1)
        assert not await refused(unit.put(main, "f", b"y" * 15))
        assert not await refused(unit.write(lambda tx: tx.entities.save(replace(roles[0], version=2))))
        assert not await refused(unit.write(lambda tx: tx.entities.remove(roles[1].id)))
        assert not await refused(unit.make_collection(main, "col"))
        assert await refused(unit.write(lambda tx: tx.entities.save(role(9))))
        assert await refused(unit.put(main, "g", b"z"))
        assert not await refused(unit.write(lambda tx: tx.nodes.remove(file.id)))

    async def test_of_many_at_once_exactly_those_that_fit_succeed(self, unit: Unit) -> None:
        await allow(unit, entities=10)
        added = [unit.write(lambda tx, number=number: tx.entities.add(person(number))) for number in range(25)]
        assert sum(not each for each in await asyncio.gather(*map(refused, added))) == 10
        assert await usage(unit) == Usage(0, 10) == await recounted(unit)

    async def test_a_quota_counts_from_when_it_is_given_and_0_and_none_take_it_away(self, unit: Unit) -> None:
        main = await unit.main_box()
        await allow(unit, file_bytes=3)
        assert await refused(unit.put(main, "f", b"1234"))
        await allow(unit, file_bytes=4)
        assert not await refused(unit.put(main, "f", b"1234"))
        for nothing in (0, None):
            await allow(unit, file_bytes=4)
            await allow(unit, file_bytes=nothing)
            assert not await refused(unit.put(main, new_id(), b"1234"))

    async def test_new_contents_are_held_to_it_while_they_are_made(self, unit: Unit) -> None:
        await allow(unit, entities=2)
        async with unit.store.build(unit.cell) as build:

            async def some(tx: Any) -> None:
                for number in range(3):
                    await tx.entities.add(role(number))

            assert await refused(build.fill(some))
            await build.fill(lambda tx: tx.entities.add(role(1)))

    async def test_it_is_the_rows_own_and_comes_back_with_it(self, unit: Unit) -> None:
        quota = Quota(5, 0)
        await allow(unit, file_bytes=5, entities=0)
        row = await unit.registry.read(lambda tx: tx.cells.get(unit.cell.id))
        assert row is not None and row.quota == quota


@pytest.fixture(params=["memory", "sqlite"])
async def unit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Unit]:
    async with ADAPTERS[request.param](tmp_path) as opened:
        yield opened


async def test_a_quota_is_held_to_after_a_restart(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as unit:
        await allow(unit, file_bytes=3)
        await unit.put(await unit.main_box(), "f", b"123")
    clock = unit.clock
    registry = open_registry(tmp_path, clock)
    row = await registry.read(lambda tx: tx.cells.get(unit.cell.id))
    assert row is not None
    same: Callable[[Any], Any] = unit.told
    again = Unit(registry, registry.store, clock, same, unit.blob_count, row)
    assert await usage(again) == Usage(3, 0)
    assert await refused(again.put(await again.main_box(), "g", b"1"))
    assert (await again.locate("f")).nearest.kind is NodeKind.FILE
    await registry.close()
