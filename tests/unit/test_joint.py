"""Several calls in one transaction, over the memory store: all of them or none, whatever becomes of one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from alveary.errors import CELL_LOCKED, ENTITY_EXISTS, NO_SUCH_ENTITY, Refusal
from alveary.model.entities import EntityKind
from alveary.ports import Ports
from alveary.usecases.joint import JointRefusal, together
from tests.contract.rows import entity
from tests.ports import ports_over
from tests.stores import Unit, in_memory, pieces

Call = Callable[[Ports], Awaitable[Any]]


@pytest.fixture
async def unit(tmp_path: Path) -> AsyncIterator[Unit]:
    async with in_memory(tmp_path) as made:
        yield made


@pytest.fixture
def ports(unit: Unit) -> Ports:
    return ports_over(cast(Any, unit.registry))


def making(unit: Unit, name: str, *, tries: list[str] | None = None) -> Call:
    """A call that makes a role of that name, and answers it; *tries* hears of each transaction that it runs in."""

    async def call(ports: Ports) -> str:
        async def body(tx: Any) -> str:
            if tries is not None:
                tries.append(name)
            if not await tx.entities.add(entity(EntityKind.ROLE, name)):
                raise Refusal(ENTITY_EXISTS)
            await tx.outbox.append({"made": name})
            return name

        return await ports.store.contents(unit.cell).write(body)

    return call


def raising(problem: BaseException) -> Call:
    """A call that fails before it writes."""

    async def call(ports: Ports) -> None:
        raise problem

    return call


def failing_within(unit: Unit, problem: Exception) -> Call:
    """A call that fails while it writes."""

    async def call(ports: Ports) -> None:
        async def body(tx: Any) -> None:
            await tx.entities.add(entity(EntityKind.ROLE, "half"))
            raise problem

        await ports.store.contents(unit.cell).write(body)

    return call


def counting(unit: Unit) -> Call:
    """A call that only reads: how many roles there are."""

    async def call(ports: Ports) -> int:
        return await ports.store.contents(unit.cell).read(_roles)

    return call


async def _roles(tx: Any) -> int:
    return cast(int, await tx.entities.count(EntityKind.ROLE))


async def count(unit: Unit) -> int:
    return cast(int, await unit.read(_roles))


class TestAll:
    async def test_every_call_is_answered_and_everything_is_there(self, unit: Unit, ports: Ports) -> None:
        assert await together(ports, unit.cell, [making(unit, name) for name in "abc"]) == ["a", "b", "c"]
        assert await count(unit) == 3

    async def test_they_are_done_in_their_order_whichever_comes_first(self, unit: Unit, ports: Ports) -> None:
        gate = asyncio.Event()
        tries: list[str] = []

        async def late(ports: Ports) -> Any:
            await gate.wait()
            return await making(unit, "late", tries=tries)(ports)

        async def early(ports: Ports) -> Any:
            asyncio.get_running_loop().call_soon(gate.set)
            return await making(unit, "early", tries=tries)(ports)

        assert await together(ports, unit.cell, [late, early]) == ["late", "early"]
        assert tries == ["late", "early"]
        assert await unit.told(unit.contents) == [{"made": "late"}, {"made": "early"}]

    async def test_a_call_sees_what_those_before_it_wrote(self, unit: Unit, ports: Ports) -> None:
        async def looking(ports: Ports) -> int:
            return await ports.store.contents(unit.cell).write(_roles)

        calls = [looking, making(unit, "a"), looking, making(unit, "b"), looking]
        assert await together(ports, unit.cell, calls) == [0, "a", 1, "b", 2]

    async def test_what_is_read_outside_a_write_is_the_state_before(self, unit: Unit, ports: Ports) -> None:
        assert await together(ports, unit.cell, [making(unit, "a"), counting(unit)]) == ["a", 0]

    async def test_a_call_goes_on_after_its_write(self, unit: Unit, ports: Ports) -> None:
        async def call(ports: Ports) -> tuple[str, int]:
            made = await making(unit, "a")(ports)
            return made, await ports.store.contents(unit.cell).read(_roles)

        assert await together(ports, unit.cell, [call, making(unit, "b")]) == [("a", 2), "b"]

    async def test_calls_that_do_not_write_are_answered(self, unit: Unit, ports: Ports) -> None:
        assert await together(ports, unit.cell, [counting(unit), counting(unit)]) == [0, 0]

    async def test_no_calls_are_answered_by_nothing(self, unit: Unit, ports: Ports) -> None:
        assert await together(ports, unit.cell, []) == []

    async def test_there_is_one_transaction(self, unit: Unit, ports: Ports) -> None:
        stamps: list[int] = []

        async def stamping(ports: Ports) -> None:
            async def body(tx: Any) -> None:
                stamps.append(tx.now_ms)

            await ports.store.contents(unit.cell).write(body)

        await together(ports, unit.cell, [stamping] * 5)
        assert len(stamps) == 5 and len(set(stamps)) == 1

    async def test_the_rest_of_the_store_is_as_it_is(self, unit: Unit, ports: Ports) -> None:
        async def call(ports: Ports) -> list[Any]:
            store = ports.store
            contents = store.contents(unit.cell)
            async with contents.blobs.stage(pieces(b"x"), max_bytes=0) as staged:
                kept = await staged.keep()
            streamed = [row async for rows in contents.stream(_names) for row in rows]
            looked, scanned = await contents.look(_roles), await contents.scan(_roles)
            return [kept.size_bytes, streamed, looked, scanned, store.locked(unit.cell)]

        await unit.write(_add_old)
        assert await together(ports, unit.cell, [call]) == [[1, ["old"], 1, 1, None]]
        stamp = ports.store.access_stamp(unit.cell)
        assert await together(ports, unit.cell, [_stamp_of(unit)]) == [stamp]


async def _add_old(tx: Any) -> None:
    await tx.entities.add(entity(EntityKind.ROLE, "old"))


async def _names(tx: Any) -> AsyncIterator[str]:
    async for each in tx.entities.each(EntityKind.ROLE):
        yield each.key


def _stamp_of(unit: Unit) -> Call:
    async def call(ports: Ports) -> object:
        return ports.store.access_stamp(unit.cell)

    return call


class TestNone:
    @pytest.mark.parametrize("at", [0, 1, 2])
    async def test_a_refusal_while_it_writes_undoes_all_and_says_whose_it_is(
        self, unit: Unit, ports: Ports, at: int
    ) -> None:
        calls = [making(unit, name) for name in "ab"]
        calls.insert(at, failing_within(unit, Refusal(NO_SUCH_ENTITY)))
        with pytest.raises(JointRefusal) as caught:
            await together(ports, unit.cell, calls)
        assert (caught.value.index, caught.value.refusal.kind) == (at, NO_SUCH_ENTITY)
        assert (await count(unit), await unit.told(unit.contents)) == (0, [])

    async def test_two_that_cannot_both_be_are_refused(self, unit: Unit, ports: Ports) -> None:
        with pytest.raises(JointRefusal) as caught:
            await together(ports, unit.cell, [making(unit, "a"), making(unit, "b"), making(unit, "a")])
        assert (caught.value.index, caught.value.refusal.kind) == (2, ENTITY_EXISTS)
        assert await count(unit) == 0

    @pytest.mark.parametrize("at", [0, 1, 2])
    async def test_a_refusal_before_it_writes_keeps_the_others_from_it(
        self, unit: Unit, ports: Ports, at: int
    ) -> None:
        tries: list[str] = []
        calls = [making(unit, name, tries=tries) for name in "ab"]
        calls.insert(at, raising(Refusal(NO_SUCH_ENTITY)))
        with pytest.raises(JointRefusal) as caught:
            await together(ports, unit.cell, calls)
        assert (caught.value.index, caught.value.refusal.kind) == (at, NO_SUCH_ENTITY)
        assert (await count(unit), tries) == (0, [])

    async def test_of_several_that_refuse_at_once_the_first_is_told(self, unit: Unit, ports: Ports) -> None:
        calls = [making(unit, "a"), raising(Refusal(NO_SUCH_ENTITY)), raising(Refusal(ENTITY_EXISTS))]
        with pytest.raises(JointRefusal) as caught:
            await together(ports, unit.cell, calls)
        assert (caught.value.index, caught.value.refusal.kind) == (1, NO_SUCH_ENTITY)

    async def test_a_refusal_does_not_wait_for_calls_that_take_long(self, unit: Unit, ports: Ports) -> None:
        ended: list[str] = []

        async def never(ports: Ports) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("never")

        with pytest.raises(JointRefusal):
            await together(ports, unit.cell, [never, raising(Refusal(NO_SUCH_ENTITY))])
        assert ended == ["never"]

    @pytest.mark.parametrize("within", [True, False])
    async def test_a_bug_in_one_call_undoes_all_and_is_told_as_it_is(
        self, unit: Unit, ports: Ports, *, within: bool
    ) -> None:
        bug = ZeroDivisionError("a bug")
        call = failing_within(unit, bug) if within else raising(bug)
        with pytest.raises(ZeroDivisionError):
            await together(ports, unit.cell, [making(unit, "a"), call, making(unit, "b")])
        assert await count(unit) == 0
        assert await together(ports, unit.cell, [making(unit, "a")]) == ["a"]

    async def test_a_call_that_writes_twice_is_a_bug(self, unit: Unit, ports: Ports) -> None:
        async def twice(ports: Ports) -> None:
            await making(unit, "a")(ports)
            await making(unit, "b")(ports)

        with pytest.raises(RuntimeError):
            await together(ports, unit.cell, [twice])

    async def test_a_locked_cell_takes_none(self, unit: Unit, ports: Ports) -> None:
        async with unit.store.lock(unit.cell, "import"):
            with pytest.raises(Refusal) as caught:
                await together(ports, unit.cell, [making(unit, "a"), making(unit, "b")])
            assert await together(ports, unit.cell, []) == []
        assert caught.value.kind is CELL_LOCKED
        assert await count(unit) == 0


class TestCancelled:
    async def test_who_gives_up_leaves_nothing_behind(self, unit: Unit, ports: Ports) -> None:
        reached, ended = asyncio.Event(), list[str]()

        async def never(ports: Ports) -> None:
            try:
                reached.set()
                await asyncio.Event().wait()
            finally:
                ended.append("never")

        before = asyncio.all_tasks()
        task = asyncio.ensure_future(together(ports, unit.cell, [making(unit, "a"), never]))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (ended, await count(unit)) == (["never"], 0)
        assert asyncio.all_tasks() == before

    async def test_a_call_that_is_cancelled_itself_ends_all(self, unit: Unit, ports: Ports) -> None:
        with pytest.raises(asyncio.CancelledError):
            await together(ports, unit.cell, [making(unit, "a"), raising(asyncio.CancelledError())])
        assert await count(unit) == 0
