"""The queues of a cell's stream collections in SQLite.

What does not belong here: which queues there are, and how much may wait in one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import apsw

from alveary.model.streams import Backlog

TABLES: Final = """
CREATE TABLE queued (
  seq           INTEGER PRIMARY KEY,
  node          TEXT NOT NULL,
  queue         TEXT NOT NULL,
  added_ms      INTEGER NOT NULL,
  size_bytes    INTEGER NOT NULL,
  body          TEXT NOT NULL
);
CREATE INDEX queued_by_queue ON queued (node, queue);
CREATE INDEX queued_by_time ON queued (added_ms);

CREATE TABLE backlog (
  node          TEXT NOT NULL,
  queue         TEXT NOT NULL,
  count         INTEGER NOT NULL,
  size_bytes    INTEGER NOT NULL,
  PRIMARY KEY (node, queue)
) WITHOUT ROWID;
CREATE TRIGGER queued_added AFTER INSERT ON queued BEGIN
  INSERT INTO backlog (node, queue, count, size_bytes) VALUES (new.node, new.queue, 1, new.size_bytes)
    ON CONFLICT DO UPDATE SET count = count + 1, size_bytes = size_bytes + excluded.size_bytes;
END;
CREATE TRIGGER queued_removed AFTER DELETE ON queued BEGIN
  UPDATE backlog SET count = count - 1, size_bytes = size_bytes - old.size_bytes
    WHERE node = old.node AND queue = old.queue;
  DELETE FROM backlog WHERE node = old.node AND queue = old.queue AND count = 0;
END;
"""
"""Messages in the order of their coming, and what each queue holds, so that nobody counts them."""


class SqliteQueues:
    """The messages that wait."""

    def __init__(self, connection: apsw.Connection, now_ms: Callable[[], int]) -> None:
        """*now_ms* is the time of the transaction under way."""
        self._connection = connection
        self._now_ms = now_ms

    async def backlog(self, node_id: str, name: str) -> Backlog:
        """What waits in a queue."""
        query = "SELECT count, size_bytes FROM backlog WHERE node = ? AND queue = ?"
        row = self._connection.execute(query, (node_id, name)).get
        return Backlog() if row is None else Backlog(*row)

    async def add(self, node_id: str, name: str, body: str) -> None:
        """Put a message behind all others of a queue."""
        self._connection.execute(
            "INSERT INTO queued (node, queue, added_ms, size_bytes, body) VALUES (?,?,?,?,?)",
            (node_id, name, self._now_ms(), len(body.encode()), body),
        )

    async def take(self, node_id: str, name: str, *, most: int, max_bytes: int) -> list[str]:
        """Remove the oldest messages of a queue and answer them."""
        query = "SELECT seq, size_bytes, body FROM queued WHERE node = ? AND queue = ? ORDER BY seq LIMIT ?"
        rows: Any = self._connection.execute(query, (node_id, name, most))
        taken: list[str] = []
        last, sum_bytes = 0, 0
        for seq, size_bytes, body in rows:
            sum_bytes += size_bytes
            if taken and sum_bytes > max_bytes:
                break
            taken.append(body)
            last = seq
        if taken:
            self._connection.execute(
                "DELETE FROM queued WHERE node = ? AND queue = ? AND seq <= ?", (node_id, name, last)
            )
        return taken

    async def expire(self, until_ms: int) -> None:
        """Forget the messages of all queues that came at that time or before."""
        self._connection.execute("DELETE FROM queued WHERE added_ms <= ?", (until_ms,))
