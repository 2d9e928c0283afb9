"""The store of a cell: contents that an import replaces whole, and a keep beside them that none touches.

A transaction is a type: a reading one has no ``save``. A body is a coroutine function that awaits nothing but its
transaction; it may be run again from its start, so it changes nothing outside. Normal end commits, any exception
rolls back. Caches behind these protocols never serve anything older than the last acknowledged write. What does not
belong here: SQL, files, privileges.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from alveary.model.cell import Cell
from alveary.model.entities import Entity, EntityKind, JsonValue, Link
from alveary.model.keep import FamilyState, Job, LoginHistory, SigningKey, SnapshotFile
from alveary.model.locks import Lock, Locks
from alveary.model.queries import Query
from alveary.model.quotas import Usage
from alveary.model.streams import Backlog
from alveary.model.tree import Box, Content, Node, Place
from alveary.model.uploads import Upload
from alveary.model.user_edm import Schema
from alveary.ports.blobs import Blobs

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)
W_co = TypeVar("W_co", covariant=True)


class BoxReader(Protocol):
    """The boxes of a cell, the main box among them."""

    async def find(self, name: str) -> Box | None:
        """The box of that name."""

    async def get(self, box_id: str) -> Box | None:
        """The box of that id; the main box has the id of its cell."""


class NodeReader(Protocol):
    """The tree of a cell."""

    async def root(self) -> Node:
        """The cell's own node."""

    async def locate(self, box: str, segments: Sequence[str]) -> Place:
        """What the path below the box named *box* leads to. A file's inline bytes come along."""

    def children(self, parent: str, *, inline: bool = False) -> AsyncIterator[Node]:
        """The nodes directly under the node of that id, ordered by name; with inline bytes only when asked."""

    async def child_count(self, parent: str) -> int:
        """How many nodes are directly under the node of that id."""

    async def totals(self) -> tuple[int, int]:
        """How many nodes there are, and how many bytes their files hold."""

    async def height(self, node_id: str) -> int:
        """How many levels of collections are below the node of that id; 0 for one that holds files only."""

    def guarded(self, node_id: str) -> AsyncIterator[tuple[Node, ...]]:
        """The nodes below the node of that id that have an ACL, each after those that lead to it from there."""


class NodeWriter(NodeReader, Protocol):
    """The tree of a cell, to change."""

    async def save(self, node: Node) -> None:
        """Make the node of that id, or replace it where it stands. Bytes that a replaced file held are dropped."""

    async def rewrite(self, place: Place, node: Node) -> bool:
        """Replace the file at *place*, which an earlier transaction has located, by *node*, its next version.

        False, and nothing done, when the file, a collection above it, an ACL of these or a lock has changed since,
        so that what was judged by that place may be otherwise; it may be False, too, when others have changed.
        """

    async def add(self, node: Node) -> bool:
        """Make a new node; False, and nothing done, when its id or its place is taken."""

    async def move(self, node: Node) -> None:
        """Give the node of that id its new parent, name and version."""

    async def copy_below(self, source: str, target: Node, new_id: Callable[[], str]) -> list[tuple[str, str]]:
        """All that is below the node of id *source* once more below *target*, which is saved and empty.

        Copies have ids from *new_id*, the first version, the times of *target*, and the bytes of the original. The
        ids of the OData collections among the originals with those of their copies, whose entities are still missing.
        """

    async def remove(self, node_id: str) -> None:
        """Remove the node of that id and all below it: gone at once, its space soon after."""


class EntityReader(Protocol):
    """The entities of a cell: control objects, schema, user data."""

    async def find(self, kind: EntityKind, scope: str, key: str) -> Entity | None:
        """The entity of that key."""

    async def get(self, entity_id: str) -> Entity | None:
        """The entity of that id."""

    async def query(self, query: Query) -> list[Entity]:
        """The entities that *query* asks for, in its order; for a list of a bounded length."""

    async def matching(self, query: Query) -> int:
        """How many entities *query* is about, whatever part of them it asks for."""

    async def count(self, kind: EntityKind) -> int:
        """How many entities of a kind there are."""

    def each(self, kind: EntityKind) -> AsyncIterator[Entity]:
        """All entities of a kind, in bounded memory."""

    async def scoped(self, scope: str, kinds: Sequence[EntityKind]) -> bool:
        """Whether there are entities of *kinds* in *scope*."""

    async def referring(self, target: str, kinds: Sequence[EntityKind] = ()) -> list[str]:
        """The ids of the entities (of *kinds*, or any) with an N:1 link to the entity of id *target*."""

    def of_collection(self, node_id: str) -> AsyncIterator[Entity]:
        """The schema and user data of the OData collection at the node of that id, types before what is theirs."""


