"""One SQLite file: its connections, and group commit.

Writes queue up and a writer thread takes all that came while the last commit was flushed into one transaction, whose
refusals harm no neighbour; nobody is answered before the commit is on disk. Small reads run on the event loop's
thread, where a point read is cheaper than a thread switch; long ones on connections of their own. What does not
belong here: tables.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import apsw

from alveary.adapters.sqlite.queries import register
from alveary.adapters.sqlite.reader import Allowance, NearConnection, ReadConnection
from alveary.adapters.sqlite.writer import Collision, WriterConnection
from alveary.adapters.waiting import Lasting, drive, outlast
from alveary.errors import CELL_LOCKED, DISK_FULL, QUERY_TOO_LONG, Refusal

T = TypeVar("T")
Tx = TypeVar("Tx", bound="Transaction")
C = TypeVar("C", bound=apsw.Connection)

GROUP_SIZE: Final = 256
STREAM_BATCH: Final = 500
_STATEMENTS: Final = 128
"""How many prepared statements a connection keeps."""

_UNDO_BYTES: Final = 127 * 1024
"""How much of what would undo a statement stays in memory.

One that adds the rows of a group changes many pages, and by default SQLite makes a file for more than 64 KiB of them.
It writes all this at once when it begins that file, and takes no write of 128 KiB or more.
"""

_BRIEF_TICKS: Final = 80
_BRIEF_S: Final = 0.008
"""How long a query may hold the event loop's thread: steps of SQLite's machine, and time, as a step may be long."""

_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA cache_size=-1024",
    "PRAGMA trusted_schema=OFF",
)
_NO_SPACE: Final = frozenset(
    {
        apsw.SQLITE_IOERR_WRITE,
        apsw.SQLITE_IOERR_FSYNC,
        apsw.SQLITE_IOERR_DIR_FSYNC,
        apsw.SQLITE_IOERR_TRUNCATE,
        apsw.SQLITE_IOERR_SHMOPEN,
        apsw.SQLITE_IOERR_SHMSIZE,
    }
)


# It is said to SQLite as a whole, which apsw has made ready by now; no connection is open yet.
apsw.shutdown()
apsw.config(apsw.SQLITE_CONFIG_STMTJRNL_SPILL, _UNDO_BYTES)
apsw.initialize()


class Transaction(Protocol):
    """What a writing transaction's object lets the writer do between bodies."""

    now_ms: int
    connection: apsw.Connection

    def refresh(self) -> None:
        """Forget what no longer holds: before the state is fixed that a body will see, never while it is seen."""

    def before_commit(self) -> None:
        """Write what was gathered from all bodies."""

    def keep_body(self) -> bool:
        """A body has succeeded; whether it removed something that may be made again under its old name."""

    def forget_body(self) -> None:
        """The body under way was rolled back: what was noted of it no longer holds."""

    def forget_all(self) -> None:
        """The whole transaction was rolled back."""

    def committed(self) -> list[str]:
        """Publish what readers must notice; the ids of the blobs that no row names any more."""


class Seat(Enum):
    """Which of a file's connections: of the writer, of small reads on the event loop's thread, of long ones."""

    WRITER = auto()
    NEAR = auto()
    FAR = auto()


def connect(path: Path) -> apsw.Connection:
    """A connection to the database file at *path*, set up as every connection of the unit is."""
    return _prepared(apsw.Connection(str(path), statementcachesize=_STATEMENTS))


def _prepared(connection: C) -> C:
    connection.set_busy_timeout(10_000)
    if isinstance(connection, ReadConnection):
        register(connection, connection.check)
    else:
        register(connection)
    for pragma in _PRAGMAS:
        apsw.Connection.execute(connection, pragma)
    return connection


