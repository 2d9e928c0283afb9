"""The WebDAV locks of a cell in SQLite.

Every write asks for them and most cells have none, so those of a box stay remembered until one of the cell changes.
What does not belong here: which lock forbids what.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import apsw

from alveary.adapters.sqlite.marks import Marks
from alveary.model.locks import NO_LOCKS, Lock, Locks, LockScope

_COLUMNS: Final = "token, box, trail, scope, deep, owner, holder, until_ms"


class SqliteLocks:
    """The WebDAV locks of a cell."""

    def __init__(self, connection: apsw.Connection, marks: Marks, now_ms: Callable[[], int]) -> None:
        """*now_ms* is the time of the transaction under way."""
        self._connection = connection
        self._marks = marks
        self._now_ms = now_ms
        self._known: dict[str, Locks] = {}
        self._epoch = -1

    async def of(self, box_id: str) -> Locks:
        """The locks in the box of that id, with some perhaps that have ended."""
        known = self._known.get(box_id)
        if known is None:
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM lock WHERE box = ?", (box_id,))  # nosec B608
            known = self._known[box_id] = Locks.of(_lock(*row) for row in rows) or NO_LOCKS
        return known

    async def save(self, lock: Lock) -> None:
        """Make or replace the lock of that token; those of the cell that have ended are forgotten."""
        self._touch()
        self._connection.execute("DELETE FROM lock WHERE until_ms <= ?", (self._now_ms(),))
        self._connection.execute(
            f"INSERT OR REPLACE INTO lock ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?)",  # nosec B608
            (
                lock.token,
                lock.box,
                "/".join(lock.trail),
                lock.scope.value,
                lock.deep,
                lock.owner,
                lock.holder,
                lock.until_ms,
            ),
        )

    async def remove(self, token: str) -> None:
        """Remove the lock of that token."""
        self._touch()
        self._connection.execute("DELETE FROM lock WHERE token = ?", (token,))

    # Remembering

    def _touch(self) -> None:
        self._marks.locks_touched = True
        self.forget()

    def refresh(self) -> None:
        """Forget what no longer holds."""
        if self._epoch != self._marks.locks_epoch:
            self._epoch = self._marks.locks_epoch
            self.forget()

    def forget(self) -> None:
        """Forget everything that was found."""
        self._known.clear()


def _lock(token: str, box: str, trail: str, scope: str, deep: int, owner: str, holder: str, until_ms: int) -> Lock:
    names = tuple(trail.split("/")) if trail else ()
    return Lock(token, box, names, LockScope(scope), bool(deep), owner, holder, until_ms)
