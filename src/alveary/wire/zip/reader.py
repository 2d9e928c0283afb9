"""Archives from elsewhere, read as hostile input.

The directory is walked, never held. Refused is whatever could make two readers see two archives, a name
that leads outside, or more bytes than were promised. What does not belong here: what the entries mean.
"""

from __future__ import annotations

import re
import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from operator import le
from typing import Final

from alveary.wire.zip.records import (
    CENTRAL,
    CENTRAL_MARK,
    CHUNK_BYTES,
    END,
    END64,
    END64_MARK,
    END_MARK,
    FILE_TYPE,
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
    SeekableFile,
    ZipProblem,
)

# Encrypted, a patch of another file, strongly encrypted, headers masked (4.4.4).
_UNREADABLE_FLAGS: Final = 1 << 0 | 1 << 5 | 1 << 6 | 1 << 13

_MAX_DEFLATE_RATIO: Final = 1032
"""No deflated byte holds more: two bits can repeat 258 bytes."""

_PACKED_BYTES: Final = 16 * 1024
"""How much is inflated from at a time: what one call leaves over is copied for the next."""

_NOT_A_PATH: Final = re.compile(r"\A\Z|[\x00\\]|\A/|\A[A-Za-z]:|//|(?:\A|/)\.{1,2}(?:/|\Z)")
"""Names that some system takes for a place outside: absolute, drives, ``..``, backslashes, NUL, empty."""


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """What an archive may hold at most: entries, bytes of one entry, bytes of all once inflated."""

    entries: int
    entry_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One line of an archive's directory: a file, or a directory whose ``name`` ends in ``/``."""

    name: str
    name_raw: bytes
    utf8: bool
    method: Method
    crc32: int
    compressed_bytes: int
    size_bytes: int
    header_offset: int

    @property
    def is_directory(self) -> bool:
        """Whether this is the entry of a directory."""
        return self.name.endswith("/")


class ZipReader:
    """An archive from elsewhere. Walk ``entries()`` to their end once; then ``open`` those that matter."""

    def __init__(self, file: SeekableFile, limits: ZipLimits) -> None:
        """Find the directory of *file*. Nothing but the end of the file is read.

        Raises:
            ZipProblem: it is no archive, or it says that it holds more entries than *limits* allow.
        """
        self._file = file
        self._limits = limits
        self.count, self._directory, self._directory_end = _find_directory(file)
        self._starts: array[int] | None = None
        if self.count > limits.entries:
            raise ZipProblem("", f"has {self.count} entries; {limits.entries} are allowed")
        if self.count * CENTRAL.size > self._directory_end - self._directory:
            raise ZipProblem("", f"has no room for the {self.count} entries it claims")

    def entries(self) -> Iterator[ZipEntry]:
        """The entries in the directory's order, in bounded memory: 32 to 48 bytes for each.

        That no two overlap is known only once the last was given.

        Raises:
            ZipProblem: at the first entry that breaks a rule.
        """
        names = _Names(self.count)
        starts, ends = array("Q"), array("Q")
        total_bytes = 0
        directory = _Window(self._file, self._directory, self._directory_end)
        for _ in range(self.count):
            entry = _parse_entry(directory)
            end = entry.header_offset + LOCAL.size + len(entry.name_raw) + entry.compressed_bytes
            total_bytes += entry.size_bytes
            if entry.size_bytes > self._limits.entry_bytes or total_bytes > self._limits.total_bytes:
                raise ZipProblem(entry.name, "makes the archive larger than is allowed")
            if end > self._directory:
                raise ZipProblem(entry.name, "reaches into the directory")
            if not names.add(entry.name_raw.rstrip(b"/")):
                raise ZipProblem(entry.name, "is there twice")
            starts.append(entry.header_offset)
            ends.append(end)
            yield entry
        if not directory.is_at_end:
            raise ZipProblem("", "has more entries than it claims")
        self._starts = _starts_of_disjoint(starts, ends)

    def open(self, entry: ZipEntry) -> EntryReader:
        """The bytes of *entry*, to be read piece by piece.

        Raises:
            ZipProblem: the entry's own header contradicts the directory.
            ValueError: the entries have not been walked to their end.
        """
        if self._starts is None:
            raise ValueError("walk the entries to their end before opening one")
        following = bisect_right(self._starts, entry.header_offset)
        end = self._starts[following] if following < len(self._starts) else self._directory
        self._file.seek(entry.header_offset)
        header = self._file.read(LOCAL.size + len(entry.name_raw))
        start = entry.header_offset + len(header) + _check_local(header, entry)
        if start + entry.compressed_bytes > end:
            raise ZipProblem(entry.name, "overlaps the next entry")
        return EntryReader(self._file, entry, start)

    def read(self, entry: ZipEntry, max_bytes: int) -> bytes:
        """All bytes of a small entry.

        Raises:
            ZipProblem: there are more than *max_bytes*, or they are damaged.
        """
        if entry.size_bytes > max_bytes:
            raise ZipProblem(entry.name, f"is longer than {max_bytes} bytes")
        reader = self.open(entry)
        return b"".join(iter(lambda: reader.read(CHUNK_BYTES), b""))


