"""Stores for tests: each adapter of the ports behind one face, under a clock that moves when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from alveary.adapters.blobs.files import BlobLimits
from alveary.adapters.machine import SystemIds
from alveary.adapters.memory.store import MemoryRegistry
from alveary.adapters.sqlite.registry import SqliteRegistry
from alveary.adapters.sqlite.store import StoreSettings
from alveary.model.cell import Cell, CellStatus
from alveary.model.names import MAIN_BOX, CellName
from alveary.model.tree import Content, Node, NodeKind, Place
from alveary.ports.store import Contents, Keep, Registry, Store

INLINE_BYTES = 16
"""Longer files are blobs."""

NOON_MS = 1_000_000
new_id = SystemIds().new


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.ms = NOON_MS

    def now_ms(self) -> int:
        return self.ms

    def ticks_s(self) -> float:
        return self.ms / 1000


@dataclass(slots=True)
class Unit:
    """The stores of a unit with one cell."""

    registry: Registry
    store: Store
    clock: HandClock
    told: Callable[[Any], Awaitable[list[Any]]]
    """The events in the outbox of those contents."""
    blob_count: Callable[[Any], int]
    """How many blobs a part holds, named or not."""
    cell: Cell

    @property
    def contents(self) -> Contents:
        return self.store.contents(self.cell)

    @property
    def keep(self) -> Keep:
        return self.store.keep(self.cell)

    async def make_cell(self, name: str, owner: str | None = None) -> Cell:
        return await self.registry.create(cell_row(name, owner))

    async def write(self, act: Callable[[Any], Awaitable[Any]]) -> Any:
        return await self.contents.write(act)

    async def read(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        return await self.contents.read(ask)

    async def main_box(self) -> Node:
        place: Place = await self.locate()
        assert place.node is not None
        return place.node

    async def locate(self, *segments: str, box: str = MAIN_BOX) -> Place:
        return await self.read(lambda tx: tx.nodes.locate(box, segments))

    async def put(self, parent: Node, name: str, data: bytes = b"") -> Node:
        """A file of that name under *parent*, made or replaced."""
        contents = self.contents
        async with contents.blobs.stage(pieces(data), max_bytes=0) as staged:
            content = await staged.keep()

            async def save(tx: Any) -> Node:
                node = new_file(tx, parent, name, content)
                async for old in tx.nodes.children(parent.id):
                    if old.name == name:
                        node = changed_file(old, tx, content)
                await tx.nodes.save(node)
                return node

            return await contents.write(save)

    async def make_collection(self, parent: Node, name: str) -> Node:
        async def save(tx: Any) -> Node:
            node = Node(new_id(), parent.id, name, NodeKind.COLLECTION, 1, tx.now_ms, tx.now_ms)
            await tx.nodes.save(node)
            return node

        return await self.write(save)

    async def bytes_of(self, content: Content | None) -> bytes:
        assert content is not None
        return await joined(self.contents.blobs.read(content))


def cell_row(name: str, owner: str | None = None) -> Cell:
    return Cell(new_id(), CellName(name), owner, CellStatus.NORMAL, "", 1, 0, 0)


def new_file(tx: Any, parent: Node, name: str, content: Content) -> Node:
    return Node(new_id(), parent.id, name, NodeKind.FILE, 1, tx.now_ms, tx.now_ms, content=content)


def changed_file(old: Node, tx: Any, content: Content) -> Node:
    times = old.published_ms, tx.now_ms
    return Node(old.id, old.parent, old.name, old.kind, old.version + 1, *times, content=content)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def joined(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in stream])


async def eventually(holds: Callable[[], bool]) -> None:
    """Return once *holds*; a test that waits in vain is ended by its time limit."""
    while not holds():
        await asyncio.sleep(0.001)


@asynccontextmanager
async def in_memory(_: Path) -> AsyncIterator[Unit]:
    clock = HandClock()
    registry = MemoryRegistry(clock=clock, ids=SystemIds(), inline_bytes=INLINE_BYTES)
    cell = await registry.create(cell_row("cell"))

    async def told(contents: Any) -> list[Any]:
        return list(contents.versions.state.events)

    yield Unit(registry, registry.store, clock, told, lambda part: len(part.blobs), cell)


@asynccontextmanager
async def on_sqlite(folder: Path, **settings: int) -> AsyncIterator[Unit]:
    clock = HandClock()
    registry = open_registry(folder, clock, **settings)
    try:
        cell = await registry.create(cell_row("cell"))
        yield Unit(registry, registry.store, clock, _told, _blob_files, cell)
    finally:
        await registry.close()


def open_registry(folder: Path, clock: HandClock, **settings: int) -> SqliteRegistry:
    limits = BlobLimits(INLINE_BYTES, disk_reserve_percent=0)
    return SqliteRegistry(StoreSettings(folder, limits, **settings), clock=clock, ids=SystemIds())


async def _told(contents: Any) -> list[Any]:
    async def texts(tx: Any) -> list[Any]:
        return list(tx.connection.execute("SELECT event FROM outbox ORDER BY seq"))

    return [orjson.loads(text) for (text,) in await contents.read(texts)]


def _blob_files(part: Any) -> int:
    return sum(1 for _ in (part.folder / "blobs").glob("*/*"))


ADAPTERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Unit]]] = {"memory": in_memory, "sqlite": on_sqlite}
