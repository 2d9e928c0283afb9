"""Queues under a clock that moves when it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from alveary.adapters.memory.streams import MemoryStreams
from alveary.config import Config, Limits
from alveary.model import acl as acls
from alveary.model.names import MAIN_BOX
from alveary.model.streams import StreamKind
from alveary.model.tree import Node, NodeKind
from alveary.ports import Ports
from alveary.usecases import streams
from alveary.usecases.access import Access, BoxPath, ContentsRole, Who
from alveary.usecases.streams import StreamPath, Wish
from alveary.wire.stream_xml import QUEUES
from tests.ports import ports_of
from tests.stores import ADAPTERS, Unit, new_id

QUEUE = StreamPath(BoxPath(MAIN_BOX, ("stream",)), StreamKind.QUEUE, "q")
NAMES = '<p:queues xmlns:p="urn:x-personium:xmlns"><p:queue>q</p:queue></p:queues>'
KEPT_S = 10


@dataclass(frozen=True, slots=True)
class Site:
    unit: Unit
    ports: Ports
    access: Access

    async def send(self, body: str) -> None:
        await streams.send(self.ports, self.access, QUEUE, body)

    async def receive(
        self, wait_s: float = 0, left: Callable[[Callable[[], None]], None] = lambda _: None
    ) -> list[str]:
        return await streams.receive(self.ports, self.access, QUEUE, Wish(10, wait_s), left)


@pytest.fixture(params=ADAPTERS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with ADAPTERS[request.param](tmp_path) as unit:
        ports = ports_of(
            registry=unit.registry,
            store=unit.store,
            clock=unit.clock,
            streams=MemoryStreams(receivers=2),
            config=Config(limits=Limits(stream_s=KEPT_S)),
        )
        main = await unit.main_box()
        node = Node(new_id(), main.id, "stream", NodeKind.STREAM, 1, 1, 1, properties={QUEUES: NAMES})
        await unit.write(lambda tx: tx.nodes.save(node))
        yield Site(
            unit,
            ports,
            Access(unit.cell, Who.UNIT_ADMIN, frozenset(), acls.EMPTY, contents_role=ContentsRole.ADMIN),
        )


async def test_a_message_expires_after_its_time(site: Site) -> None:
    await site.send("old")
    site.unit.clock.ms += KEPT_S * 1000 - 1
    await site.send("new")
    site.unit.clock.ms += 1
    assert await site.receive() == ["new"]


async def test_expired_messages_leave_room(site: Site) -> None:
    await site.send("old")
    site.unit.clock.ms += KEPT_S * 1000
    await site.send("new")
    node = (await site.unit.locate("stream")).chain[-1]
    assert (await site.unit.read(lambda tx: tx.queues.backlog(node.id, "q"))).count == 1


async def test_a_receiver_that_has_left_before_it_waits_does_not_wait(site: Site) -> None:
    assert await site.receive(wait_s=1_000, left=lambda notify: notify()) == []