class EntryReader:
    """The bytes of one entry: never more than it declares, and verified when the last is given."""

    def __init__(self, file: SeekableFile, entry: ZipEntry, start: int) -> None:
        """Read *entry* from *file*, where its bytes begin at *start*."""
        self._file = file
        self._entry = entry
        self._position = start
        self._end = start + entry.compressed_bytes
        self._left_bytes = entry.size_bytes
        self._crc32 = 0
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method is Method.DEFLATED else None
        self._verified = False

    def read(self, max_bytes: int) -> bytes:
        """The next bytes, 1 to *max_bytes* of them; empty at the end.

        Raises:
            ZipProblem: the bytes are cut, damaged, or not as many as declared.
        """
        data = b""
        if self._left_bytes:
            wanted = min(max_bytes, self._left_bytes)
            data = self._inflate(self._inflater, wanted) if self._inflater else self._raw(wanted)
            if not data:
                raise ZipProblem(self._entry.name, "is shorter than it declares")
            self._left_bytes -= len(data)
            self._crc32 = zlib.crc32(data, self._crc32)
        if not self._left_bytes and not self._verified:
            self._verify()
        return data

    def _raw(self, max_bytes: int) -> bytes:
        wanted = min(max_bytes, self._end - self._position)
        if not wanted:
            return b""
        self._file.seek(self._position)  # the file is shared with other readers
        data = self._file.read(wanted)
        self._position += len(data)
        return data

    def _inflate(self, inflater: zlib._Decompress, max_bytes: int) -> bytes:
        while not inflater.eof:
            packed = inflater.unconsumed_tail or self._raw(_PACKED_BYTES)
            try:
                data = inflater.decompress(packed, max_bytes)
            except zlib.error as problem:
                raise ZipProblem(self._entry.name, "is not deflated as it claims") from problem
            if data or not packed:
                return data
        return b""

    def _verify(self) -> None:
        if self._inflater:
            if self._inflate(self._inflater, 1):
                raise ZipProblem(self._entry.name, "is longer than it declares")
            if not self._inflater.eof or self._inflater.unused_data or self._position < self._end:
                raise ZipProblem(self._entry.name, "does not end where it declares")
        if self._crc32 != self._entry.crc32:
            raise ZipProblem(self._entry.name, "is damaged: its checksum differs")
        self._verified = True


class _Names:
    """A set of names at 16 to 32 bytes each: it keeps 64-bit hashes, open-addressed, and nothing else.

    The hashes are keyed at random by the interpreter, so nobody can choose names that collide; among a
    million honest names the chance of a false alarm is 1 in 30 million.
    """

    def __init__(self, count: int) -> None:
        """Make room for *count* names."""
        slots = 1 << max(2 * count, 2).bit_length()
        self._mask = slots - 1
        self._slots = array("q", bytes(8 * slots))

    def add(self, name: bytes) -> bool:
        """Remember *name*; False when it was there already."""
        mark = hash(name) or 1  # zero marks a free slot
        place = mark & self._mask
        while held := self._slots[place]:
            if held == mark:
                return False
            place = (place + 1) & self._mask
        self._slots[place] = mark
        return True


class _Window:
    """A stretch of a file read from front to back, a chunk at a time."""

    def __init__(self, file: SeekableFile, start: int, end: int) -> None:
        """Read *file* from *start* to *end*."""
        self._file = file
        self._position = start
        self._end = end
        self._held = b""
        self._used = 0

    @property
    def is_at_end(self) -> bool:
        """Whether everything was taken."""
        return self._used == len(self._held) and self._position == self._end

    def take(self, size_bytes: int) -> bytes:
        """Exactly the next *size_bytes*."""
        if self._used + size_bytes > len(self._held):
            self._file.seek(self._position)
            more = self._file.read(min(CHUNK_BYTES, self._end - self._position))
            self._position += len(more)
            self._held, self._used = self._held[self._used :] + more, 0
            if size_bytes > len(self._held):
                raise ZipProblem("", "is cut within its directory")
        self._used += size_bytes
        return self._held[self._used - size_bytes : self._used]


def _find_directory(file: SeekableFile) -> tuple[int, int, int]:
    """The number of entries, and where their directory begins and ends."""
    length = file.seek(0, 2)
    tail_start = max(0, length - END.size - MAX_16)
    file.seek(tail_start)
    tail = file.read(length - tail_start)
    place = _find_end(tail)
    end = tail_start + place
    _, disk, first_disk, here, count, size, start, _ = END.unpack_from(tail, place)
    if MAX_16 in (here, count) or MAX_32 in (size, start):
        file.seek(max(0, end - LOCATOR.size))
        locator = file.read(LOCATOR.size)
        if len(locator) == LOCATOR.size and locator.startswith(LOCATOR_MARK):
            _, _, end, _ = LOCATOR.unpack(locator)
            file.seek(min(end, length))
            record = file.read(END64.size)
            if len(record) != END64.size or not record.startswith(END64_MARK):
                raise ZipProblem("", "has a damaged end")
            _, _, _, _, _, disk, first_disk, here, count, size, start = END64.unpack(record)
    if disk or first_disk or here != count:
        raise ZipProblem("", "is split over several files")
    if start + size != end:
        raise ZipProblem("", "has a directory that is not where it claims")
    return count, start, end


