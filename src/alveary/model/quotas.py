"""How much a cell holds, and how much it may.

What does not belong here: counting, and where a cell's own quota is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Usage:
    """What the contents of a cell hold: bytes of files, pieces of uploads among them, and entities of every kind."""

    file_bytes: int = 0
    entities: int = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of each the contents of a cell may hold: 0 for any number, None where the unit's default counts."""

    file_bytes: int | None = None
    entities: int | None = None

    def within(self, default: Quota) -> Quota:
        """The same with that *default* where it says nothing."""
        return Quota(
            default.file_bytes if self.file_bytes is None else self.file_bytes,
            default.entities if self.entities is None else self.entities,
        )

    @property
    def limits(self) -> bool:
        """Whether it limits anything."""
        return bool(self.file_bytes or self.entities)

    def forbids(self, before: Usage, after: Usage) -> bool:
        """Whether a change from *before* to *after* goes too far; one that makes nothing grow never does."""
        return _is_over(self.file_bytes, before.file_bytes, after.file_bytes) or _is_over(
            self.entities, before.entities, after.entities
        )

    def free_bytes(self, usage: Usage) -> int | None:
        """How many bytes of files there is room for; None: any number."""
        return max(0, self.file_bytes - usage.file_bytes) if self.file_bytes else None


OF_THE_UNIT: Final = Quota()
"""The quota of a cell that has none of its own."""


def _is_over(limit: int | None, before: int, after: int) -> bool:
    return bool(limit) and after > (limit or 0) and after > before
