"""The WebDAV tree: files and collections, read and changed under the privileges of what stands there.

What does not belong here: XML, headers, properties and ACLs (``properties``), running scripts (``scripts``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from alveary.errors import (
    BAD_HEADER,
    DESTINATION_EXISTS,
    DESTINATION_IS_SOURCE,
    HAS_CHILDREN,
    METHOD_NOT_ALLOWED,
    MOVE_COLLECTION_UNDER_SOURCE,
    MOVE_INTO_FILE,
    MOVE_INTO_ODATA,
    MOVE_INTO_SERVICE,
    MOVE_OF_BOX,
    MOVE_OF_SOURCE,
    MOVE_ONTO_COLLECTION,
    MOVE_ONTO_SOURCE,
    NO_SUCH_BOX,
    NO_SUCH_RESOURCE,
    NO_SUCH_URI,
    PARENT_MISSING,
    RESOURCE_EXISTS,
    TOO_DEEP,
    TOO_MANY_CHILDREN,
    Kind,
    Refusal,
)
from alveary.model.cell import Cell
from alveary.model.entities import EntityKind
from alveary.model.names import ResourceName
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import SOURCE_COLLECTION, Content, Node, NodeKind, Place
from alveary.ports import Ports
from alveary.ports.store import NodeReader, ReadTx, WriteTx
from alveary.usecases.access import Access, BoxPath, Need
from alveary.usecases.claims import Claimant
from alveary.usecases.events import event, local_url
from alveary.wire.etags import ETag, Precondition

READ: Final = Need(BoxPrivilege.READ, BoxPrivilege.READ)
PUT: Final = Need(BoxPrivilege.WRITE_CONTENT, BoxPrivilege.BIND)
MAKE: Final = Need(BoxPrivilege.BIND, BoxPrivilege.BIND, on_parent=True)
REMOVE: Final = Need(BoxPrivilege.UNBIND, BoxPrivilege.UNBIND, on_parent=True)

_EVENT_NOUN: Final = {
    NodeKind.FILE: "davfile",
    NodeKind.COLLECTION: "webdavcol",
    NodeKind.ODATA: "odatacol",
    NodeKind.SERVICE: "servicecol",
    NodeKind.STREAM: "streamcol",
    NodeKind.BOX: "box",
    NodeKind.CELL: "cell",
}
_OWN_FACE: Final = frozenset({NodeKind.ODATA, NodeKind.SERVICE, NodeKind.STREAM})
_CELL_AND_BOX: Final = 2
"""How many nodes stand above the first segment below a box."""

_HOLDS_FILES: Final = frozenset({NodeKind.BOX, NodeKind.COLLECTION})
_SOURCE_CHARS: Final = 256
_NAME_CHARS: Final = 255

MOVE_INTO: Final[dict[NodeKind, Kind]] = {
    NodeKind.ODATA: MOVE_INTO_ODATA,
    NodeKind.FILE: MOVE_INTO_FILE,
    NodeKind.SERVICE: MOVE_INTO_SERVICE,
    NodeKind.STREAM: MOVE_INTO_SERVICE,
}
"""Why nothing is moved into a node of that kind."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a write made: its ETag, and whether it was not there before."""

    etag: ETag
    created: bool


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file to be sent: its node, and its bytes from the moment it was found."""

    node: Node
    content: Content
    etag: ETag


def etag_of(node: Node) -> ETag:
    """The strong ETag of *node*."""
    return ETag(node.version, node.updated_ms)


def noun(kind: NodeKind) -> str:
    """What events call a node of that kind."""
    return _EVENT_NOUN[kind]


# Where a path leads


def existing(place: Place) -> Node:
    """The node at *place*.

    Raises:
        Refusal: NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI (below a file).
    """
    node = place.node
    if node is not None:
        return node
    if place.box is None:
        raise Refusal(NO_SUCH_BOX, url=_shown(place))
    if place.nearest.kind is NodeKind.FILE:
        raise Refusal(NO_SUCH_URI)
    raise Refusal(NO_SUCH_RESOURCE, url=_shown(place))


@dataclass(frozen=True, slots=True)
class Face:
    """The collection that decides what a request means: its kind, and how many names below the box lead to it."""

    kind: NodeKind
    depth: int


_PLAIN: Final = Face(NodeKind.COLLECTION, 0)


async def face_of(ports: Ports, cell: Cell, path: BoxPath, *, reading: bool = False) -> Face:
    """The collection that decides what requests on *path* mean; a plain one of no depth when none does.

    A collection itself, and the sources of a service, are WebDAV's whatever it is; but *reading* an OData collection
    is OData's.
    """

    async def find(tx: ReadTx) -> Face:
        place = await tx.nodes.locate(path.box, path.segments[:-1])
        for depth, node in enumerate(place.chain[_CELL_AND_BOX:], start=1):
            if node.kind is NodeKind.SERVICE and path.segments[depth] == SOURCE_COLLECTION:
                return _PLAIN
            if node.kind in _OWN_FACE:
                return Face(node.kind, depth)
        if reading and not place.rest:
            node_itself = (await tx.nodes.locate(path.box, path.segments)).node
            if node_itself is not None and node_itself.kind is NodeKind.ODATA:
                return Face(NodeKind.ODATA, len(path.segments))
        return _PLAIN

    return await ports.store.contents(cell).read(find)


def _shown(place: Place) -> str:
    return "/".join((place.box.name if place.box else "", *place.segments))


def _parent(place: Place) -> Node:
    """The node under which *place* is or would be.

    Raises:
        Refusal: NO_SUCH_BOX, NO_SUCH_URI (below a file), PARENT_MISSING, METHOD_NOT_ALLOWED (no place for files).
    """
    if place.box is None:
        raise Refusal(NO_SUCH_BOX, url=_shown(place))
    if place.node is not None:
        return place.chain[-2]
    if place.nearest.kind is NodeKind.FILE:
        raise Refusal(NO_SUCH_URI)
    if len(place.rest) > 1:
        raise Refusal(PARENT_MISSING, url="/".join(place.segments[:-1]))
    if place.nearest.kind not in _HOLDS_FILES:
        raise Refusal(METHOD_NOT_ALLOWED)
    return place.nearest


def in_source(place: Place) -> bool:
    """Whether *place* is in the source collection of a service."""
    return any(
        above.kind is NodeKind.SERVICE and below.name == SOURCE_COLLECTION
        for above, below in zip(place.chain, place.chain[1:], strict=False)
    )


def _check_name(ports: Ports, place: Place, *, longest: int) -> ResourceName:
    strict = ports.config.dav.semantics == "personium"
    return ResourceName.parse(place.segments[-1], longest=longest, strict=strict)


async def _check_room(ports: Ports, nodes: NodeReader, parent: Node) -> None:
    if await nodes.child_count(parent.id) >= ports.config.limits.children:
        raise Refusal(TOO_MANY_CHILDREN)


# Files


async def get(ports: Ports, access: Access, path: BoxPath) -> OpenFile | Node:
    """The file at *path* with its bytes, or the box or collection that is there.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI.
    """
    place = await access.require_at(ports, path, READ)
    node = existing(place)
    if node.content is None:
        return node
    return OpenFile(node, node.content, etag_of(node))


async def put(
    ports: Ports,
    access: Access,
    path: BoxPath,
    body: AsyncIterator[bytes],
    *,
    media_type: str,
    expect: Precondition,
) -> Saved:
    """Store *body* as the file at *path*, whole or not at all; readers see the old file or the new one.

    No lock is held while the client sends.

    Raises:
        Refusal: as Access.require_at; ETAG_MISMATCH, METHOD_NOT_ALLOWED (no file there), BAD_RESOURCE_NAME,
            PARENT_MISSING, NO_SUCH_BOX, NO_SUCH_URI, TOO_MANY_CHILDREN, BODY_TOO_LARGE, IF_FAILED, LOCKED,
            CELL_LOCKED, DISK_FULL.
    """
    place = await access.require_at(ports, path, PUT)
    _check_put(ports, place, expect)
    await Claimant(access).may_change(ports, place)
    contents = ports.store.contents(access.here)
    async with contents.blobs.stage(body, max_bytes=ports.config.limits.upload_bytes) as staged:
        content = await staged.keep()  # before the row: an orphan is swept later, a dangling row would not be

        async def save(tx: WriteTx) -> Saved:
            return await save_file(ports, access, tx, path, content, media_type, expect)

        return await contents.write(save)


def _check_put(ports: Ports, place: Place, expect: Precondition) -> Node:
    node = place.node
    if node is not None:
        if node.kind is not NodeKind.FILE:
            raise Refusal(METHOD_NOT_ALLOWED)
        expect.check(etag_of(node))
        return place.chain[-2]
    if place.box is None:
        raise Refusal(NO_SUCH_BOX, url=_shown(place))
    _check_name(ports, place, longest=_SOURCE_CHARS if in_source(place) else _NAME_CHARS)
    parent = _parent(place)
    expect.check(None)
    return parent


async def save_file(
    ports: Ports,
    access: Access,
    tx: WriteTx,
    path: BoxPath,
    content: Content,
    media_type: str,
    expect: Precondition,
) -> Saved:
    """Make *content* that of the file at *path*, within a transaction.

    Raises:
        Refusal: as :func:`put`.
    """
    place = await access.judge(tx, path, PUT)
    parent = _check_put(ports, place, expect)
    await Claimant(access).changes(tx, place)
    old = place.node
    if old is None:
        await _check_room(ports, tx.nodes, parent)
        node = Node(
            ports.ids.timed(),
            parent.id,
            place.segments[-1],
            NodeKind.FILE,
            1,
            tx.now_ms,
            tx.now_ms,
            media_type=media_type,
            content=content,
        )
    else:
        node = replace(old, version=old.version + 1, updated_ms=tx.now_ms, media_type=media_type, content=content)
    await tx.nodes.save(node)
    what, status = ("davfile.create", 201) if old is None else ("davfile.update", 204)
    await tx.outbox.append(event(access, what, local_url(path), status))
    return Saved(etag_of(node), created=old is None)


async def delete(ports: Ports, access: Access, path: BoxPath, *, recursive: bool, expect: Precondition) -> None:
    """Remove what is at *path*: a file, or a collection that is empty or whose contents go with it (*recursive*).

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, ETAG_MISMATCH, HAS_CHILDREN,
            METHOD_NOT_ALLOWED (a service's source collection), IF_FAILED, LOCKED, CELL_LOCKED.
    """
    await access.require_at(ports, path, REMOVE)

    async def remove(tx: WriteTx) -> None:
        place = await access.judge(tx, path, REMOVE)
        node = existing(place)
        expect.check(etag_of(node))
        if is_source_collection(place):
            raise Refusal(METHOD_NOT_ALLOWED)
        if not recursive and not await _is_empty(tx, node):
            raise Refusal(HAS_CHILDREN)
        await Claimant(access).removes(tx, place)
        await tx.nodes.remove(node.id)
        await tx.outbox.append(event(access, f"{noun(node.kind)}.delete", local_url(path), 204))

    await ports.store.contents(access.here).write(remove)


def is_source_collection(place: Place) -> bool:
    """Whether what is at *place* is the source collection of a service."""
    return (
        place.nearest.name == SOURCE_COLLECTION and len(place.chain) > 1 and place.chain[-2].kind is NodeKind.SERVICE
    )


async def _is_empty(tx: WriteTx, node: Node) -> bool:
    match node.kind:
        case NodeKind.FILE | NodeKind.STREAM:
            return True
        case NodeKind.ODATA:
            return not await tx.entities.scoped(node.id, (EntityKind.ENTITY_TYPE, EntityKind.COMPLEX_TYPE))
        case NodeKind.SERVICE:
            async for child in tx.nodes.children(node.id):
                if await tx.nodes.child_count(child.id):
                    return False
            return True
        case _:
            return await tx.nodes.child_count(node.id) == 0


# Collections


async def make_collection(ports: Ports, access: Access, path: BoxPath, kind: NodeKind) -> Saved:
    """A new collection at *path*; a service collection comes with its source collection, whose ETag is told.

    Raises:
        Refusal: as Access.require_at; RESOURCE_EXISTS, METHOD_NOT_ALLOWED, BAD_RESOURCE_NAME, PARENT_MISSING,
            NO_SUCH_BOX, NO_SUCH_URI, TOO_DEEP, TOO_MANY_CHILDREN, IF_FAILED, LOCKED, CELL_LOCKED.
    """
    await access.require_at(ports, path, MAKE)

    async def save(tx: WriteTx) -> Saved:
        place = await access.judge(tx, path, MAKE)
        _check_absent(place)
        parent = _parent(place)
        longest = _SOURCE_CHARS if kind is NodeKind.SERVICE else _NAME_CHARS
        name = _check_name(ports, place, longest=longest)
        if parent.name == SOURCE_COLLECTION and in_source(place):
            raise Refusal(RESOURCE_EXISTS)
        if len(place.segments) > ports.config.limits.depth:
            raise Refusal(TOO_DEEP)
        await _check_room(ports, tx.nodes, parent)
        await Claimant(access).changes(tx, place)
        node = Node(ports.ids.timed(), parent.id, name, kind, 1, tx.now_ms, tx.now_ms)
        await tx.nodes.save(node)
        if kind is NodeKind.SERVICE:
            node = Node(ports.ids.timed(), node.id, SOURCE_COLLECTION, NodeKind.COLLECTION, 1, tx.now_ms, tx.now_ms)
            await tx.nodes.save(node)
        await tx.outbox.append(event(access, f"{noun(kind)}.mkcol", local_url(path), 201))
        return Saved(etag_of(node), created=True)

    return await ports.store.contents(access.here).write(save)


def _check_absent(place: Place) -> None:
    node = place.node
    if node is None:
        return
    raise Refusal(RESOURCE_EXISTS if node.kind is NodeKind.COLLECTION else METHOD_NOT_ALLOWED)


# Moving


@dataclass(frozen=True, slots=True)
class Move:
    """What a MOVE asks for: where to, and whether a file that is there may go."""

    destination: BoxPath
    overwrite: bool
    expect: Precondition


async def move(ports: Ports, access: Access, path: BoxPath, order: Move) -> Saved:
    """Rename or move what is at *path* within its box, with all below it, in one transaction.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, ETAG_MISMATCH, MOVE_OF_BOX,
            MOVE_OF_SOURCE, DESTINATION_IS_SOURCE, BAD_HEADER, BAD_RESOURCE_NAME, PARENT_MISSING,
            DESTINATION_EXISTS, MOVE_ONTO_SOURCE, MOVE_ONTO_COLLECTION, MOVE_INTO_ODATA, MOVE_INTO_FILE,
            MOVE_INTO_SERVICE, MOVE_COLLECTION_UNDER_SOURCE, TOO_MANY_CHILDREN, TOO_DEEP, IF_FAILED, LOCKED,
            CELL_LOCKED.
    """
    await access.require_at(ports, path, MOVE_FROM_BOX if not path.segments else REMOVE)
    if not path.segments:
        raise Refusal(MOVE_OF_BOX)

    async def apply(tx: WriteTx) -> Saved:
        source = await access.judge(tx, path, REMOVE)
        node = existing(source)
        order.expect.check(etag_of(node))
        target = await tx.nodes.locate(order.destination.box, order.destination.segments)
        old = target.node
        above = target.chain if old is None else target.chain[:-1]
        access.require_on(target, above, BoxPrivilege.BIND)
        if old is not None and order.overwrite:
            access.require_on(target, above, BoxPrivilege.UNBIND)
        parent = _check_move(ports, source, target, order)
        await Claimant(access).removes(tx, source)
        await Claimant(access).arrives(tx, target)
        if old is not None:
            await tx.nodes.remove(old.id)
        elif parent.id != node.parent:
            await _check_room(ports, tx.nodes, parent)
        if node.kind is not NodeKind.FILE:
            await _check_depth(ports, tx, node, len(order.destination.segments))
        # What overwrites takes a version that neither file has had: the place never repeats an ETag.
        version = node.version if old is None else max(node.version, old.version) + 1
        moved = replace(node, parent=parent.id, name=target.segments[-1], version=version)
        await tx.nodes.move(moved)
        await tx.outbox.append(event(access, f"{noun(node.kind)}.move", local_url(path), 201 if old is None else 204))
        return Saved(etag_of(moved), created=old is None)

    return await ports.store.contents(access.here).write(apply)


MOVE_FROM_BOX: Final = Need(BoxPrivilege.WRITE, BoxPrivilege.WRITE)


def _check_move(ports: Ports, source: Place, target: Place, order: Move) -> Node:
    """The node under which the moved one will be."""
    node, here, there = existing(source), source.segments, order.destination.segments
    if is_source_collection(source):
        raise Refusal(MOVE_OF_SOURCE)
    if here == there:
        raise Refusal(DESTINATION_IS_SOURCE, url="/".join(there))
    if there[: len(here)] == here:
        raise Refusal(BAD_HEADER, name="Destination", value="/".join(there))
    old = target.node
    if old is None:
        if len(target.rest) > 1:
            raise Refusal(PARENT_MISSING, url="/".join(there[:-1]))
        parent = target.nearest
        if parent.kind in MOVE_INTO:
            raise Refusal(MOVE_INTO[parent.kind])
        if in_source(target) and node.kind is not NodeKind.FILE:
            raise Refusal(MOVE_COLLECTION_UNDER_SOURCE)
        _check_name(ports, target, longest=_SOURCE_CHARS if in_source(target) else _NAME_CHARS)
        return parent
    if not order.overwrite:
        raise Refusal(DESTINATION_EXISTS)
    if is_source_collection(target):
        raise Refusal(MOVE_ONTO_SOURCE)
    if old.kind is not NodeKind.FILE:
        raise Refusal(MOVE_ONTO_COLLECTION)
    if in_source(target) and node.kind is not NodeKind.FILE:
        raise Refusal(MOVE_COLLECTION_UNDER_SOURCE)
    return target.chain[-2]


async def _check_depth(ports: Ports, tx: WriteTx, node: Node, new_depth: int) -> None:
    if new_depth + await tx.nodes.height(node.id) > ports.config.limits.depth:
        raise Refusal(TOO_DEEP)
