"""How the unit's URLs are spelled, for use cases that store or hand out URLs.

What does not belong here: reading a request's URL.
"""

from __future__ import annotations

from typing import Protocol


class Urls(Protocol):
    """The unit's URLs in its own style."""

    @property
    def unit_url(self) -> str:
        """The unit's own URL, which ends in ``/``."""

    @property
    def path_style(self) -> bool:
        """Whether a cell is a path under the unit's URL; else a label before its host."""

    def cell_url(self, cell: str) -> str:
        """The URL of the cell of that name, which ends in ``/``."""

    def locate(self, url: str) -> tuple[str, str] | None:
        """The name of the unit's cell that *url* is of, and what follows the cell's URL; None for any other URL."""

    def to_local(self, url: str) -> str:
        """*url* as it is stored: ``personium-localunit:{cell}:/...`` when of this unit, else unchanged."""

    def to_http(self, url: str, *, cell: str | None = None, box: str | None = None) -> str:
        """*url* as clients see it: the local forms as http URLs, any other unchanged."""
