"""Snapshots of a made-up cell, of any size, written by the project's own writer.

What does not belong here: how they are carried in and out (``experiments``).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from alveary.model.entities import EntityKind, JsonValue
from alveary.model.tree import NodeKind
from alveary.wire.snapshot.layout import CELL, DIRECTORIES, ENTITIES, LINKS, MANIFEST, TreePath
from alveary.wire.snapshot.lines import CELL_TYPE, EntityLine
from alveary.wire.snapshot.manifest import Manifest
from alveary.wire.snapshot.nodes import PMeta
from alveary.wire.zip import Method, ZipWriter
from bench.processes import MIB

FILE_BYTES: Final = 16 * MIB

_CREATED_MS: Final = 1_700_000_000_000
_CELL_ID: Final = "bench-cell"
_BOX_ID: Final = "bench-box"
_COLLECTION_ID: Final = "bench-odata"
_TYPE_ID: Final = "bench-type"
SHARES: Final = 100
"""How many values the property Share has; Title and Count have another one in each entity."""

_PROPERTIES: Final = {"Title": "Edm.String", "Count": "Edm.Int32", "Share": "Edm.Double", "Done": "Edm.Boolean"}

_IN_CELL: Final = EntityLine("", "", _CELL_ID, _CREATED_MS, _CREATED_MS)
_IN_COLLECTION: Final = replace(_IN_CELL, box_id=_BOX_ID, node_id=_COLLECTION_ID)
"""What the lines of this cell have in common."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What a snapshot holds: files of FILE_BYTES random bytes each, and user data of one entity type."""

    files: int
    entities: int

    @property
    def file_mib(self) -> float:
        """All files together, in MiB."""
        return self.files * FILE_BYTES / MIB

    def write(self, path: Path) -> None:
        """The snapshot as a zip archive at *path*."""
        with path.open("wb") as file, tempfile.TemporaryFile(dir=path.parent) as spool:
            archive = ZipWriter(file.write, spool)
            self._write_entities(archive)
            self._write_tree(archive)
            archive.finish()

    def _write_entities(self, archive: ZipWriter) -> None:
        manifest = Manifest("http://localhost:9998/", _CREATED_MS, path_style=True)
        archive.add(MANIFEST, manifest.render(), _CREATED_MS)
        archive.add_directory(DIRECTORIES[0], _CREATED_MS)
        cell = replace(_IN_CELL, type=CELL_TYPE, id=_CELL_ID, cell_id=None, values={"Name": "source"})
        archive.add(CELL, cell.render(), _CREATED_MS)
        for kind, entry in ENTITIES.items():
            with archive.entry(entry, _CREATED_MS, Method.DEFLATED) as writer:
                self._write_kind(kind, writer.write)
        archive.add(LINKS, b"", _CREATED_MS)

    def _write_kind(self, kind: EntityKind, write: Callable[[bytes], None]) -> None:
        match kind:
            case EntityKind.BOX:
                write(replace(_IN_CELL, type=kind, id=_BOX_ID, values={"Name": "box"}).render())
            case EntityKind.ENTITY_TYPE:
                write(replace(_IN_COLLECTION, type=kind, id=_TYPE_ID, values={"Name": "Item"}).render())
            case EntityKind.PROPERTY:
                for number, name in enumerate(_PROPERTIES):
                    write(_property(number, name).render())
            case EntityKind.USER_DATA:
                for number in range(self.entities):
                    write(_item(number).render())

    def _write_tree(self, archive: ZipWriter) -> None:
        archive.add_directory(DIRECTORIES[1], _CREATED_MS)
        collections: dict[tuple[str, ...], PMeta] = {
            (): _meta("bench-root", NodeKind.CELL),
            ("__",): _meta("bench-main", NodeKind.BOX),
            (_BOX_ID,): _meta("bench-node", NodeKind.BOX),
            (_BOX_ID, "odata"): _meta(_COLLECTION_ID, NodeKind.ODATA),
            (_BOX_ID, "files"): _meta("bench-files", NodeKind.COLLECTION),
        }
        for segments, meta in collections.items():
            archive.add(TreePath(segments).render(), meta.render(), _CREATED_MS)
        block = os.urandom(MIB)
        for number in range(self.files):
            segments = (_BOX_ID, "files", f"{number}.bin")
            meta = _meta(f"bench-file-{number}", NodeKind.FILE, "application/octet-stream", FILE_BYTES)
            archive.add(TreePath(segments).render(), meta.render(), _CREATED_MS)
            content = TreePath(segments, is_content=True).render()
            with archive.entry(content, _CREATED_MS, Method.STORED, FILE_BYTES) as writer:
                for _ in range(FILE_BYTES // MIB):
                    writer.write(block)


def item_key(number: int) -> str:
    """The key of the entity of that number."""
    return f"item{number:08}"


def item_title(number: int) -> str:
    """Its title."""
    return f"Item {number} of many, 項目"


def _property(number: int, name: str) -> EntityLine:
    values: dict[str, JsonValue] = {
        "Name": name,
        "Type": _PROPERTIES[name],
        "Nullable": True,
        "CollectionKind": "None",
        "IsKey": False,
        "IsDeclared": True,
    }
    return replace(
        _IN_COLLECTION,
        type=EntityKind.PROPERTY,
        id=f"bench-property-{number}",
        values=values,
        hidden={"Alias": _alias(number)},
        links=((EntityKind.ENTITY_TYPE.value, _TYPE_ID),),
    )


def _item(number: int) -> EntityLine:
    held: tuple[JsonValue, ...] = (item_title(number), number, f"{number % SHARES}.5", "true")
    values = {"__id": item_key(number), **{_alias(place): value for place, value in enumerate(held)}}
    return replace(
        _IN_COLLECTION,
        type=EntityKind.USER_DATA,
        id=f"bench-item-{number:08}",
        updated_ms=_CREATED_MS + number,
        values=values,
        type_id=_TYPE_ID,
    )


def _alias(number: int) -> str:
    return f"P{number + 1:03}"


def _meta(node_id: str, kind: NodeKind, media_type: str | None = None, size_bytes: int | None = None) -> PMeta:
    return PMeta(node_id, kind, _CREATED_MS, _CREATED_MS, 1, media_type=media_type, size_bytes=size_bytes)
