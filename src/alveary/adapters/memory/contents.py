"""The contents of a cell in dictionaries: what bodies read and change.

What does not belong here: when a change becomes visible (``versions``), the rules of any entity set.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from alveary.adapters.memory.evaluation import Evaluation
from alveary.errors import ENTITY_EXISTS, Refusal
from alveary.model import acl as acls
from alveary.model.entities import Entity, EntityKind, JsonValue, Link
from alveary.model.locks import Lock, Locks
from alveary.model.names import MAIN_BOX
from alveary.model.queries import Query
from alveary.model.quotas import Usage
from alveary.model.streams import Backlog
from alveary.model.tree import Box, Content, Node, NodeKind, Place
from alveary.model.uploads import Upload
from alveary.model.user_edm import SCHEMA_KINDS, Schema

_SCHEMA = frozenset({EntityKind.ENTITY_TYPE, EntityKind.COMPLEX_TYPE})


QueueId = tuple[str, str]
"""A queue by its collection's node and its own name."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in a queue."""

    added_ms: int
    body: str


@dataclass(frozen=True, slots=True, eq=False)
class ContentsState:
    """What there is; ``notes`` only while new contents are being made; ``schemas`` were made of what they say."""

    nodes: dict[str, Node] = field(default_factory=dict)
    entities: dict[str, Entity] = field(default_factory=dict)
    links: dict[tuple[str, str, str, str], Link] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)
    events: list[dict[str, JsonValue]] = field(default_factory=list)
    queued: dict[QueueId, tuple[Queued, ...]] = field(default_factory=dict)
    notes: dict[bytes, bytes] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    pieces: dict[str, tuple[Content, ...]] = field(default_factory=dict)
    schemas: dict[str, tuple[tuple[Entity, ...], Schema]] = field(default_factory=dict)

    def copy(self) -> Self:
        """The same again."""
        return type(self)(
            self.nodes.copy(),
            self.entities.copy(),
            self.links.copy(),
            self.locks.copy(),
            self.events.copy(),
            self.queued.copy(),
            self.notes.copy(),
            self.uploads.copy(),
            self.pieces.copy(),
            self.schemas.copy(),
        )

    def usage(self) -> Usage:
        """How much there is."""
        files = (node.content for node in self.nodes.values() if node.content is not None)
        return Usage(
            sum(each.size_bytes for each in itertools.chain(files, *self.pieces.values())), len(self.entities)
        )

    def blobs(self) -> set[str]:
        """The ids of the blobs that files and pieces of uploads name."""
        files = (node.content for node in self.nodes.values() if node.content is not None)
        return {each.blob for each in itertools.chain(files, *self.pieces.values()) if each.blob}


class ContentsTx:
    """The contents of a cell, to read or to change: the port's types say which."""

    def __init__(self, state: ContentsState, cell_id: str, now_ms: int) -> None:
        self.now_ms = now_ms
        self.boxes = MemoryBoxes(state, cell_id)
        self.nodes = MemoryNodes(state, self.boxes)
        self.entities = MemoryEntities(state)
        self.schemas = MemorySchemas(state)
        self.links = MemoryLinks(state)
        self.locks = MemoryLocks(state, now_ms)
        self.principals = MemoryPrincipals(state, self.entities)
        self.uploads = MemoryUploads(state)
        self.usage = MemoryUsage(state)
        self.outbox = MemoryOutbox(state)
        self.queues = MemoryQueues(state, now_ms)
        self.notes = MemoryNotes(state)

    @property
    def path_freed(self) -> bool:
        """Whether something was removed that may be made again under its old name."""
        return self.nodes.path_freed or self.entities.path_freed


class MemoryUsage:
    """How much a cell holds."""

    def __init__(self, state: ContentsState) -> None:
        self._state = state

    async def now(self) -> Usage:
        """How much there is."""
        return self._state.usage()