def _find_end(tail: bytes) -> int:
    """The place of the end record: the one whose comment, which may look like another, fills the rest."""
    place = tail.rfind(END_MARK)
    while place >= 0:
        record = tail[place : place + END.size]
        if len(record) == END.size and place + END.size + END.unpack(record)[-1] == len(tail):
            return place
        place = tail.rfind(END_MARK, 0, place)
    raise ZipProblem("", "is no zip archive, or is cut")


def _parse_entry(directory: _Window) -> ZipEntry:
    """The next line of the directory, with everything checked that it alone can show."""
    (
        mark, _, _, _, flags, method, _, _, crc32, compressed_bytes, size_bytes,
        name_length, extra_length, comment_length, disk, _, attributes, offset,
    ) = CENTRAL.unpack(directory.take(CENTRAL.size))  # fmt: skip
    if mark != CENTRAL_MARK:
        raise ZipProblem("", "has a damaged directory")
    name_raw = directory.take(name_length)
    extra = directory.take(extra_length)
    directory.take(comment_length)
    name = _parse_name(name_raw)
    if MAX_32 in (compressed_bytes, size_bytes, offset):
        size_bytes, compressed_bytes, offset = _widen(name, extra, size_bytes, compressed_bytes, offset)
    if flags & _UNREADABLE_FLAGS:
        raise ZipProblem(name, "is encrypted")
    if disk:
        raise ZipProblem(name, "is in another file")
    if attributes >> 16 & FILE_TYPE not in (0, REGULAR, FOLDER):
        raise ZipProblem(name, "is a link or a device, not a file")
    if method not in (Method.STORED, Method.DEFLATED):
        raise ZipProblem(name, f"is packed with method {method}, which is not supported")
    if method == Method.STORED and size_bytes != compressed_bytes:
        raise ZipProblem(name, "is stored with two different sizes")
    if size_bytes > _MAX_DEFLATE_RATIO * compressed_bytes:
        raise ZipProblem(name, "declares more bytes than it can hold")
    if size_bytes and name.endswith("/"):
        raise ZipProblem(name, "is a directory with contents")
    return ZipEntry(name, name_raw, bool(flags & UTF8), Method(method), crc32, compressed_bytes, size_bytes, offset)


def _parse_name(raw: bytes) -> str:
    """The name in UTF-8, flagged or not: the archives that matter here hold nothing else."""
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise ZipProblem(raw.decode("ascii", "backslashreplace"), "has a name that is not UTF-8") from None
    if _NOT_A_PATH.search(name):
        raise ZipProblem(name, "has a name that is no plain relative path")
    return name


def _widen(name: str, extra: bytes, *numbers: int) -> Iterator[int]:
    """The 32-bit *numbers*, those that did not fit taken from the zip64 field in the same order (4.5.3)."""
    place = 0
    wide: Iterator[tuple[int]] = iter(())
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        if kind == ZIP64_EXTRA:
            wide = struct.iter_unpack("<Q", extra[place + 4 : place + 4 + length // 8 * 8])
            break
        place += 4 + length
    for number in numbers:
        value = next(wide, None) if number == MAX_32 else (number,)
        if value is None:
            raise ZipProblem(name, "lacks its 64-bit sizes")
        yield value[0]


def _check_local(header: bytes, entry: ZipEntry) -> int:
    """How many bytes of extra fields follow the local *header*, which must say what the directory says."""
    if len(header) != LOCAL.size + len(entry.name_raw) or not header.startswith(LOCAL_MARK):
        raise ZipProblem(entry.name, "is not where the directory says")
    (
        _, _, flags, method, _, _, crc32, compressed_bytes, size_bytes, name_length, extra_length,
    ) = LOCAL.unpack_from(header)  # fmt: skip
    agrees = name_length == len(entry.name_raw) and header.endswith(entry.name_raw) and method == entry.method
    if not flags & HAS_DESCRIPTOR:
        agrees &= crc32 == entry.crc32
        agrees &= compressed_bytes in (entry.compressed_bytes, MAX_32)
        agrees &= size_bytes in (entry.size_bytes, MAX_32)
    if not agrees or flags & _UNREADABLE_FLAGS:
        raise ZipProblem(entry.name, "contradicts the directory")
    return int(extra_length)


def _starts_of_disjoint(starts: array[int], ends: array[int]) -> array[int]:
    """*starts* in ascending order.

    Stretches are disjoint exactly when, each list sorted for itself, every end comes before the next start.
    Nearly every archive is in order already, and then nothing is sorted.
    """
    if not all(map(le, ends, islice(starts, 1, None))):
        starts, ends = array("Q", sorted(starts)), array("Q", sorted(ends))
        if not all(map(le, ends, islice(starts, 1, None))):
            raise ZipProblem("", "has entries that overlap")
    return starts
