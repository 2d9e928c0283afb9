"""What is wrong with a data folder, found by reading alone, whether a unit is running on it or not.

What does not belong here: repairing anything, and how it is told.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import apsw

from alveary.adapters.blobs.files import place_of
from alveary.adapters.folder import FORMAT, STAMP, is_claimed
from alveary.adapters.keys.data_keys import SEALED_INLINE_BYTES, DataKeys
from alveary.adapters.keys.files import FOLDER, KEY_BYTES, OPERATOR_KEY, UNIT_KEY, FileKeys, unit_paths
from alveary.adapters.machine import SystemClock
from alveary.adapters.sqlite import schema
from alveary.adapters.sqlite.part import DATABASE
from alveary.config import Limits
from alveary.errors import Refusal
from alveary.model.entities import EntityKind
from alveary.model.tree import Content, NodeKind
from alveary.wire.chunks import Tampered, fetch_from, open_all, plain_size_bytes

_REGISTRY: Final = "unit.sqlite"
_FOREIGN_BITS: Final = 0o077
_READ_BYTES: Final = 1024 * 1024
_BATCH: Final = 200
_DEEPEST: Final = 100

Moved = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is broken, and how."""

    subject: str
    cause: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.cause}"


@dataclass(frozen=True, slots=True)
class _Cell:
    id: str
    name: str
    contents: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A database file of a *cell* with its blobs, and the table whose rows name them by a key."""

    cell: Path
    folder: Path
    table: str
    key: str
    subject: str
    files: str = "TRUE"

    @property
    def database(self) -> Path:
        return self.folder / DATABASE

    def place(self, blob: str) -> Path:
        return place_of(self.folder / "blobs", blob)


@dataclass(frozen=True, slots=True)
class _File:
    """A row that holds bytes or names them."""

    key: str
    size_bytes: int
    sha256: bytes
    blob: str | None
    key_id: str | None
    inline: bytes


@dataclass(slots=True)
class Inspection:
    """A look at the data folder *data*. With *hashing* every byte of every file is read and compared."""

    data: Path
    hashing: bool = False
    moved: Moved = field(default=lambda done: None)
    _done_bytes: int = 0

    @property
    def running(self) -> bool:
        """Whether a unit uses the folder now."""
        return is_claimed(self.data)

    # The folder

    def permissions(self) -> Iterator[Problem]:
        """What others than the owner may reach: folders 0700, files 0600."""
        if self.data.stat().st_mode & _FOREIGN_BITS:
            yield Problem(str(self.data), "others may enter it; it should have mode 0700")
        for folder, folders, files in os.walk(self.data):
            for name in (*folders, *files):
                path = Path(folder, name)
                if path.exists() and path.lstat().st_mode & _FOREIGN_BITS:
                    yield Problem(self._name(path), "others may read it; only its owner should")

    def format(self) -> Iterator[Problem]:
        """A stamp of another format than this release's."""
        stamp = self.data / STAMP
        written = stamp.read_text(encoding="ascii").strip() if stamp.exists() else "none"
        if written != str(FORMAT):
            yield Problem(self._name(stamp), f"it says {written}; this release reads and writes {FORMAT}")

    def secrets(self) -> Iterator[Problem]:
        """Keys that are missing or damaged."""
        folder = self.data / FOLDER
        for path in (*(unit_paths(folder).values() or (folder / UNIT_KEY,)), folder / OPERATOR_KEY):
            if not path.exists():
                yield Problem(self._name(path), "it is missing")
            elif path.stat().st_size != KEY_BYTES:
                yield Problem(self._name(path), f"it does not hold {KEY_BYTES} bytes")

    def space(self) -> Iterator[Problem]:
        """A disk with less room than uploads leave free."""
        disk = shutil.disk_usage(self.data)
        percent = Limits().disk_reserve_percent
        if disk.free * 100 < disk.total * percent:
            yield Problem("disk", f"{disk.free} bytes are free, less than {percent} %: uploads are refused")

    # The cells

    def databases(self) -> Iterator[Problem]:
        """Database files that are missing, damaged or of another format."""
        yield from self._check_database(self.data / _REGISTRY)
        yield from self._of_cells(lambda part: self._check_database(part.database) if part.table != "piece" else ())

    def counters(self) -> Iterator[Problem]:
        """Counters of what a cell holds, for its quota, that do not say what it does hold."""
        yield from self._of_cells(lambda part: self._check_counters(part) if part.table == "node" else ())

    def files(self) -> Iterator[Problem]:
        """Files whose bytes are missing, cut, or (with hashing) others than were stored."""
        yield from self._of_cells(self._check_files)

    def size_bytes(self) -> int:
        """How many bytes all files have together, as far as their rows can be read."""
        return sum(self._size_bytes(part) for cell in self._cells() for part in self._parts(cell))

    def _of_cells(self, check: Callable[[_Part], Iterable[Problem]]) -> Iterator[Problem]:
        for cell in self._cells():
            found = [problem for part in self._parts(cell) for problem in check(part)]
            if found and self.running:  # an import or a deletion may have come between
                now = next((each for each in self._cells() if each.id == cell.id), cell)
                if now != cell:
                    found = [problem for part in self._parts(now) for problem in check(part)]
            yield from found

    def _cells(self) -> list[_Cell]:
        try:
            return [_Cell(*row) for row in self._query(self.data / _REGISTRY, "SELECT id, name, contents FROM cell")]
        except apsw.Error:  # told by databases()
            return []

    def _parts(self, cell: _Cell) -> tuple[_Part, ...]:
        folder = self.data / "cells" / cell.id
        contents, files = folder / "contents" / cell.contents, f"kind = '{NodeKind.FILE.value}'"
        return (
            _Part(folder, contents, "node", "id", f"cell {cell.name}", files),
            _Part(folder, contents, "piece", "id", f"cell {cell.name}, unfinished upload"),
            _Part(folder, folder / "keep", "snapshot", "name", f"cell {cell.name}, snapshot"),
        )

    # One database

    def _check_database(self, path: Path) -> Iterator[Problem]:
        name = self._name(path)
        try:
            found = [row[0] for row in self._query(path, "PRAGMA integrity_check(10)")]
            if found != ["ok"]:
                yield from (Problem(name, text) for text in found)
            tables = _tables_of(path)
            for (version,) in self._query(path, "PRAGMA user_version"):
                if version != tables.format and version not in tables.upgrades:
                    yield Problem(name, f"it has format {version}; this release writes {tables.format}")
            if path.parent.parent.name == "contents":
                for (entity,) in self._query(path, "SELECT id FROM entity WHERE NOT json_valid(document, 8)"):
                    yield Problem(name, f"the entity {entity} is damaged")
        except apsw.Error as error:
            yield Problem(name, f"it cannot be read: {error}")

    def _check_counters(self, part: _Part) -> Iterator[Problem]:
        try:
            rows = self._query(part.database, _COUNTED)
        except apsw.Error:  # of an older format, or told by databases()
            return
        for what, kept, found in rows:
            if kept != found:
                yield Problem(part.subject, f"its counters say {kept} {what} instead of {found}")

    def _query(self, path: Path, statement: str, bindings: tuple[object, ...] = ()) -> list[Any]:
        with closing(self._connect(path)) as connection:
            return connection.execute(statement, bindings).fetchall()

    def _connect(self, path: Path) -> apsw.Connection:
        # Without a log beside it a file at rest is read as it is: opening it as usual would leave files behind.
        at_rest = not self.running and not path.with_name(f"{path.name}-wal").exists()
        uri = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if at_rest else ''}"
        connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        connection.set_busy_timeout(10_000)
        return connection

    # The files of one part

    def _check_files(self, part: _Part) -> Iterator[Problem]:
        try:
            for file in self._files(part):
                cause = self._what_is_wrong(part, file)
                if cause is not None and self._is_named(part, file):
                    yield Problem(self._subject(part, file), cause)
        except apsw.Error:  # told by databases()
            return

    def _files(self, part: _Part) -> Iterator[_File]:
        """All of them, a batch at a time: a long read would keep a running unit's log from shrinking."""
        query = (
            f"SELECT {part.key}, size_bytes, sha256, blob, {self._key_column(part)}, ifnull(inline, x'')"  # nosec B608
            f" FROM {part.table} WHERE {part.files} AND {part.key} > ? ORDER BY {part.key} LIMIT {_BATCH}"
        )
        last = ""
        while rows := self._query(part.database, query, (last,)):
            yield from (_File(*row) for row in rows)
            last = rows[-1][0]

    def _key_column(self, part: _Part) -> str:
        """The column of the key by which bytes are encrypted, which files of an older format lack."""
        names = {row[0] for row in self._query(part.database, f"SELECT name FROM pragma_table_info('{part.table}')")}  # nosec B608
        return "data_key" if "data_key" in names else "NULL"

    def _what_is_wrong(self, part: _Part, file: _File) -> str | None:
        before_bytes = self._done_bytes
        try:
            size_bytes, sha256 = self._measure(part, file)
        except OSError as error:
            return f"its bytes cannot be read: {error.strerror}"
        except Tampered:
            return "its bytes are not those that were stored"
        except Refusal:
            return f"its bytes cannot be decrypted: the key {file.key_id} is lost"
        finally:
            self._done_bytes = before_bytes + file.size_bytes
            self.moved(self._done_bytes)
        if size_bytes != file.size_bytes:
            return f"it has {size_bytes} bytes instead of {file.size_bytes}"
        return "its bytes are not those that were stored" if sha256 not in (None, file.sha256) else None

    def _measure(self, part: _Part, file: _File) -> tuple[int, bytes | None]:
        """The size in bytes of what *file* holds, and its SHA-256 if that is to be known."""
        if file.blob is None:
            inline = self._opened(part, file)
            return len(inline), hashlib.sha256(inline).digest() if self.hashing else None
        place = part.place(file.blob)
        if not self.hashing:
            stored_bytes = place.stat().st_size
            return stored_bytes if file.key_id is None else plain_size_bytes(stored_bytes), None
        digest, size_bytes = hashlib.sha256(), 0
        with place.open("rb", buffering=0) as source:
            for piece in self._pieces(part, file, source):
                digest.update(piece)
                size_bytes += len(piece)
                self.moved(self._done_bytes + size_bytes)
        return size_bytes, digest.digest()

    # What is encrypted

    def _data_keys(self, part: _Part) -> DataKeys:
        secrets = self.data / FOLDER
        # To read them would make those that are missing, which secrets() has told.
        there = (secrets / OPERATOR_KEY).exists() and unit_paths(secrets)
        keys = FileKeys(secrets, master_token="", now_ms=SystemClock().now_ms) if there else None  # nosec B106 - none
        return DataKeys(part.cell, keys, new_id=str, encrypt=False)

    def _opened(self, part: _Part, file: _File) -> bytes:
        content = Content(file.size_bytes, file.sha256, file.inline, None, file.key_id)
        if file.key_id is None or not self.hashing:
            return file.inline if file.key_id is None else file.inline[SEALED_INLINE_BYTES:]
        keys = self._data_keys(part)
        keys.require(file.key_id)
        inline = keys.opened(content).inline
        if inline is None:
            raise Tampered
        return inline

    def _pieces(self, part: _Part, file: _File, source: FileIO) -> Iterator[bytes]:
        if file.key_id is None or file.blob is None:
            return iter(partial(source.read, _READ_BYTES), b"")
        cipher = self._data_keys(part).blob_cipher(file.key_id, file.blob)
        return open_all(cipher, fetch_from(source), os.fstat(source.fileno()).st_size)

    def _is_named(self, part: _Part, file: _File) -> bool:
        """Whether the row still says what it said: a running unit may have replaced the file meanwhile."""
        query = f"SELECT 1 FROM {part.table} WHERE {part.key} = ? AND sha256 = ? AND blob IS ?"  # nosec B608
        return bool(self._query(part.database, query, (file.key, file.sha256, file.blob)))

    def _subject(self, part: _Part, file: _File) -> str:
        if part.table != "node":
            return f"{part.subject} {file.key}"
        path = self._query(part.database, _PATH, (file.key,))
        return f"{part.subject}, file {path[0][0] if path else file.key}"

    def _size_bytes(self, part: _Part) -> int:
        query = f"SELECT ifnull(sum(size_bytes), 0) FROM {part.table} WHERE {part.files}"  # nosec B608
        try:
            return int(self._query(part.database, query)[0][0])
        except apsw.Error:  # told by databases()
            return 0

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.data))