class MemoryUploads:
    """The uploads of a cell."""

    def __init__(self, state: ContentsState) -> None:
        self._uploads = state.uploads
        self._pieces = state.pieces

    async def find(self, upload_id: str) -> Upload | None:
        """The upload of that id."""
        return self._uploads.get(upload_id)

    async def pieces(self, upload_id: str) -> list[Content]:
        """What has come of the upload of that id, in the order of its bytes."""
        return list(self._pieces.get(upload_id, ()))

    async def overdue(self, now_ms: int) -> list[str]:
        """The ids of the uploads that are to be forgotten by then."""
        return [each.id for each in self._uploads.values() if each.until_ms <= now_ms]

    async def count(self) -> int:
        """How many are not complete."""
        return sum(not each.complete for each in self._uploads.values())

    async def save(self, upload: Upload) -> None:
        """Make or replace the upload of that id."""
        self._uploads[upload.id] = upload

    async def add_piece(self, upload: Upload, piece_id: str, content: Content) -> None:
        """Append *content*."""
        self._pieces[upload.id] = (*self._pieces.get(upload.id, ()), content)

    async def drop_pieces(self, upload_id: str, adopted: Content | None = None) -> None:
        """Forget what has come of the upload of that id; a blob that a file names by now stays."""
        self._pieces.pop(upload_id, None)

    async def remove(self, upload_id: str) -> None:
        """Forget the upload of that id, with what has come of it."""
        await self.drop_pieces(upload_id)
        self._uploads.pop(upload_id, None)


class MemoryBoxes:
    """The boxes of a cell; the main box is no entity."""

    def __init__(self, state: ContentsState, cell_id: str) -> None:
        self._state = state
        self._cell_id = cell_id

    async def find(self, name: str) -> Box | None:
        """The box of that name."""
        if name == MAIN_BOX:
            return self._main()
        boxes = (each for each in self._state.entities.values() if each.kind is EntityKind.BOX)
        return next((_box(each) for each in boxes if each.key == name), None)

    async def get(self, box_id: str) -> Box | None:
        """The box of that id; the main box has the id of its cell."""
        if box_id == self._cell_id:
            return self._main()
        found = self._state.entities.get(box_id)
        return _box(found) if found is not None and found.kind is EntityKind.BOX else None

    def _main(self) -> Box:
        node = next(
            node for node in self._state.nodes.values() if node.kind is NodeKind.BOX and node.name == MAIN_BOX
        )
        return Box(self._cell_id, MAIN_BOX, None, node.published_ms, node.updated_ms, node.version)


def _box(entity: Entity) -> Box:
    schema = entity.values.get("Schema")
    text = schema if isinstance(schema, str) else None
    return Box(entity.id, entity.key, text, entity.published_ms, entity.updated_ms, entity.version)


