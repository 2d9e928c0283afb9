"""Zip archives: what we write others read, what others write we read, and what attacks us is refused."""

from __future__ import annotations

import io
import os
import random
import shutil
import struct
import subprocess
import tracemalloc
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.wire.zip import Method, ZipEntry, ZipLimits, ZipProblem, ZipReader, ZipWriter, method_for

FIXTURES = Path(__file__).parent.parent / "fixtures"
LIMITS = ZipLimits(entries=100_000, entry_bytes=1 << 32, total_bytes=1 << 33)
DAY_MS = 1_795_246_208_999


def written(*files: tuple[str, bytes, Method | None]) -> io.BytesIO:
    """An archive of ours: each file in one piece, or, with a method, in pieces."""
    out = io.BytesIO()
    writer = ZipWriter(out.write, io.BytesIO())
    for name, data, method in files:
        if name.endswith("/"):
            writer.add_directory(name, DAY_MS)
        elif method is None:
            writer.add(name, data, DAY_MS)
        else:
            with writer.entry(name, DAY_MS, method) as entry:
                for place in range(0, len(data), 7):
                    entry.write(data[place : place + 7])
    writer.finish()
    return out


def contents(file: io.BytesIO, limits: ZipLimits = LIMITS) -> dict[str, bytes]:
    """Everything in an archive, as our reader sees it."""
    reader = ZipReader(file, limits)
    return {entry.name: reader.read(entry, 1 << 30) for entry in list(reader.entries())}


@dataclass
class Forged:
    """An entry whose headers say whatever a test wants; None: the truth."""

    name: bytes
    data: bytes = b"data"
    method: int = 0
    flags: int = 0x800
    crc32: int | None = None
    size_bytes: int | None = None
    compressed_bytes: int | None = None
    attributes: int = 0
    offset: int | None = None
    local_name: bytes | None = None
    local_method: int | None = None
    packed: bytes | None = None
    extra: bytes = b""
    disk: int = 0


def forged(*entries: Forged, count: int | None = None, comment: bytes = b"") -> io.BytesIO:
    """An archive of entries whose headers may lie."""
    out = io.BytesIO()
    directory = b""
    for entry in entries:
        packed = entry.packed if entry.packed is not None else entry.data
        crc32 = zlib.crc32(entry.data) if entry.crc32 is None else entry.crc32
        size = len(entry.data) if entry.size_bytes is None else entry.size_bytes
        held = len(packed) if entry.compressed_bytes is None else entry.compressed_bytes
        offset = out.tell() if entry.offset is None else entry.offset
        name = entry.name if entry.local_name is None else entry.local_name
        method = entry.method if entry.local_method is None else entry.local_method
        local = (20, entry.flags, method, 0, 33, crc32, held, size, len(name), 0)
        out.write(struct.pack("<4s5H3L2H", b"PK\x03\x04", *local) + name + packed)
        central = (20, 3, 20, 0, entry.flags, entry.method, 0, 33, crc32, held, size, len(entry.name))
        tail = (len(entry.extra), 0, entry.disk, 0, entry.attributes, offset)
        directory += struct.pack("<4s4B4H3L5H2L", b"PK\x01\x02", *central, *tail) + entry.name + entry.extra
    start, number = out.tell(), len(entries) if count is None else count
    out.write(directory)
    out.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, number, number, len(directory), start, len(comment)))
    out.write(comment)
    return out


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


# Reading and writing with others

FILES = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="/\\\0:."), min_size=1, max_size=20),
    st.tuples(st.binary(max_size=300), st.sampled_from([None, Method.STORED, Method.DEFLATED])),
    max_size=8,
)


@given(FILES)
def test_what_is_written_is_read_back_by_us_and_by_the_standard_library(
    files: dict[str, tuple[bytes, Method | None]],
) -> None:
    archive = written(*((name, data, method) for name, (data, method) in files.items()))
    expected = {name: data for name, (data, _) in files.items()}
    assert contents(archive) == expected
    with zipfile.ZipFile(archive) as other:
        assert other.testzip() is None
        assert {info.filename: other.read(info) for info in other.infolist()} == expected


