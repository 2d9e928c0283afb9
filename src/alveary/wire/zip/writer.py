"""Archives on their way out, to a sink that cannot seek.

What does not belong here: checking names, which are the caller's own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from alveary.wire.zip.records import (
    CENTRAL,
    CENTRAL_MARK,
    CHUNK_BYTES,
    DESCRIPTOR,
    DESCRIPTOR64,
    DESCRIPTOR_MARK,
    END,
    END64,
    END64_MARK,
    END_MARK,
    FOLDER,
    HAS_DESCRIPTOR,
    LOCAL,
    LOCAL_MARK,
    LOCATOR,
    LOCATOR_MARK,
    MAX_16,
    MAX_32,
    REGULAR,
    UTF8,
    ZIP64_EXTRA,
    Method,
    SpoolFile,
    ZipProblem,
)

_PLAIN_LIMIT_BYTES: Final = 0xF000_0000
"""Up to this size an entry is written without zip64: deflate makes nothing a sixteenth longer."""

_VERSION: Final = 20
_VERSION_ZIP64: Final = 45
_UNIX: Final = 3

_FILE_ATTRIBUTES: Final = (REGULAR | 0o644) << 16
_FOLDER_ATTRIBUTES: Final = (FOLDER | 0o755) << 16 | 0x10  # with the DOS mark of a directory

_SAMPLE_BYTES: Final = 16 * 1024
_LEVEL: Final = 3
"""Deflate level: on a snapshot's lines three times as fast as zlib's default, for a seventh more bytes."""


def method_for(sample: bytes) -> Method:
    """How to keep a file that begins with *sample*: deflated if that shrinks by a tenth, else stored."""
    start = sample[:_SAMPLE_BYTES]
    return Method.DEFLATED if len(zlib.compress(start, 1)) < 0.9 * len(start) else Method.STORED


class ZipWriter:
    """An archive on its way out; every byte goes to *write* as soon as it is known.

    Readable by any reader that uses the central directory. Nothing is checked here but sizes: names are the
    caller's, relative, with ``/`` between their parts.
    """

    def __init__(self, write: Callable[[bytes], object], spool: SpoolFile) -> None:
        """Begin an archive at *write*; *spool*, empty, holds its directory until the end."""
        self._write = write
        self._spool = spool
        self._offset = 0
        self._count = 0

    def add_directory(self, name: str, changed_ms: int) -> None:
        """Write the entry of a directory; *name* ends in ``/``."""
        self._add_whole(name, b"", b"", Method.STORED, changed_ms, _FOLDER_ATTRIBUTES)

    def add(self, name: str, data: bytes, changed_ms: int) -> None:
        """Write a file that is held in memory, deflated when that makes it smaller."""
        packed = _deflate(data)
        if len(packed) < len(data):
            self._add_whole(name, data, packed, Method.DEFLATED, changed_ms, _FILE_ATTRIBUTES)
        else:
            self._add_whole(name, data, data, Method.STORED, changed_ms, _FILE_ATTRIBUTES)

    @contextmanager
    def entry(
        self, name: str, changed_ms: int, method: Method, size_bytes: int | None = None
    ) -> Iterator[EntryWriter]:
        """Write a file piece by piece, by the writer that this gives; *size_bytes* tells its length if known.

        Raises:
            ZipProblem: more or less came than *size_bytes*.
        """
        zip64 = size_bytes is None or size_bytes > _PLAIN_LIMIT_BYTES
        record = _Record(name.encode(), method, changed_ms, self._offset, HAS_DESCRIPTOR, _FILE_ATTRIBUTES)
        self._emit(record.local(zip64=zip64))
        writer = EntryWriter(self._emit, method)
        yield writer
        writer.close()
        if size_bytes is not None and writer.size_bytes != size_bytes:
            raise ZipProblem(name, f"has {writer.size_bytes} bytes where {size_bytes} were announced")
        record.crc32, record.size_bytes = writer.crc32, writer.size_bytes
        record.compressed_bytes = writer.compressed_bytes
        self._emit(record.descriptor(zip64=zip64))
        self._remember(record, zip64=zip64)

    def finish(self) -> None:
        """Write the directory and the end of the archive."""
        start = self._offset
        self._spool.seek(0)
        while chunk := self._spool.read(CHUNK_BYTES):
            self._emit(chunk)
        length = self._offset - start
        if self._count >= MAX_16 or start >= MAX_32 or length >= MAX_32:
            end64 = self._offset
            versions = (_VERSION_ZIP64, _UNIX, _VERSION_ZIP64)
            counts = (0, 0, self._count, self._count, length, start)
            self._emit(END64.pack(END64_MARK, END64.size - 12, *versions, *counts))
            self._emit(LOCATOR.pack(LOCATOR_MARK, 0, end64, 1))
        count = min(self._count, MAX_16)
        self._emit(END.pack(END_MARK, 0, 0, count, count, min(length, MAX_32), min(start, MAX_32), 0))

    def _add_whole(
        self, name: str, data: bytes, packed: bytes, method: Method, changed_ms: int, attributes: int
    ) -> None:
        if len(data) > _PLAIN_LIMIT_BYTES:
            raise ZipProblem(name, "is too long to be written in one piece")
        record = _Record(name.encode(), method, changed_ms, self._offset, 0, attributes)
        record.crc32, record.compressed_bytes, record.size_bytes = zlib.crc32(data), len(packed), len(data)
        self._emit(record.local(zip64=False) + packed)
        self._remember(record, zip64=False)

    def _remember(self, record: _Record, *, zip64: bool) -> None:
        self._spool.write(record.central(zip64=zip64))
        self._count += 1

    def _emit(self, data: bytes) -> None:
        self._write(data)
        self._offset += len(data)


class EntryWriter:
    """The bytes of one file on their way into an archive."""

    def __init__(self, emit: Callable[[bytes], None], method: Method) -> None:
        """Send what is written to *emit*, deflated or as it is."""
        self._emit = emit
        self._deflater = _deflater() if method is Method.DEFLATED else None
        self.crc32 = 0
        self.size_bytes = 0
        self.compressed_bytes = 0

    def write(self, data: bytes) -> None:
        """Append *data* to the file."""
        self.crc32 = zlib.crc32(data, self.crc32)
        self.size_bytes += len(data)
        self._send(self._deflater.compress(data) if self._deflater else data)

    def close(self) -> None:
        """Write what deflate still holds back."""
        if self._deflater:
            self._send(self._deflater.flush())

    def _send(self, data: bytes) -> None:
        if data:
            self._emit(data)
            self.compressed_bytes += len(data)


@dataclass(slots=True)
class _Record:
    """What the headers of one written entry say; size and checksum become known while it is written."""

    name: bytes
    method: Method
    changed_ms: int
    offset: int
    flags: int
    attributes: int
    crc32: int = 0
    compressed_bytes: int = 0
    size_bytes: int = 0

    def _shared(self, version: int, compressed_bytes: int, size_bytes: int) -> tuple[int, ...]:
        """The fields that the local header and the central one have in common, in their order."""
        moment = (self.method, *_dos_moment(self.changed_ms))
        return (version, self.flags | UTF8, *moment, self.crc32, compressed_bytes, size_bytes, len(self.name))

    def local(self, *, zip64: bool) -> bytes:
        """The header before the entry's bytes. With *zip64* its descriptor has 64-bit sizes (4.3.9.2)."""
        if zip64:
            extra = struct.pack("<2H2Q", ZIP64_EXTRA, 16, 0, 0)
            shared = self._shared(_VERSION_ZIP64, MAX_32, MAX_32)
        else:
            extra = b""
            shared = self._shared(_VERSION, self.compressed_bytes, self.size_bytes)
        return LOCAL.pack(LOCAL_MARK, *shared, len(extra)) + self.name + extra

    def descriptor(self, *, zip64: bool) -> bytes:
        """The sizes after the entry's bytes."""
        form = DESCRIPTOR64 if zip64 else DESCRIPTOR
        return form.pack(DESCRIPTOR_MARK, self.crc32, self.compressed_bytes, self.size_bytes)

    def central(self, *, zip64: bool) -> bytes:
        """The entry's line in the directory; only what does not fit 32 bits is in its zip64 field (4.5.3)."""
        numbers = (self.size_bytes, self.compressed_bytes, self.offset)
        large = [number for number in numbers if number >= MAX_32]
        extra = struct.pack(f"<2H{len(large)}Q", ZIP64_EXTRA, 8 * len(large), *large) if large else b""
        size_bytes, compressed_bytes, offset = (min(number, MAX_32) for number in numbers)
        version = _VERSION_ZIP64 if zip64 or large else _VERSION
        shared = self._shared(version, compressed_bytes, size_bytes)
        head = CENTRAL.pack(
            CENTRAL_MARK, _VERSION_ZIP64, _UNIX, *shared, len(extra), 0, 0, 0, self.attributes, offset
        )
        return head + self.name + extra


def _deflater() -> zlib._Compress:
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)


def _deflate(data: bytes) -> bytes:
    deflater = _deflater()
    return deflater.compress(data) + deflater.flush()


_EARLIEST_MS: Final = 315_532_800_000  # 1980, where DOS time begins
_LATEST_MS: Final = 4_354_819_198_000  # the last two seconds of 2107, where it ends


def _dos_moment(changed_ms: int) -> tuple[int, int]:
    """Time and date in DOS form, in UTC."""
    moment = datetime.fromtimestamp(min(max(changed_ms, _EARLIEST_MS), _LATEST_MS) // 1000, UTC)
    time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
    return time, (moment.year - 1980) << 9 | moment.month << 5 | moment.day
