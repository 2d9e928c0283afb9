"""Which roles a subject has in a cell, and how roles are spelt to other cells.

What does not belong here: what a role may do (``access``), and how a subject proves who it is (``authentication``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from alveary.model.cell import Cell
from alveary.model.entities import EntityKind
from alveary.model.names import MAIN_BOX
from alveary.model.privileges import CellPrivilege
from alveary.model.queries import Query
from alveary.model.values import frozen
from alveary.ports import Ports
from alveary.ports.store import BoxReader, EntityReader, LinkReader, ReadTx
from alveary.ports.urls import Urls
from alveary.usecases.access import Access
from alveary.wire.tokens import Visitor

ROLE_PATH = f"__role/{MAIN_BOX}/"
"""What stands between a cell's URL, or that of an app, and the name of a role in the role's class URL."""


class Directory(Protocol):
    """A transaction that reads control objects, be it one that changes them too."""

    @property
    def boxes(self) -> BoxReader: ...
    @property
    def entities(self) -> EntityReader: ...
    @property
    def links(self) -> LinkReader: ...


async def of_visitor(tx: Directory, urls: Urls, visitor: Visitor) -> frozenset[str]:
    """The ids of the roles that *visitor* has here now.

    These are the roles of the external cell it comes from, if that cell vouches for it itself; the roles of the
    relations that the cell which vouches is in; and those of the external roles of such relations that it is said to
    have.
    """
    issuer = urls.to_local(visitor.issuer)
    ext_cell = await tx.entities.find(EntityKind.EXT_CELL, "", issuer)
    if ext_cell is None:
        return frozenset()
    found: set[str] = set()
    if speaks_for_itself(urls, visitor.subject, visitor.issuer):
        found.update(await tx.links.others(ext_cell.id, EntityKind.ROLE))
    said = frozenset(map(urls.to_local, visitor.roles))
    for relation in await tx.links.others(ext_cell.id, EntityKind.RELATION):
        found.update(await tx.links.others(relation, EntityKind.ROLE))
        # Those of the relation are few; how many roles a visitor is said to have is up to another unit.
        for ext_role in await tx.entities.query(Query(EntityKind.EXT_ROLE, scope=relation)) if said else ():
            if ext_role.key in said:
                found.update(await tx.links.others(ext_role.id, EntityKind.ROLE))
    return frozenset(found)


def speaks_for_itself(urls: Urls, subject: str, issuer: str) -> bool:
    """Whether *issuer* is the cell of *subject*: of any other it only hands on what a third cell said."""
    return urls.to_local(cell_of(subject)) == urls.to_local(issuer)


def cell_of(subject: str) -> str:
    """The URL of the cell that *subject*, ``{cell}#{account}`` or a cell itself, is of."""
    return subject.partition("#")[0]


async def class_urls(tx: Directory, urls: Urls, cell: Cell, role_ids: Iterable[str]) -> tuple[str, ...]:
    """The class URLs of the roles of those ids: what other cells know them by.

    A role that is bound to the box of an app is the app's, any other the cell's own.
    """
    found = []
    for role_id in role_ids:
        role = await tx.entities.get(role_id)
        if role is None or role.kind is not EntityKind.ROLE:
            continue
        box = await tx.boxes.get(role.scope) if role.scope else None
        app = urls.to_http(box.schema) if box is not None and box.schema else ""
        base = app if app.startswith("http") else urls.cell_url(cell.name)
        found.append(f"{base}{ROLE_PATH}{role.key}")
    return tuple(sorted(found))


@frozen
class ListedRole:
    """A role by its box (the main one for none) and its name."""

    box: str
    name: str


async def listed(ports: Ports, access: Access) -> list[ListedRole]:
    """All roles of the cell, by box and name.

    Raises:
        Refusal: as Access.require.
    """
    access.require(CellPrivilege.AUTH_READ)

    async def find(tx: ReadTx) -> list[ListedRole]:
        found = []
        async for role in tx.entities.each(EntityKind.ROLE):
            box = await tx.boxes.get(role.scope) if role.scope else None
            found.append(ListedRole(box.name if box else MAIN_BOX, role.key))
        return sorted(found, key=lambda role: (role.box, role.name))

    return await ports.store.contents(access.here).scan(find)