class EntityWriter(EntityReader, Protocol):
    """The entities of a cell, to change."""

    async def save(self, entity: Entity) -> None:
        """Make or replace the entity of that id with its N:1 links.

        Raises:
            Refusal: ENTITY_EXISTS when another entity has its key.
        """

    async def add(self, entity: Entity) -> bool:
        """Make a new entity with its N:1 links; False, and nothing done, when its id or its key is taken."""

    async def remove(self, entity_id: str) -> None:
        """Remove an entity and every link, N:1 or N:N, that it has an end of."""


class SchemaReader(Protocol):
    """The schemas of a cell's OData collections."""

    async def of(self, node_id: str) -> Schema:
        """The schema of the collection at the node of that id; the same object until an entity of it changes."""


class LinkReader(Protocol):
    """The N:N links of a cell."""

    async def exists(self, link: Link) -> bool:
        """Whether the two ends are linked."""

    async def others(self, entity_id: str, kind: str) -> list[str]:
        """The ids linked with *entity_id* whose type is *kind*, in the order of linking."""

    def each(self) -> AsyncIterator[Link]:
        """All links, in bounded memory."""

    def of_collection(self, node_id: str) -> AsyncIterator[Link]:
        """The links between entities of the OData collection at the node of that id."""

    async def count(self) -> int:
        """How many links there are."""


class LinkWriter(LinkReader, Protocol):
    """The N:N links of a cell, to change."""

    async def save(self, link: Link) -> None:
        """Link the two ends; a link that is there is replaced."""

    async def remove(self, link: Link) -> None:
        """Unlink the two ends."""

    async def forget(self, one: str, other: str) -> None:
        """Remove every link, N:1 or N:N, between user data of the entity types of those ids."""


class LockReader(Protocol):
    """The WebDAV locks of a cell."""

    async def of(self, box_id: str) -> Locks:
        """The locks in the box of that id, with some perhaps that have ended; asked again, it costs nothing."""


class LockWriter(LockReader, Protocol):
    """The WebDAV locks of a cell, to change. Nothing else ends a lock: not even its resource's removal."""

    async def save(self, lock: Lock) -> None:
        """Make or replace the lock of that token; those of the cell that have ended are forgotten."""

    async def remove(self, token: str) -> None:
        """Remove the lock of that token."""


class PrincipalReader(Protocol):
    """What authentication asks on every request."""

    async def account(self, account_id: str) -> Entity | None:
        """The account of that id."""

    async def account_named(self, name: str) -> Entity | None:
        """The account of that name."""

    async def roles_of(self, account_id: str) -> frozenset[str]:
        """The ids of the roles that an account is linked with."""


class QueueReader(Protocol):
    """The messages in the queues of stream collections: a queue by its collection's node and its own name."""

    async def backlog(self, node_id: str, name: str) -> Backlog:
        """What waits in a queue."""


class QueueWriter(QueueReader, Protocol):
    """The messages in those queues, to add and to take; they go with their node."""

    async def add(self, node_id: str, name: str, body: str) -> None:
        """Put a message behind all others of a queue; it comes at the time of the transaction."""

    async def take(self, node_id: str, name: str, *, most: int, max_bytes: int) -> list[str]:
        """Remove the oldest messages of a queue and answer them, oldest first.

        One comes however long it is, others as long as they are *most* and within *max_bytes* together.
        """

    async def expire(self, until_ms: int) -> None:
        """Forget the messages of all queues that came at that time or before."""


class UploadReader(Protocol):
    """The uploads in several requests that have not become files, and those that have of late."""

    async def find(self, upload_id: str) -> Upload | None:
        """The upload of that id."""

    async def pieces(self, upload_id: str) -> list[Content]:
        """What has come of the upload of that id, in the order of its bytes."""

    async def overdue(self, now_ms: int) -> list[str]:
        """The ids of the uploads that are to be forgotten by then."""

    async def count(self) -> int:
        """How many are not complete."""


class UploadWriter(UploadReader, Protocol):
    """The same, to change."""

    async def save(self, upload: Upload) -> None:
        """Make or replace the upload of that id."""

    async def add_piece(self, upload: Upload, piece_id: str, content: Content) -> None:
        """Append *content*, whose first byte is the one at the offset of *upload*."""

    async def drop_pieces(self, upload_id: str, adopted: Content | None = None) -> None:
        """Forget what has come of the upload of that id; the bytes of *adopted* are a file's now and stay."""

    async def remove(self, upload_id: str) -> None:
        """Forget the upload of that id, with what has come of it."""


class UsageReader(Protocol):
    """How much there is, counted as it changes."""

    async def now(self) -> Usage:
        """How much the contents hold."""


