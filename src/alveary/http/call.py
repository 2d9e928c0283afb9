"""What every handler gets: the request, who sent it, the cell it is for, and the ports."""

from __future__ import annotations

from alveary.http.request import Request
from alveary.model.cell import Cell
from alveary.model.values import frozen
from alveary.ports import Ports
from alveary.usecases.access import Access
from alveary.wire.odata_options import Query, parse_query
from alveary.wire.urls import Urls


@frozen
class Call:
    """One request on its way to one use case. ``cell`` is None at unit level."""

    ports: Ports
    access: Access
    cell: Cell | None
    request: Request
    urls: Urls

    @property
    def query(self) -> Query:
        """The query options of the request by name, decoded; the first counts where one is repeated."""
        query_string = self.request.query_string
        return parse_query(query_string) if query_string else {}

    @property
    def here(self) -> Cell:
        """The cell of a cell-level call."""
        if self.cell is None:
            raise LookupError("a unit-level call has no cell")
        return self.cell
