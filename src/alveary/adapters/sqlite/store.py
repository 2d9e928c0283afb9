"""The stores of a unit's cells: a folder each, with two parts.

Layout under the data folder: per cell ``cells/{id}/keep/`` and ``cells/{id}/contents/{store}/``, each with
``db.sqlite``, ``blobs/`` and ``tmp/``. No transaction spans two files; where two must agree, the order is: a store
first, then the registry row that names it; the row away first, then the store. What a crash leaves between is put
right at the next start. What does not belong here: tables, and the life of one file.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import apsw

from alveary.adapters.blobs.files import BlobLimits, FileBlobs
from alveary.adapters.keys.data_keys import DataKeys
from alveary.adapters.sqlite import schema
from alveary.adapters.sqlite.cells import changed
from alveary.adapters.sqlite.database import Database, vendor_errors
from alveary.adapters.sqlite.marks import Marks
from alveary.adapters.sqlite.nodes import SmallFiles
from alveary.adapters.sqlite.part import DATABASE, Part, Shared, open_contents, open_keep
from alveary.adapters.sqlite.reader import Allowance
from alveary.adapters.sqlite.transactions import ContentsTx, KeepTx, RegistryTx
from alveary.adapters.waiting import outlast
from alveary.errors import CELL_LOCKED, NO_SUCH_CELL, Refusal
from alveary.model.cell import Cell, CellStatus
from alveary.model.names import MAIN_BOX
from alveary.model.quotas import OF_THE_UNIT, Quota
from alveary.model.tree import Node, NodeKind
from alveary.ports.clock import Clock, Ids
from alveary.ports.keys import Keys

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the cells are, how many stay open at once, and their bounds."""

    folder: Path
    blobs: BlobLimits
    open_cells: int = 200
    outbox_rows: int = 10_000
    small_files_bytes: int = 8 * 1024 * 1024
    query_s: float = 30
    answer_bytes: int = 64 * 1024 * 1024
    quota: Quota = OF_THE_UNIT
    encrypt: bool = False


class _OpenCell:
    """The parts of one cell, opened when first asked for."""

    __slots__ = ("contents", "keep", "lock_reason")

    def __init__(self) -> None:
        self.contents: Part[ContentsTx] | None = None
        self.keep: Part[KeepTx] | None = None
        self.lock_reason: str | None = None

    def parts(self) -> list[Part[ContentsTx] | Part[KeepTx]]:
        return [part for part in (self.contents, self.keep) if part is not None]


