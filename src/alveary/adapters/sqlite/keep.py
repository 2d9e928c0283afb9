"""The keep of a cell in SQLite: snapshot files, jobs, logins, keys.

What does not belong here: anything that an import replaces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import apsw

from alveary.adapters.keys.data_keys import DataKeys
from alveary.adapters.sqlite.marks import Marks
from alveary.model.keep import FamilyState, Job, JobKind, LoginHistory, SigningKey, SnapshotFile
from alveary.model.names import SnapshotFileName
from alveary.model.tree import Content

_SNAPSHOT: Final = "name, media_type, version, published_ms, updated_ms, size_bytes, sha256, blob, data_key"


class SqliteSnapshots:
    """The snapshot area."""

    def __init__(self, connection: apsw.Connection, marks: Marks, data_keys: DataKeys) -> None:
        self._connection = connection
        self._marks = marks
        self._data_keys = data_keys

    async def find(self, name: str) -> SnapshotFile | None:
        """The file of that name."""
        row = self._connection.execute(f"SELECT {_SNAPSHOT}, inline FROM snapshot WHERE name = ?", (name,)).get  # nosec B608
        if row is None:
            return None
        file = _snapshot(*row)
        return replace(file, content=self._data_keys.opened(file.content))

    async def list(self) -> list[SnapshotFile]:
        """All files, ordered by name, without inline bytes."""
        rows = self._connection.execute(f"SELECT {_SNAPSHOT} FROM snapshot ORDER BY name")  # nosec B608
        return [_snapshot(*(*row, None)) for row in rows]

    async def count(self) -> int:
        """How many files there are."""
        return int(self._connection.execute("SELECT count(*) FROM snapshot").get)

    async def save(self, file: SnapshotFile) -> None:
        """Make or replace the file of that name; what it held before is dropped."""
        self._discard(file.name, file.content.blob)
        self._connection.execute(
            f"INSERT OR REPLACE INTO snapshot ({_SNAPSHOT}, inline) VALUES (?,?,?,?,?,?,?,?,?,?)",  # nosec B608
            (
                str(file.name),
                file.media_type,
                file.version,
                file.published_ms,
                file.updated_ms,
                file.content.size_bytes,
                file.content.sha256,
                file.content.blob,
                file.content.key,
                self._data_keys.seal(file.content),
            ),
        )

    async def remove(self, name: str) -> None:
        """Remove the file of that name."""
        self._marks.path_freed = True
        self._discard(name, None)
        self._connection.execute("DELETE FROM snapshot WHERE name = ?", (name,))

    def _discard(self, name: str, successor: str | None) -> None:
        blob = self._connection.execute("SELECT blob FROM snapshot WHERE name = ?", (name,)).get
        if blob is not None and blob != successor:
            self._connection.execute("INSERT OR IGNORE INTO garbage (blob) VALUES (?)", (blob,))
            self._marks.dropped.append(blob)


class SqliteJobs:
    """The exports and imports that have not ended."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def current(self) -> list[Job]:
        """All of them, the oldest first."""
        query = "SELECT kind, name, started_ms, contents, progress, seal FROM job ORDER BY started_ms"
        rows: list[Any] = self._connection.execute(query).fetchall()
        return [Job(JobKind(kind), *rest) for kind, *rest in rows]

    async def save(self, job: Job) -> None:
        """Make or replace the job of that kind."""
        self._connection.execute(
            "INSERT OR REPLACE INTO job (kind, name, started_ms, contents, progress, seal) VALUES (?,?,?,?,?,?)",
            (job.kind.value, str(job.name), job.started_ms, job.contents, job.progress, job.seal),
        )

    async def remove(self, job: Job) -> None:
        """Forget the job of that kind: it has ended."""
        self._connection.execute("DELETE FROM job WHERE kind = ?", (job.kind.value,))


class SqliteLogins:
    """The login history of a cell's accounts."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def find(self, account_id: str) -> LoginHistory:
        """What is known of the account's logins; empty when nothing is."""
        query = "SELECT last_authenticated_ms, failed_count, last_failure_ms FROM login WHERE account = ?"
        row = self._connection.execute(query, (account_id,)).get
        return LoginHistory() if row is None else LoginHistory(*row)

    async def save(self, account_id: str, history: LoginHistory) -> None:
        """Replace what is known."""
        self._connection.execute(
            "INSERT OR REPLACE INTO login (account, last_authenticated_ms, failed_count, last_failure_ms)"
            " VALUES (?,?,?,?)",
            (account_id, history.last_authenticated_ms, history.failed_count, history.last_failure_ms),
        )


class SqliteFamilies:
    """What became of families of tokens."""

    def __init__(self, connection: apsw.Connection, marks: Marks, now_ms: Callable[[], int]) -> None:
        """*now_ms* is the time of the transaction under way."""
        self._connection = connection
        self._marks = marks
        self._now_ms = now_ms

    async def find(self, family: str) -> FamilyState | None:
        """What became of the family of that id; None when nothing did."""
        state = self._connection.execute("SELECT state FROM family WHERE id = ?", (family,)).get
        return None if state is None else FamilyState(state)

    async def save(self, family: str, state: FamilyState, until_ms: int) -> None:
        """Remember that until then; what is over is forgotten."""
        self._marks.control_touched = True
        self._connection.execute("DELETE FROM family WHERE until_ms <= ?", (self._now_ms(),))
        self._connection.execute(
            "INSERT OR REPLACE INTO family (id, state, until_ms) VALUES (?,?,?)", (family, state.value, until_ms)
        )


class SqliteSigningKeys:
    """The keys by which the cell signs."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def newest(self) -> SigningKey | None:
        """The one to sign with; None when none was made yet."""
        query = "SELECT id, created_ms, sealed FROM signing_key ORDER BY created_ms DESC, id LIMIT 1"
        row = self._connection.execute(query).get
        return None if row is None else SigningKey(*row)

    async def save(self, key: SigningKey) -> None:
        """Make or replace the key of that id."""
        self._connection.execute(
            "INSERT OR REPLACE INTO signing_key (id, created_ms, sealed) VALUES (?,?,?)",
            (key.id, key.created_ms, key.sealed),
        )


def _snapshot(  # noqa: PLR0913, PLR0917 - the columns of a row, in their order
    name: str,
    media_type: str,
    version: int,
    published_ms: int,
    updated_ms: int,
    size_bytes: int,
    sha256: bytes,
    blob: str | None,
    data_key: str | None,
    inline: bytes | None,
) -> SnapshotFile:
    content = Content(size_bytes, sha256, inline, blob, data_key)
    return SnapshotFile(SnapshotFileName(name), media_type, content, version, published_ms, updated_ms)
