"""The rows of the unit's registry.

What does not belong here: the files that a row stands for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import apsw

from alveary.adapters.sqlite.marks import Marks
from alveary.adapters.sqlite.queries import Compiler
from alveary.errors import ENTITY_EXISTS, Refusal
from alveary.model.cell import Cell, CellStatus
from alveary.model.names import CellName
from alveary.model.queries import Query
from alveary.model.quotas import Quota

_COLUMNS: Final = (
    "id, name, owner, status, contents, version, published_ms, updated_ms, failure, quota_bytes, quota_entities"
)
_AS_ENTITIES: Final = (
    "(SELECT *, 'Cell' AS kind, ifnull(owner, '') AS scope, name AS key, jsonb('{}') AS document, NULL AS node"
    " FROM cell) AS entity"
)
"""The cells with the columns that queries of entities know."""

_REMEMBERED: Final = 10_000


class SqliteCells:
    """The registry's cells; those found by name stay remembered until one changes."""

    def __init__(self, connection: apsw.Connection, marks: Marks) -> None:
        self._connection = connection
        self._marks = marks
        self._epoch = -1
        self._known: dict[str, Cell | None] = {}

    def refresh(self) -> None:
        """Forget the cells found by name when one has changed."""
        if self._epoch != self._marks.tree_epoch:
            self._epoch = self._marks.tree_epoch
            self._known.clear()

    async def find(self, name: str) -> Cell | None:
        """The cell of that name."""
        if name not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[name] = self._one("name = ?", name)
        return self._known[name]

    async def get(self, cell_id: str) -> Cell | None:
        """The cell of that id."""
        return self._one("id = ?", cell_id)

    async def query(self, query: Query) -> list[Cell]:
        """The cells that *query* asks for; its scope, when given, is their owner."""
        statement = Compiler(query, source=_AS_ENTITIES).rows(_COLUMNS)
        return [_cell(*row) for row in self._connection.execute(statement.sql, statement.bindings)]

    async def matching(self, query: Query) -> int:
        """How many cells *query* is about, whatever part of them it asks for."""
        statement = Compiler(query, source=_AS_ENTITIES).count()
        return int(self._connection.execute(statement.sql, statement.bindings).get)

    async def save(self, cell: Cell) -> None:
        """Make or replace the row of that id.

        Raises:
            Refusal: ENTITY_EXISTS when another cell has its name.
        """
        self._marks.tree_touched = True
        try:
            self._connection.execute(
                f"INSERT INTO cell ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # nosec B608
                " ON CONFLICT (id) DO UPDATE SET name=excluded.name, owner=excluded.owner, status=excluded.status,"
                " contents=excluded.contents, version=excluded.version, updated_ms=excluded.updated_ms,"
                " failure=excluded.failure, quota_bytes=excluded.quota_bytes,"
                " quota_entities=excluded.quota_entities",
                (
                    cell.id,
                    str(cell.name),
                    cell.owner,
                    cell.status.value,
                    cell.contents,
                    cell.version,
                    cell.published_ms,
                    cell.updated_ms,
                    cell.failure,
                    cell.quota.file_bytes,
                    cell.quota.entities,
                ),
            )
        except apsw.ConstraintError:
            raise Refusal(ENTITY_EXISTS) from None

    async def remove(self, cell_id: str) -> None:
        """Remove the row of that id."""
        self._marks.tree_touched = True
        self._connection.execute("DELETE FROM cell WHERE id = ?", (cell_id,))

    async def mark_active(self, cell_id: str, active: bool) -> None:
        """Note whether the cell's store is open for writing."""
        self._connection.execute("UPDATE cell SET active = ? WHERE id = ?", (int(active), cell_id))

    async def active(self) -> list[Cell]:
        """The cells whose stores are open for writing, or were when the unit last stopped without closing them."""
        return [_cell(*row) for row in self._connection.execute(f"SELECT {_COLUMNS} FROM cell WHERE active = 1")]  # nosec B608

    async def ids(self) -> set[str]:
        """The ids of all cells."""
        return {cell_id for (cell_id,) in self._connection.execute("SELECT id FROM cell")}

    def _one(self, where: str, value: str) -> Cell | None:
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM cell WHERE {where}", (value,)).get  # nosec B608
        return None if row is None else _cell(*row)


def _cell(  # noqa: PLR0913, PLR0917 - the columns of a row, in their order
    cell_id: str,
    name: str,
    owner: str | None,
    status: str,
    contents: str,
    version: int,
    published_ms: int,
    updated_ms: int,
    failure: str | None,
    quota_bytes: int | None,
    quota_entities: int | None,
) -> Cell:
    return Cell(
        cell_id,
        CellName(name),
        owner,
        CellStatus(status),
        contents,
        version,
        published_ms,
        updated_ms,
        failure,
        Quota(quota_bytes, quota_entities),
    )


def changed(cell: Cell, now_ms: int) -> Cell:
    """*cell* with its version raised and its time set."""
    return replace(cell, version=cell.version + 1, updated_ms=now_ms)
