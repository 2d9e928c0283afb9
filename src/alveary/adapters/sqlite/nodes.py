"""The tree of a cell in SQLite: boxes, collections, files.

Collections change seldom and are asked for on every request, so those found stay remembered until one of them
changes. What does not belong here: privileges, and rules of what may stand where.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import apsw
import orjson

from alveary.adapters.keys.data_keys import DataKeys
from alveary.adapters.sqlite.marks import Marks
from alveary.adapters.sqlite.orphans import COLLECTIONS, let_go
from alveary.model import acl as acls
from alveary.model.acl import Acl
from alveary.model.entities import EntityKind
from alveary.model.names import MAIN_BOX
from alveary.model.tree import Box, Content, Node, NodeKind, Place
from alveary.wire import acl_json

_COLUMNS: Final = (
    "id, parent, name, kind, version, published_ms, updated_ms, acl, properties, media_type, size_bytes, sha256,"
    " blob, data_key"
)
_INSERT: Final = f"INSERT INTO node ({_COLUMNS}, inline) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"  # nosec B608
_REWRITE: Final = (
    "UPDATE node SET version = ?, updated_ms = ?, media_type = ?, size_bytes = ?, sha256 = ?, blob = ?, data_key = ?,"
    " inline = ? WHERE id = ? AND version = ?"
)
_SUBTREE: Final = (
    "WITH RECURSIVE sub(id) AS (VALUES(?) UNION ALL SELECT node.id FROM node JOIN sub ON node.parent = sub.id) "
)
_COPY: Final = f"""
INSERT INTO node ({_COLUMNS}, inline)
SELECT copied.new, above.new, name, kind, 1, ?1, ?2, acl, properties, media_type, size_bytes, sha256, blob,
       data_key, inline
FROM copied CROSS JOIN node ON node.id = copied.old CROSS JOIN copied AS above ON above.old = node.parent
"""  # nosec B608
_SCHEMA_BELOW: Final = (
    "SELECT id FROM entity WHERE kind IN ('EntityType', 'ComplexType') AND scope IN (SELECT id FROM collection)"
)
_REMEMBERED: Final = 10_000
_BOX_AND_LAST: Final = 2
_NODE_BYTES: Final = 1_024
"""What a remembered file takes beside its bytes."""


class SqliteBoxes:
    """The boxes of a cell; the main box is no row."""

    def __init__(self, connection: apsw.Connection, cell_id: str) -> None:
        self._connection = connection
        self._cell_id = cell_id

    async def find(self, name: str) -> Box | None:
        """The box of that name."""
        if name == MAIN_BOX:
            return await self.get(self._cell_id)
        return self._box("kind = 'Box' AND scope = '' AND key = ?", name)

    async def get(self, box_id: str) -> Box | None:
        """The box of that id; the main box has the id of its cell."""
        if box_id == self._cell_id:
            row = self._connection.execute(
                "SELECT published_ms, updated_ms, version FROM node WHERE name = ? AND kind = 'col.box'"
                " AND parent = (SELECT id FROM node WHERE parent = '' AND name = '')",
                (MAIN_BOX,),
            ).get
            return Box(box_id, MAIN_BOX, None, *row)
        return self._box("kind = 'Box' AND id = ?", box_id)

    def _box(self, where: str, value: str) -> Box | None:
        row = self._connection.execute(
            f"SELECT id, key, document ->> '$.Schema', published_ms, updated_ms, version FROM entity WHERE {where}",  # nosec B608 - literals of this file
            (value,),
        ).get
        return None if row is None else Box(*row)


_FileKey = tuple[Marks, int, str, str]
"""A file: of which store, as long as that is open and its changes were not too many to tell; parent's id and name."""


