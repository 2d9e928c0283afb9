"""Large trees that were removed: gone from the tree in the transaction that answers, their rows soon after.

Removing a collection removes its one row; what was below it can no longer be reached, for its parent is no more. The
table ``orphan`` says of which parents children are left, how many, and how many bytes they hold, so that counts never
see them. They are swept in bounded steps, also after the next start. What does not belong here: when a step is made
(``part``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import apsw

TABLES: Final = """
CREATE TABLE orphan (
  parent        TEXT PRIMARY KEY,
  nodes         INTEGER NOT NULL,
  size_bytes    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX node_of_collection ON node (parent) WHERE kind <> 'dav.file';
"""

COLLECTIONS: Final = (
    "WITH RECURSIVE collection(id) AS (VALUES(?) UNION ALL SELECT node.id FROM collection CROSS JOIN node"
    " ON node.parent = collection.id AND node.kind <> 'dav.file') "
)
"""A node and the collections below it, found without a look at any file."""

_STEP_ROWS: Final = 1_000
_LEAVE: Final = (
    f"{COLLECTIONS} INSERT INTO orphan (parent, nodes, size_bytes)"  # nosec B608
    " SELECT collection.id, count(*), CAST(total(node.size_bytes) AS INTEGER)"
    " FROM collection CROSS JOIN node ON node.parent = collection.id GROUP BY collection.id"
)
_SWEEP: Final = (
    "DELETE FROM node WHERE rowid IN (SELECT rowid FROM node WHERE parent = ? LIMIT ?) RETURNING size_bytes, blob"
)


class Orphans:
    """Whether a file has rows to be swept; shared by its connections, changed by the writer alone."""

    def __init__(self) -> None:
        self.wanted = False

    def load(self, connection: apsw.Connection) -> None:
        """Learn whether an earlier process has left any."""
        self.wanted = connection.execute("SELECT 1 FROM orphan LIMIT 1").get is not None

    def leave(self, connection: apsw.Connection, node_id: str) -> list[str]:
        """What is below the node of that id is to go, a few rows of it at once; the blobs that this let go."""
        connection.execute(_LEAVE, (node_id,))
        return self.step(connection)

    def step(self, connection: apsw.Connection) -> list[str]:
        """Remove some of the rows that are to go, as part of a transaction; the blobs that this let go."""
        left, blobs = _STEP_ROWS, set[str]()
        while left and (parent := connection.execute("SELECT parent FROM orphan LIMIT 1").get) is not None:
            gone = connection.execute(_SWEEP, (parent, left)).fetchall()
            blobs.update(str(blob) for _, blob in gone if blob is not None)
            if len(gone) < left:
                connection.execute("DELETE FROM orphan WHERE parent = ?", (parent,))
            else:
                size_bytes = sum(int(each or 0) for each, _ in gone)
                connection.execute(
                    "UPDATE orphan SET nodes = nodes - ?, size_bytes = size_bytes - ? WHERE parent = ?",
                    (len(gone), size_bytes, parent),
                )
            left -= len(gone)
        self.load(connection)
        return let_go(connection, blobs)


def let_go(connection: apsw.Connection, blobs: Iterable[str]) -> list[str]:
    """Those of *blobs* that no row names any more, noted as garbage: files that were copied share theirs."""
    unnamed = [
        blob for blob in blobs if connection.execute("SELECT 1 FROM node WHERE blob = ? LIMIT 1", (blob,)).get is None
    ]
    for blob in unnamed:
        connection.execute("INSERT OR IGNORE INTO garbage (blob) VALUES (?)", (blob,))
    return unnamed
