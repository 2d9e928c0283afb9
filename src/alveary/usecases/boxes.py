"""Boxes as places: what a box is, and its removal with all that belongs to it.

What does not belong here: the Box entity set (``entities``), installing (bar files).
"""

from __future__ import annotations

from typing import Final

from alveary.errors import NO_SUCH_BOX, Refusal
from alveary.model.cell import Cell
from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind
from alveary.model.privileges import CellPrivilege
from alveary.model.queries import Column, Compare, Comparison, Literal, Query
from alveary.model.tree import Box, takes_basic
from alveary.ports import Ports
from alveary.ports.store import ReadTx, WriteTx
from alveary.usecases.access import Access, BoxPath
from alveary.usecases.claims import Claimant
from alveary.usecases.events import event, local_url
from alveary.usecases.files import READ, existing

_BOUND: Final = (
    EntityKind.ROLE,
    EntityKind.RELATION,
    EntityKind.RULE,
    EntityKind.SENT_MESSAGE,
    EntityKind.RECEIVED_MESSAGE,
)
"""The kinds of entities that go with the box they are bound to."""


async def offers_basic(ports: Ports, cell: Cell, name: str) -> bool:
    """Whether who is not known may try Basic authentication in the box of that name."""

    async def find(tx: ReadTx) -> Box | None:
        return await tx.boxes.find(name)

    return takes_basic(await ports.store.contents(cell).read(find))


async def is_installed(ports: Ports, cell: Cell, schema: str) -> bool:
    """Whether *cell* has a box of the app with the URL *schema*, in its stored form."""
    of_the_app = Compare(Comparison.EQ, Column(EdmType.STRING, path=("Schema",)), Literal(schema))

    async def find(tx: ReadTx) -> bool:
        return bool(await tx.entities.query(Query(EntityKind.BOX, where=of_the_app, top=1)))

    return await ports.store.contents(cell).read(find)


async def describe(ports: Ports, access: Access, name: str) -> Box:
    """The box of that name, for one who may read it.

    Raises:
        Refusal: as Access.require_at; NO_SUCH_BOX.
    """
    place = await access.require_at(ports, BoxPath(name, ()), READ)
    existing(place)
    if place.box is None:
        raise Refusal(NO_SUCH_BOX, url=name)
    return place.box


async def of_app(ports: Ports, access: Access, schema: str | None) -> Box:
    """The box of the app with the URL *schema* (None: the one that the token was issued to).

    Raises:
        Refusal: as Access.require_box_of.
    """
    return await access.require_box_of(ports, schema and ports.urls.to_local(schema))


async def delete(ports: Ports, access: Access, name: str) -> None:
    """Remove the box of that name with its tree, what is bound to it, and the ExtRoles of its relations.

    Raises:
        Refusal: as Access.require; NO_SUCH_BOX, IF_FAILED, LOCKED, CELL_LOCKED.
    """
    access.require(CellPrivilege.BOX)

    async def remove(tx: WriteTx) -> None:
        box = await tx.boxes.find(name)
        place = await tx.nodes.locate(name, ())
        if box is None or box.id == access.here.id:
            raise Refusal(NO_SUCH_BOX, url=name)
        await Claimant(access).removes(tx, place)
        for bound in await tx.entities.referring(box.id, _BOUND):
            for role in await tx.entities.referring(bound, (EntityKind.EXT_ROLE,)):
                await tx.entities.remove(role)
            await tx.entities.remove(bound)
        if place.node is not None:
            await tx.nodes.remove(place.node.id)
        await tx.entities.remove(box.id)
        await tx.outbox.append(event(access, "box.delete", local_url(BoxPath(name, ())), 204))

    await ports.store.contents(access.here).write(remove)
