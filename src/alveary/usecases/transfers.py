"""COPY and MOVE: one planned operation with two verbs, on files and on whole trees, in one transaction.

A request is parsed at the edge; here the subject is authorised, a plan made of what is there, and applied. What does
not belong here: headers, and the entities of OData collections (``odata_copies``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from alveary.errors import (
    BAD_HEADER,
    DESTINATION_EXISTS,
    DESTINATION_IS_SOURCE,
    MOVE_COLLECTION_UNDER_SOURCE,
    MOVE_INTO_FILE,
    MOVE_INTO_ODATA,
    MOVE_INTO_SERVICE,
    MOVE_OF_BOX,
    MOVE_OF_SOURCE,
    MOVE_ONTO_COLLECTION,
    MOVE_ONTO_SOURCE,
    PARENT_MISSING,
    TOO_DEEP,
    Kind,
    Refusal,
)
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import Node, NodeKind, Place
from alveary.model.values import frozen
from alveary.ports import Ports
from alveary.ports.store import WriteTx
from alveary.usecases.access import Access, BoxPath, Need
from alveary.usecases.claims import Claimant
from alveary.usecases.events import event, local_url
from alveary.usecases.files import (
    READ,
    REMOVE,
    Saved,
    check_name,
    check_room,
    etag_of,
    existing,
    in_source,
    is_source_collection,
    make_source,
    noun,
    semantics_of,
)
from alveary.usecases.odata_copies import copy_entities
from alveary.wire.etags import Precondition

_OF_BOX: Final = Need(BoxPrivilege.WRITE, BoxPrivilege.WRITE)
_INTO: Final[Mapping[NodeKind, Kind]] = {
    NodeKind.ODATA: MOVE_INTO_ODATA,
    NodeKind.FILE: MOVE_INTO_FILE,
    NodeKind.SERVICE: MOVE_INTO_SERVICE,
    NodeKind.STREAM: MOVE_INTO_SERVICE,
}
"""Why nothing comes into a node of that kind."""


class Verb(Enum):
    """What is done with the original."""

    COPY = auto()
    MOVE = auto()


_NEEDED: Final[Mapping[Verb, Need]] = {Verb.COPY: READ, Verb.MOVE: REMOVE}
"""What each verb needs on the source; on the destination both need bind, and unbind where something is."""

_CLAIMED: Final = {Verb.COPY: Claimant.looks, Verb.MOVE: Claimant.removes}
"""How each verb meets the locks on the source."""


@frozen
class Transfer:
    """What a request asks for: where to, and whether what is there may go.

    ``shallow``: of a collection only itself is copied, with its properties and ACL.
    """

    verb: Verb
    destination: BoxPath
    overwrite: bool
    expect: Precondition
    shallow: bool = False


@frozen
class _Plan:
    """What is going to happen: *node* comes under *parent* by *name*, after *replaced* has gone."""

    node: Node
    parent: Node
    name: str
    replaced: Node | None

    @property
    def version(self) -> int:
        """A version that neither what comes nor what goes has had: the place never repeats an ETag."""
        return 1 if self.replaced is None else max(self.node.version, self.replaced.version) + 1


def needed_on(verb: Verb, path: BoxPath) -> Need:
    """What *verb* needs on the source."""
    return _NEEDED[verb] if path.segments else _OF_BOX


async def transfer(ports: Ports, access: Access, path: BoxPath, order: Transfer) -> Saved:
    """Copy or move what is at *path* within its box, with all below it, whole or not at all.

    A copy has the first version, new times, and the properties and ACLs of the original; no byte of a file is
    copied. What moves keeps its times.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, ETAG_MISMATCH, MOVE_OF_BOX,
            MOVE_OF_SOURCE, DESTINATION_IS_SOURCE, BAD_HEADER (one within the other), BAD_RESOURCE_NAME,
            PARENT_MISSING, DESTINATION_EXISTS, MOVE_ONTO_SOURCE, MOVE_ONTO_COLLECTION, MOVE_INTO_ODATA,
            MOVE_INTO_FILE, MOVE_INTO_SERVICE, MOVE_COLLECTION_UNDER_SOURCE, TOO_MANY_CHILDREN, TOO_DEEP,
            IF_FAILED, LOCKED, CELL_LOCKED.
    """
    await access.require_at(ports, path, needed_on(order.verb, path))
    if not path.segments:
        raise Refusal(MOVE_OF_BOX)

    async def apply(tx: WriteTx) -> Saved:
        source = await access.judge(tx, path, _NEEDED[order.verb])
        order.expect.check(etag_of(existing(source)))
        target = await tx.nodes.locate(order.destination.box, order.destination.segments)
        await _authorise(access, tx, source, target, order)
        plan = await _plan(ports, tx, source, target, order)
        await _CLAIMED[order.verb](Claimant(access), tx, source)
        await Claimant(access).arrives(tx, target)
        if plan.replaced is not None:
            await tx.nodes.remove(plan.replaced.id)
        made = await _APPLY[order.verb](ports, tx, plan, order)
        created = plan.replaced is None
        await _tell(access, tx, path, order, made, created=created)
        return Saved(etag_of(made), created=created)

    return await ports.store.contents(access.here).write(apply)


async def _authorise(access: Access, tx: WriteTx, source: Place, target: Place, order: Transfer) -> None:
    above = target.chain if target.node is None else target.chain[:-1]
    access.require_on(target, above, BoxPrivilege.BIND)
    if target.node is not None and order.overwrite:
        access.require_on(target, above, BoxPrivilege.UNBIND)
    if order.verb is Verb.COPY and _goes_deep(existing(source), order):
        async for chain in tx.nodes.guarded(existing(source).id):
            access.require_on(source, (*source.chain, *chain), BoxPrivilege.READ)


def _goes_deep(node: Node, order: Transfer) -> bool:
    return node.kind is not NodeKind.FILE and not order.shallow


# Planning


async def _plan(ports: Ports, tx: WriteTx, source: Place, target: Place, order: Transfer) -> _Plan:
    node = existing(source)
    _check_apart(source, target, order)
    parent = _free_place(ports, node, target) if target.node is None else _taken_place(ports, node, target, order)
    if target.node is None and (order.verb is Verb.COPY or parent.id != node.parent):
        await check_room(ports, tx.nodes, parent)
    await _check_depth(ports, tx, node, order)
    return _Plan(node, parent, target.segments[-1], target.node)


def _check_apart(source: Place, target: Place, order: Transfer) -> None:
    """Return when neither of the two places is within the other, but for a collection that is copied by itself."""
    here, there = source.segments, target.segments
    if is_source_collection(source):
        raise Refusal(MOVE_OF_SOURCE)
    if here == there:
        raise Refusal(DESTINATION_IS_SOURCE, url="/".join(there))
    below = there[: len(here)] == here and not (order.verb is Verb.COPY and order.shallow)
    above = here[: len(there)] == there and order.overwrite
    if below or above:
        raise Refusal(BAD_HEADER, name="Destination", value="/".join(there))


def _free_place(ports: Ports, node: Node, target: Place) -> Node:
    """The node under which there is nothing of that name yet."""
    if len(target.rest) > 1:
        raise Refusal(PARENT_MISSING, url="/".join(target.segments[:-1]))
    if target.nearest.kind in _INTO:
        raise Refusal(_INTO[target.nearest.kind])
    if in_source(target) and node.kind is not NodeKind.FILE:
        raise Refusal(MOVE_COLLECTION_UNDER_SOURCE)
    check_name(ports, target, kind=node.kind)
    return target.nearest


def _taken_place(ports: Ports, node: Node, target: Place, order: Transfer) -> Node:
    """The node under which something is replaced."""
    if not order.overwrite:
        raise Refusal(DESTINATION_EXISTS)
    if is_source_collection(target):
        raise Refusal(MOVE_ONTO_SOURCE)
    if target.chain[-1].kind is not NodeKind.FILE and not semantics_of(ports).replaces_collections:
        raise Refusal(MOVE_ONTO_COLLECTION)
    if in_source(target) and node.kind is not NodeKind.FILE:
        raise Refusal(MOVE_COLLECTION_UNDER_SOURCE)
    return target.chain[-2]


async def _check_depth(ports: Ports, tx: WriteTx, node: Node, order: Transfer) -> None:
    if node.kind is NodeKind.FILE:
        return
    below = 0 if order.shallow else await tx.nodes.height(node.id)
    if len(order.destination.segments) + below > ports.config.limits.depth:
        raise Refusal(TOO_DEEP)


# Applying


async def _move(ports: Ports, tx: WriteTx, plan: _Plan, order: Transfer) -> Node:
    version = plan.node.version if plan.replaced is None else plan.version
    moved = replace(plan.node, parent=plan.parent.id, name=plan.name, version=version)
    await tx.nodes.move(moved)
    return moved


async def _copy(ports: Ports, tx: WriteTx, plan: _Plan, order: Transfer) -> Node:
    # What was replaced a moment ago may hold the same names: its copies are later, so that no ETag is repeated.
    now_ms = tx.now_ms if plan.replaced is None else tx.now_ms + 1
    made = replace(
        plan.node,
        id=ports.ids.timed(),
        parent=plan.parent.id,
        name=plan.name,
        version=plan.version,
        published_ms=now_ms,
        updated_ms=now_ms,
    )
    await tx.nodes.save(made)
    if _goes_deep(made, order):
        await _copy_contents(ports, tx, plan.node, made)
    elif made.kind is NodeKind.SERVICE:
        await make_source(ports, tx, made)
    return made


async def _copy_contents(ports: Ports, tx: WriteTx, node: Node, made: Node) -> None:
    pairs = await tx.nodes.copy_below(node.id, made, ports.ids.timed)
    if node.kind is NodeKind.ODATA:
        pairs = [(node.id, made.id)]
    for old, new in pairs:
        await copy_entities(tx, old, new, ports.ids.timed)


_APPLY: Final[Mapping[Verb, Callable[[Ports, WriteTx, _Plan, Transfer], Awaitable[Node]]]] = {
    Verb.COPY: _copy,
    Verb.MOVE: _move,
}


async def _tell(access: Access, tx: WriteTx, path: BoxPath, order: Transfer, made: Node, *, created: bool) -> None:
    """Add the event: a move is told of the source, a copy as the making of its destination."""
    if order.verb is Verb.MOVE:
        what, subject = "move", path
    else:
        what, subject = _made_by_copying(made, created=created), order.destination
    await tx.outbox.append(event(access, f"{noun(made.kind)}.{what}", local_url(subject), 201 if created else 204))


def _made_by_copying(made: Node, *, created: bool) -> str:
    if made.kind is not NodeKind.FILE:
        return "mkcol"
    return "create" if created else "update"