class Outbox(Protocol):
    """What happened, written with what changed."""

    async def append(self, event: dict[str, JsonValue]) -> None:
        """Add an event; it is delivered after the transaction, at least once."""


class ReadTx(Protocol):
    """One consistent state of a cell's contents."""

    @property
    def boxes(self) -> BoxReader: ...
    @property
    def nodes(self) -> NodeReader: ...
    @property
    def entities(self) -> EntityReader: ...
    @property
    def schemas(self) -> SchemaReader: ...
    @property
    def links(self) -> LinkReader: ...
    @property
    def locks(self) -> LockReader: ...
    @property
    def principals(self) -> PrincipalReader: ...
    @property
    def queues(self) -> QueueReader: ...
    @property
    def uploads(self) -> UploadReader: ...
    @property
    def usage(self) -> UsageReader: ...


class WriteTx(Protocol):
    """One change of a cell's contents, whole or not at all; QUOTA_EXCEEDED when the cell would hold too much.

    ``now_ms`` is fixed, and never before that of an earlier transaction of the store.
    """

    @property
    def now_ms(self) -> int: ...
    @property
    def boxes(self) -> BoxReader: ...
    @property
    def nodes(self) -> NodeWriter: ...
    @property
    def entities(self) -> EntityWriter: ...
    @property
    def schemas(self) -> SchemaReader: ...
    @property
    def links(self) -> LinkWriter: ...
    @property
    def locks(self) -> LockWriter: ...
    @property
    def queues(self) -> QueueWriter: ...
    @property
    def uploads(self) -> UploadWriter: ...
    @property
    def outbox(self) -> Outbox: ...


class SnapshotReader(Protocol):
    """The snapshot area."""

    async def find(self, name: str) -> SnapshotFile | None:
        """The file of that name."""

    async def list(self) -> list[SnapshotFile]:
        """All files, ordered by name, without inline bytes."""

    async def count(self) -> int:
        """How many files there are."""


class SnapshotWriter(SnapshotReader, Protocol):
    """The snapshot area, to change."""

    async def save(self, file: SnapshotFile) -> None:
        """Make or replace the file of that name; what it held before is dropped."""

    async def remove(self, name: str) -> None:
        """Remove the file of that name."""


class Jobs(Protocol):
    """The exports and imports of a cell that have been accepted and have not ended."""

    async def current(self) -> list[Job]:
        """All of them, the oldest first."""

    async def save(self, job: Job) -> None:
        """Make or replace the job of that kind."""

    async def remove(self, job: Job) -> None:
        """Forget the job of that kind: it has ended."""


class Logins(Protocol):
    """The login history of a cell's accounts."""

    async def find(self, account_id: str) -> LoginHistory:
        """What is known of the account's logins; empty when nothing is."""

    async def save(self, account_id: str, history: LoginHistory) -> None:
        """Replace what is known."""


class Families(Protocol):
    """What became of families of tokens; forgotten when the last token has ended anyway."""

    async def find(self, family: str) -> FamilyState | None:
        """What became of the family of that id; None when nothing did."""

    async def save(self, family: str, state: FamilyState, until_ms: int) -> None:
        """Remember that until then."""


class SigningKeys(Protocol):
    """The keys by which a cell signs."""

    async def newest(self) -> SigningKey | None:
        """The one to sign with; None when none was made yet."""

    async def save(self, key: SigningKey) -> None:
        """Make or replace the key of that id."""


class KeepReadTx(Protocol):
    """One consistent state of a cell's keep."""

    @property
    def snapshots(self) -> SnapshotReader: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def logins(self) -> Logins: ...
    @property
    def families(self) -> Families: ...
    @property
    def signing_keys(self) -> SigningKeys: ...


class KeepTx(Protocol):
    """One change of a cell's keep, whole or not at all."""

    @property
    def now_ms(self) -> int: ...
    @property
    def snapshots(self) -> SnapshotWriter: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def logins(self) -> Logins: ...
    @property
    def families(self) -> Families: ...
    @property
    def signing_keys(self) -> SigningKeys: ...


class Part(Protocol[R_co, W_co]):
    """One part of a cell's store, with the blobs that its rows name."""

    @property
    def blobs(self) -> Blobs:
        """Where the bytes of its large files are."""

    def read(self, body: Callable[[R_co], Awaitable[T]]) -> Awaitable[T]:
        """What *body* answers in one consistent state. For a few rows: it runs at once."""

    async def look(self, body: Callable[[R_co], Awaitable[T]]) -> T:
        """The same for rows of which nobody knows how many must be read; *body* may be run again from its start.

        Raises:
            Refusal: QUERY_TOO_LONG, QUERY_TOO_LARGE, or what *body* raises.
        """

    async def scan(self, body: Callable[[R_co], Awaitable[T]]) -> T:
        """The same for many rows: it runs beside other requests, writers go on, and blobs it finds stay."""

    def stream(self, rows: Callable[[R_co], AsyncIterator[T]]) -> AsyncIterator[list[T]]:
        """What *rows* yields in one consistent state, in batches, as fast as they are taken and no faster."""

    async def write(self, body: Callable[[W_co], Awaitable[T]]) -> T:
        """What *body* answers, once all it changed is durable.

        Raises:
            Refusal: CELL_LOCKED, DISK_FULL, or what *body* raises.
        """


