"""The transactions that bodies get: a connection's tables, gathered by part.

What does not belong here: SQL.
"""

from __future__ import annotations

from collections.abc import Callable

import apsw

from alveary.adapters.keys.data_keys import DataKeys
from alveary.adapters.sqlite.cells import SqliteCells
from alveary.adapters.sqlite.database import Seat
from alveary.adapters.sqlite.entities import (
    SqliteEntities,
    SqliteLinks,
    SqlitePrincipals,
    SqliteSchemas,
)
from alveary.adapters.sqlite.keep import (
    SqliteFamilies,
    SqliteJobs,
    SqliteLogins,
    SqliteSigningKeys,
    SqliteSnapshots,
)
from alveary.adapters.sqlite.locks import SqliteLocks
from alveary.adapters.sqlite.marks import Marks
from alveary.adapters.sqlite.nodes import SmallFiles, SqliteBoxes, SqliteNodes
from alveary.adapters.sqlite.notes import SqliteNotes
from alveary.adapters.sqlite.outbox import SqliteOutbox
from alveary.adapters.sqlite.queues import SqliteQueues
from alveary.adapters.sqlite.uploads import SqliteUploads
from alveary.adapters.sqlite.usage import Gauge, SqliteUsage
from alveary.adapters.sqlite.writer import WriterConnection
from alveary.model.quotas import Quota


class _Marked:
    """What every transaction tells the writer between bodies, by the marks of its file."""

    def __init__(self, connection: apsw.Connection, marks: Marks) -> None:
        self.now_ms = 0
        self.connection = connection
        self._marks = marks

    def refresh(self) -> None:
        """Forget what no longer holds; here nothing is remembered."""

    def before_commit(self) -> None:
        """Write what was gathered from all bodies; here nothing is."""

    def keep_body(self) -> bool:
        """A body has succeeded; whether it removed something that may be made again under its old name."""
        return self._marks.keep_body()

    def forget_body(self) -> None:
        """The body under way was rolled back."""
        self._marks.forget_body()

    def forget_all(self) -> None:
        """The whole transaction was rolled back."""
        self._marks.forget_all()

    def committed(self) -> list[str]:
        """Let readers notice; the ids of the blobs that were dropped."""
        return self._marks.publish()


class ContentsTx(_Marked):
    """The contents of a cell, to read or to change: the port's two types say which."""

    def __init__(
        self,
        connection: apsw.Connection,
        marks: Marks,
        cell_id: str,
        *,
        seat: Seat,
        small_files: SmallFiles,
        outbox_rows: int,
        quota: Callable[[], Quota],
        data_keys: DataKeys,
    ) -> None:
        """The transaction of the connection in that *seat*."""
        super().__init__(connection, marks)
        self.boxes = SqliteBoxes(connection, cell_id)
        self.nodes = SqliteNodes(
            connection,
            self.boxes,
            marks,
            data_keys,
            sole=seat is Seat.WRITER,
            small_files=small_files if seat is Seat.NEAR else None,
        )
        self.entities = SqliteEntities(connection, marks, self.nodes.touch)
        self.schemas = SqliteSchemas(connection, marks, sole=seat is Seat.WRITER)
        self.links = SqliteLinks(connection, marks)
        self.locks = SqliteLocks(connection, marks, lambda: self.now_ms)
        self.principals = SqlitePrincipals(connection, self.entities, marks)
        self.uploads = SqliteUploads(connection, marks, data_keys)
        self.outbox = SqliteOutbox(connection, lambda: self.now_ms, outbox_rows)
        self.queues = SqliteQueues(connection, lambda: self.now_ms)
        self.notes = SqliteNotes(connection)
        self.usage = SqliteUsage(connection)
        self._gauge = Gauge(self.usage, quota) if seat is Seat.WRITER else None

    def refresh(self) -> None:
        """Forget what no longer holds."""
        self.nodes.refresh()
        self.locks.refresh()
        self.schemas.refresh()
        self.principals.refresh()
        if self._gauge is not None:
            self._gauge.begin()

    def before_commit(self) -> None:
        """Write the events of all bodies.

        Raises:
            Refusal: QUOTA_EXCEEDED by all of them together.
        """
        if self._gauge is not None:
            self._gauge.check()
        self.outbox.write()

    def keep_body(self) -> bool:
        """A body has succeeded; whether it removed something that may be made again under its old name.

        Raises:
            Refusal: QUOTA_EXCEEDED, where this body alone can be taken back.
        """
        if self._gauge is not None and not self._holding:
            self._gauge.check()
        self.outbox.keep_body()
        return super().keep_body()

    @property
    def _holding(self) -> bool:
        """Whether a whole group is tried as one, and looked at as one: to look writes rows that were held back."""
        return isinstance(self.connection, WriterConnection) and self.connection.holding

    def forget_body(self) -> None:
        """The body under way was rolled back, with what was seen only inside."""
        super().forget_body()
        self.outbox.forget_body()
        self.nodes.forget()
        self.locks.forget()

    def forget_all(self) -> None:
        """The whole transaction was rolled back, with what was seen only inside."""
        super().forget_all()
        self.outbox.forget_all()
        self.nodes.forget()
        self.locks.forget()


class KeepTx(_Marked):
    """The keep of a cell."""

    def __init__(self, connection: apsw.Connection, marks: Marks, data_keys: DataKeys) -> None:
        super().__init__(connection, marks)
        self.snapshots = SqliteSnapshots(connection, marks, data_keys)
        self.jobs = SqliteJobs(connection)
        self.logins = SqliteLogins(connection)
        self.families = SqliteFamilies(connection, marks, lambda: self.now_ms)
        self.signing_keys = SqliteSigningKeys(connection)


class RegistryTx(_Marked):
    """The registry of the unit."""

    def __init__(self, connection: apsw.Connection, marks: Marks) -> None:
        super().__init__(connection, marks)
        self.cells = SqliteCells(connection, marks)

    def refresh(self) -> None:
        """Forget what no longer holds."""
        self.cells.refresh()