class SmallFiles:
    """Small files with their bytes, the ones asked for last, of all cells of a unit within one bound."""

    def __init__(self, bound_bytes: int) -> None:
        """Remember files of *bound_bytes* together."""
        self._bound_bytes = bound_bytes
        self._held_bytes = 0
        self._files: dict[_FileKey, tuple[Node, int]] = {}

    def find(self, key: _FileKey) -> Node | None:
        """The file of that key, if it is remembered."""
        found = self._files.get(key)
        return found[0] if found is not None else None

    def remember(self, key: _FileKey, node: Node, inline: bytes) -> None:
        """Remember *node*; others go, the oldest first, when the bound is reached."""
        self.drop(key)
        size_bytes = len(inline) + _NODE_BYTES
        self._files[key] = node, size_bytes
        self._held_bytes += size_bytes
        while self._held_bytes > self._bound_bytes:
            self.drop(next(iter(self._files)))

    def take_over(self, key: _FileKey, node: Node | None) -> None:
        """Remember what the file of that key is now, if it was remembered before."""
        if key not in self._files:
            return
        if node is not None and node.content is not None and node.content.inline is not None:
            self.remember(key, node, node.content.inline)
        else:
            self.drop(key)

    def drop(self, key: _FileKey) -> None:
        """Forget the file of that key."""
        found = self._files.pop(key, None)
        if found is not None:
            self._held_bytes -= found[1]


