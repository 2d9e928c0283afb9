"""The contents of a cell on their way into an archive: one pass over one state, in flat memory.

What does not belong here: the life of an export (``exports``), the spelling of entries (``wire``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from alveary.model.cell import Cell
from alveary.model.entities import EntityKind
from alveary.model.tree import Content, Node
from alveary.ports.blobs import Blobs
from alveary.ports.store import ReadTx
from alveary.usecases.cell_jobs import Progress
from alveary.wire.snapshot import layout
from alveary.wire.snapshot.layout import TreePath
from alveary.wire.snapshot.lines import CELL_TYPE, EntityLine, render_link
from alveary.wire.snapshot.manifest import Manifest
from alveary.wire.snapshot.rows import to_line, to_meta
from alveary.wire.snapshot.values import TypeMap
from alveary.wire.zip import Method, ZipWriter, method_for

_ROW_BYTES: Final = 512
"""What an entity, a link or a node counts for beside the bytes of files."""

_CHUNK_BYTES: Final = 256 * 1024

_TYPED: Final = (EntityKind.COMPLEX_TYPE, EntityKind.PROPERTY, EntityKind.COMPLEX_TYPE_PROPERTY)
_UNTYPED: Final = TypeMap({})


class SnapshotWriter:
    """One snapshot being written."""

    def __init__(self, tx: ReadTx, blobs: Blobs, cell: Cell, archive: ZipWriter, progress: Progress) -> None:
        """Write what *tx* sees of *cell*, whose files are in *blobs*, to *archive*."""
        self._tx = tx
        self._blobs = blobs
        self._cell = cell
        self._archive = archive
        self._progress = progress

    async def write(self, manifest: Manifest) -> None:
        """Write the whole archive.

        Raises:
            Interrupted: the unit is about to stop.
            Refusal: DISK_FULL.
        """
        now_ms = manifest.created_ms
        self._progress.total_bytes = await self._measure()
        self._archive.add(layout.MANIFEST, manifest.render(), now_ms)
        for directory in layout.DIRECTORIES:
            self._archive.add_directory(directory, now_ms)
        self._archive.add(layout.CELL, self._cell_line().render(), now_ms)
        types = TypeMap.build([line for kind in _TYPED async for line in self._lines(kind, _UNTYPED)])
        for kind, entry in layout.ENTITIES.items():
            await self._write_lines(entry, self._rendered(kind, types), now_ms)
        await self._write_lines(layout.LINKS, self._links(), now_ms)
        await self._write_node(await self._tx.nodes.root(), ())
        self._archive.finish()

    async def _measure(self) -> int:
        nodes, size_bytes = await self._tx.nodes.totals()
        rows = nodes + await self._tx.links.count()
        for kind in EntityKind:
            rows += await self._tx.entities.count(kind)
        return rows * _ROW_BYTES + size_bytes

    # Entities

    def _cell_line(self) -> EntityLine:
        cell = self._cell
        hidden = {"Owner": cell.owner} if cell.owner is not None else {}
        return EntityLine(
            CELL_TYPE, cell.id, None, cell.published_ms, cell.updated_ms, {"Name": str(cell.name)}, hidden
        )

    async def _lines(self, kind: EntityKind, types: TypeMap) -> AsyncIterator[EntityLine]:
        async for entity in self._tx.entities.each(kind):
            yield to_line(entity, self._cell.id, types)

    async def _rendered(self, kind: EntityKind, types: TypeMap) -> AsyncIterator[bytes]:
        async for line in self._lines(kind, types):
            yield line.render()

    async def _links(self) -> AsyncIterator[bytes]:
        async for link in self._tx.links.each():
            yield render_link(link, self._cell.id)

    async def _write_lines(self, entry: str, lines: AsyncIterator[bytes], now_ms: int) -> None:
        with self._archive.entry(entry, now_ms, Method.DEFLATED) as out:
            async for line in lines:
                out.write(line)
                self._progress.advance(_ROW_BYTES)

    # The tree

    async def _write_node(self, node: Node, segments: tuple[str, ...]) -> None:
        """Write *node*, then all that is below it."""
        meta = to_meta(node, self._cell.id, cell_status=self._cell.status.value)
        self._archive.add(TreePath(segments).render(), meta.render(), node.updated_ms)
        self._progress.advance(_ROW_BYTES)
        if node.content is not None:
            self._write_content(TreePath(segments, is_content=True).render(), node.content, node.updated_ms)
            return
        async for child in self._tx.nodes.children(node.id, inline=True):
            await self._write_node(child, (*segments, layout.segment_of(child, self._cell.id)))

    def _write_content(self, entry: str, content: Content, changed_ms: int) -> None:
        if content.inline is not None:
            self._archive.add(entry, content.inline, changed_ms)
            self._progress.advance(content.size_bytes)
            return
        with self._blobs.open(content) as file:
            chunk = file.read(_CHUNK_BYTES)
            with self._archive.entry(entry, changed_ms, method_for(chunk), content.size_bytes) as out:
                while chunk:
                    out.write(chunk)
                    self._progress.advance(len(chunk))
                    chunk = file.read(_CHUNK_BYTES)
