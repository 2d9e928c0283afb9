"""What the use cases may expect of those who wait for messages."""

from __future__ import annotations

import asyncio

import pytest

from alveary.adapters.memory.streams import MemoryStreams
from alveary.errors import TOO_MANY_REQUESTS, Refusal
from alveary.model.streams import Published
from alveary.ports.streams import Streams

LONG_S = 60
MESSAGE = Published(b"hello")


@pytest.fixture
def streams() -> Streams:
    return MemoryStreams(receivers=3)


async def waits(streams: Streams, came: list[str], name: str, queue: str = "q") -> None:
    """Wait for *queue* under that name, and note what came of it."""
    with streams.waiting(queue) as turn:
        came.append(f"{name} {await turn.comes(within_s=LONG_S)}")


async def settled() -> None:
    """Let all tasks run until each waits for another."""
    for _ in range(10):
        await asyncio.sleep(0)


class TestReceivers:
    async def test_each_arrival_wakes_one_in_the_order_of_their_coming(self, streams: Streams) -> None:
        came: list[str] = []
        tasks = [asyncio.create_task(waits(streams, came, name)) for name in "abc"]
        await settled()
        streams.arrived("another")
        await settled()
        assert came == []
        streams.arrived("q")
        streams.arrived("q")
        await asyncio.gather(*tasks[:2])
        assert came == ["a True", "b True"]
        streams.arrived("q")
        await tasks[2]

    async def test_what_came_before_the_wait_and_after_the_place_is_not_missed(self, streams: Streams) -> None:
        with streams.waiting("q") as turn:
            streams.arrived("q")
            assert await turn.comes(within_s=LONG_S)
            assert not await turn.comes(within_s=0)

    async def test_nothing_comes_within_a_short_time(self, streams: Streams) -> None:
        with streams.waiting("q") as turn:
            assert not await turn.comes(within_s=0.01)

    @pytest.mark.parametrize("how", ["gives up", "fails", "is cancelled", "is late"])
    async def test_what_came_for_one_that_leaves_is_the_next_ones(self, streams: Streams, how: str) -> None:
        came: list[str] = []
        followed = asyncio.Event()

        async def leaves() -> None:
            with streams.waiting("q") as turn:
                await followed.wait()
                streams.arrived("q")
                if how == "gives up":
                    turn.give_up()
                    assert not await turn.comes(within_s=LONG_S)
                elif how == "fails":
                    assert await turn.comes(within_s=LONG_S)
                    raise ConnectionError
                elif how == "is cancelled":
                    assert await turn.comes(within_s=LONG_S)
                    await turn.comes(within_s=LONG_S)

        leaver = asyncio.create_task(leaves())
        await settled()
        follower = asyncio.create_task(waits(streams, came, "follower"))
        await settled()
        followed.set()
        await settled()
        leaver.cancel()
        await asyncio.wait([leaver])
        await follower
        assert came == ["follower True"]

    async def test_one_that_gives_up_waits_no_longer(self, streams: Streams) -> None:
        with streams.waiting("q") as turn:
            asyncio.get_running_loop().call_soon(turn.give_up)
            assert not await turn.comes(within_s=LONG_S)

    async def test_places_are_bounded_over_all_queues_and_come_back(self, streams: Streams) -> None:
        with streams.waiting("a"), streams.waiting("a"):
            with streams.waiting("b"):
                with pytest.raises(Refusal) as refused, streams.waiting("c"):
                    pass
                assert refused.value.kind is TOO_MANY_REQUESTS
            with streams.waiting("c"):
                pass


class TestSubscribers:
    def test_all_who_listen_hear_and_nobody_else(self, streams: Streams) -> None:
        heard: list[tuple[str, Published]] = []

        def ears(name: str, *, once: bool = False) -> object:
            return lambda message: heard.append((name, message)) or not once

        with streams.subscribed("t", ears("a")), streams.subscribed("t", ears("b", once=True)):  # type: ignore[arg-type]
            with streams.subscribed("another", ears("c")):  # type: ignore[arg-type]
                streams.publish("t", MESSAGE)
            streams.publish("t", MESSAGE)
        streams.publish("t", MESSAGE)
        assert heard == [("a", MESSAGE), ("b", MESSAGE), ("a", MESSAGE)]
