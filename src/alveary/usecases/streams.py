"""Streams: messages that wait in queues, and messages that subscribers of topics hear.

What does not belong here: who listens over a WebSocket (``subscribers``), and which queues and topics there are:
those are properties of their collection.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from alveary.errors import NO_SUCH_RESOURCE, QUEUE_FULL, Refusal
from alveary.model.privileges import BoxPrivilege
from alveary.model.streams import Backlog, Published, StreamKind
from alveary.model.tree import Node, NodeKind, Place
from alveary.model.values import frozen
from alveary.ports import Ports
from alveary.ports.store import ReadTx, WriteTx
from alveary.usecases.access import Access, BoxPath, Need
from alveary.usecases.files import existing
from alveary.wire.stream_json import render_published
from alveary.wire.stream_xml import parse_names

SEND: Final = Need(BoxPrivilege.STREAM_SEND, BoxPrivilege.STREAM_SEND)
RECEIVE: Final = Need(BoxPrivilege.STREAM_RECEIVE, BoxPrivilege.STREAM_RECEIVE)


@frozen
class StreamPath:
    """A queue or a topic: its collection, its kind and its name."""

    collection: BoxPath
    kind: StreamKind
    name: str


@frozen
class Wish:
    """How many messages a receiver takes at most, and how long it waits for the first."""

    most: int
    wait_s: float


Leaving = Callable[[Callable[[], None]], None]
"""Has a function called when the receiver leaves."""


def key_of(access: Access, stream: StreamPath) -> Hashable:
    """What tells *stream* from all others of the unit."""
    return access.here.id, stream


async def find(ports: Ports, access: Access, stream: StreamPath, need: Need) -> None:
    """Return when there is that queue or topic, and the subject may do there what *need* says.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI.
    """
    place = await access.require_at(ports, stream.collection, need)
    _listed(ports, place, stream)


def _listed(ports: Ports, place: Place, stream: StreamPath) -> Node:
    """The collection at *place*, which has *stream*."""
    node = existing(place)
    names = parse_names(node.properties, max_depth=ports.config.limits.xml_depth)
    if node.kind is NodeKind.STREAM and names.have(stream.kind, stream.name):
        return node
    collection = stream.collection
    raise Refusal(
        NO_SUCH_RESOURCE, url="/".join((collection.box, *collection.segments, stream.kind.value, stream.name))
    )


# Queues


async def send(ports: Ports, access: Access, queue: StreamPath, body: str) -> None:
    """Put *body* behind all other messages of *queue*, durably.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, QUEUE_FULL, CELL_LOCKED, DISK_FULL.
    """
    await access.require_at(ports, queue.collection, SEND)

    async def save(tx: WriteTx) -> None:
        node = _listed(ports, await access.judge(tx, queue.collection, SEND), queue)
        await tx.queues.expire(_expired_ms(ports, tx))
        _check_room(ports, queue, await tx.queues.backlog(node.id, queue.name), body)
        await tx.queues.add(node.id, queue.name, body)

    await ports.store.contents(access.here).write(save)
    ports.streams.arrived(key_of(access, queue))


def _expired_ms(ports: Ports, tx: WriteTx) -> int:
    """The time at or before which messages came that are kept no longer."""
    return tx.now_ms - ports.config.limits.stream_s * 1000


def _check_room(ports: Ports, queue: StreamPath, backlog: Backlog, body: str) -> None:
    limits = ports.config.stream
    if backlog.count >= limits.queue_messages or backlog.size_bytes + len(body.encode()) > limits.queue_bytes:
        raise Refusal(QUEUE_FULL, name=queue.name)


async def receive(ports: Ports, access: Access, queue: StreamPath, wish: Wish, leaving: Leaving) -> list[str]:
    """The oldest messages of *queue*, oldest first, which nobody else gets; none when none came in time.

    They are gone for good before they are answered: a crash between loses them, and none is ever answered twice. For
    a receiver that leaves while it waits, nothing is taken.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI, TOO_MANY_REQUESTS, CELL_LOCKED.
    """
    await access.require_at(ports, queue.collection, RECEIVE)
    taken = await _take(ports, access, queue, wish.most)
    if taken or not wish.wait_s:
        return taken
    until_s = ports.clock.ticks_s() + wish.wait_s
    with ports.streams.waiting(key_of(access, queue)) as turn:
        leaving(turn.give_up)
        # Once more before the first wait: a message may have come before there was a place to be called at.
        while not (taken := await _take(ports, access, queue, wish.most)):
            if not await turn.comes(within_s=until_s - ports.clock.ticks_s()):
                break
    return taken


async def _take(ports: Ports, access: Access, queue: StreamPath, most: int) -> list[str]:
    async def look(tx: ReadTx) -> bool:
        node = _listed(ports, await access.judge(tx, queue.collection, RECEIVE), queue)
        return (await tx.queues.backlog(node.id, queue.name)).count > 0

    async def take(tx: WriteTx) -> list[str]:
        node = _listed(ports, await access.judge(tx, queue.collection, RECEIVE), queue)
        await tx.queues.expire(_expired_ms(ports, tx))
        return await tx.queues.take(node.id, queue.name, most=most, max_bytes=ports.config.stream.receive_bytes)

    contents = ports.store.contents(access.here)
    return await contents.write(take) if await contents.read(look) else []


# Topics


async def publish(ports: Ports, access: Access, topic: StreamPath, body: str, via: str | None = None) -> None:
    """Let all hear *body* who listen to *topic* now; *via* are the cells that it came through, the first one first.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI.
    """
    place = await access.require_at(ports, topic.collection, SEND)
    _listed(ports, place, topic)
    message = Published(render_published(_sender(ports, access, via), body))
    ports.streams.publish(key_of(access, topic), message)


def _sender(ports: Ports, access: Access, via: str | None) -> str:
    """The URL of the cell that a message comes from: where it set out, else the subject's, else this one."""
    if via:
        return via.partition(",")[0].strip()
    subject = access.subject
    if subject is None or access.account_id is not None:
        return ports.urls.cell_url(access.here.name)
    return ports.urls.to_http(subject).rpartition("#")[0] or ports.urls.to_http(subject)
