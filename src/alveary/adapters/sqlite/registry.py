"""The unit's registry in SQLite: ``unit.sqlite`` under the data folder.

What does not belong here: the files that its rows stand for, which the store makes and unmakes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from alveary.adapters.sqlite import schema
from alveary.adapters.sqlite.cells import changed
from alveary.adapters.sqlite.database import Database
from alveary.adapters.sqlite.marks import Marks
from alveary.adapters.sqlite.store import SqliteStore, StoreSettings
from alveary.adapters.sqlite.transactions import RegistryTx
from alveary.errors import NO_SUCH_CELL, Refusal
from alveary.model.cell import Cell
from alveary.ports.clock import Clock, Ids
from alveary.ports.keys import Keys

T = TypeVar("T")


class SqliteRegistry:
    """What the unit knows of its cells, and the store that holds them."""

    def __init__(self, settings: StoreSettings, *, clock: Clock, ids: Ids, keys: Keys | None = None) -> None:
        """Open the registry under the folder of *settings*, making it when it is not there.

        *keys* seals the keys by which cells encrypt their files; None: none does.
        """
        path = settings.folder / "unit.sqlite"
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            schema.create(fresh, schema.REGISTRY)
            fresh.rename(path)
        marks = Marks()
        self._ids = ids
        self._clock = clock
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="registry")
        self._database: Database[RegistryTx] = Database(
            path,
            transaction=lambda connection, _: RegistryTx(connection, marks),
            clock=clock.now_ms,
            threads=self._threads,
            long_threads=self._threads,
            on_garbage=lambda _: None,
        )
        schema.upgrade(self._database.writer, path, schema.REGISTRY)
        self.store = SqliteStore(settings, self._database, clock=clock, ids=ids, keys=keys)

    def read(self, body: Callable[[RegistryTx], Awaitable[T]]) -> Awaitable[T]:
        """What *body* answers in one consistent state; it runs at once, on this thread."""
        return self._database.read(body)

    async def create(self, cell: Cell) -> Cell:
        """A new cell with empty contents, durably; version and times are set here.

        Raises:
            Refusal: ENTITY_EXISTS, DISK_FULL.
        """
        now_ms = self._clock.now_ms()
        fresh = replace(cell, contents=self._ids.new(), version=1, published_ms=now_ms, updated_ms=now_ms)
        await self.store.make(fresh)

        async def insert(tx: RegistryTx) -> None:
            await tx.cells.save(fresh)

        try:
            await self._database.write(insert)
        except BaseException:
            self.store.unmake(fresh.id)
            raise
        return fresh

    async def update(self, cell_id: str, change: Callable[[Cell], Cell]) -> Cell:
        """The row of that id as *change* makes it, its version raised, durably.

        Raises:
            Refusal: ENTITY_EXISTS, NO_SUCH_CELL, or what *change* raises.
        """

        async def save(tx: RegistryTx) -> Cell:
            row = changed(change(await _existing(tx, cell_id)), tx.now_ms)
            await tx.cells.save(row)
            return row

        row = await self._database.write(save)
        self.store.heed(row)
        return row

    async def drop(self, cell_id: str, check: Callable[[Cell], None]) -> None:
        """Remove a cell and all it holds, unless *check* refuses it. Gone at once, its space soon after.

        Raises:
            Refusal: NO_SUCH_CELL, or what *check* raises.
        """

        async def remove(tx: RegistryTx) -> None:
            check(await _existing(tx, cell_id))
            await tx.cells.remove(cell_id)

        await self._database.write(remove)
        await self.store.quiesce(cell_id)
        self.store.unmake(cell_id)

    async def unfinished(self) -> Sequence[Cell]:
        """The cells that were open for writing when the unit last stopped."""
        return await self._database.read(_active)

    def recover(self) -> None:
        """Put right what an unclean end left between two files; before anything else is asked."""
        self.store.sweep(self._database.read_now(_ids), self._database.read_now(_active))

    async def close(self) -> None:
        """End the registry and all stores."""
        await self.store.close()
        await asyncio.get_running_loop().run_in_executor(self._threads, self._database.close)
        self._threads.shutdown()


async def _existing(tx: RegistryTx, cell_id: str) -> Cell:
    found = await tx.cells.get(cell_id)
    if found is None:
        raise Refusal(NO_SUCH_CELL)
    return found


async def _active(tx: RegistryTx) -> list[Cell]:
    return await tx.cells.active()


async def _ids(tx: RegistryTx) -> set[str]:
    return await tx.cells.ids()
