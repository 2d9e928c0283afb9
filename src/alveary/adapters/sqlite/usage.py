"""How much the contents in a file hold: read from the counters that triggers keep, and held to the cell's quota.

What does not belong here: the triggers (``schema``), and which quota a cell has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import apsw

from alveary.errors import QUOTA_EXCEEDED, Refusal
from alveary.model.quotas import Quota, Usage

_USAGE: Final = "SELECT file_bytes - (SELECT ifnull(sum(size_bytes), 0) FROM orphan), entities FROM usage"
"""What is to be swept still counts in its table, and for nobody else."""


class SqliteUsage:
    """The counters."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def now(self) -> Usage:
        """How much there is."""
        return self.read()

    def read(self) -> Usage:
        """The same for who does not wait."""
        return Usage(*self._connection.execute(_USAGE).get)


class Gauge:
    """What the writer asks between bodies: whether they have made more than there is room for."""

    def __init__(self, usage: SqliteUsage, quota: Callable[[], Quota]) -> None:
        self._usage = usage
        self._quota = quota
        self._before: Usage | None = None

    def begin(self) -> None:
        """A transaction begins; where nothing is limited, nothing is read."""
        self._before = self._usage.read() if self._quota().limits else None

    def check(self) -> None:
        """Pass when what was written since the beginning, or since this passed last, is within the quota.

        Raises:
            Refusal: QUOTA_EXCEEDED.
        """
        before = self._before
        if before is None:
            return
        after = self._usage.read()
        if self._quota().forbids(before, after):
            raise Refusal(QUOTA_EXCEEDED)
        self._before = after
