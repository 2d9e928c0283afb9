"""What every handler gets: the request, who sent it, the cell it is for, and the ports."""

from __future__ import annotations

from dataclasses import dataclass

from alveary.http.request import Request
from alveary.model.cell import Cell
from alveary.ports import Ports
from alveary.usecases.access import Access
from alveary.wire.urls import Urls


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way to one use case. ``cell`` is None at unit level."""

    ports: Ports
    access: Access
    cell: Cell | None
    request: Request
    urls: Urls

    @property
    def here(self) -> Cell:
        """The cell of a cell-level call."""
        if self.cell is None:
            raise LookupError("a unit-level call has no cell")
        return self.cell
