"""The entity sets of a running unit and of its cells: an entity's path, a set's entities.

What does not belong here: which sets there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from alveary.cli.client import Client


def entity(entity_set: str, name: str) -> str:
    """The path of the entity of that name, below the URL of the unit or of a cell."""
    literal = name.replace("'", "''")
    return f"__ctl/{entity_set}('{quote(literal, safe='')}')"


def all_of(unit: Client, cell: str | None, entity_set: str) -> Iterator[dict[str, Any]]:
    """Every entity of *entity_set* of *cell*, or of the unit (None), in pages as long as the unit gives them."""
    given = 0
    while True:
        path = f"__ctl/{entity_set}?$inlinecount=allpages&$skip={given}"
        answer = unit.unit("GET", path) if cell is None else unit.cell("GET", cell, path)
        page = answer.json["d"]
        yield from page["results"]
        given += len(page["results"])
        if not page["results"] or given >= int(page["__count"]):
            return