class Contents(Part[ReadTx, WriteTx], Protocol):
    """The part of a cell that an import replaces."""


class Keep(Part[KeepReadTx, KeepTx], Protocol):
    """The part of a cell that no import touches."""


class Notes(Protocol):
    """What a build remembers while it is made: any number of notes, in the order of their keys."""

    async def put(self, key: bytes, note: bytes) -> None:
        """Remember *note* under *key*, which is new."""

    async def take(self, count: int) -> list[tuple[bytes, bytes]]:
        """The first *count* notes with their keys, which are forgotten; fewer when there are no more."""


class BuildTx(WriteTx, Protocol):
    """One step in the making of new contents."""

    @property
    def notes(self) -> Notes: ...


class Build(Protocol):
    """New contents of a cell, made aside and in service only after :meth:`swap`."""

    @property
    def blobs(self) -> Blobs: ...

    async def fill(self, body: Callable[[BuildTx], Awaitable[T]]) -> T:
        """What *body*, run once, answers; one step of many, beside other requests and not yet durable."""

    async def swap(self) -> Cell:
        """Put the new contents into service, durably and at once; the old ones go when nobody reads them any more.

        Unsent events of the old contents are carried over. The cell's status becomes normal.
        """


class Store(Protocol):
    """The stores of all cells of a unit."""

    def contents(self, cell: Cell) -> Contents: ...

    def keep(self, cell: Cell) -> Keep: ...

    def access_stamp(self, cell: Cell) -> object:
        """A value that changes before anyone hears of a change in who may do what in *cell*."""

    def locked(self, cell: Cell) -> str | None:
        """Why the contents refuse writes now, None when they do not."""

    def lock(self, cell: Cell, reason: str) -> AbstractAsyncContextManager[None]:
        """Refuse writes of the contents, with *reason*, until the end; those under way have ended at its begin.

        Raises:
            Refusal: CELL_LOCKED when another holds it.
        """

    def build(self, cell: Cell) -> AbstractAsyncContextManager[Build]:
        """New contents for *cell*; dropped at the end unless swapped in."""


class CellReader(Protocol):
    """The registry's cells."""

    async def find(self, name: str) -> Cell | None:
        """The cell of that name."""

    async def get(self, cell_id: str) -> Cell | None:
        """The cell of that id."""

    async def query(self, query: Query) -> list[Cell]:
        """The cells that *query* asks for; its scope, when given, is their owner."""

    async def matching(self, query: Query) -> int:
        """How many cells *query* is about, whatever part of them it asks for."""


class CellWriter(CellReader, Protocol):
    """The registry's cells, to change."""

    async def save(self, cell: Cell) -> None:
        """Make or replace the row of that id.

        Raises:
            Refusal: ENTITY_EXISTS when another cell has its name.
        """

    async def remove(self, cell_id: str) -> None:
        """Remove the row of that id."""


class RegistryReadTx(Protocol):
    """One consistent state of the registry."""

    @property
    def cells(self) -> CellReader: ...


class RegistryTx(Protocol):
    """One change of the registry."""

    @property
    def now_ms(self) -> int: ...
    @property
    def cells(self) -> CellWriter: ...


class Registry(Protocol):
    """What the unit knows of its cells."""

    def read(self, body: Callable[[RegistryReadTx], Awaitable[T]]) -> Awaitable[T]:
        """What *body* answers in one consistent state."""

    async def create(self, cell: Cell) -> Cell:
        """A new cell with empty contents, durably; version and times are set here.

        Raises:
            Refusal: ENTITY_EXISTS.
        """

    async def update(self, cell_id: str, change: Callable[[Cell], Cell]) -> Cell:
        """The row of that id as *change* makes it, its version raised, durably.

        Raises:
            Refusal: ENTITY_EXISTS, NO_SUCH_CELL, or what *change* raises.
        """

    async def drop(self, cell_id: str, check: Callable[[Cell], None]) -> None:
        """Remove a cell and all it holds, unless *check* refuses it. Gone at once, its space soon after.

        Raises:
            Refusal: NO_SUCH_CELL, or what *check* raises.
        """

    async def unfinished(self) -> Sequence[Cell]:
        """The cells that were open for writing when the unit last stopped."""