class SqliteNodes:
    """The tree of a cell."""

    def __init__(
        self,
        connection: apsw.Connection,
        boxes: SqliteBoxes,
        marks: Marks,
        data_keys: DataKeys,
        *,
        sole: bool = False,
        small_files: SmallFiles | None = None,
    ) -> None:
        """*sole*: this is the file's one writer, so what it has counted changes by its own hand alone.

        *small_files* remembers files for the one reader on the event loop's thread.
        """
        self._connection = connection
        self._boxes = boxes
        self._marks = marks
        self._data_keys = data_keys
        self._sole = sole
        self._small_files = small_files
        self._known: dict[tuple[str, ...], tuple[Box, tuple[Node, ...]]] = {}
        self._root: Node | None = None
        self._epoch = -1
        self._counts: dict[str, int] = {}
        self._blobs: dict[str, str | None] = {}
        # One request asks for its path more than once: what its kind is, and whether the subject may.
        self._latest: dict[tuple[str, ...], Place] = {}
        self._stamp = marks.stamp

    # Reading

    async def root(self) -> Node:
        """The cell's own node."""
        if self._root is None:
            self._root = self._child("", "")
            if self._root is None:
                raise LookupError("the store of a cell has no root")
        return self._root

    async def locate(self, box: str, segments: Sequence[str]) -> Place:
        """What the path below the box named *box* leads to."""
        path = (box, *segments)
        if (latest := self._latest.get(path)) is not None:
            return latest
        if (known := self._known.get(path)) is not None:
            return Place(known[0], known[1], (), path[1:], self._stamp)
        if (start := self._known.get(path[:-1])) is not None:
            place = self._descend(start[0], start[1], path[1:], len(path) - _BOX_AND_LAST)
        else:
            place = await self._walk(box, path[1:])
        if self._small_files is not None:
            self._latest = {path: place}
        return place

    async def _walk(self, name: str, segments: tuple[str, ...]) -> Place:
        root = await self.root()
        box = await self._boxes.find(name)
        node = None if box is None else self._child(root.id, MAIN_BOX if name == MAIN_BOX else box.id)
        if box is None or node is None:
            return Place(None, (root,), (name, *segments), segments, self._stamp)
        self._remember((name,), box, (root, node))
        return self._descend(box, (root, node), segments, 0)

    def _descend(self, box: Box, chain: tuple[Node, ...], segments: tuple[str, ...], at: int) -> Place:
        for index in range(at, len(segments)):
            node = None if chain[-1].kind is NodeKind.FILE else self._child(chain[-1].id, segments[index])
            if node is None:
                return Place(box, chain, segments[index:], segments, self._stamp)
            chain = (*chain, node)
            if node.kind is not NodeKind.FILE:
                self._remember((box.name, *segments[: index + 1]), box, chain)
        return Place(box, chain, (), segments, self._stamp)

    def _child(self, parent: str, name: str) -> Node | None:
        files = self._small_files
        if files is None:
            return self._fetch(parent, name)
        key = self._marks, self._marks.files_serial, parent, name
        node = files.find(key)
        if node is None:
            node = self._fetch(parent, name)
            if node is not None and node.content is not None and node.content.inline is not None:
                files.remember(key, node, node.content.inline)
        return node

    def _fetch(self, parent: str, name: str) -> Node | None:
        row = self._connection.execute(
            f"SELECT {_COLUMNS}, inline FROM node WHERE parent = ? AND name = ?",  # nosec B608
            (parent, name),
        ).get
        if row is None:
            return None
        node = self._node(*row)
        if self._sole and node.content is not None:
            self._blobs[node.id] = node.content.blob
        return node

    def _node(self, *row: Any) -> Node:
        node = _node(*row)
        if node.content is None or node.content.key is None:
            return node
        return replace(node, content=self._data_keys.opened(node.content))

    def _values(self, node: Node) -> tuple[str | int | bytes | None, ...]:
        content = node.content
        return (*_values(node), None if content is None else self._data_keys.seal(content))

    async def children(self, parent: str, *, inline: bool = False) -> AsyncIterator[Node]:
        """The nodes directly under the node of that id, ordered by name; with inline bytes only when asked."""
        small = "inline" if inline else "NULL"
        query = f"SELECT {_COLUMNS}, {small} FROM node WHERE parent = ? ORDER BY name"  # nosec B608
        for row in self._connection.execute(query, (parent,)):
            yield self._node(*row)

    async def child_count(self, parent: str) -> int:
        """How many nodes are directly under the node of that id."""
        count = self._counts.get(parent)
        if count is None:
            count = int(self._connection.execute("SELECT count(*) FROM node WHERE parent = ?", (parent,)).get)
            if self._sole:
                self._counts[parent] = count
        return count

    async def totals(self) -> tuple[int, int]:
        """How many nodes there are, and how many bytes their files hold."""
        count, size_bytes = self._connection.execute("SELECT count(*), total(size_bytes) FROM node").get
        gone = self._connection.execute("SELECT total(nodes), total(size_bytes) FROM orphan").get
        return count - int(gone[0]), int(size_bytes - gone[1])

    async def height(self, node_id: str) -> int:
        """How many levels of collections are below the node of that id; 0 for one that holds files only."""
        query = (
            "WITH RECURSIVE below(id, level) AS (VALUES(?, 0) UNION ALL SELECT node.id, level + 1"
            " FROM below CROSS JOIN node ON node.parent = below.id AND node.kind <> 'dav.file')"
            " SELECT max(level) FROM below"
        )
        return int(self._connection.execute(query, (node_id,)).get)

    async def guarded(self, node_id: str) -> AsyncIterator[tuple[Node, ...]]:
        """The nodes below the node of that id that have an ACL, each after those that lead to it from there."""
        query = f"{_SUBTREE} SELECT node.id FROM sub CROSS JOIN node USING (id) WHERE acl IS NOT NULL AND id <> ?"  # nosec B608
        for (found,) in self._connection.execute(query, (node_id, node_id)).fetchall():
            chain: tuple[Node, ...] = (self._get(str(found)),)
            while chain[0].parent != node_id:
                chain = (self._get(chain[0].parent), *chain)
            yield chain

    def _get(self, node_id: str) -> Node:
        return _node(*self._connection.execute(f"SELECT {_COLUMNS}, NULL FROM node WHERE id = ?", (node_id,)).get)  # nosec B608

    # Writing

    async def save(self, node: Node) -> None:
        """Make the node of that id, or replace it where it stands. Bytes that a replaced file held are dropped."""
        old = self._blob_to_go(node) if node.kind is NodeKind.FILE else None
        if node.kind is NodeKind.FILE:
            self._marks.touched_files.append((node.parent, node.name, node))
        else:
            self.touch()
        self._connection.execute(
            # Its place stays as it is, and with it the index of places.
            f"{_INSERT} ON CONFLICT (id) DO UPDATE SET"  # nosec B608
            " version=excluded.version, published_ms=excluded.published_ms, updated_ms=excluded.updated_ms,"
            " acl=excluded.acl, properties=excluded.properties, media_type=excluded.media_type,"
            " size_bytes=excluded.size_bytes, sha256=excluded.sha256, blob=excluded.blob,"
            " data_key=excluded.data_key, inline=excluded.inline",
            self._values(node),
        )
        if old is not None:
            self._marks.dropped += let_go(self._connection, (old,))
        if node.version == 1 and node.parent in self._counts:
            self._counts[node.parent] += 1

    async def rewrite(self, place: Place, node: Node) -> bool:
        """Replace the file at *place* by *node*, its next version; False when what was judged there may differ."""
        if place.node is None or place.stamp != self._marks.stamp or self._marks.outline_touched:
            return False
        old, new = place.node.content, node.content
        assert old is not None
        assert new is not None
        inline = self._data_keys.seal(new)
        values = node.updated_ms, node.media_type, new.size_bytes, new.sha256, new.blob, new.key, inline
        self._connection.execute(_REWRITE, (node.version, *values, node.id, place.node.version))
        if self._connection.changes() != 1:
            return False
        self._marks.touched_files.append((node.parent, node.name, node))
        self._blobs[node.id] = new.blob
        if old.blob is not None and old.blob != new.blob:
            self._marks.dropped += let_go(self._connection, (old.blob,))
        return True

    async def add(self, node: Node) -> bool:
        """Make a new node; False, and nothing done, when its id or its place is taken."""
        if node.kind is NodeKind.FILE:
            self._marks.files_added = True
        else:
            self.touch()
        self._connection.execute(f"{_INSERT} ON CONFLICT DO NOTHING", self._values(node))
        added = self._connection.changes() == 1
        if added and node.parent in self._counts:
            self._counts[node.parent] += 1
        return added

    async def move(self, node: Node) -> None:
        """Give the node of that id its new parent, name and version."""
        self._marks.path_freed = True
        self.touch()
        self._touch_file(node.id)
        self._connection.execute(
            "UPDATE node SET parent = ?, name = ?, version = ? WHERE id = ?",
            (node.parent, node.name, node.version, node.id),
        )

    async def copy_below(self, source: str, target: Node, new_id: Callable[[], str]) -> list[tuple[str, str]]:
        """All that is below the node of id *source* once more below *target*, which is saved and empty."""
        execute = self._connection.execute
        self.touch()
        execute("CREATE TEMP TABLE IF NOT EXISTS copied (old TEXT PRIMARY KEY, new TEXT NOT NULL) WITHOUT ROWID")
        below = execute(f"{_SUBTREE} SELECT id FROM sub WHERE id <> ?", (source, source)).fetchall()  # nosec B608
        pairs = [(old, new_id()) for (old,) in below]
        self._connection.executemany("INSERT INTO copied VALUES (?, ?)", pairs)
        # The roots are no rows to be made, but parents of such.
        execute("INSERT INTO copied VALUES (?, ?)", (source, target.id))
        execute(f"{_COPY} WHERE node.id <> ?3", (target.published_ms, target.updated_ms, source))
        query = "SELECT old, new FROM copied JOIN node ON node.id = old AND node.kind = 'col.odata'"
        odata = [(str(old), str(new)) for old, new in execute(query)]
        execute("DELETE FROM copied")
        return odata

    async def remove(self, node_id: str) -> None:
        """Remove the node of that id and all below it."""
        execute = self._connection.execute
        self._marks.path_freed = True
        self._counts.clear()
        kind = execute("SELECT kind FROM node WHERE id = ?", (node_id,)).get
        if kind == NodeKind.FILE:
            self._touch_file(node_id)
        else:
            self.touch()
            self._remove_odata(node_id)
            execute(f"{COLLECTIONS} DELETE FROM queued WHERE node IN (SELECT id FROM collection)", (node_id,))  # nosec B608
            self._marks.dropped += self._marks.orphans.leave(self._connection, node_id)
        blob = execute("DELETE FROM node WHERE id = ? RETURNING blob", (node_id,)).get
        if blob is not None:
            self._marks.dropped += let_go(self._connection, (blob,))

    def _remove_odata(self, node_id: str) -> None:
        execute = self._connection.execute
        schema = f"{COLLECTIONS} {_SCHEMA_BELOW}"
        if execute(f"{schema} LIMIT 1", (node_id,)).get is None:
            return
        self._marks.schema_touched = True
        execute("CREATE TEMP TABLE IF NOT EXISTS doomed (id TEXT PRIMARY KEY) WITHOUT ROWID")
        execute(f"INSERT INTO doomed {schema}", (node_id,))
        execute(
            "INSERT OR IGNORE INTO doomed SELECT entity.id FROM doomed JOIN entity ON entity.scope = doomed.id"
            " AND entity.kind IN (?, ?, ?, ?)",
            (
                EntityKind.PROPERTY,
                EntityKind.COMPLEX_TYPE_PROPERTY,
                EntityKind.ASSOCIATION_END,
                EntityKind.USER_DATA,
            ),
        )
        execute("DELETE FROM ref WHERE source IN (SELECT id FROM doomed)")
        execute("DELETE FROM link WHERE id1 IN (SELECT id FROM doomed)")
        execute("DELETE FROM entity WHERE id IN (SELECT id FROM doomed)")
        execute("DELETE FROM doomed")

    def _blob_to_go(self, node: Node) -> str | None:
        """The blob that the file of that id has and *node* has not; one just found needs no second look."""
        new = node.content.blob if node.content else None
        if node.id in self._blobs:
            old = self._blobs[node.id]
        else:
            old = self._connection.execute("SELECT blob FROM node WHERE id = ?", (node.id,)).get
        self._blobs[node.id] = new
        return old if old != new else None

    # Remembering

    def touch(self) -> None:
        """Forget every collection: one is about to change."""
        self._marks.tree_touched = True
        self.forget()

    def _touch_file(self, node_id: str) -> None:
        row = self._connection.execute("SELECT parent, name FROM node WHERE id = ?", (node_id,)).get
        if row is not None:
            self._marks.touched_files.append((row[0], row[1], None))

    def _take_changes_over(self, files: SmallFiles) -> None:
        marks = self._marks
        self._latest = {}
        with suppress(IndexError):  # there are no more, or the writer has given them up
            while True:
                parent, name, node = marks.changed_files.popleft()
                files.take_over((marks, marks.files_serial, parent, name), node)

    def _remember(self, key: tuple[str, ...], box: Box, chain: tuple[Node, ...]) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = box, chain

    def refresh(self) -> None:
        """Forget what no longer holds."""
        self._blobs.clear()
        if self._stamp != (stamp := self._marks.stamp):
            self._stamp, self._latest = stamp, {}
        if self._small_files is not None and self._marks.changed_files:
            self._take_changes_over(self._small_files)
        if self._epoch != self._marks.tree_epoch:
            self._epoch = self._marks.tree_epoch
            self.forget()

    def forget(self) -> None:
        """Forget everything that was found."""
        self._blobs.clear()
        self._known.clear()
        self._counts.clear()
        self._root = None