@contextmanager
def vendor_errors() -> Iterator[None]:
    """Within the block, SQLite's words for a disk that takes no more become the catalogue's.

    Raises:
        Refusal: DISK_FULL.
    """
    try:
        yield
    except (apsw.FullError, apsw.ReadOnlyError) as error:
        raise Refusal(DISK_FULL) from error
    except apsw.IOError as error:
        if getattr(error, "extendedresult", None) in _NO_SPACE:
            raise Refusal(DISK_FULL) from error
        raise


_UNBOUNDED: Final = Allowance()


class Database(Generic[Tx]):
    """One file, many readers, one writer."""

    def __init__(
        self,
        path: Path,
        *,
        transaction: Callable[[apsw.Connection, Seat], Tx],
        clock: Callable[[], int],
        threads: Executor,
        long_threads: Executor,
        on_garbage: Callable[[list[str]], None],
    ) -> None:
        """Open *path*; *transaction* makes what bodies get, *on_garbage* hears of dropped blobs."""
        self.path = path
        self._transaction = transaction
        self._clock = clock
        self._threads = threads
        self._long_threads = long_threads
        self._on_garbage = on_garbage
        self._connection = _prepared(WriterConnection(path, statementcachesize=_STATEMENTS))
        self._tx = transaction(self._connection, Seat.WRITER)
        self._near = _prepared(NearConnection(path, statementcachesize=_STATEMENTS))
        self._near_tx = transaction(self._near, Seat.NEAR)
        self._changes, self._near_changes = 0, -1
        self._idle: list[tuple[ReadConnection, Tx]] = []
        self._queue: deque[tuple[Callable[[Tx], Awaitable[Any]], Lasting[Any]]] = deque()
        self._guard = threading.Lock()
        self._draining = False
        self._latest_ms = 0
        self.refusing: str | None = None
        self.holds = 0
        self._pins = 0
        self.on_idle: Callable[[], None] | None = None

    # Reading

    async def read(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """What *body*, which waits for nothing but its transaction, answers: on this thread, at once."""
        return await body(self._near_by())

    def _near_by(self) -> Tx:
        """The transaction of small reads: the one under way, unless something was committed since it began.

        It ends where a write is accepted and where one is answered, so that no reader keeps the log from its restart.
        """
        # Again until nothing changed meanwhile: the caches could know of a commit that the transaction does not see.
        while self._near_changes != (changes := self._changes):
            self._near_changes = changes
            self._near.end()
            self._near_tx.refresh()
        return self._near_tx

    async def look(self, body: Callable[[Tx], Awaitable[T]], allowance: Allowance) -> T:
        """What *body* answers: on this thread while that is brief, else on one of its own.

        Raises:
            Refusal: QUERY_TOO_LONG, QUERY_TOO_LARGE when it is not within *allowance*.
        """
        brief = Allowance(_BRIEF_S, allowance.size_bytes)
        with suppress(apsw.InterruptError), self._near.within(brief, _BRIEF_TICKS):
            return drive(body(self._near_by()))
        with self.held():
            return await self._beside(self._scan, body, allowance)

    async def scan(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """What *body* answers, on a thread and connection of its own."""
        with self.held():
            return await self._beside(self._scan, body)

    def _scan(self, body: Callable[[Tx], Awaitable[T]], allowance: Allowance = _UNBOUNDED) -> T:
        with self._far() as (connection, tx):
            try:
                with connection.within(allowance):
                    return drive(body(tx))
            except apsw.InterruptError:
                raise Refusal(QUERY_TOO_LONG) from None

    async def stream(self, rows: Callable[[Tx], AsyncIterator[T]]) -> AsyncIterator[list[T]]:
        """What *rows* yields, in batches, each fetched beside other requests."""
        with self.held(), self._far() as (_, tx):
            source = rows(tx)
            while batch := await self._beside(_take, source, STREAM_BATCH):
                yield batch

    async def _beside(self, work: Callable[..., T], *args: Any) -> T:
        """What *work* answers on another thread; a caller that is cancelled leaves only after the thread has."""
        return await outlast(asyncio.get_running_loop().run_in_executor(self._long_threads, work, *args))

    @contextmanager
    def _far(self) -> Iterator[tuple[ReadConnection, Tx]]:
        with self._guard:
            pair = self._idle.pop() if self._idle else None
        if pair is None:
            connection = _prepared(ReadConnection(self.path, statementcachesize=_STATEMENTS))
            pair = connection, self._transaction(connection, Seat.FAR)
        pair[1].refresh()
        pair[0].execute("BEGIN")
        try:
            yield pair
        finally:
            pair[0].execute("ROLLBACK")
            with self._guard:
                self._idle.append(pair)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the block, no blob is deleted and the file stays open."""
        self.holds += 1
        try:
            yield
        finally:
            self.holds -= 1
            self._rest()

    def pinned(self) -> AbstractContextManager[None]:
        """Within the block, the file stays open: a write is going to come."""
        return _Pin(self)

    def pin(self, count: int) -> None:
        """Begin (1) or end (-1) such a block."""
        with self._guard:
            self._pins += count
        if count < 0:
            self._rest()

    @property
    def is_idle(self) -> bool:
        """Whether nobody scans and no write is going to come."""
        return not self.holds and not self._pins

    def _rest(self) -> None:
        if self.is_idle and self.on_idle is not None:
            self.on_idle()

    # Writing

    async def write(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """What *body* answers, once its change is on disk.

        Raises:
            Refusal: CELL_LOCKED, DISK_FULL, or what *body* raises.
        """
        if self.refusing is not None:
            raise Refusal(CELL_LOCKED, reason=self.refusing)
        outcome = self._enqueue(body)
        try:
            return await outcome
        except asyncio.CancelledError:
            if outcome.exception() is not None:
                raise
            # It is on disk: the caller must not take back the blob that a row names now. It ends at its next await.
            _cancel_at_the_next_await()
            return outcome.result()

    def _enqueue(self, body: Callable[[Tx], Awaitable[T]]) -> Lasting[T]:
        loop = asyncio.get_running_loop()
        future: Lasting[T] = Lasting(loop=loop)
        self._near.end()
        with self._guard:
            self._queue.append((body, future))
            if self._draining:
                return future
            self._draining = True
        # The first group begins when the loop's turn ends, and holds all that was written in it.
        loop.call_soon(self._threads.submit, self._drain, loop)
        return future

    async def settle(self) -> None:
        """Return when every write that was accepted before has ended."""

        async def nothing(_: Tx) -> None: ...

        await self._enqueue(nothing)

    @property
    def busy(self) -> bool:
        """Whether a write is queued or going to come, or a long read under way."""
        return self._draining or not self.is_idle

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            with self._guard:
                group = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_SIZE))]
                if not group:
                    self._draining = False
                    return
            outcomes, garbage = self._commit([body for body, _ in group])
            settled = [(future, outcome) for (_, future), outcome in zip(group, outcomes, strict=True)]
            with suppress(RuntimeError):  # the loop has ended: nobody waits for an answer any more
                loop.call_soon_threadsafe(self._settle, settled, garbage)

    def _settle(self, settled: list[tuple[Lasting[Any], _Outcome]], garbage: list[str]) -> None:
        self._near.end()
        for future, outcome in settled:
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.value)
        if garbage:
            self._on_garbage(garbage)

    def _commit(self, bodies: list[Callable[[Tx], Awaitable[Any]]]) -> tuple[list[_Outcome], list[str]]:
        """How each of *bodies* ended, and the blobs that were dropped, once all is on disk.

        Most groups hold no refusal, so a group is tried as one first. Where a body fails, all is rolled back and run
        again, each in a savepoint of its own: then one refusal harms no neighbour.
        """
        try:
            return self._transact(bodies, self._apply)
        except Exception as error:
            if len(bodies) == 1 and not isinstance(error, Collision):
                return [_Outcome(error=error)], []
        try:
            return self._transact(bodies, self._apply_guarded)
        except Exception as error:
            return [_Outcome(error=error) for _ in bodies], []

    def _transact(
        self,
        bodies: list[Callable[[Tx], Awaitable[Any]]],
        apply: Callable[[Callable[[Tx], Awaitable[Any]]], _Outcome],
    ) -> tuple[list[_Outcome], list[str]]:
        connection, tx = self._connection, self._tx
        try:
            with vendor_errors():
                tx.refresh()
                connection.begin(holding=apply == self._apply)
                outcomes = [apply(body) for body in bodies]
                tx.before_commit()
                connection.commit()
        except Exception:
            connection.rollback()
            tx.forget_all()
            raise
        # Twice: who still reads what was before must not take the new marks for its own, nor miss them later.
        self._changes += 1
        garbage = tx.committed()
        self._changes += 1
        return outcomes, garbage

    def _apply(self, body: Callable[[Tx], Awaitable[Any]]) -> _Outcome:
        tx = self._tx
        self._latest_ms = tx.now_ms = max(self._clock(), self._latest_ms)
        value = drive(body(tx))
        # What is made again under an old name is later by its time: it never repeats an ETag.
        self._latest_ms += tx.keep_body()
        return _Outcome(value=value)

    def _apply_guarded(self, body: Callable[[Tx], Awaitable[Any]]) -> _Outcome:
        connection = self._connection
        connection.execute("SAVEPOINT body")
        try:
            with vendor_errors():
                outcome = self._apply(body)
        except Exception as error:
            if not connection.in_transaction:
                raise  # SQLite has rolled the whole group back
            connection.execute("ROLLBACK TO body")
            connection.execute("RELEASE body")
            self._tx.forget_body()
            return _Outcome(error=error)
        connection.execute("RELEASE body")
        return outcome

    def apply_now(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """What *body* answers, on this thread, as a transaction of its own; for a file that nobody else uses.

        Raises:
            Refusal: DISK_FULL, or what *body* raises.
        """
        (outcome,), _ = self._commit([body])
        if outcome.error is not None:
            raise outcome.error
        value: T = outcome.value
        return value

    def read_now(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """What *body* answers, on this thread, before any event loop runs."""
        return drive(self.read(body))

    @property
    def writer(self) -> apsw.Connection:
        """The writer's connection, for one who has the file alone."""
        return self._connection

    def relax(self) -> None:
        """Let commits be fast and not durable: this file is being built aside and is dropped if anything fails."""
        self._connection.execute("PRAGMA synchronous=OFF")

    @property
    def latest_ms(self) -> int:
        """The time before which no later transaction's is."""
        return self._latest_ms

    def advance(self, latest_ms: int) -> None:
        """Let no later transaction's time be before *latest_ms*."""
        self._latest_ms = max(self._latest_ms, latest_ms)

    def close(self) -> None:
        """Close every connection. The file is whole without its log afterwards."""
        self._near.end()  # a reader under way would keep the log from being taken over
        with suppress(apsw.Error):  # on a full disk the log stays, and is read at the next start
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for connection in (*(pair[0] for pair in self._idle), self._near, self._connection):
            connection.close()
        self._idle.clear()


class _Pin(AbstractContextManager[None]):
    """A block within which a database stays open; files sent have one each, and a generator costs thrice as much."""

    __slots__ = ("_database",)

    def __init__(self, database: Database[Any]) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.pin(1)

    def __exit__(self, *_: object) -> None:
        self._database.pin(-1)


def _cancel_at_the_next_await() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
        task.cancel()


class _Outcome:
    """How one write ended."""

    __slots__ = ("error", "value")

    def __init__(self, *, value: Any = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error


def _take(source: AsyncIterator[T], count: int) -> list[T]:
    batch: list[T] = []
    with suppress(StopAsyncIteration):
        while len(batch) < count:
            batch.append(drive(source.__anext__()))
    return batch
