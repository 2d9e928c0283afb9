"""The WebDAV tree: files and collections, read and changed under the privileges of what stands there.

What does not belong here: XML, headers, properties and ACLs (``properties``), COPY and MOVE (``transfers``), running
scripts (``scripts``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from alveary.errors import (
    DIGEST_MISMATCH,
    HAS_CHILDREN,
    METHOD_NOT_ALLOWED,
    NO_SUCH_BOX,
    NO_SUCH_RESOURCE,
    NO_SUCH_URI,
    PARENT_MISSING,
    RESOURCE_EXISTS,
    TOO_DEEP,
    TOO_MANY_CHILDREN,
    Refusal,
)
from alveary.model.cell import Cell
from alveary.model.dav_semantics import SEMANTICS, DavSemantics
from alveary.model.entities import EntityKind
from alveary.model.names import ResourceName
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import SOURCE_COLLECTION, Content, Node, NodeKind, Place
from alveary.model.values import frozen
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
_BOX: Final = 1
"""Where a box's node stands in the chain that leads through it."""

_CELL_AND_BOX: Final = 2
"""How many nodes stand above the first segment below a box."""

_HOLDS_FILES: Final = frozenset({NodeKind.BOX, NodeKind.COLLECTION})
_SOURCE_CHARS: Final = 256
_NAME_CHARS: Final = 255


@frozen
class Saved:
    """What a write made: its ETag, whether it was not there before, and the SHA-256 of a file's bytes."""

    etag: ETag
    created: bool
    sha256: bytes = b""


@frozen
class OpenFile:
    """A file to be sent: its node and its box's, and its bytes from the moment it was found."""

    node: Node
    content: Content
    etag: ETag
    box: Node


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
        raise _no_such_box(place)
    if place.nearest.kind is NodeKind.FILE:
        raise Refusal(NO_SUCH_URI)
    raise Refusal(NO_SUCH_RESOURCE, url="/".join((place.box.name, *place.segments)))


@frozen
class Face:
    """The collection that decides what a request means: its kind, and how many names below the box lead to it."""

    kind: NodeKind
    depth: int


PLAIN: Final = Face(NodeKind.COLLECTION, 0)


async def face_of(ports: Ports, cell: Cell, path: BoxPath, *, reading: bool = False) -> Face:
    """The collection that decides what requests on *path* mean; a plain one of no depth when none does.

    A collection itself, and the sources of a service, are WebDAV's whatever it is; but *reading* an OData collection
    is OData's.
    """

    async def find(tx: ReadTx) -> Face:
        place = await tx.nodes.locate(path.box, path.segments[:-1])
        for depth, node in enumerate(place.chain[_CELL_AND_BOX:], start=1):
            if node.kind is NodeKind.SERVICE and path.segments[depth] == SOURCE_COLLECTION:
                return PLAIN
            if node.kind in _OWN_FACE:
                return Face(node.kind, depth)
        if reading and not place.rest:
            node_itself = (await tx.nodes.locate(path.box, path.segments)).node
            if node_itself is not None and node_itself.kind is NodeKind.ODATA:
                return Face(NodeKind.ODATA, len(path.segments))
        return PLAIN

    return await ports.store.contents(cell).read(find)


def _no_such_box(place: Place) -> Refusal:
    return Refusal(NO_SUCH_BOX, url=place.rest[0])


def _parent(place: Place) -> Node:
    """The node under which *place* is or would be.

    Raises:
        Refusal: NO_SUCH_BOX, NO_SUCH_URI (below a file), PARENT_MISSING, METHOD_NOT_ALLOWED (no place for files).
    """
    if place.box is None:
        raise _no_such_box(place)
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


def semantics_of(ports: Ports) -> DavSemantics:
    """Whose word holds in this unit where Personium and RFC 4918 differ."""
    return SEMANTICS[ports.config.dav.semantics]


def check_name(ports: Ports, place: Place, *, kind: NodeKind = NodeKind.FILE) -> ResourceName:
    """The last name of *place*, when something of that kind may have it there.

    Raises:
        Refusal: BAD_RESOURCE_NAME.
    """
    longest = _SOURCE_CHARS if kind is NodeKind.SERVICE or in_source(place) else _NAME_CHARS
    return ResourceName.parse(place.segments[-1], longest=longest, strict=semantics_of(ports).strict_names)


async def check_room(ports: Ports, nodes: NodeReader, parent: Node) -> None:
    """Return when one more may be made under *parent*.

    Raises:
        Refusal: TOO_MANY_CHILDREN.
    """
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
    return OpenFile(node, node.content, etag_of(node), place.chain[_BOX])


async def put(
    ports: Ports,
    access: Access,
    order: Put,
    body: AsyncIterator[bytes],
    *,
    sha256: bytes | None = None,
) -> Saved:
    """Store *body* as the file that *order* asks for, whole or not at all; readers see the old file or the new one.

    No lock is held while the client sends. *sha256* is what it has to be, None for whatever comes.

    Raises:
        Refusal: as Access.require_at; ETAG_MISMATCH, METHOD_NOT_ALLOWED (no file there), BAD_RESOURCE_NAME,
            PARENT_MISSING, NO_SUCH_BOX, NO_SUCH_URI, TOO_MANY_CHILDREN, BODY_TOO_LARGE, DIGEST_MISMATCH,
            IF_FAILED, LOCKED, CELL_LOCKED, DISK_FULL.
    """
    seen = await access.require_at(ports, order.path, PUT, partial(order.look, ports, access))
    contents = ports.store.contents(access.here)
    async with contents.blobs.stage(body, max_bytes=ports.config.limits.upload_bytes) as staged:
        content = await staged.keep()  # before the row: an orphan is swept later, a dangling row would not be
        require_digest(content, sha256)
        return await contents.write(lambda tx: order.apply(ports, access, tx, content, seen))