@given(st.lists(st.binary(max_size=300), max_size=5), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_what_the_standard_library_writes_is_read(parts: list[bytes], method: int) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number, data in enumerate(parts):
            with archive.open(f"d/ü{number}", "w", force_zip64=bool(number % 2)) as entry:
                entry.write(data)
    assert contents(file) == {f"d/ü{number}": data for number, data in enumerate(parts)}


def test_unzip_finds_no_fault(tmp_path: Path) -> None:
    unzip = shutil.which("unzip")
    if unzip is None:
        assert "CI" not in os.environ, "unzip is missing"
        pytest.skip("unzip is not installed")
    archive = written(
        ("d/", b"", None),
        ("d/日本.txt", b"x" * 1000, None),
        ("streamed", b"y" * 1000, Method.DEFLATED),
        ("stored", b"z" * 1000, Method.STORED),
        ("empty", b"", Method.DEFLATED),
    )
    (tmp_path / "a.zip").write_bytes(archive.getvalue())
    subprocess.run([unzip, "-tq", tmp_path / "a.zip"], check=True, capture_output=True)


def test_the_snapshot_that_personium_wrote_is_read_and_written_again_byte_for_byte() -> None:
    original = io.BytesIO((FIXTURES / "personium-snapshot.zip").read_bytes())
    files = contents(original)
    with zipfile.ZipFile(original) as other:
        assert [len(files), sum(map(len, files.values()))] == [
            len(other.infolist()),
            sum(info.file_size for info in other.infolist()),
        ]
    assert any("日本語ファイル.txt" in name for name in files)
    again = written(*((name, data, None) for name, data in files.items()))
    assert contents(again) == files
    with zipfile.ZipFile(again) as other:
        assert {info.filename: other.read(info) for info in other.infolist()} == files


def test_dates_dos_cannot_hold_become_the_nearest_it_can() -> None:
    out = io.BytesIO()
    writer = ZipWriter(out.write, io.BytesIO())
    for changed_ms in (0, 1_700_000_000_000, 1 << 60):
        writer.add(str(changed_ms), b"", changed_ms)
    writer.finish()
    with zipfile.ZipFile(out) as other:
        assert [info.date_time for info in other.infolist()] == [
            (1980, 1, 1, 0, 0, 0),
            (2023, 11, 14, 22, 13, 20),
            (2107, 12, 31, 23, 59, 58),
        ]


def test_more_entries_than_16_bits_count_are_written_with_zip64() -> None:
    count = 66_000
    archive = written(*((f"entry{number}", b"", None) for number in range(count)))
    assert sum(1 for _ in ZipReader(archive, LIMITS).entries()) == count
    with zipfile.ZipFile(archive) as other:
        assert len(other.infolist()) == count


def test_memory_is_flat_however_many_entries(tmp_path: Path) -> None:
    count = 20_000
    with (tmp_path / "many.zip").open("w+b") as out, (tmp_path / "spool").open("w+b") as spool:
        tracemalloc.start()
        writer = ZipWriter(out.write, spool)
        for number in range(count):
            writer.add(f"entry-with-a-rather-long-name-{number:09}", b"", 0)
        writer.finish()
        _, peak_writing_bytes = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert sum(1 for _ in ZipReader(out, LIMITS).entries()) == count
        _, peak_reading_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_writing_bytes < 1_000_000
    assert peak_reading_bytes < 1_000_000 + 48 * count


def test_more_bytes_than_announced_are_refused_while_writing() -> None:
    writer = ZipWriter(io.BytesIO().write, io.BytesIO())
    with (
        pytest.raises(ZipProblem, match="5 bytes where 4"),
        writer.entry("a", 0, Method.STORED, size_bytes=4) as entry,
    ):
        entry.write(b"12345")


def test_only_what_shrinks_is_deflated() -> None:
    assert method_for(b"a line of text\n" * 100) is Method.DEFLATED
    assert method_for(random.Random(1).randbytes(1000)) is Method.STORED
    assert method_for(b"") is Method.STORED


# Attacks

SYMLINK = 0o120777 << 16
DEVICE = 0o020666 << 16
FULL = deflated(b"data")

BAD_ARCHIVES = {
    "a name with dots": forged(Forged(b"a/../../b")),
    "a name of dots": forged(Forged(b"..")),
    "a single dot": forged(Forged(b"a/./b")),
    "an absolute name": forged(Forged(b"/etc/passwd")),
    "a name with a drive": forged(Forged(b"C:/a")),
    "a name with a backslash": forged(Forged(b"a\\..\\b")),
    "a name with NUL": forged(Forged(b"a\0.txt")),
    "a name with an empty part": forged(Forged(b"a//b")),
    "an empty name": forged(Forged(b"")),
    "a name that is not UTF-8": forged(Forged(b"\xff\xfe")),
    "an overlong UTF-8 name": forged(Forged(b"a/\xc0\xae\xc0\xae/b")),
    "a symbolic link": forged(Forged(b"a", attributes=SYMLINK)),
    "a device": forged(Forged(b"a", attributes=DEVICE)),
    "a directory with contents": forged(Forged(b"a/")),
    "an encrypted entry": forged(Forged(b"a", flags=0x801)),
    "masked headers": forged(Forged(b"a", flags=0x2800)),
    "an unsupported method": forged(Forged(b"a", method=12)),
    "another disk": forged(Forged(b"a", disk=1)),
    "a duplicate": forged(Forged(b"a"), Forged(b"b"), Forged(b"a")),
    "a file named as a directory": forged(Forged(b"a"), Forged(b"a/", b"")),
    "two names for one place": forged(Forged(b"a"), Forged(b"b", offset=0), Forged(b"c")),
    "an entry within another": forged(Forged(b"a" * 9, b"x" * 99), Forged(b"b", offset=50)),
    "entries overlapping out of order": forged(Forged(b"x", b"x" * 99), Forged(b"y"), Forged(b"z", offset=60)),
    "an entry beyond the end": forged(Forged(b"a", offset=1 << 31)),
    "an entry within the directory": forged(Forged(b"a", offset=10)),
    "a stored entry with two sizes": forged(Forged(b"a", size_bytes=3)),
    "less than declared": forged(Forged(b"a", method=8, packed=FULL, size_bytes=9)),
    "more than declared": forged(Forged(b"a", method=8, packed=FULL, size_bytes=2, crc32=zlib.crc32(b"da"))),
    "more than none declared": forged(Forged(b"a", method=8, packed=FULL, size_bytes=0, crc32=0)),
    "more than deflate can hold": forged(Forged(b"a", method=8, packed=FULL, size_bytes=1 << 30)),
    "bytes after deflate's end": forged(Forged(b"a", method=8, packed=FULL + b"hidden")),
    "a cut deflate stream": forged(Forged(b"a", method=8, packed=FULL[:-1])),
    "no deflate stream": forged(Forged(b"a", method=8, packed=b"\xff\xff\xff\xff")),
    "a wrong checksum": forged(Forged(b"a", crc32=1)),
    "a wrong checksum of nothing": forged(Forged(b"a", b"", crc32=1)),
    "a local header of another name": forged(Forged(b"a", local_name=b"b")),
    "a local header of another method": forged(Forged(b"a", local_method=8)),
    "missing 64-bit sizes": forged(Forged(b"a", offset=0xFFFFFFFF)),
    "more entries than claimed": forged(Forged(b"a"), Forged(b"b"), count=1),
    "fewer entries than claimed": forged(Forged(b"a"), count=2),
    "something in front": io.BytesIO(b"#!/bin/sh\n" + forged(Forged(b"a")).getvalue()),
    "no archive at all": io.BytesIO(b"this is no archive"),
    "nothing": io.BytesIO(),
}


@pytest.mark.parametrize("attack", BAD_ARCHIVES)
def test_refused(attack: str) -> None:
    with pytest.raises(ZipProblem):
        contents(BAD_ARCHIVES[attack])


def test_the_forger_makes_good_archives_when_it_does_not_lie() -> None:
    archive = forged(Forged(b"a"), Forged(b"b", method=8, packed=FULL), comment=b"PK\x05\x06 in a comment, padded")
    assert contents(archive) == {"a": b"data", "b": b"data"}


def test_entries_may_stand_in_any_order_in_the_directory() -> None:
    second = 30 + len("a") + len(b"data")
    archive = forged(Forged(b"a", offset=second, local_name=b"b"), Forged(b"b", offset=0, local_name=b"a"))
    assert contents(archive) == {"a": b"data", "b": b"data"}


def test_an_extra_field_cannot_push_an_entry_over_the_next() -> None:
    archive = forged(Forged(b"a"), Forged(b"b")).getvalue()
    pushed = archive[:28] + struct.pack("<H", 20) + archive[30:]  # the local header's length of extra fields
    with pytest.raises(ZipProblem, match="overlaps"):
        contents(io.BytesIO(pushed))


@pytest.mark.parametrize(
    "limits",
    [ZipLimits(1, 1 << 20, 1 << 20), ZipLimits(2, 3, 1 << 20), ZipLimits(2, 1 << 20, 7)],
    ids=["entries", "bytes of one", "bytes of all"],
)
def test_an_archive_over_a_limit_is_refused(limits: ZipLimits) -> None:
    archive = forged(Forged(b"a"), Forged(b"b"))
    assert len(contents(archive, ZipLimits(2, 4, 8))) == 2
    with pytest.raises(ZipProblem):
        contents(archive, limits)


def test_too_many_entries_are_refused_before_anything_but_the_end_is_read() -> None:
    class Watched(io.BytesIO):
        read_bytes = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.read_bytes += len(data)
            return data

    archive = Watched(written(*((str(number), b"x" * 50, None) for number in range(2000))).getvalue())
    with pytest.raises(ZipProblem, match="2000 entries"):
        ZipReader(archive, ZipLimits(1999, 1 << 20, 1 << 20))
    assert archive.read_bytes <= 22 + 0xFFFF


def test_a_bomb_is_inflated_in_bounded_memory_and_small_reads_of_it_are_refused() -> None:
    size_bytes = 64 << 20
    packed = deflated(bytes(size_bytes))
    archive = forged(Forged(b"bomb", bytes(size_bytes), method=8, packed=packed))
    reader = ZipReader(archive, LIMITS)
    (entry,) = reader.entries()
    with pytest.raises(ZipProblem, match="longer than 1000"):
        reader.read(entry, 1000)
    tracemalloc.start()
    stream = reader.open(entry)
    assert sum(len(piece) for piece in iter(lambda: stream.read(65536), b"")) == size_bytes
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_no_entry_is_opened_before_all_were_seen() -> None:
    reader = ZipReader(forged(Forged(b"a"), Forged(b"b")), LIMITS)
    first: ZipEntry = next(reader.entries())
    with pytest.raises(ValueError, match="walk"):
        reader.open(first)


@given(st.data())
def test_any_damage_is_noticed_or_harmless_and_never_a_crash(data: st.DataObject) -> None:
    whole = written(("a", b"x" * 100, None), ("b", b"some text, some text", Method.DEFLATED), ("c", b"y", None))
    broken = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = contents(io.BytesIO(bytes(broken)))
    except ZipProblem:
        return
    assert set(found.values()) <= set(contents(whole).values()) | {b""}


@given(st.integers(0, 400))
def test_a_cut_archive_is_refused(length: int) -> None:
    whole = written(("a", b"x" * 100, Method.STORED), ("b", b"y" * 100, Method.STORED)).getvalue()
    with pytest.raises(ZipProblem):
        contents(io.BytesIO(whole[: min(length, len(whole) - 1)]))
