"""The connection that writes: what only adds rows becomes one statement, which is a transaction of its own.

What does not belong here: what is written, and how writes are grouped (``database``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import apsw

_HELD_ROWS: Final = 500


class Collision(Exception):  # noqa: N818 - nobody hears of it
    """What was held back cannot be written: an id or a key is taken."""


Intake = Callable[[list[Any], list[Any]], None]
"""Writes rows and events that were held back, or raises a Collision."""


def _of_nothing(rows: list[Any], events: list[Any]) -> None:
    assert not rows
    assert not events


class WriterConnection(apsw.Connection):
    """A connection that holds new rows back while it is ``holding``: many go in by one statement.

    They are written before any other statement is run, so that none can tell. What cannot be written by then is a
    :class:`Collision`: the group is run again, holding nothing back. The transaction too begins with that other
    statement, so a group that has none comes to one statement in all. Events are held back whatever else is.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        """Open *path*; whose rows are held back says by ``intake`` how they are written."""
        super().__init__(str(path), **options)
        self.holding = False
        self.intake: Intake = _of_nothing
        self._due = False
        self._rows: list[Any] = []
        self._events: list[Any] = []

    def hold(self, row: object) -> None:
        """Hold *row* back."""
        self._rows.append(row)
        if len(self._rows) >= _HELD_ROWS:
            self.enter()

    def hold_events(self, events: list[Any]) -> None:
        """Hold *events* back."""
        self._events += events

    def begin(self, *, holding: bool) -> None:
        """Have a transaction: it begins when it must."""
        self.holding = holding
        self._due = True

    def enter(self) -> None:
        """Begin the transaction and write what is held back: more than one statement is coming."""
        if self._due:
            self._due = False
            super().execute("BEGIN IMMEDIATE")
        self._release()

    def commit(self) -> None:
        """Write what is held back, and end the transaction.

        Raises:
            Collision: some of it cannot be written.
        """
        self._release()
        self._due = False
        if self.in_transaction:
            super().execute("COMMIT")

    def rollback(self) -> None:
        """End the transaction, and forget what is held back: nothing of it has been."""
        self._rows, self._events = [], []
        self._due = False
        if self.in_transaction:
            super().execute("ROLLBACK")

    def _release(self) -> None:
        if self._rows or self._events:
            rows, events = self._rows, self._events
            self._rows, self._events = [], []
            self.intake(rows, events)

    def execute(  # type: ignore[override]  # what the unit uses of it
        self, statement: str, bindings: Any = None
    ) -> apsw.Cursor:
        """Run *statement*, after what is held back."""
        self.enter()
        return super().execute(statement, bindings)

    def executemany(  # type: ignore[override]  # what the unit uses of it
        self, statement: str, bindings: Any
    ) -> apsw.Cursor:
        """The same for each of *bindings*."""
        self.enter()
        return super().executemany(statement, bindings)

    def execute_alone(self, statement: str, bindings: Any) -> None:
        """Run *statement*, which says what was held back and is whole by itself."""
        super().execute(statement, bindings)
