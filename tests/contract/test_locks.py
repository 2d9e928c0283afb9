"""What the use cases may expect of the WebDAV locks of a cell, on every adapter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alveary.model.locks import Lock, LockScope
from tests.stores import NOON_MS, Unit

SOON_MS = NOON_MS + 1_000


def lock(token: str, *trail: str, box: str = "box", until_ms: int = SOON_MS, **fields: Any) -> Lock:
    given = {
        "scope": LockScope.EXCLUSIVE,
        "deep": False,
        "owner": "<owner>é</owner>",
        "holder": "account:1",
        **fields,
    }
    return Lock(f"urn:uuid:{token}", box, trail, until_ms=until_ms, **given)


async def save(unit: Unit, *locks: Lock) -> None:
    async def act(tx: Any) -> None:
        for each in locks:
            await tx.locks.save(each)

    await unit.write(act)


async def held(unit: Unit, box: str = "box") -> set[Lock]:
    return set(await unit.read(lambda tx: tx.locks.of(box)))


class TestLocks:
    async def test_locks_come_back_as_they_went_in_by_box(self, unit: Unit) -> None:
        mine = {
            lock("1"),
            lock("2", "a", "b c%é", deep=True),
            lock("3", "a", "b c%é", scope=LockScope.SHARED, owner="", holder=""),
        }
        await save(unit, *mine, lock("4", box="another"))
        assert await held(unit) == mine
        assert await held(unit, "another") == {lock("4", box="another")}
        assert await held(unit, "third") == set()

    async def test_a_lock_is_replaced_by_its_token_and_removed_by_it(self, unit: Unit) -> None:
        first = lock("1", "a")
        longer = replace(first, until_ms=SOON_MS + 5)
        await save(unit, first)
        await save(unit, longer)
        assert await held(unit) == {longer}
        await unit.write(lambda tx: tx.locks.remove(first.token))
        await unit.write(lambda tx: tx.locks.remove("urn:uuid:unknown"))
        assert await held(unit) == set()

    async def test_locks_that_have_ended_go_with_the_next_that_comes(self, unit: Unit) -> None:
        old, lasting = lock("1", "a"), lock("2", "b", until_ms=SOON_MS + 1)
        await save(unit, old, lasting)
        unit.clock.ms = SOON_MS
        assert old not in (await unit.read(lambda tx: tx.locks.of("box"))).at(unit.clock.ms)
        fresh = lock("3", "c", until_ms=SOON_MS + 9)
        await save(unit, fresh)
        assert await held(unit) == {lasting, fresh}

    @pytest.mark.parametrize("warm", [True, False])
    async def test_a_body_sees_its_own_locks_and_nobody_those_of_one_that_failed(
        self, unit: Unit, warm: bool
    ) -> None:
        there = lock("1")
        await save(unit, there)
        if warm:
            assert await held(unit) == {there}

        async def body(tx: Any) -> None:
            await tx.locks.save(lock("2", "a"))
            await tx.locks.remove(there.token)
            assert set(await tx.locks.of("box")) == {lock("2", "a")}
            raise LookupError

        with pytest.raises(LookupError):
            await unit.write(body)
        assert await held(unit) == {there}

        async def ask(tx: Any) -> set[Lock]:
            return set(await tx.locks.of("box"))

        assert await unit.write(ask) == await unit.contents.scan(ask) == {there}

    async def test_every_reader_hears_of_a_lock_at_once(self, unit: Unit) -> None:
        async def ask(tx: Any) -> set[Lock]:
            return set(await tx.locks.of("box"))

        for number in range(3):
            assert len(await unit.read(ask)) == len(await unit.contents.scan(ask)) == number
            await save(unit, lock(str(number), "a"))

    async def test_contents_that_are_swapped_in_have_no_locks_of_the_old_ones(self, unit: Unit) -> None:
        await save(unit, lock("1"))

        async def plant(tx: Any) -> None: ...

        async with unit.store.build(unit.cell) as build:
            await build.fill(plant)
            unit.cell = await build.swap()
        assert await held(unit) == set()
