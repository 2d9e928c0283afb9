"""The outbox of a cell in SQLite.

What does not belong here: what an event says, and who gets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import apsw
import orjson

from alveary.adapters.sqlite.writer import WriterConnection
from alveary.model.entities import JsonValue

_TRIMMED_EVERY: Final = 1024
"""By how many events there may be too many; the first of an opened file looks too."""


class SqliteOutbox:
    """What happened, in the order of its happening; the oldest go when more than *bound* wait.

    Events are gathered, and written together when the transaction ends.
    """

    def __init__(self, connection: apsw.Connection, now_ms: Callable[[], int], bound: int) -> None:
        self._writer = connection if isinstance(connection, WriterConnection) else None
        self._now_ms = now_ms
        self._bound = bound
        self._gathered: list[tuple[int, str]] = []
        self._kept = 0
        self._untrimmed = _TRIMMED_EVERY

    async def append(self, event: dict[str, JsonValue]) -> None:
        """Add an event; it is delivered after the transaction, at least once."""
        self._gathered.append((self._now_ms(), orjson.dumps(event).decode()))

    def keep_body(self) -> None:
        """The events so far are of bodies that have succeeded."""
        self._kept = len(self._gathered)

    def forget_body(self) -> None:
        """The events of the body under way did not happen."""
        del self._gathered[self._kept :]

    def forget_all(self) -> None:
        """Nothing has happened."""
        self._gathered = []
        self._kept = 0

    def write(self) -> None:
        """Write what was gathered."""
        if not self._gathered:
            return
        assert self._writer is not None
        self._writer.hold_events(self._gathered)
        self._untrimmed += len(self._gathered)
        if self._untrimmed >= _TRIMMED_EVERY:
            self._untrimmed = 0
            self._writer.execute("DELETE FROM outbox WHERE seq <= (SELECT max(seq) FROM outbox) - ?", (self._bound,))
        self.forget_all()
