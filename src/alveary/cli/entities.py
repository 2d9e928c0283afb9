"""The entity sets of a running unit and of its cells: an entity's path, a set's pages.

What does not belong here: which sets there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from alveary.cli.client import Client

_PAGE: Final = 1000


def entity(entity_set: str, name: str) -> str:
    """The path of the entity of that name, below the URL of the unit or of a cell."""
    literal = name.replace("'", "''")
    return f"__ctl/{entity_set}('{quote(literal, safe='')}')"


def pages(unit: Client, cell: str | None, entity_set: str) -> Iterator[list[dict[str, Any]]]:
    """All entities of *entity_set* of *cell*, or of the unit (None), in pages."""
    skip = 0
    while True:
        path = f"__ctl/{entity_set}?$top={_PAGE}&$skip={skip}"
        answer = unit.unit("GET", path) if cell is None else unit.cell("GET", cell, path)
        page: list[dict[str, Any]] = answer.json["d"]["results"]
        yield page
        if len(page) < _PAGE:
            return
        skip += _PAGE
