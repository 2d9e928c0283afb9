"""A snapshot on its way into new contents: believed in nothing, in steps, in flat memory.

The entries of an archive come in any order, but a node needs the one above it. So the tree's entries are noted first,
under keys whose order is that of a walk from the root downwards, and taken in that order afterwards. What does not
belong here: the life of an import (``imports``), the spelling of entries (``wire``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Final, NoReturn, TypeVar

import orjson

from alveary.config import Config
from alveary.errors import SNAPSHOT_ENTRY_MISSING, SNAPSHOT_NOT_ZIP, SNAPSHOT_UNREADABLE, SNAPSHOT_VERSION, Refusal
from alveary.model.cell import Cell
from alveary.model.dav_semantics import SEMANTICS
from alveary.model.entities import Entity, EntityKind, Link
from alveary.model.names import MAIN_BOX, ResourceName
from alveary.model.tree import Content, Node, NodeKind
from alveary.ports import Ports
from alveary.ports.store import Build, BuildTx
from alveary.usecases.cell_jobs import Progress
from alveary.usecases.properties import are_too_many
from alveary.wire.snapshot import layout
from alveary.wire.snapshot.layout import SnapshotProblem, TreePath
from alveary.wire.snapshot.lines import CELL_TYPE, EntityLine, lines, parse_link
from alveary.wire.snapshot.manifest import EXPORT_VERSION, Manifest
from alveary.wire.snapshot.nodes import PMeta
from alveary.wire.snapshot.rows import Move, move_link, to_entity, to_node
from alveary.wire.snapshot.urls import UnitUrls, UrlMapping, map_urls
from alveary.wire.snapshot.values import TypeMap
from alveary.wire.zip import Method, ZipEntry, ZipLimits, ZipProblem, ZipReader
from alveary.wire.zip.records import SeekableFile

T = TypeVar("T")

_ROWS_PER_STEP: Final = 2_000
_NOTES_PER_STEP: Final = 256
_CHUNK_BYTES: Final = 256 * 1024
_NAME_CHARS: Final = 256
_ANY_SIZE: Final = 1 << 62

_REQUIRED: Final = frozenset(layout.REQUIRED)
_UNTYPED: Final = TypeMap({})
_TYPED: Final = (EntityKind.COMPLEX_TYPE, EntityKind.PROPERTY, EntityKind.COMPLEX_TYPE_PROPERTY)

_IN_BOX: Final = frozenset(NodeKind) - {NodeKind.CELL, NodeKind.BOX}
_MAY_HOLD: Final[Mapping[NodeKind | None, frozenset[NodeKind]]] = {
    None: frozenset({NodeKind.CELL}),
    NodeKind.CELL: frozenset({NodeKind.BOX}),
    NodeKind.BOX: _IN_BOX,
    NodeKind.COLLECTION: _IN_BOX,
    NodeKind.SERVICE: frozenset({NodeKind.COLLECTION}),
}
"""What may stand directly under what; None is where the cell's own node stands."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a snapshot says of itself, read and checked before anything is done with the rest of it.

    ``source`` is the unit it is from, and the cell there follows. ``entries`` are those that every snapshot has,
    ``total_bytes`` the size of all once unpacked.
    """

    source: UnitUrls
    cell_id: str
    cell_name: str
    entries: Mapping[str, ZipEntry]
    total_bytes: int


def check(file: SeekableFile, config: Config) -> Plan:
    """The plan of the snapshot in *file*; on a thread of its own.

    Raises:
        Refusal: SNAPSHOT_NOT_ZIP, SNAPSHOT_VERSION, SNAPSHOT_ENTRY_MISSING, SNAPSHOT_UNREADABLE.
    """
    try:
        archive = open_archive(file, config)
    except ZipProblem as problem:
        raise Refusal(SNAPSHOT_NOT_ZIP, cause=problem) from None
    try:
        return _plan(archive, config.limits.snapshot_line_bytes)
    except (ZipProblem, SnapshotProblem) as problem:
        raise Refusal(SNAPSHOT_UNREADABLE, cause=problem) from None


def open_archive(file: SeekableFile, config: Config) -> ZipReader:
    """The archive in *file*.

    Raises:
        ZipProblem: it is none, or has more entries than the configuration allows.
    """
    return ZipReader(file, ZipLimits(config.limits.snapshot_entries, _ANY_SIZE, _ANY_SIZE))


def _plan(archive: ZipReader, max_bytes: int) -> Plan:
    entries: dict[str, ZipEntry] = {}
    total_bytes = 0
    for entry in archive.entries():
        total_bytes += entry.size_bytes
        if entry.name in _REQUIRED:
            entries[entry.name] = entry
    manifest = Manifest.parse(archive.read(_required(entries, layout.MANIFEST), max_bytes))
    if manifest.version != EXPORT_VERSION:
        raise Refusal(SNAPSHOT_VERSION, actual=manifest.version, expected=EXPORT_VERSION)
    for name in layout.REQUIRED:
        _required(entries, name)
    source = UnitUrls.parse(manifest.unit_url, manifest.path_style)
    if source is None:
        raise SnapshotProblem(layout.MANIFEST, 0, "unit_url is no URL")
    cell = EntityLine.parse(archive.read(entries[layout.CELL], max_bytes), CELL_TYPE, layout.CELL)
    cell_name = cell.values.get("Name")
    if not isinstance(cell_name, str):
        raise SnapshotProblem(layout.CELL, 0, "the cell has no name")
    return Plan(source, cell.id, cell_name, entries, total_bytes)


def _required(entries: Mapping[str, ZipEntry], name: str) -> ZipEntry:
    if name not in entries:
        raise Refusal(SNAPSHOT_ENTRY_MISSING, entry=name)
    return entries[name]


class SnapshotLoader:
    """One snapshot being loaded: rows as they come, then the tree from its root downwards."""

    def __init__(self, ports: Ports, cell: Cell, plan: Plan, archive: ZipReader, progress: Progress) -> None:
        """Load *archive*, of which *plan* is known, as contents of *cell*."""
        target = UnitUrls.parse(ports.urls.unit_url, ports.urls.path_style)
        assert target is not None
        self._ports = ports
        self._cell = cell
        self._plan = plan
        self._archive = archive
        self._progress = progress
        self._move = Move(plan.cell_id, cell.id)
        self._urls = UrlMapping(plan.source, plan.cell_name, target, cell.name)

    async def load(self, build: Build) -> None:
        """Fill *build* with all that is in the snapshot.

        Raises:
            ZipProblem: the archive is not what it claims to be.
            SnapshotProblem: an entry is not what it should be.
            Interrupted: the unit is about to stop.
            Refusal: DISK_FULL.
        """
        await _in_steps(build, self._tree_entries(), _note)
        for kind in layout.ENTITIES:
            await _in_steps(build, self._entities(kind), _add)
        await _in_steps(build, self._links(), _link)
        tree = _Tree(self._ports, self._cell, self._archive, self._progress, build)
        while await build.fill(tree.grow):
            pass
        await build.fill(tree.complete)

    def _tree_entries(self) -> Iterator[ZipEntry]:
        # Walked to its end this also lets the archive's entries be opened.
        return (entry for entry in self._archive.entries() if TreePath.parse(entry.name))

    def _lines(self, entry: str) -> Iterator[tuple[int, bytes]]:
        source = self._archive.open(self._plan.entries[entry])
        for number, raw in lines(source, entry, self._ports.config.limits.snapshot_line_bytes):
            self._progress.advance(len(raw) + 1)
            yield number, raw

    def _parsed(self, kind: EntityKind) -> Iterator[tuple[int, EntityLine]]:
        entry = layout.ENTITIES[kind]
        for number, raw in self._lines(entry):
            yield number, EntityLine.parse(raw, kind, entry, number)

    def _entities(self, kind: EntityKind) -> Iterator[tuple[int, Entity]]:
        types = self._types if kind is EntityKind.USER_DATA else _UNTYPED
        for number, line in self._parsed(kind):
            yield number, to_entity(map_urls(line, self._urls), number, self._move, types)

    def _links(self) -> Iterator[Link]:
        for number, raw in self._lines(layout.LINKS):
            yield move_link(parse_link(raw, layout.LINKS, number), self._move)

    @cached_property
    def _types(self) -> TypeMap:
        return TypeMap.build(line for _, line in chain.from_iterable(map(self._parsed, _TYPED)))


async def _in_steps(build: Build, items: Iterator[T], save: Callable[[BuildTx, T], Awaitable[None]]) -> None:
    async def some(tx: BuildTx) -> bool:
        count = 0
        for item in islice(items, _ROWS_PER_STEP):
            await save(tx, item)
            count += 1
        return count == _ROWS_PER_STEP

    while await build.fill(some):
        pass


async def _add(tx: BuildTx, numbered: tuple[int, Entity]) -> None:
    number, entity = numbered
    if not await tx.entities.add(entity):
        raise SnapshotProblem(layout.ENTITIES[entity.kind], number, "its id or its key is there already")


async def _link(tx: BuildTx, link: Link) -> None:
    await tx.links.save(link)


async def _note(tx: BuildTx, entry: ZipEntry) -> None:
    path = TreePath.parse(entry.name)
    assert path is not None
    key = "".join(f"{segment}\0" for segment in path.segments) + ("\1" if path.is_content else "\0")
    await tx.notes.put(key.encode(), _to_note(entry))


def _to_note(entry: ZipEntry) -> bytes:
    numbers = entry.method, entry.crc32, entry.compressed_bytes, entry.size_bytes, entry.header_offset
    return orjson.dumps((entry.name, entry.utf8, *numbers))


def _from_note(note: bytes) -> ZipEntry:
    name, utf8, method, *numbers = orjson.loads(note)
    return ZipEntry(name, name.encode(), utf8, Method(method), *numbers)


class _Tree:
    """The tree of a snapshot, growing from its root: metadata first, then a file's bytes, then what is below."""

    def __init__(self, ports: Ports, cell: Cell, archive: ZipReader, progress: Progress, build: Build) -> None:
        self._ports = ports
        self._cell = cell
        self._archive = archive
        self._progress = progress
        self._blobs = build.blobs
        self._above: list[tuple[tuple[str, ...], Node]] = []
        self._file: tuple[tuple[str, ...], Node, int] | None = None

    async def grow(self, tx: BuildTx) -> bool:
        """Add the next nodes; False when there are no more."""
        notes = await tx.notes.take(_NOTES_PER_STEP)
        for _, note in notes:
            entry = _from_note(note)
            path = TreePath.parse(entry.name)
            assert path is not None
            if path.is_content:
                await self._add_file(tx, path, entry)
            else:
                await self._add_node(tx, path, entry)
        return bool(notes)

    async def complete(self, tx: BuildTx) -> None:
        """Give the boxes that were never used their nodes."""
        self._require_no_file()
        if not self._above:
            raise SnapshotProblem(TreePath(()).render(), 0, "it is missing")
        _, root = self._above[0]
        await self._add_box(tx, MAIN_BOX, root, root.published_ms, root.updated_ms)
        async for box in tx.entities.each(EntityKind.BOX):
            await self._add_box(tx, box.id, root, box.published_ms, box.updated_ms)

    async def _add_box(self, tx: BuildTx, name: str, root: Node, published_ms: int, updated_ms: int) -> None:
        fresh = Node(self._ports.ids.timed(), root.id, name, NodeKind.BOX, 1, published_ms, updated_ms)
        await tx.nodes.add(fresh)  # one that is there stays

    async def _add_node(self, tx: BuildTx, path: TreePath, entry: ZipEntry) -> None:
        self._require_no_file()
        raw = self._archive.read(entry, self._ports.config.limits.snapshot_line_bytes)
        self._progress.advance(len(raw))
        meta = PMeta.parse(raw, entry.name)
        if are_too_many(self._ports.config.limits, meta.properties):
            _refuse(entry, "it has more properties than are allowed")
        if len(meta.acl.aces) > self._ports.config.limits.acl_entries:
            _refuse(entry, "its ACL has more entries than are allowed")
        parent = self._parent(path, entry)
        if meta.kind not in _MAY_HOLD.get(parent.kind if parent else None, frozenset()):
            _refuse(entry, f"a node of kind {meta.kind} does not belong there")
        name = await self._name(tx, path, meta, entry)
        node = to_node(meta, entry.name, parent=parent.id if parent else "", name=name)
        if node.kind is NodeKind.FILE:
            self._file = path.segments, node, meta.size_bytes or 0
            return
        if len(path.segments) - 1 > self._ports.config.limits.depth:
            _refuse(entry, "collections are nested deeper than is allowed")
        await self._save(tx, node, entry)
        self._above.append((path.segments, node))

    async def _add_file(self, tx: BuildTx, path: TreePath, entry: ZipEntry) -> None:
        if self._file is None or self._file[0] != path.segments:
            _refuse(entry, "these bytes have no metadata")
        _, node, size_bytes = self._file
        self._file = None
        if entry.size_bytes != size_bytes:
            _refuse(entry, f"it has {entry.size_bytes} bytes where its metadata says {size_bytes}")
        await self._save(tx, replace(node, content=self._copied(entry)), entry)

    def _copied(self, entry: ZipEntry) -> Content:
        source = self._archive.open(entry)
        with self._blobs.compose() as draft:
            while data := source.read(_CHUNK_BYTES):
                draft.write(data)
                self._progress.advance(len(data))
            return draft.keep()

    async def _save(self, tx: BuildTx, node: Node, entry: ZipEntry) -> None:
        if not await tx.nodes.add(node):
            _refuse(entry, "its id or its name is there already")

    def _require_no_file(self) -> None:
        if self._file is not None:
            raise SnapshotProblem(TreePath(self._file[0]).render(), 0, "the file's bytes are missing")

    def _parent(self, path: TreePath, entry: ZipEntry) -> Node | None:
        """The node directly above *path*; what is not above it has got all that is below."""
        depth = len(path.segments)
        del self._above[depth:]
        if not depth:
            return None
        if len(self._above) < depth or self._above[-1][0] != path.segments[:-1]:
            _refuse(entry, "there is no collection above it")
        return self._above[-1][1]

    async def _name(self, tx: BuildTx, path: TreePath, meta: PMeta, entry: ZipEntry) -> str:
        """The name of a node, which is its box's id at the top, and empty for the cell's own."""
        if meta.kind is NodeKind.CELL:
            return ""
        segment = path.segments[-1]
        if meta.kind is not NodeKind.BOX:
            name = segment if meta.name is None else meta.name
            strict = SEMANTICS[self._ports.config.dav.semantics].strict_names
            try:
                return ResourceName.parse(name, longest=_NAME_CHARS, strict=strict)
            except Refusal:
                _refuse(entry, "its name is not allowed")
        box = None if segment == MAIN_BOX else await tx.entities.get(segment)
        if segment != MAIN_BOX and (box is None or box.kind is not EntityKind.BOX):
            _refuse(entry, "there is no box of that id")
        return segment


def _refuse(entry: ZipEntry, cause: str) -> NoReturn:
    raise SnapshotProblem(entry.name, 0, cause)