@frozen
class Put:
    """What a PUT asks for: where the file will be, of what type, and what must hold of what is there."""

    path: BoxPath
    media_type: str
    expect: Precondition

    def check(self, ports: Ports, place: Place) -> Node:
        """The node under which the file will be; *place* is what its path leads to.

        Raises:
            Refusal: as :func:`put`.
        """
        node = place.node
        if node is not None:
            if node.kind is not NodeKind.FILE:
                raise Refusal(METHOD_NOT_ALLOWED)
            self.expect.check(etag_of(node))
            return place.chain[-2]
        if place.box is None:
            raise _no_such_box(place)
        check_name(ports, place)
        parent = _parent(place)
        self.expect.check(None)
        return parent

    async def look(self, ports: Ports, access: Access, tx: ReadTx, place: Place) -> None:
        """Return when nothing at *place*, where its path leads, is in the way: a body would not come in vain.

        Raises:
            Refusal: as :func:`put`.
        """
        self.check(ports, place)
        await Claimant(access).may_change(tx, place, ports.clock.now_ms())

    async def apply(
        self, ports: Ports, access: Access, tx: WriteTx, content: Content, seen: Place | None = None
    ) -> Saved:
        """Make *content* the file, after another look at what is there and who may do what.

        None is needed where all is as it was when :meth:`look` returned of *seen*, a file. What an If header says may
        be about more than that.

        Raises:
            Refusal: as :func:`put`.
        """
        if seen is not None and seen.node is not None and not access.claim.lists:
            node = seen.node.holding(content, self.media_type, tx.now_ms)
            if await tx.nodes.rewrite(seen, node):
                return await self._tell(access, tx, node, content)
        place = await access.judge(tx, self.path, PUT)
        parent = self.check(ports, place)
        await Claimant(access).changes(tx, place)
        old = place.node
        if old is None:
            await check_room(ports, tx.nodes, parent)
            times = tx.now_ms, tx.now_ms
            node = Node(
                ports.ids.timed(),
                parent.id,
                place.segments[-1],
                NodeKind.FILE,
                1,
                *times,
                media_type=self.media_type,
                content=content,
            )
        else:
            node = old.holding(content, self.media_type, tx.now_ms)
        await tx.nodes.save(node)
        return await self._tell(access, tx, node, content)

    async def _tell(self, access: Access, tx: WriteTx, node: Node, content: Content) -> Saved:
        created = node.version == 1
        what, status = ("davfile.create", 201) if created else ("davfile.update", 204)
        await tx.outbox.append(event(access, what, local_url(self.path), status))
        return Saved(etag_of(node), created=created, sha256=content.sha256)


def require_digest(content: Content, sha256: bytes | None) -> None:
    """Return when *content* is what it has to be; None: whatever it is.

    Raises:
        Refusal: DIGEST_MISMATCH.
    """
    if sha256 is not None and sha256 != content.sha256:
        raise Refusal(DIGEST_MISMATCH)


async def delete(ports: Ports, access: Access, path: BoxPath, *, recursive: bool, expect: Precondition) -> None:
    """Remove what is at *path*: a file, or a collection that is empty or whose contents go with it (*recursive*).

    Under RFC 4918 they always do.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, ETAG_MISMATCH, HAS_CHILDREN,
            METHOD_NOT_ALLOWED (a service's source collection), IF_FAILED, LOCKED, CELL_LOCKED.
    """
    await access.require_at(ports, path, REMOVE)
    whole = recursive or semantics_of(ports).deletes_full

    async def remove(tx: WriteTx) -> None:
        place = await access.judge(tx, path, REMOVE)
        node = existing(place)
        expect.check(etag_of(node))
        if is_source_collection(place):
            raise Refusal(METHOD_NOT_ALLOWED)
        if not whole and not await _is_empty(tx, node):
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
        name = check_name(ports, place, kind=kind)
        if parent.name == SOURCE_COLLECTION and in_source(place):
            raise Refusal(RESOURCE_EXISTS)
        if len(place.segments) > ports.config.limits.depth:
            raise Refusal(TOO_DEEP)
        await check_room(ports, tx.nodes, parent)
        await Claimant(access).changes(tx, place)
        node = Node(ports.ids.timed(), parent.id, name, kind, 1, tx.now_ms, tx.now_ms)
        await tx.nodes.save(node)
        if kind is NodeKind.SERVICE:
            node = await make_source(ports, tx, node)
        await tx.outbox.append(event(access, f"{noun(kind)}.mkcol", local_url(path), 201))
        return Saved(etag_of(node), created=True)

    return await ports.store.contents(access.here).write(save)


async def make_source(ports: Ports, tx: WriteTx, service: Node) -> Node:
    """The source collection of *service*, which was made just now."""
    times = service.published_ms, service.updated_ms
    node = Node(ports.ids.timed(), service.id, SOURCE_COLLECTION, NodeKind.COLLECTION, 1, *times)
    await tx.nodes.save(node)
    return node


def _check_absent(place: Place) -> None:
    node = place.node
    if node is None:
        return
    raise Refusal(RESOURCE_EXISTS if node.kind is NodeKind.COLLECTION else METHOD_NOT_ALLOWED)
