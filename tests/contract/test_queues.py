"""What the use cases may expect of the queues of a cell, on every adapter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from alveary.errors import DISK_FULL, Refusal
from alveary.model.streams import Backlog
from alveary.model.tree import Node, NodeKind
from tests.stores import NOON_MS, Unit, new_id

ALL = 1_000
PLENTY_BYTES = 1_000_000


async def make_stream(unit: Unit, name: str = "stream", parent: Node | None = None) -> Node:
    above = parent or await unit.main_box()

    async def save(tx: Any) -> Node:
        node = Node(new_id(), above.id, name, NodeKind.STREAM, 1, tx.now_ms, tx.now_ms)
        await tx.nodes.save(node)
        return node

    return await unit.write(save)


async def add(unit: Unit, node: Node, *bodies: str, queue: str = "q") -> None:
    async def put(tx: Any) -> None:
        for body in bodies:
            await tx.queues.add(node.id, queue, body)

    await unit.write(put)


async def take(unit: Unit, node: Node, most: int = ALL, max_bytes: int = PLENTY_BYTES, queue: str = "q") -> list[str]:
    return await unit.write(lambda tx: tx.queues.take(node.id, queue, most=most, max_bytes=max_bytes))


async def backlog(unit: Unit, node: Node, queue: str = "q") -> Backlog:
    return await unit.read(lambda tx: tx.queues.backlog(node.id, queue))


async def test_messages_are_taken_once_in_the_order_of_their_coming(unit: Unit) -> None:
    stream = await make_stream(unit)
    await add(unit, stream, "one", "two")
    unit.clock.ms -= 5_000  # time runs on, whatever the clock says
    await add(unit, stream, "three")
    assert await take(unit, stream, most=2) == ["one", "two"]
    assert await take(unit, stream) == ["three"]
    assert await take(unit, stream) == []


async def test_any_text_comes_back_as_it_was(unit: Unit) -> None:
    stream = await make_stream(unit)
    texts = ["", "牛乳 \U0001f95b", "a\0b", '{"a": 1}', "x" * 100_000]
    await add(unit, stream, *texts)
    assert await take(unit, stream) == texts


async def test_queues_of_one_node_and_of_others_are_apart(unit: Unit) -> None:
    here, there = await make_stream(unit, "here"), await make_stream(unit, "there")
    await add(unit, here, "q")
    await add(unit, here, "r", queue="r")
    await add(unit, there, "there")
    assert [await take(unit, here), await take(unit, here, queue="r"), await take(unit, there)] == [
        ["q"],
        ["r"],
        ["there"],
    ]


async def test_a_backlog_counts_messages_and_their_bytes(unit: Unit) -> None:
    stream = await make_stream(unit)
    assert await backlog(unit, stream) == Backlog(0, 0)
    await add(unit, stream, "é", "abc")
    await add(unit, stream, "elsewhere", queue="r")
    assert await backlog(unit, stream) == Backlog(2, 5)
    await take(unit, stream, most=1)
    assert await backlog(unit, stream) == Backlog(1, 3)
    await take(unit, stream)
    assert await backlog(unit, stream) == Backlog(0, 0)


async def test_one_message_is_taken_however_long_and_others_while_they_fit(unit: Unit) -> None:
    stream = await make_stream(unit)
    await add(unit, stream, "long" * 10, "1234", "5678", "9")
    assert await take(unit, stream, max_bytes=8) == ["long" * 10]
    assert await take(unit, stream, max_bytes=8) == ["1234", "5678"]
    assert await take(unit, stream, max_bytes=8) == ["9"]


async def test_what_is_older_than_a_time_is_forgotten_in_all_queues(unit: Unit) -> None:
    stream, other = await make_stream(unit), await make_stream(unit, "other")
    await add(unit, stream, "old")
    await add(unit, other, "old")
    unit.clock.ms = NOON_MS + 1
    await add(unit, stream, "new")
    await unit.write(lambda tx: tx.queues.expire(NOON_MS))
    assert (await backlog(unit, stream), await backlog(unit, other)) == (Backlog(1, 3), Backlog())
    assert await take(unit, stream) == ["new"]


async def test_messages_go_with_their_node_and_with_all_above_it(unit: Unit) -> None:
    folder = await unit.make_collection(await unit.main_box(), "folder")
    below, beside = await make_stream(unit, parent=folder), await make_stream(unit, "beside")
    for node in (below, beside):
        await add(unit, node, "message")
    await unit.write(lambda tx: tx.nodes.remove(folder.id))
    assert (await backlog(unit, below), await backlog(unit, beside)) == (Backlog(), Backlog(1, 7))
    await unit.write(lambda tx: tx.nodes.remove(beside.id))
    assert await backlog(unit, beside) == Backlog()


async def test_messages_move_with_their_node(unit: Unit) -> None:
    stream = await make_stream(unit)
    await add(unit, stream, "message")
    await unit.write(lambda tx: tx.nodes.move(replace(stream, name="elsewhere")))
    assert await take(unit, stream) == ["message"]


async def test_what_a_failed_body_took_is_still_there(unit: Unit) -> None:
    stream = await make_stream(unit)
    await add(unit, stream, "message")

    async def fail(tx: Any) -> None:
        await tx.queues.take(stream.id, "q", most=ALL, max_bytes=PLENTY_BYTES)
        await tx.queues.add(stream.id, "q", "another")
        raise Refusal(DISK_FULL)

    with pytest.raises(Refusal):
        await unit.write(fail)
    assert await backlog(unit, stream) == Backlog(1, 7)
    assert await take(unit, stream) == ["message"]


async def test_of_many_takers_each_gets_another_message(unit: Unit) -> None:
    stream = await make_stream(unit)
    texts = [str(number) for number in range(50)]
    await add(unit, stream, *texts)
    taken = await asyncio.gather(*(take(unit, stream, most=1) for _ in range(60)))
    assert sorted((each for one in taken for each in one), key=int) == texts


async def test_new_contents_begin_without_messages(unit: Unit) -> None:
    stream = await make_stream(unit)
    await add(unit, stream, "message")
    async with unit.store.build(unit.cell) as build:
        unit.cell = await build.swap()
    assert await backlog(unit, stream) == Backlog()