class MemoryNodes:
    """The tree of a cell."""

    def __init__(self, state: ContentsState, boxes: MemoryBoxes) -> None:
        self._state = state
        self._nodes = state.nodes
        self._boxes = boxes
        self.path_freed = False

    # Reading

    async def root(self) -> Node:
        """The cell's own node."""
        found = self._child("", "")
        if found is None:
            raise LookupError("the store of a cell has no root")
        return found

    async def locate(self, box: str, segments: Sequence[str]) -> Place:
        """What the path below the box named *box* leads to."""
        segments, stamp = tuple(segments), self._stamp()
        root = await self.root()
        found = await self._boxes.find(box)
        node = None if found is None else self._child(root.id, MAIN_BOX if box == MAIN_BOX else found.id)
        if found is None or node is None:
            return Place(None, (root,), (box, *segments), segments, stamp)
        chain = [root, node]
        for index, segment in enumerate(segments):
            node = self._child(chain[-1].id, segment)
            if node is None:
                return Place(found, tuple(chain), segments[index:], segments, stamp)
            chain.append(node)
        return Place(found, tuple(chain), (), segments, stamp)

    def _stamp(self) -> tuple[Lock, ...]:
        return tuple(self._state.locks.values())

    def _child(self, parent: str, name: str) -> Node | None:
        return next((node for node in self._below(parent) if node.name == name), None)

    def _below(self, parent: str) -> list[Node]:
        return [node for node in self._nodes.values() if node.parent == parent]

    async def children(self, parent: str, *, inline: bool = False) -> AsyncIterator[Node]:
        """The nodes directly under the node of that id, ordered by name; with inline bytes only when asked."""
        for node in sorted(self._below(parent), key=lambda node: node.name):
            yield (
                node if inline or node.content is None else replace(node, content=replace(node.content, inline=None))
            )

    async def child_count(self, parent: str) -> int:
        """How many nodes are directly under the node of that id."""
        return len(self._below(parent))

    async def totals(self) -> tuple[int, int]:
        """How many nodes there are, and how many bytes their files hold."""
        sizes_bytes = [node.content.size_bytes for node in self._nodes.values() if node.content]
        return len(self._nodes), sum(sizes_bytes)

    async def height(self, node_id: str) -> int:
        """How many levels of collections are below the node of that id; 0 for one that holds files only."""
        collections = [node for node in self._below(node_id) if node.kind is not NodeKind.FILE]
        return max([1 + await self.height(node.id) for node in collections], default=0)

    async def guarded(self, node_id: str) -> AsyncIterator[tuple[Node, ...]]:
        """The nodes below the node of that id that have an ACL, each after those that lead to it from there."""
        for node in self._below(node_id):
            if node.acl != acls.EMPTY:
                yield (node,)
            async for chain in self.guarded(node.id):
                yield (node, *chain)

    # Writing

    async def save(self, node: Node) -> None:
        """Make the node of that id, or replace it where it stands. Bytes that a replaced file held are dropped."""
        there = self._nodes.get(node.id, node)
        self._nodes[node.id] = replace(node, parent=there.parent, name=there.name)

    async def rewrite(self, place: Place, node: Node) -> bool:
        """Replace the file at *place* by *node*, its next version; False when what was judged there has changed."""
        if place.box is None or place.node is None or place.stamp != self._stamp():
            return False
        if await self.locate(place.box.name, place.segments) != place:
            return False
        self._nodes[node.id] = node
        return True

    async def add(self, node: Node) -> bool:
        """Make a new node; False, and nothing done, when its id or its place is taken."""
        if node.id in self._nodes or self._child(node.parent, node.name) is not None:
            return False
        self._nodes[node.id] = node
        return True

    async def move(self, node: Node) -> None:
        """Give the node of that id its new parent, name and version."""
        self.path_freed = True
        there = self._nodes[node.id]
        self._nodes[node.id] = replace(there, parent=node.parent, name=node.name, version=node.version)

    async def copy_below(self, source: str, target: Node, new_id: Callable[[], str]) -> list[tuple[str, str]]:
        """All that is below the node of id *source* once more below *target*, which is saved and empty."""
        odata: list[tuple[str, str]] = []
        for node in self._below(source):
            times = target.published_ms, target.updated_ms
            twin = replace(node, id=new_id(), parent=target.id, version=1, published_ms=times[0], updated_ms=times[1])
            self._nodes[twin.id] = twin
            odata += [(node.id, twin.id)] if node.kind is NodeKind.ODATA else []
            odata += await self.copy_below(node.id, twin, new_id)
        return odata

    async def remove(self, node_id: str) -> None:
        """Remove the node of that id and all below it."""
        self.path_freed = True
        for node in self._below(node_id):
            await self.remove(node.id)
        self._nodes.pop(node_id, None)
        for queue in [each for each in self._state.queued if each[0] == node_id]:
            del self._state.queued[queue]
        for entity in _scoped(self._state, node_id):
            if entity.kind in _SCHEMA:
                for inner in _scoped(self._state, entity.id):
                    _remove_entity(self._state, inner.id)
                _remove_entity(self._state, entity.id)


def _scoped(state: ContentsState, scope: str) -> list[Entity]:
    return [entity for entity in state.entities.values() if entity.scope == scope]


def _remove_entity(state: ContentsState, entity_id: str) -> None:
    del state.entities[entity_id]
    for entity in list(state.entities.values()):
        refs = tuple(ref for ref in entity.refs if ref[1] != entity_id)
        if refs != entity.refs:
            state.entities[entity.id] = replace(entity, refs=refs)
    for key, link in list(state.links.items()):
        if entity_id in {link.id1, link.id2}:
            del state.links[key]


