"""The control entities of a cell: created, read, changed and deleted, by the tables of ``model.edm``.

What does not belong here: the unit's cells (``cells``), links (``links``), JSON, and what is in a box (``files``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from alveary.errors import ENTITY_ETAG_MISMATCH, HAS_RELATED, Refusal
from alveary.model.edm import ACCOUNT, BLOCKING, BOX, GUARDS, EntityKey, EntitySet, Row
from alveary.model.entities import Entity, JsonValue
from alveary.model.tree import Node, NodeKind
from alveary.ports import Ports
from alveary.ports.store import ReadTx, WriteTx
from alveary.usecases import rows
from alveary.usecases.access import Access
from alveary.usecases.events import event
from alveary.usecases.rows import Page
from alveary.usecases.tokens import check_password
from alveary.wire.etags import Precondition
from alveary.wire.odata_json import etag_of
from alveary.wire.odata_keys import control_url
from alveary.wire.odata_options import Paging

Given = Callable[[], Awaitable[Mapping[str, JsonValue]]]
"""Reads what the client sends of an entity; asked only once the client may send it."""


async def create(
    ports: Ports, access: Access, entity_set: EntitySet, given: Given, *, password: str | None = None
) -> Row:
    """A new entity of *entity_set*; *password* is an account's, other sets have none.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, FIELD_NOT_ALLOWED, FIELD_REQUIRED, FIELD_FORMAT,
            SCHEMA_URI_FORMAT, REFERENCED_ENTITY_MISSING, ENTITY_EXISTS, PASSWORD_FORMAT, CELL_LOCKED.
    """
    access.require(GUARDS[entity_set.name].write)
    values = entity_set.parse_new(await given())
    hidden = await _hidden(ports, entity_set, password)

    async def save(tx: WriteTx) -> Row:
        blank = Entity(ports.ids.new(), entity_set.kind, "", "", 1, tx.now_ms, tx.now_ms, hidden=hidden)
        entity = await rows.fill(tx, entity_set, blank, values)
        await tx.entities.save(entity)
        if entity_set is BOX:
            await _plant(tx, entity, ports.ids.new())
        made = rows.row(entity_set, entity, values)
        await _tell(tx, access, made, "create", 201)
        return made

    return await ports.store.contents(access.here).write(save)


async def retrieve(ports: Ports, access: Access, entity_set: EntitySet, key: EntityKey) -> Row:
    """The entity of that key.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, NO_SUCH_ENTITY.
    """
    access.require(GUARDS[entity_set.name].read)

    async def find(tx: ReadTx) -> Row:
        (found,) = await rows.show(tx, entity_set, [await rows.get(tx, entity_set, key)])
        return found

    return await ports.store.contents(access.here).read(find)


async def list_page(ports: Ports, access: Access, entity_set: EntitySet, paging: Paging) -> Page:
    """The entities of *entity_set* in the order of their making.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE.
    """
    access.require(GUARDS[entity_set.name].read)

    async def find(tx: ReadTx) -> Page:
        entities = await tx.entities.page(entity_set.kind, skip=paging.skip, top=paging.top)
        count = await tx.entities.count(entity_set.kind) if paging.count else None
        return Page(await rows.show(tx, entity_set, entities), count)

    return await ports.store.contents(access.here).scan(find)


async def change(
    ports: Ports,
    access: Access,
    entity_set: EntitySet,
    key: EntityKey,
    given: Given,
    *,
    merge: bool,
    expect: Precondition,
    password: str | None = None,
) -> Row:
    """The entity of that key with new values, its own key among them.

    What *given* leaves out goes back to its default, or stays as it is when *merge*. An account keeps its
    password unless another comes.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, NO_SUCH_ENTITY, FIELD_NOT_ALLOWED, FIELD_REQUIRED,
            FIELD_FORMAT, SCHEMA_URI_FORMAT, REFERENCED_ENTITY_MISSING, ENTITY_EXISTS, ENTITY_ETAG_MISMATCH,
            PASSWORD_FORMAT, CELL_LOCKED.
    """
    access.require(GUARDS[entity_set.name].write)
    body = await given()
    hidden = await _hidden(ports, entity_set, password)

    async def save(tx: WriteTx) -> Row:
        old = await rows.get(tx, entity_set, key)
        (before,) = await rows.show(tx, entity_set, [old])
        expect.check(etag_of(before), ENTITY_ETAG_MISMATCH)
        values = entity_set.parse_merge(body, before.values) if merge else entity_set.parse_new(body)
        entity = replace(rows.touch(old, tx), hidden={**old.hidden, **hidden})
        entity = await rows.fill(tx, entity_set, entity, values)
        await tx.entities.save(entity)
        await _tell(tx, access, before, "patch" if merge else "update", 204)
        return rows.row(entity_set, entity, values)

    return await ports.store.contents(access.here).write(save)


async def remove(
    ports: Ports, access: Access, entity_set: EntitySet, key: EntityKey, *, expect: Precondition
) -> None:
    """Delete the entity of that key and its links. A box goes only when nothing is in it nor bound to it.

    Raises:
        Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, NO_SUCH_ENTITY, HAS_RELATED, ENTITY_ETAG_MISMATCH,
            CELL_LOCKED.
    """
    access.require(GUARDS[entity_set.name].write)

    async def drop(tx: WriteTx) -> None:
        entity = await rows.get(tx, entity_set, key)
        (before,) = await rows.show(tx, entity_set, [entity])
        expect.check(etag_of(before), ENTITY_ETAG_MISMATCH)
        blocking = BLOCKING.get(entity_set.kind)
        if blocking and await tx.entities.referring(entity.id, blocking):
            raise Refusal(HAS_RELATED)
        if entity_set is BOX:
            await _uproot(tx, entity)
        await tx.entities.remove(entity.id)
        await _tell(tx, access, before, "delete", 204)

    await ports.store.contents(access.here).write(drop)


async def _hidden(ports: Ports, entity_set: EntitySet, password: str | None) -> dict[str, JsonValue]:
    """The hidden fields that come with a new password."""
    if entity_set is not ACCOUNT or password is None:
        return {}
    check_password(ports, password)
    return (await ports.passwords.hash(password)).as_hidden()


async def _plant(tx: WriteTx, box: Entity, node_id: str) -> None:
    root = await tx.nodes.root()
    await tx.nodes.save(Node(node_id, root.id, box.id, NodeKind.BOX, 1, tx.now_ms, tx.now_ms))


async def _uproot(tx: WriteTx, box: Entity) -> None:
    node = (await tx.nodes.locate(box.key, ())).node
    if node is None:
        return
    if await tx.nodes.child_count(node.id):
        raise Refusal(HAS_RELATED)
    await tx.nodes.remove(node.id)


async def _tell(tx: WriteTx, access: Access, row: Row, what: str, status: int) -> None:
    kind = f"cellctl.{row.entity_set.name}.{what}"
    await tx.outbox.append(event(access, kind, control_url(row.entity_set, row.key), status))
