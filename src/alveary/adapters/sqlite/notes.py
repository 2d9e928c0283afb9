"""What a build remembers while it is made, in a table that is gone when the build is sealed.

What does not belong here: what the notes say.
"""

from __future__ import annotations

from typing import Any

import apsw


class SqliteNotes:
    """Notes in the order of their keys; what they take of the file is used again by what comes later."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def put(self, key: bytes, note: bytes) -> None:
        """Remember *note* under *key*, which is new."""
        self._connection.execute("INSERT INTO note (key, note) VALUES (?,?)", (key, note))

    async def take(self, count: int) -> list[tuple[bytes, bytes]]:
        """The first *count* notes with their keys, which are forgotten; fewer when there are no more."""
        query = "SELECT key, note FROM note ORDER BY key LIMIT ?"
        notes: list[Any] = self._connection.execute(query, (count,)).fetchall()
        if notes:
            self._connection.execute("DELETE FROM note WHERE key <= ?", (notes[-1][0],))
        return notes
