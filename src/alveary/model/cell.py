"""The cell as the unit's registry knows it.

What does not belong here: anything inside the cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alveary.model.names import CellName
from alveary.model.quotas import OF_THE_UNIT, Quota


class CellStatus(StrEnum):
    """Whether a cell serves all calls, or only those that can heal it."""

    NORMAL = "normal"
    IMPORT_FAILED = "import failed"


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the registry.

    ``contents`` names the store that holds what an import replaces; ``owner`` is the unit user who made the cell,
    None when the unit itself did. ``failure`` is the JSON text that tells how the last import failed, ``quota`` what
    the cell may hold, where that is not the unit's default.
    """

    id: str
    name: CellName
    owner: str | None
    status: CellStatus
    contents: str
    version: int
    published_ms: int
    updated_ms: int
    failure: str | None = None
    quota: Quota = OF_THE_UNIT
