"""What is in a snapshot file, and what in it is damaged: each entry read to its end, each line parsed.

What does not belong here: taking a snapshot into a cell, which asks for more (``usecases.snapshot_loader``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

from alveary.config import Limits
from alveary.model.tree import NodeKind
from alveary.wire.snapshot import layout
from alveary.wire.snapshot.layout import SnapshotProblem, TreePath
from alveary.wire.snapshot.lines import CELL_TYPE, EntityLine, lines, parse_link
from alveary.wire.snapshot.manifest import EXPORT_VERSION, Manifest
from alveary.wire.snapshot.nodes import PMeta
from alveary.wire.zip import ZipEntry, ZipLimits, ZipProblem, ZipReader

_CHUNK_BYTES: Final = 256 * 1024
_ANY_SIZE: Final = 1 << 62
_PROBLEMS: Final = 100
"""How many are named; a file with more is not worth a longer list."""

_LINES: Final = {entry: kind.value for kind, entry in layout.ENTITIES.items()} | {layout.LINKS: "links"}
"""What the lines of an entry are: kinds of entities, or links."""

_NODES: Final[Mapping[NodeKind, str]] = {
    NodeKind.COLLECTION: "collections",
    NodeKind.ODATA: "OData collections",
    NodeKind.SERVICE: "services",
    NodeKind.STREAM: "streams",
    NodeKind.FILE: "files",
}
"""What is counted in the tree."""


@dataclass(slots=True)
class Report:
    """How many there are of each kind, how many bytes in all, and what is damaged, a sentence each."""

    counts: Counter[str] = field(default_factory=Counter)
    size_bytes: int = 0
    problems: list[str] = field(default_factory=list)


def report_on(file: IO[bytes], tell: Callable[[int], None]) -> Report:
    """The report on the snapshot in *file*; *tell* hears how many percent have been read."""
    report = Report()
    limits = Limits()
    try:
        archive = ZipReader(file, ZipLimits(limits.snapshot_entries, _ANY_SIZE, _ANY_SIZE))
        sizes = [entry.size_bytes for entry in archive.entries()]
        total_bytes = max(sum(sizes), 1)
        missing = set(layout.REQUIRED)
        for entry in archive.entries():
            missing.discard(entry.name)
            report.problems += map(str, _read(archive, entry, report.counts, limits.snapshot_line_bytes))
            report.size_bytes += entry.size_bytes
            tell(report.size_bytes * 100 // total_bytes)
            if len(report.problems) >= _PROBLEMS:
                return report
        report.problems += [f"{name} is missing" for name in sorted(missing)]
    except ZipProblem as problem:
        report.problems.append(str(problem))
    return report


def _read(
    archive: ZipReader, entry: ZipEntry, counts: Counter[str], max_bytes: int
) -> Iterator[ZipProblem | SnapshotProblem]:
    """Read *entry* to its end and count what it holds; what is damaged."""
    path = TreePath.parse(entry.name)
    try:
        if entry.name in _LINES:
            yield from _read_lines(archive, entry, counts, max_bytes)
        elif entry.name == layout.MANIFEST:
            _check_manifest(archive.read(entry, max_bytes))
        elif entry.name == layout.CELL:
            EntityLine.parse(archive.read(entry, max_bytes), CELL_TYPE, entry.name)
        elif path is not None and not path.is_content:
            meta = PMeta.parse(archive.read(entry, max_bytes), entry.name)
            if meta.kind in _NODES:
                counts[_NODES[meta.kind]] += 1
        else:
            source = archive.open(entry)
            while source.read(_CHUNK_BYTES):
                pass
    except (ZipProblem, SnapshotProblem) as problem:
        yield problem


def _check_manifest(raw: bytes) -> None:
    version = Manifest.parse(raw).version
    if version != EXPORT_VERSION:
        raise SnapshotProblem(layout.MANIFEST, 0, f"version {version} where {EXPORT_VERSION} is expected")


def _read_lines(
    archive: ZipReader, entry: ZipEntry, counts: Counter[str], max_bytes: int
) -> Iterator[SnapshotProblem]:
    word = _LINES[entry.name]
    for number, raw in lines(archive.open(entry), entry.name, max_bytes):
        counts[word] += 1
        try:
            if entry.name == layout.LINKS:
                parse_link(raw, entry.name, number)
            else:
                EntityLine.parse(raw, word, entry.name, number)
        except SnapshotProblem as problem:
            yield problem
