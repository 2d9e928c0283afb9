"""The unit's registry and the stores of its cells, in memory: all that the ports promise but to outlive the process.

What does not belong here: the rows (``contents``, ``keep``) and their versions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Final, Generic, Protocol, TypeVar

from alveary.adapters.memory.blobs import MemoryBlobs
from alveary.adapters.memory.contents import ContentsState, ContentsTx
from alveary.adapters.memory.evaluation import Evaluation
from alveary.adapters.memory.keep import KeepState, KeepTx
from alveary.adapters.memory.versions import Changing, Copied, Versions
from alveary.adapters.waiting import drive, outlast
from alveary.errors import CELL_LOCKED, ENTITY_EXISTS, NO_SUCH_CELL, QUOTA_EXCEEDED, Refusal
from alveary.model.cell import Cell, CellStatus
from alveary.model.entities import Entity, EntityKind
from alveary.model.names import MAIN_BOX
from alveary.model.queries import Query
from alveary.model.quotas import OF_THE_UNIT, Quota
from alveary.model.tree import Node, NodeKind
from alveary.ports.clock import Clock, Ids

T = TypeVar("T")
_BATCH: Final = 500


class WithBlobs(Copied, Protocol):
    """A state whose rows name blobs."""

    def blobs(self) -> set[str]:
        """The ids of the blobs that rows name."""


State = TypeVar("State", bound=WithBlobs)
Tx = TypeVar("Tx", bound=Changing)


class MemoryPart(Generic[State, Tx]):
    """One part of a cell's store. Blobs that no row names any more go once nobody scans."""

    def __init__(self, versions: Versions[State, Tx], blobs: MemoryBlobs) -> None:
        self.versions = versions
        self.blobs = blobs
        self.refusing: str | None = None
        self._holds = 0
        self._garbage: set[str] = set()

    async def read(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """What *body* answers in one consistent state."""
        return self.versions.read(body)

    async def look(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """The same: here nothing takes long."""
        return self.versions.read(body)

    async def scan(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """The same for many rows: beside other requests, and the blobs it finds stay."""
        with self._held():
            tx = self.versions.view()
            return await outlast(asyncio.get_running_loop().run_in_executor(None, lambda: drive(body(tx))))

    async def stream(self, rows: Callable[[Tx], AsyncIterator[T]]) -> AsyncIterator[list[T]]:
        """What *rows* yields in one consistent state, in batches."""
        with self._held():
            batch: list[T] = []
            async for row in rows(self.versions.view()):
                batch.append(row)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
            if batch:
                yield batch

    @contextmanager
    def _held(self) -> Iterator[None]:
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._collect()

    async def write(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """What *body* answers, once all it changed is in service.

        Raises:
            Refusal: CELL_LOCKED, or what *body* raises.
        """
        if self.refusing is not None:
            raise Refusal(CELL_LOCKED, reason=self.refusing)
        return self.apply(body)

    def apply(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """The same whoever holds the lock."""
        before = self.versions.state.blobs()
        answer = self.versions.write(body)
        self._garbage |= before - self.versions.state.blobs()
        self._collect()
        return answer

    def _collect(self) -> None:
        if not self._holds:
            self.blobs.delete(self._garbage)
            self._garbage.clear()


Contents = MemoryPart[ContentsState, ContentsTx]
Keep = MemoryPart[KeepState, KeepTx]


class CellsTx:
    """The registry, to read or to change: the port's types say which."""

    path_freed = False

    def __init__(self, rows: dict[str, Cell], now_ms: int) -> None:
        self.now_ms = now_ms
        self.cells = MemoryCells(rows)


class MemoryCells:
    """The registry's cells by id."""

    def __init__(self, rows: dict[str, Cell]) -> None:
        self._rows = rows

    async def find(self, name: str) -> Cell | None:
        """The cell of that name."""
        return next((cell for cell in self._rows.values() if cell.name == name), None)

    async def get(self, cell_id: str) -> Cell | None:
        """The cell of that id."""
        return self._rows.get(cell_id)

    async def query(self, query: Query) -> list[Cell]:
        """The cells that *query* asks for; its scope, when given, is their owner."""
        return [self._rows[each.id] for each in self._evaluation(query).rows()]

    async def matching(self, query: Query) -> int:
        """How many cells *query* is about, whatever part of them it asks for."""
        return len(self._evaluation(query).all())

    def _evaluation(self, query: Query) -> Evaluation:
        entities = {
            cell.id: Entity(
                cell.id,
                EntityKind.CELL,
                cell.owner or "",
                cell.name,
                cell.version,
                cell.published_ms,
                cell.updated_ms,
            )
            for cell in self._rows.values()
        }
        return Evaluation(query, entities, [])

    async def save(self, cell: Cell) -> None:
        """Make or replace the row of that id.

        Raises:
            Refusal: ENTITY_EXISTS when another cell has its name.
        """
        found = await self.find(cell.name)
        if found is not None and found.id != cell.id:
            raise Refusal(ENTITY_EXISTS)
        self._rows[cell.id] = cell

    async def remove(self, cell_id: str) -> None:
        """Remove the row of that id."""
        del self._rows[cell_id]

    async def change(self, cell_id: str, change: Callable[[Cell], Cell], now_ms: int) -> Cell:
        """The row of that id as *change* makes it, its version raised.

        Raises:
            Refusal: NO_SUCH_CELL, ENTITY_EXISTS, or what *change* raises.
        """
        row = change(await self.existing(cell_id))
        row = replace(row, version=row.version + 1, updated_ms=now_ms)
        await self.save(row)
        return row

    async def existing(self, cell_id: str) -> Cell:
        """The row of that id.

        Raises:
            Refusal: NO_SUCH_CELL.
        """
        found = self._rows.get(cell_id)
        if found is None:
            raise Refusal(NO_SUCH_CELL)
        return found


class MemoryRegistry:
    """What the unit knows of its cells, and the store that holds them."""

    def __init__(self, *, clock: Clock, ids: Ids, inline_bytes: int, quota: Quota = OF_THE_UNIT) -> None:
        """Begin without cells; files of up to *inline_bytes* live in their rows, and each may hold *quota*."""
        self._clock = clock
        self._ids = ids
        self._versions: Versions[dict[str, Cell], CellsTx] = Versions({}, CellsTx, clock.now_ms)
        self.store = MemoryStore(self._versions, clock=clock, ids=ids, inline_bytes=inline_bytes, quota=quota)

    async def read(self, body: Callable[[CellsTx], Awaitable[T]]) -> T:
        """What *body* answers in one consistent state."""
        return self._versions.read(body)

    async def create(self, cell: Cell) -> Cell:
        """A new cell with empty contents; version and times are set here.

        Raises:
            Refusal: ENTITY_EXISTS.
        """
        now_ms = self._clock.now_ms()
        fresh = replace(cell, contents=self._ids.new(), version=1, published_ms=now_ms, updated_ms=now_ms)
        self._versions.write(lambda tx: tx.cells.save(fresh))
        self.store.make(fresh)
        return fresh

    async def update(self, cell_id: str, change: Callable[[Cell], Cell]) -> Cell:
        """The row of that id as *change* makes it, its version raised.

        Raises:
            Refusal: ENTITY_EXISTS, NO_SUCH_CELL, or what *change* raises.
        """
        row = self._versions.write(lambda tx: tx.cells.change(cell_id, change, tx.now_ms))
        self.store.heed(row)
        return row

    async def drop(self, cell_id: str, check: Callable[[Cell], None]) -> None:
        """Remove a cell and all it holds, unless *check* refuses it.

        Raises:
            Refusal: NO_SUCH_CELL, or what *check* raises.
        """

        async def remove(tx: CellsTx) -> None:
            check(await tx.cells.existing(cell_id))
            await tx.cells.remove(cell_id)

        self._versions.write(remove)
        self.store.unmake(cell_id)

    async def unfinished(self) -> Sequence[Cell]:
        """None: what was open when the unit last stopped is gone with it."""
        return ()


class _CellParts:
    """The parts of one cell."""

    def __init__(self, contents: Contents, keep: Keep) -> None:
        self.contents = contents
        self.keep = keep


class MemoryStore:
    """All stores of a unit."""

    def __init__(
        self,
        registry: Versions[dict[str, Cell], CellsTx],
        *,
        clock: Clock,
        ids: Ids,
        inline_bytes: int,
        quota: Quota,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._ids = ids
        self._inline_bytes = inline_bytes
        self._quota = quota
        self._quotas: dict[str, Quota] = {}
        self._cells: dict[str, _CellParts] = {}

    def make(self, cell: Cell) -> None:
        """Empty stores for *cell*."""
        times = cell.published_ms, cell.updated_ms
        root = Node(self._ids.new(), "", "", NodeKind.CELL, 1, *times)
        main = Node(self._ids.new(), root.id, MAIN_BOX, NodeKind.BOX, 1, *times)
        contents = self._contents(cell.id, ContentsState({root.id: root, main.id: main}))
        keep = MemoryPart(Versions(KeepState(), KeepTx, self._clock.now_ms), self._blobs())
        self._cells[cell.id] = _CellParts(contents, keep)

    def _contents(self, cell_id: str, state: ContentsState, latest_ms: int = 0) -> Contents:
        def transaction(state: ContentsState, now_ms: int) -> ContentsTx:
            return ContentsTx(state, cell_id, now_ms)

        def check(before: ContentsState, after: ContentsState) -> None:
            quota = self._quotas.get(cell_id, OF_THE_UNIT).within(self._quota)
            if quota.limits and quota.forbids(before.usage(), after.usage()):
                raise Refusal(QUOTA_EXCEEDED)

        versions = Versions(state, transaction, self._clock.now_ms, latest_ms)
        versions.check = check
        return MemoryPart(versions, self._blobs())

    def heed(self, cell: Cell) -> None:
        """Hold further writes to the quota of *cell*, whose row has changed."""
        self._quotas[cell.id] = cell.quota

    def _blobs(self) -> MemoryBlobs:
        return MemoryBlobs(inline_bytes=self._inline_bytes, new_id=self._ids.new)

    def unmake(self, cell_id: str) -> None:
        """Forget the stores of a cell that has no row; who has one in hand cannot write to it."""
        parts = self._cells.pop(cell_id)
        parts.contents.refusing = parts.keep.refusing = "cell bulk deletion"

    def _parts(self, cell: Cell) -> _CellParts:
        parts = self._cells.get(cell.id)
        if parts is None:
            raise Refusal(NO_SUCH_CELL)
        return parts

    def contents(self, cell: Cell) -> Contents:
        """The part of *cell* that an import replaces.

        Raises:
            Refusal: NO_SUCH_CELL.
        """
        return self._parts(cell).contents

    def keep(self, cell: Cell) -> Keep:
        """The part of *cell* that no import touches.

        Raises:
            Refusal: NO_SUCH_CELL.
        """
        return self._parts(cell).keep

    def access_stamp(self, cell: Cell) -> object:
        """A value that changes before anyone hears of a change in who may do what in *cell*."""
        return self.contents(cell).versions.state, self.keep(cell).versions.state

    def locked(self, cell: Cell) -> str | None:
        """Why the contents refuse writes now, None when they do not."""
        parts = self._cells.get(cell.id)
        return parts.contents.refusing if parts else None

    @asynccontextmanager
    async def lock(self, cell: Cell, reason: str) -> AsyncIterator[None]:
        """Refuse writes of the contents, with *reason*, until the end.

        Raises:
            Refusal: CELL_LOCKED when another holds it.
        """
        parts = self._parts(cell)
        if parts.contents.refusing is not None:
            raise Refusal(CELL_LOCKED, reason=parts.contents.refusing)
        parts.contents.refusing = reason
        try:
            yield
        finally:
            if self._cells.get(cell.id) is parts:
                parts.contents.refusing = None

    @asynccontextmanager
    async def build(self, cell: Cell) -> AsyncIterator[_Build]:
        """New contents for *cell*; forgotten at the end unless swapped in."""
        latest_ms = self.contents(cell).versions.latest_ms
        yield _Build(self, cell, self._contents(cell.id, ContentsState(), latest_ms))

    def swap(self, cell: Cell, fresh: Contents) -> Cell:
        """Put *fresh* into service.

        Raises:
            Refusal: NO_SUCH_CELL.
        """
        contents = self._ids.new()

        def point(row: Cell) -> Cell:
            return replace(row, contents=contents, status=CellStatus.NORMAL, failure=None)

        row = self._registry.write(lambda tx: tx.cells.change(cell.id, point, tx.now_ms))
        parts = self._parts(cell)
        fresh.versions.state.notes.clear()
        # What the old contents have not told comes before what the new ones have to tell.
        fresh.versions.state.events[:0] = parts.contents.versions.state.events
        fresh.refusing = parts.contents.refusing
        parts.contents.refusing = "cell import"
        parts.contents = fresh
        return row


class _Build:
    """New contents being made aside."""

    def __init__(self, store: MemoryStore, cell: Cell, fresh: Contents) -> None:
        self._store = store
        self._cell = cell
        self._fresh = fresh
        self.blobs = fresh.blobs

    async def fill(self, body: Callable[[ContentsTx], Awaitable[T]]) -> T:
        """What *body* answers.

        Raises:
            Refusal: what *body* raises.
        """
        return self._fresh.apply(body)

    async def swap(self) -> Cell:
        """Put the new contents into service.

        Raises:
            Refusal: NO_SUCH_CELL.
        """
        return self._store.swap(self._cell, self._fresh)
