"""The unit's cells: made, listed, renamed and deleted by the unit's own users.

What does not belong here: what a cell contains, but for the question whether that is nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from alveary.errors import (
    ENTITY_ETAG_MISMATCH,
    EXPAND_UNKNOWN,
    HAS_RELATED,
    NO_SUCH_CELL,
    NO_SUCH_ENTITY,
    Refusal,
)
from alveary.model.cell import Cell, CellStatus
from alveary.model.control_edm import CELL
from alveary.model.edm import EntityKey, Fresh, Row
from alveary.model.entities import EntityKind
from alveary.model.names import MAIN_BOX, CellName
from alveary.model.queries import Query
from alveary.ports import Ports
from alveary.ports.store import ReadTx, RegistryReadTx
from alveary.usecases.access import Access, Who
from alveary.usecases.entities import Given
from alveary.usecases.lists import Page, page_of, part_of, query_of
from alveary.usecases.snapshots import refuse_locked
from alveary.wire.etags import Precondition
from alveary.wire.odata_json import etag_of
from alveary.wire.odata_options import ListOptions

_DELETION: Final = "cell deletion"

FILLING: Final = (
    EntityKind.BOX,
    EntityKind.ACCOUNT,
    EntityKind.ROLE,
    EntityKind.EXT_CELL,
    EntityKind.EXT_ROLE,
    EntityKind.RELATION,
    EntityKind.RULE,
    EntityKind.SENT_MESSAGE,
    EntityKind.RECEIVED_MESSAGE,
)
"""The kinds of which a cell that is to be deleted plainly may hold none."""


async def create(ports: Ports, access: Access, given: Given) -> Row:
    """A new cell, which belongs to the unit user who asks; to nobody when an administrator does.

    Raises:
        Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, FIELD_NOT_ALLOWED, FIELD_REQUIRED, FIELD_FORMAT,
            ENTITY_EXISTS.
    """
    access.require_unit()
    name = CellName.parse(CELL.parse_new(await given(), _fresh(ports)).name)
    blank = Cell(ports.ids.new(), name, _owner(access), CellStatus.NORMAL, "", 1, 0, 0)
    return _row(await ports.registry.create(blank))


async def list_page(ports: Ports, access: Access, options: ListOptions) -> Page:
    """The cells of the unit user who asks, every cell for an administrator: those that *options* want of them.

    Raises:
        Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, EXPAND_UNKNOWN, and what is wrong with the options.
    """
    access.require_unit()
    for each in options.expand:
        raise Refusal(EXPAND_UNKNOWN, name=each.name)
    query = query_of(ports, CELL, options)
    query = replace(query, scope=_owner(access))

    async def find(tx: RegistryReadTx) -> Page:
        counted = await tx.cells.matching(query) if options.count else None
        part = part_of(ports, query, options)
        cells = await tx.cells.query(part)
        return page_of(part, [_row(cell) for cell in cells], options, counted)

    return await ports.registry.read(find)


async def retrieve(ports: Ports, access: Access, key: EntityKey) -> Row:
    """The cell of that name.

    Raises:
        Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, NO_SUCH_ENTITY, NOT_OWNER_OF_CELL.
    """
    access.require_unit()
    return _row(await _own(ports, access, key))


async def change(
    ports: Ports, access: Access, key: EntityKey, given: Given, *, merge: bool, expect: Precondition
) -> Row:
    """The cell of that name under the name that *given* says; with *merge* it may say none.

    Raises:
        Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, NO_SUCH_ENTITY, NOT_OWNER_OF_CELL, FIELD_NOT_ALLOWED,
            FIELD_REQUIRED, FIELD_FORMAT, ENTITY_EXISTS, ENTITY_ETAG_MISMATCH, CELL_LOCKED.
    """
    access.require_unit()
    cell = await _own(ports, access, key)
    refuse_locked(ports, cell)
    body = await given()
    fresh = _fresh(ports)
    parsed = CELL.parse_merge(body, _row(cell), fresh) if merge else CELL.parse_new(body, fresh)
    name = CellName.parse(parsed.name)
    check = _check(access, expect)

    def rename(current: Cell) -> Cell:
        check(current)
        return replace(current, name=name)

    return _row(await ports.registry.update(cell.id, rename))


async def remove(ports: Ports, access: Access, key: EntityKey, *, expect: Precondition) -> None:
    """Delete the cell of that name, which must be empty.

    Raises:
        Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, NO_SUCH_ENTITY, NOT_OWNER_OF_CELL, HAS_RELATED,
            ENTITY_ETAG_MISMATCH, CELL_LOCKED.
    """
    access.require_unit()
    cell = await _own(ports, access, key)
    async with ports.store.lock(cell, _DELETION):  # so that what is found empty stays so
        await ports.store.contents(cell).read(_require_empty)
        await ports.registry.drop(cell.id, _check(access, expect))


async def delete_recursively(ports: Ports, access: Access, cell: Cell) -> None:
    """Delete *cell* with all that it holds.

    Raises:
        Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, NOT_OWNER_OF_CELL, NO_SUCH_CELL, CELL_LOCKED.
    """
    access.require_owner(cell)
    await _require_there(ports, cell)
    async with ports.store.lock(cell, _DELETION):
        await ports.registry.drop(cell.id, access.require_owner)


async def check_ready(ports: Ports) -> None:
    """Return when the registry answers; what it raises otherwise says why not."""

    async def count(tx: RegistryReadTx) -> int:
        return await tx.cells.matching(Query(EntityKind.CELL))

    await ports.registry.read(count)


def _owner(access: Access) -> str | None:
    return access.subject if access.who is Who.UNIT_USER else None


def _row(cell: Cell) -> Row:
    key = EntityKey((cell.name,))
    return Row(CELL, cell.id, key, {"Name": cell.name}, cell.version, cell.published_ms, cell.updated_ms)


def _fresh(ports: Ports) -> Fresh:
    return Fresh(ports.clock.now_ms(), ports.ids.hex)


async def _own(ports: Ports, access: Access, key: EntityKey) -> Cell:
    cell = await ports.registry.read(lambda tx: tx.cells.find(key.name))
    if cell is None:
        raise Refusal(NO_SUCH_ENTITY)
    access.require_owner(cell)
    return cell


async def _require_there(ports: Ports, cell: Cell) -> None:
    """Return when the cell was not deleted since it was found: a store is not to be locked without its files."""

    async def find(tx: RegistryReadTx) -> Cell | None:
        return await tx.cells.get(cell.id)

    if await ports.registry.read(find) is None:
        raise Refusal(NO_SUCH_CELL)


def _check(access: Access, expect: Precondition) -> Callable[[Cell], None]:
    """What a cell must still be when its row is changed."""

    def check(current: Cell) -> None:
        access.require_owner(current)
        expect.check(etag_of(_row(current)), ENTITY_ETAG_MISMATCH)

    return check


async def _require_empty(tx: ReadTx) -> None:
    for kind in FILLING:
        if await tx.entities.count(kind):
            raise Refusal(HAS_RELATED)
    main = await tx.nodes.locate(MAIN_BOX, ())
    if main.node is not None and await tx.nodes.child_count(main.node.id):
        raise Refusal(HAS_RELATED)