def _values(node: Node) -> tuple[str | int | bytes | None, ...]:
    content = node.content
    return (
        node.id,
        node.parent,
        node.name,
        node.kind.value,
        node.version,
        node.published_ms,
        node.updated_ms,
        None if node.acl == acls.EMPTY else orjson.dumps(acl_json.render_acl(node.acl)).decode(),
        orjson.dumps(node.properties).decode() if node.properties else None,
        node.media_type,
        content.size_bytes if content else None,
        content.sha256 if content else None,
        content.blob if content else None,
        content.key if content else None,
    )


def _node(  # noqa: PLR0913, PLR0917 - the columns of a row, in their order
    node_id: str,
    parent: str,
    name: str,
    kind: str,
    version: int,
    published_ms: int,
    updated_ms: int,
    acl: str | None,
    properties: str | None,
    media_type: str | None,
    size_bytes: int | None,
    sha256: bytes | None,
    blob: str | None,
    data_key: str | None,
    inline: bytes | None,
) -> Node:
    return Node(
        node_id,
        parent,
        name,
        _KINDS[kind],
        version,
        published_ms,
        updated_ms,
        acls.EMPTY if acl is None else _acl(acl),
        {} if properties is None else orjson.loads(properties),
        media_type,
        None if size_bytes is None else Content(size_bytes, sha256 or b"", inline, blob, data_key),
    )


_KINDS: Final = {kind.value: kind for kind in NodeKind}


@lru_cache(maxsize=1024)
def _acl(text: str) -> Acl:
    return acl_json.parse_acl(orjson.loads(text))
