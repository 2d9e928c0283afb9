"""One part of a cell's store: a database file and the blobs that its rows name.

What does not belong here: which parts a cell has, and where they are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import apsw

from alveary.adapters.blobs.files import BlobLimits, FileBlobs
from alveary.adapters.keys.data_keys import DataKeys
from alveary.adapters.sqlite import schema
from alveary.adapters.sqlite.database import Database, Seat, Transaction
from alveary.adapters.sqlite.marks import Marks
from alveary.adapters.sqlite.nodes import SmallFiles
from alveary.adapters.sqlite.reader import Allowance
from alveary.adapters.sqlite.transactions import ContentsTx, KeepTx
from alveary.errors import Refusal
from alveary.model.quotas import Quota
from alveary.ports.clock import Clock, Ids

T = TypeVar("T")
Tx = TypeVar("Tx", bound=Transaction)

DATABASE: Final = "db.sqlite"
_FORGOTTEN_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Shared:
    """What all parts of a unit use alike."""

    clock: Clock
    ids: Ids
    threads: Executor
    long_threads: Executor
    limits: BlobLimits
    small_files: SmallFiles
    lists: Allowance


class Part(Generic[Tx]):
    """A database with its blobs. Blobs that no row names any more go once nobody scans."""

    def __init__(
        self,
        folder: Path,
        shared: Shared,
        *,
        transaction: Callable[[apsw.Connection, Seat], Tx],
        blob_tables: tuple[str, ...],
        marks: Marks,
        data_keys: DataKeys,
    ) -> None:
        """Open the part in *folder*; *transaction* makes a body's object."""
        self.folder = folder
        self.marks = marks
        self.database: Database[Tx] = Database(
            folder / DATABASE,
            transaction=transaction,
            clock=shared.clock.now_ms,
            threads=shared.threads,
            long_threads=shared.long_threads,
            on_garbage=self._collect,
        )
        self.blobs = FileBlobs(
            folder,
            limits=shared.limits,
            new_id=shared.ids.new,
            threads=shared.threads,
            pinned=self.database.pinned,
            data_keys=data_keys,
        )
        self.before_first_write: Callable[[], Awaitable[None]] | None = None
        self._tending: asyncio.Future[None] | None = None
        self._lists = shared.lists
        self._threads = shared.threads
        self._blob_tables = blob_tables
        self._waiting: list[str] = []
        self._deleted: list[str] = []
        self._gone: Callable[[], None] | None = None
        self.database.on_idle = self._idle

    def read(self, body: Callable[[Tx], Awaitable[T]]) -> Awaitable[T]:
        """What *body* answers in one consistent state; it runs at once, on this thread."""
        return self.database.read(body)

    async def look(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """The same for rows of which nobody knows how many must be read: beside other requests if it takes long.

        Raises:
            Refusal: QUERY_TOO_LONG, QUERY_TOO_LARGE, or what *body* raises.
        """
        answer = await self.database.look(body, self._lists)
        self._tend()
        return answer

    async def scan(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """The same for many rows: beside other requests, and the blobs it finds stay."""
        return await self.database.scan(body)

    def stream(self, rows: Callable[[Tx], AsyncIterator[T]]) -> AsyncIterator[list[T]]:
        """What *rows* yields in one consistent state, in batches."""
        return self.database.stream(rows)

    async def write(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """What *body* answers, once all it changed is durable.

        Raises:
            Refusal: CELL_LOCKED, DISK_FULL, or what *body* raises.
        """
        if self.before_first_write is not None:
            announce, self.before_first_write = self.before_first_write, None
            await announce()
        answer = await self.database.write(body)
        self._tend()
        return answer

    # What is done for others after the answer: indexes that queries would have used, rows of trees that are gone

    def _tend(self) -> None:
        if self._tending is None and self._is_behind:
            self._tending = asyncio.ensure_future(self._catch_up())

    @property
    def _is_behind(self) -> bool:
        return self.marks.indexes.wanted or self.marks.words.wanted or self.marks.orphans.wanted

    async def _catch_up(self) -> None:
        indexes, words, orphans = self.marks.indexes, self.marks.words, self.marks.orphans

        async def make(tx: Tx) -> list[str]:
            return indexes.make(self._connection_of(tx))

        async def step(tx: Tx) -> str | None:
            return words.step(self._connection_of(tx))

        async def sweep(tx: Tx) -> None:
            self.marks.dropped += orphans.step(self._connection_of(tx))

        try:
            while self._is_behind:  # others are wanted while these are made
                if indexes.wanted:
                    indexes.made(await self.database.write(make))
                elif words.wanted:
                    if (scope := await self.database.write(step)) is not None:
                        words.made(scope)
                else:
                    await self.database.write(sweep)
        except Refusal:  # the contents are locked, or the disk is full: another write or query begins again
            pass
        finally:
            self._tending = None

    @property
    def busy(self) -> bool:
        """Whether it must stay open: something is written, or going to be, or read for long."""
        return self._tending is not None or self.database.busy

    async def settle(self) -> None:
        """Return when every write that was accepted before has ended; the rest goes on after the next start."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait([self._tending])
            self._tending = None
        await self.database.settle()

    # Blobs that no row names

    def _collect(self, garbage: list[str]) -> None:
        self._waiting += garbage
        if not self.database.holds:
            self._delete_waiting()

    def _idle(self) -> None:
        if self._gone is not None:
            self._end()
        elif self._waiting:
            self._delete_waiting()

    def _delete_waiting(self) -> None:
        doomed, self._waiting = self._waiting, []
        with suppress(RuntimeError):  # the unit is closing: the next start deletes them
            self._threads.submit(self.blobs.delete, doomed).add_done_callback(lambda _: self._deleted.extend(doomed))

    def forget_deleted(self) -> None:
        """Remove the rows that remember blobs to delete, where they have been deleted."""
        deleted, self._deleted = self._deleted, []

        async def forget(tx: Tx) -> None:
            self._execute(tx, "DELETE FROM garbage WHERE blob = ?", [(blob,) for blob in deleted])

        if deleted:
            self.database.apply_now(forget)

    def recover(self) -> None:
        """Delete the blobs that an unclean end left: those to delete, and those whose row never came."""
        named = self.database.read_now(self._named_blobs)
        self.blobs.sweep(time.time(), named.__contains__)

        async def forget(tx: Tx) -> None:
            self._execute(tx, "DELETE FROM garbage", [()])

        self.database.apply_now(forget)
        self._tend()

    async def _named_blobs(self, tx: Tx) -> set[str]:
        each = (f"SELECT blob FROM {table} WHERE blob IS NOT NULL" for table in self._blob_tables)  # nosec B608
        query = " UNION ALL ".join(each)  # literals of this file
        return {blob for (blob,) in self._connection_of(tx).execute(query)}

    @staticmethod
    def _connection_of(tx: Any) -> apsw.Connection:
        connection: apsw.Connection = tx.connection
        return connection

    def _execute(self, tx: Tx, statement: str, rows: list[tuple[str, ...]]) -> None:
        self._connection_of(tx).executemany(statement, rows)

    # Ending

    def close(self) -> None:
        """Close the file; nobody uses it any more."""
        with suppress(apsw.Error):
            self.forget_deleted()
        self.database.close()

    def retire(self, gone: Callable[[], None]) -> None:
        """Call *gone* once the last reader and the last upload have ended, and the file is closed."""
        self._gone = gone
        if self.database.is_idle:
            self._end()

    def _end(self) -> None:
        gone, self._gone = self._gone, None
        self.database.close()
        if gone is not None:
            gone()


def open_contents(
    folder: Path, cell_id: str, shared: Shared, outbox_rows: int, quota: Callable[[], Quota], data_keys: DataKeys
) -> Part[ContentsTx]:
    """The contents in *folder*, of the cell of that id, which may hold what *quota* says."""
    marks = Marks()
    part = Part(
        folder,
        shared,
        transaction=lambda connection, seat: ContentsTx(
            connection,
            marks,
            cell_id,
            seat=seat,
            small_files=shared.small_files,
            outbox_rows=outbox_rows,
            quota=quota,
            data_keys=data_keys,
        ),
        blob_tables=("node", "piece"),
        marks=marks,
        data_keys=data_keys,
    )
    schema.upgrade(part.database.writer, folder / DATABASE, schema.CONTENTS)
    marks.indexes.load(part.database.writer)
    marks.words.load(part.database.writer)
    marks.orphans.load(part.database.writer)
    part.database.advance(part.database.read_now(_latest_ms) + 1)
    return part


async def _latest_ms(tx: ContentsTx) -> int:
    return int(tx.connection.execute("SELECT created_ms FROM outbox ORDER BY seq DESC LIMIT 1").get or 0)


def open_keep(folder: Path, shared: Shared, data_keys: DataKeys) -> Part[KeepTx]:
    """The keep in *folder*."""
    marks = Marks()
    part = Part(
        folder,
        shared,
        transaction=lambda connection, _: KeepTx(connection, marks, data_keys),
        blob_tables=("snapshot",),
        marks=marks,
        data_keys=data_keys,
    )
    schema.upgrade(part.database.writer, folder / DATABASE, schema.KEEP)
    part.database.advance(part.database.read_now(_latest_snapshot_ms) + 1)
    return part


async def _latest_snapshot_ms(tx: KeepTx) -> int:
    return int(tx.connection.execute("SELECT max(updated_ms) FROM snapshot").get or 0)