class SqliteStore:
    """All stores of a unit."""

    def __init__(
        self,
        settings: StoreSettings,
        registry: Database[RegistryTx],
        *,
        clock: Clock,
        ids: Ids,
        keys: Keys | None = None,
    ) -> None:
        """Use the folder of *settings*, whose cells *registry* names; *keys* seals what encrypts them."""
        self._settings = settings
        self._registry = registry
        self._ids = ids
        self._threads = ThreadPoolExecutor(max_workers=6, thread_name_prefix="store")
        # Exports and imports take minutes: however many there are, they take no thread from a write.
        self._long_threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="store-long")
        self._shared = Shared(
            clock,
            ids,
            self._threads,
            self._long_threads,
            settings.blobs,
            SmallFiles(settings.small_files_bytes),
            Allowance(settings.query_s, settings.answer_bytes),
        )
        self._cells: OrderedDict[str, _OpenCell] = OrderedDict()
        self._active: set[str] = set()
        self._quotas: dict[str, Quota] = {}
        self._keys = keys
        self._data_keys: dict[str, DataKeys] = {}
        self._going: set[str] = set()
        """The cells that have no row any more, while their files are being removed."""
        (settings.folder / "cells").mkdir(mode=0o700, exist_ok=True)

    def _cell_folder(self, cell_id: str) -> Path:
        return self._settings.folder / "cells" / cell_id

    def _contents_folder(self, cell_id: str, contents: str) -> Path:
        return self._cell_folder(cell_id) / "contents" / contents

    # The parts of a cell

    def contents(self, cell: Cell) -> Part[ContentsTx]:
        """The part of *cell* that an import replaces."""
        opened = self._open(cell.id)
        if opened.contents is None:
            self._quotas.setdefault(cell.id, cell.quota)
            opened.contents = self._open_contents(cell.id, cell.contents)
            opened.contents.database.refusing = opened.lock_reason
        return opened.contents

    def keep(self, cell: Cell) -> Part[KeepTx]:
        """The part of *cell* that no import touches."""
        opened = self._open(cell.id)
        if opened.keep is None:
            folder = self._cell_folder(cell.id) / "keep"
            if not folder.exists():  # the caller's row is older than the cell's end
                raise Refusal(NO_SUCH_CELL)
            opened.keep = open_keep(folder, self._shared, self._data_keys_of(cell.id))
            opened.keep.before_first_write = lambda: self._mark_active(cell.id)
        return opened.keep

    def _open_contents(self, cell_id: str, contents: str) -> Part[ContentsTx]:
        folder = self._contents_folder(cell_id, contents)
        if not folder.exists():  # the caller's row is older than the cell's end
            raise Refusal(NO_SUCH_CELL)
        part = open_contents(
            folder,
            cell_id,
            self._shared,
            self._settings.outbox_rows,
            lambda: self._quota_of(cell_id),
            self._data_keys_of(cell_id),
        )
        part.before_first_write = lambda: self._mark_active(cell_id)
        return part

    def heed(self, cell: Cell) -> None:
        """Hold further writes to the quota of *cell*, whose row has changed."""
        self._quotas[cell.id] = cell.quota

    def _data_keys_of(self, cell_id: str) -> DataKeys:
        known = self._data_keys.get(cell_id)
        if known is None:
            folder, encrypt = self._cell_folder(cell_id), self._settings.encrypt
            fresh = DataKeys(folder, self._keys, new_id=self._ids.new, encrypt=encrypt)
            known = self._data_keys.setdefault(cell_id, fresh)
        return known

    def _quota_of(self, cell_id: str) -> Quota:
        return self._quotas.get(cell_id, OF_THE_UNIT).within(self._settings.quota)

    def _open(self, cell_id: str) -> _OpenCell:
        if cell_id in self._going:  # the caller's row is older than the cell's end
            raise Refusal(NO_SUCH_CELL)
        opened = self._cells.get(cell_id)
        if opened is None:
            self._make_room()
            opened = self._cells[cell_id] = _OpenCell()
        elif len(self._cells) * 2 > self._settings.open_cells:
            self._cells.move_to_end(cell_id)
        return opened

    def _make_room(self) -> None:
        if len(self._cells) < self._settings.open_cells:
            return
        for cell_id, opened in self._cells.items():
            if opened.lock_reason is None and not any(part.busy for part in opened.parts()):
                for part in opened.parts():
                    part.close()
                del self._cells[cell_id]
                return

    async def _mark_active(self, cell_id: str) -> None:
        if cell_id in self._active:
            return
        self._active.add(cell_id)

        async def mark(tx: RegistryTx) -> None:
            await tx.cells.mark_active(cell_id, active=True)

        await self._registry.write(mark)

    # Making and unmaking

    async def make(self, cell: Cell) -> None:
        """Empty stores for *cell*, durably, before its row."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._make, cell)
        except BaseException:
            self.unmake(cell.id)
            raise

    def _make(self, cell: Cell) -> None:
        keep = self._cell_folder(cell.id) / "keep"
        contents = self._contents_folder(cell.id, cell.contents)
        for folder, tables in ((keep, schema.KEEP), (contents, schema.CONTENTS)):
            folder.mkdir(mode=0o700, parents=True)
            schema.create(folder / DATABASE, tables)
        part = self._open_contents(cell.id, cell.contents)
        times = cell.published_ms, cell.updated_ms
        root = Node(self._ids.new(), "", "", NodeKind.CELL, 1, *times)
        main = Node(self._ids.new(), root.id, MAIN_BOX, NodeKind.BOX, 1, *times)

        async def plant(tx: ContentsTx) -> None:
            await tx.nodes.save(root)
            await tx.nodes.save(main)

        part.database.apply_now(plant)
        part.close()
        _sync((contents, contents.parent, keep, keep.parent, keep.parent.parent))

    def unmake(self, cell_id: str) -> None:
        """Remove the stores of a cell that has no row; their space comes back soon after."""
        opened = self._cells.pop(cell_id, None)
        self._active.discard(cell_id)
        self._quotas.pop(cell_id, None)
        self._data_keys.pop(cell_id, None)
        self._going.add(cell_id)
        parts = opened.parts() if opened else []
        waiting = len(parts)

        def gone() -> None:
            nonlocal waiting
            waiting -= 1
            if waiting <= 0:
                removal = self._threads.submit(shutil.rmtree, self._cell_folder(cell_id), ignore_errors=True)
                removal.add_done_callback(lambda _: self._going.discard(cell_id))

        for part in parts:
            part.retire(gone)
        if not parts:
            gone()

    async def quiesce(self, cell_id: str) -> None:
        """Refuse further writes of the cell and wait for those under way."""
        opened = self._cells.get(cell_id)
        for part in opened.parts() if opened else []:
            part.database.refusing = "cell bulk deletion"
            await part.database.settle()

    # Locking and replacing the contents

    def access_stamp(self, cell: Cell) -> tuple[Marks, int, int, Marks, int]:
        """A value that changes before anyone hears of a change in who may do what in *cell*."""
        opened = self._open(cell.id)
        marks = (opened.contents or self.contents(cell)).marks
        kept = (opened.keep or self.keep(cell)).marks
        return marks, marks.control_epoch, marks.tree_epoch, kept, kept.control_epoch

    def locked(self, cell: Cell) -> str | None:
        """Why the contents refuse writes now, None when they do not."""
        opened = self._cells.get(cell.id)
        return opened.lock_reason if opened else None

    @asynccontextmanager
    async def lock(self, cell: Cell, reason: str) -> AsyncIterator[None]:
        """Refuse writes of the contents, with *reason*, until the end; those under way have ended at its begin.

        Raises:
            Refusal: CELL_LOCKED when another holds it.
        """
        database = self.contents(cell).database
        opened = self._open(cell.id)
        if opened.lock_reason is not None:
            raise Refusal(CELL_LOCKED, reason=opened.lock_reason)
        opened.lock_reason = database.refusing = reason
        try:
            await database.settle()
            yield
        finally:
            opened.lock_reason = None
            # A cell that was deleted meanwhile takes no writes again: nobody would find them.
            if opened.contents is not None and self._cells.get(cell.id) is opened:
                opened.contents.database.refusing = None

    @asynccontextmanager
    async def build(self, cell: Cell) -> AsyncIterator[_Build]:
        """New contents for *cell*; dropped at the end unless swapped in."""
        contents = self._ids.new()
        loop = asyncio.get_running_loop()
        part = await loop.run_in_executor(self._long_threads, self._begin_build, cell.id, contents)
        # An ETag of the old contents is never repeated in the new ones.
        part.database.advance(self.contents(cell).database.latest_ms)
        build = _Build(part, lambda: self._swap(cell, contents, part), self._long_threads)
        try:
            yield build
        finally:
            if not build.swapped:
                await loop.run_in_executor(self._long_threads, _drop_build, part)

    def _begin_build(self, cell_id: str, contents: str) -> Part[ContentsTx]:
        folder = self._contents_folder(cell_id, contents)
        folder.mkdir(mode=0o700)
        try:
            with vendor_errors():
                schema.create(folder / DATABASE, schema.BUILD)
                part = self._open_contents(cell_id, contents)
                part.database.relax()
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return part

    async def _swap(self, cell: Cell, contents: str, part: Part[ContentsTx]) -> Cell:
        opened = self._open(cell.id)
        old = self.contents(cell)
        await asyncio.get_running_loop().run_in_executor(self._long_threads, _seal, old.folder, part)

        async def point(tx: RegistryTx) -> Cell:
            row = await tx.cells.get(cell.id)
            if row is None:
                raise Refusal(NO_SUCH_CELL)
            row = changed(replace(row, contents=contents, status=CellStatus.NORMAL, failure=None), tx.now_ms)
            await tx.cells.save(row)
            return row

        row = await self._registry.write(point)
        opened.contents = self._open_contents(cell.id, contents)
        opened.contents.database.refusing = opened.lock_reason
        old.retire(lambda: self._remove_folder(old.folder))
        return row

    def _remove_folder(self, folder: Path) -> None:
        self._threads.submit(shutil.rmtree, folder, ignore_errors=True)

    # Starting and ending

    def sweep(self, known: set[str], unfinished: Iterable[Cell]) -> None:
        """Put right what an unclean end left: cells without a row, contents without a pointer, blobs without one."""
        for folder in (self._settings.folder / "cells").iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)
        for cell in unfinished:
            for folder in (self._cell_folder(cell.id) / "contents").iterdir():
                if folder.name != cell.contents:
                    shutil.rmtree(folder, ignore_errors=True)
            self.contents(cell).recover()
            self.keep(cell).recover()

    async def close(self) -> None:
        """End all stores; those with no work left need no recovery at the next start."""
        finished: list[str] = []
        for cell_id, opened in self._cells.items():
            for part in opened.parts():
                await part.settle()
            swept = opened.contents is None or not opened.contents.marks.orphans.wanted
            if swept and (opened.keep is None or not await opened.keep.read(_jobs)):
                finished.append(cell_id)
            for part in opened.parts():
                part.close()
        self._cells.clear()

        async def rest(tx: RegistryTx) -> None:
            for cell_id in finished:
                await tx.cells.mark_active(cell_id, active=False)

        await self._registry.write(rest)
        self._long_threads.shutdown()
        self._threads.shutdown()


class _Build:
    """New contents being made aside."""

    def __init__(
        self, part: Part[ContentsTx], swap: Callable[[], Awaitable[Cell]], threads: ThreadPoolExecutor
    ) -> None:
        self._part = part
        self._swap = swap
        self._threads = threads
        self.swapped = False

    @property
    def blobs(self) -> FileBlobs:
        """Where the bytes of its large files are."""
        return self._part.blobs

    async def fill(self, body: Callable[[ContentsTx], Awaitable[T]]) -> T:
        """What *body* answers, on a thread of its own, not yet durable.

        Raises:
            Refusal: DISK_FULL, or what *body* raises.
        """
        loop = asyncio.get_running_loop()
        return await outlast(loop.run_in_executor(self._threads, self._part.database.apply_now, body))

    async def swap(self) -> Cell:
        """Put the new contents into service, durably and at once.

        Raises:
            Refusal: NO_SUCH_CELL, DISK_FULL.
        """
        cell = await self._swap()
        self.swapped = True
        return cell


async def _jobs(tx: KeepTx) -> bool:
    return bool(await tx.jobs.current())


def _drop_build(part: Part[ContentsTx]) -> None:
    with suppress(apsw.Error):  # closed already when the swap itself failed
        part.database.close()
    shutil.rmtree(part.folder, ignore_errors=True)


def _seal(old: Path, part: Part[ContentsTx]) -> None:
    """Carry the unsent events of the old contents over, and make the new ones durable."""
    connection = part.database.writer
    with vendor_errors():
        connection.execute("ATTACH ? AS old", (str(old / DATABASE),))
        # What the old contents have not told comes before what the new ones have to tell.
        connection.execute("UPDATE main.outbox SET seq = seq + (SELECT ifnull(max(seq), 0) FROM old.outbox)")
        connection.execute("INSERT INTO main.outbox (seq, created_ms, event) SELECT * FROM old.outbox ORDER BY seq")
        connection.execute("DETACH old")
        connection.execute("DROP TABLE note")
    part.close()
    _sync((part.folder / DATABASE, part.folder, part.folder.parent))


def _sync(paths: Iterable[Path]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