def _tables_of(path: Path) -> schema.Tables:
    if path.name == _REGISTRY:
        return schema.REGISTRY
    return schema.CONTENTS if path.parent.parent.name == "contents" else schema.KEEP


_COUNTED: Final = """
SELECT 'bytes of files', file_bytes,
       (SELECT ifnull(sum(size_bytes), 0) FROM node) + (SELECT ifnull(sum(size_bytes), 0) FROM piece) FROM usage
UNION ALL SELECT 'entities', entities, (SELECT count(*) FROM entity) FROM usage
"""
"""What is counted of a cell's contents: its name, what the counter says, and what there is."""

_PATH: Final = f"""
WITH RECURSIVE up (parent, path, height) AS (
  SELECT parent, name, 0 FROM node WHERE id = ?
  UNION ALL
  SELECT node.parent,
         ifnull((SELECT key FROM entity WHERE entity.id = node.name AND entity.kind = '{EntityKind.BOX.value}'),
                node.name) || '/' || up.path,
         up.height + 1
  FROM up JOIN node ON node.id = up.parent
  WHERE node.parent <> '' AND up.height < {_DEEPEST}
)
SELECT path FROM up ORDER BY height DESC LIMIT 1
"""  # nosec B608 - literals of this file
"""The path of a node below its cell, with its box's name."""
