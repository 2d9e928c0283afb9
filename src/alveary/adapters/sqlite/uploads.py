"""Uploads in several requests in SQLite: one row for each, one for each piece that has come.

What does not belong here: whose they are, and when they become files.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import apsw
import orjson

from alveary.adapters.keys.data_keys import DataKeys
from alveary.adapters.sqlite.marks import Marks
from alveary.model.tree import Content
from alveary.model.uploads import Upload


class SqliteUploads:
    """The uploads of a cell."""

    def __init__(self, connection: apsw.Connection, marks: Marks, data_keys: DataKeys) -> None:
        self._connection = connection
        self._marks = marks
        self._data_keys = data_keys

    # Reading

    async def find(self, upload_id: str) -> Upload | None:
        """The upload of that id."""
        document = self._connection.execute("SELECT document FROM upload WHERE id = ?", (upload_id,)).get
        return None if document is None else _parse(document)

    async def pieces(self, upload_id: str) -> list[Content]:
        """What has come of the upload of that id, in the order of its bytes."""
        query = "SELECT size_bytes, sha256, inline, blob, data_key FROM piece WHERE upload = ? ORDER BY start"
        return [self._data_keys.opened(Content(*row)) for row in self._connection.execute(query, (upload_id,))]

    async def overdue(self, now_ms: int) -> list[str]:
        """The ids of the uploads that are to be forgotten by then."""
        return [row[0] for row in self._connection.execute("SELECT id FROM upload WHERE until_ms <= ?", (now_ms,))]

    async def count(self) -> int:
        """How many are not complete."""
        return int(self._connection.execute("SELECT count(*) FROM upload WHERE NOT complete").get)

    # Writing

    async def save(self, upload: Upload) -> None:
        """Make or replace the upload of that id."""
        self._connection.execute(
            "INSERT OR REPLACE INTO upload (id, until_ms, complete, document) VALUES (?,?,?,?)",
            (upload.id, upload.until_ms, upload.complete, _render(upload)),
        )

    async def add_piece(self, upload: Upload, piece_id: str, content: Content) -> None:
        """Append *content*, whose first byte is the one at the offset of *upload*."""
        self._connection.execute(
            "INSERT INTO piece (id, upload, start, size_bytes, sha256, blob, data_key, inline)"
            " VALUES (?,?,?,?,?,?,?,?)",
            (
                piece_id,
                upload.id,
                upload.offset_bytes,
                content.size_bytes,
                content.sha256,
                content.blob,
                content.key,
                self._data_keys.seal(content),
            ),
        )

    async def drop_pieces(self, upload_id: str, adopted: Content | None = None) -> None:
        """Forget what has come of the upload of that id; the bytes of *adopted* are a file's now and stay."""
        kept = adopted.blob if adopted else None
        query = "SELECT blob FROM piece WHERE upload = ? AND blob IS NOT NULL AND blob IS NOT ?"
        for (blob,) in self._connection.execute(query, (upload_id, kept)).fetchall():
            self._connection.execute("INSERT OR IGNORE INTO garbage (blob) VALUES (?)", (blob,))
            self._marks.dropped.append(str(blob))
        self._connection.execute("DELETE FROM piece WHERE upload = ?", (upload_id,))

    async def remove(self, upload_id: str) -> None:
        """Forget the upload of that id, with what has come of it."""
        await self.drop_pieces(upload_id)
        self._connection.execute("DELETE FROM upload WHERE id = ?", (upload_id,))


def _render(upload: Upload) -> str:
    fields: dict[str, Any] = asdict(upload)
    fields["sha256"] = None if upload.sha256 is None else upload.sha256.hex()
    return orjson.dumps(fields).decode()


def _parse(document: str) -> Upload:
    fields: dict[str, Any] = orjson.loads(document)
    fields["segments"], fields["conditions"] = tuple(fields["segments"]), tuple(fields["conditions"])
    fields["sha256"] = None if fields["sha256"] is None else bytes.fromhex(fields["sha256"])
    return Upload(**fields)