class MemoryEntities:
    """The entities of a cell."""

    def __init__(self, state: ContentsState) -> None:
        self._state = state
        self._entities = state.entities
        self.path_freed = False

    def _kind(self, kind: EntityKind) -> list[Entity]:
        return [entity for entity in self._entities.values() if entity.kind is kind]

    async def find(self, kind: EntityKind, scope: str, key: str) -> Entity | None:
        """The entity of that key."""
        wanted = scope, key
        return next((each for each in self._kind(kind) if (each.scope, each.key) == wanted), None)

    async def get(self, entity_id: str) -> Entity | None:
        """The entity of that id."""
        return self._entities.get(entity_id)

    async def query(self, query: Query) -> list[Entity]:
        """The entities that *query* asks for, in its order."""
        return self._evaluation(query).rows()

    async def matching(self, query: Query) -> int:
        """How many entities *query* is about, whatever part of them it asks for."""
        return len(self._evaluation(query).all())

    def _evaluation(self, query: Query) -> Evaluation:
        return Evaluation(query, self._entities, list(self._state.links.values()))

    async def count(self, kind: EntityKind) -> int:
        """How many entities of a kind there are."""
        return len(self._kind(kind))

    async def each(self, kind: EntityKind) -> AsyncIterator[Entity]:
        """All entities of a kind."""
        for entity in sorted(self._kind(kind), key=lambda entity: (entity.scope, entity.key)):
            yield entity

    async def scoped(self, scope: str, kinds: Sequence[EntityKind]) -> bool:
        """Whether there are entities of *kinds* in *scope*."""
        return any(entity.kind in kinds for entity in _scoped(self._state, scope))

    async def referring(self, target: str, kinds: Sequence[EntityKind] = ()) -> list[str]:
        """The ids of the entities (of *kinds*, or any) with an N:1 link to the entity of id *target*."""
        candidates = (entity for entity in self._entities.values() if not kinds or entity.kind in kinds)
        return sorted(each.id for each in candidates if any(there == target for _, there in each.refs))

    async def of_collection(self, node_id: str) -> AsyncIterator[Entity]:
        """The schema and user data of the OData collection at the node of that id, types before what is theirs."""
        types = [entity for entity in _scoped(self._state, node_id) if entity.kind in _SCHEMA]
        for entity in types + [inner for each in types for inner in _scoped(self._state, each.id)]:
            yield entity

    async def save(self, entity: Entity) -> None:
        """Make or replace the entity of that id with its N:1 links.

        Raises:
            Refusal: ENTITY_EXISTS when another entity has its key.
        """
        found = await self.find(entity.kind, entity.scope, entity.key)
        if found is not None and found.id != entity.id:
            raise Refusal(ENTITY_EXISTS)
        self._entities[entity.id] = entity

    async def add(self, entity: Entity) -> bool:
        """Make a new entity with its N:1 links; False, and nothing done, when its id or its key is taken."""
        if entity.id in self._entities or await self.find(entity.kind, entity.scope, entity.key):
            return False
        self._entities[entity.id] = entity
        return True

    async def remove(self, entity_id: str) -> None:
        """Remove an entity and every link, N:1 or N:N, that it has an end of."""
        if entity_id in self._entities:
            self.path_freed = True
            _remove_entity(self._state, entity_id)


class MemorySchemas:
    """The schemas of a cell's OData collections."""

    def __init__(self, state: ContentsState) -> None:
        self._state = state

    async def of(self, node_id: str) -> Schema:
        """The schema of the collection at the node of that id; the same object until an entity of it changes."""
        described = tuple(
            each for each in self._state.entities.values() if each.kind in SCHEMA_KINDS and each.node == node_id
        )
        if described != self._state.schemas.get(node_id, ((), None))[0]:
            self._state.schemas[node_id] = described, Schema.build(described)
        return self._state.schemas.setdefault(node_id, ((), Schema()))[1]


class MemoryLinks:
    """The N:N links of a cell."""

    def __init__(self, state: ContentsState) -> None:
        self._state = state
        self._links = state.links
        self._entities = state.entities

    async def exists(self, link: Link) -> bool:
        """Whether the two ends are linked."""
        return _ends(link) in self._links

    async def others(self, entity_id: str, kind: str) -> list[str]:
        """The ids linked with *entity_id* whose type is *kind*, in the order of linking."""
        found = []
        for link in self._links.values():
            if (link.id1, link.type2) == (entity_id, kind):
                found.append((link.published_ms, link.id2))
            elif (link.id2, link.type1) == (entity_id, kind):
                found.append((link.published_ms, link.id1))
        return [other for _, other in sorted(found)]

    async def each(self) -> AsyncIterator[Link]:
        """All links."""
        for _, link in sorted(self._links.items()):
            yield link

    async def of_collection(self, node_id: str) -> AsyncIterator[Link]:
        """The links between entities of the OData collection at the node of that id."""
        ids = {entity.id async for entity in MemoryEntities(self._state).of_collection(node_id)}
        for link in list(self._links.values()):
            if link.id1 in ids:
                yield link

    async def count(self) -> int:
        """How many links there are."""
        return len(self._links)

    async def save(self, link: Link) -> None:
        """Link the two ends; a link that is there is replaced."""
        self._links[_ends(link)] = link

    async def remove(self, link: Link) -> None:
        """Unlink the two ends."""
        self._links.pop(_ends(link), None)

    async def forget(self, one: str, other: str) -> None:
        """Remove every link, N:1 or N:N, between user data of the entity types of those ids."""
        for ends, link in list(self._links.items()):
            if {link.type1, link.type2} == {one, other}:
                del self._links[ends]
        for entity in list(self._entities.values()):
            for scope, kind in ((one, other), (other, one)):
                if entity.scope == scope:
                    refs = tuple(ref for ref in self._entities[entity.id].refs if ref[0] != kind)
                    self._entities[entity.id] = replace(self._entities[entity.id], refs=refs)


def _ends(link: Link) -> tuple[str, str, str, str]:
    return link.id1, link.id2, link.type1, link.type2


class MemoryLocks:
    """The WebDAV locks of a cell."""

    def __init__(self, state: ContentsState, now_ms: int) -> None:
        self._locks = state.locks
        self._now_ms = now_ms

    async def of(self, box_id: str) -> Locks:
        """The locks in the box of that id, with some perhaps that have ended."""
        return Locks.of(lock for lock in self._locks.values() if lock.box == box_id)

    async def save(self, lock: Lock) -> None:
        """Make or replace the lock of that token; those of the cell that have ended are forgotten."""
        for over in [each.token for each in self._locks.values() if each.until_ms <= self._now_ms]:
            del self._locks[over]
        self._locks[lock.token] = lock

    async def remove(self, token: str) -> None:
        """Remove the lock of that token."""
        self._locks.pop(token, None)


class MemoryPrincipals:
    """Accounts and their roles."""

    def __init__(self, state: ContentsState, entities: MemoryEntities) -> None:
        self._links = state.links
        self._entities = entities

    async def account(self, account_id: str) -> Entity | None:
        """The account of that id."""
        found = await self._entities.get(account_id)
        return found if found is not None and found.kind is EntityKind.ACCOUNT else None

    async def account_named(self, name: str) -> Entity | None:
        """The account of that name."""
        return await self._entities.find(EntityKind.ACCOUNT, "", name)

    async def roles_of(self, account_id: str) -> frozenset[str]:
        """The ids of the roles that an account is linked with."""
        wanted = account_id, EntityKind.ACCOUNT, EntityKind.ROLE
        return frozenset(link.id2 for link in self._links.values() if (link.id1, link.type1, link.type2) == wanted)


class MemoryOutbox:
    """What happened, in the order of its happening."""

    def __init__(self, state: ContentsState) -> None:
        self._events = state.events

    async def append(self, event: dict[str, JsonValue]) -> None:
        """Add an event."""
        self._events.append(event)


class MemoryQueues:
    """The messages that wait in queues."""

    def __init__(self, state: ContentsState, now_ms: int) -> None:
        self._queued = state.queued
        self._now_ms = now_ms

    async def backlog(self, node_id: str, name: str) -> Backlog:
        """What waits in a queue."""
        waiting = self._queued.get((node_id, name), ())
        return Backlog(len(waiting), sum(len(each.body.encode()) for each in waiting))

    async def add(self, node_id: str, name: str, body: str) -> None:
        """Put a message behind all others of a queue."""
        waiting = self._queued.get((node_id, name), ())
        self._queued[node_id, name] = (*waiting, Queued(self._now_ms, body))

    async def take(self, node_id: str, name: str, *, most: int, max_bytes: int) -> list[str]:
        """Remove the oldest messages of a queue and answer them."""
        waiting = self._queued.get((node_id, name), ())
        taken: list[str] = []
        sum_bytes = 0
        for each in waiting[:most]:
            sum_bytes += len(each.body.encode())
            if taken and sum_bytes > max_bytes:
                break
            taken.append(each.body)
        self._queued[node_id, name] = waiting[len(taken) :]
        return taken

    async def expire(self, until_ms: int) -> None:
        """Forget the messages of all queues that came at that time or before."""
        for queue, waiting in self._queued.items():
            self._queued[queue] = tuple(each for each in waiting if each.added_ms > until_ms)


class MemoryNotes:
    """What a build remembers, in the order of the keys."""

    def __init__(self, state: ContentsState) -> None:
        self._notes = state.notes

    async def put(self, key: bytes, note: bytes) -> None:
        """Remember *note* under *key*, which is new."""
        self._notes[key] = note

    async def take(self, count: int) -> list[tuple[bytes, bytes]]:
        """The first *count* notes with their keys, which are forgotten; fewer when there are no more."""
        return [(key, self._notes.pop(key)) for key in sorted(self._notes)[:count]]
