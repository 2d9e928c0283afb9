"""What the use cases may expect of blobs, on every adapter; and of files on a disk that is full."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alveary.adapters.blobs.files import READ_BYTES, WRITE_BYTES, BlobLimits, FileBlobs
from alveary.adapters.keys.data_keys import DataKeys
from alveary.adapters.keys.files import FileKeys
from alveary.adapters.memory.blobs import MemoryBlobs
from alveary.errors import BODY_TOO_LARGE, CONTENT_UNREADABLE, DISK_FULL, Refusal
from alveary.model.tree import Content
from tests.stores import INLINE_BYTES, joined, new_id, pieces

SMALL = b"s" * INLINE_BYTES
LARGE = bytes(range(256)) * 8
HUGE = bytes(range(251)) * (2 * WRITE_BYTES // 251)


class CutError(Exception):
    pass


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def files(folder: Path, threads: ThreadPoolExecutor, *, reserve_percent: int = 0, encrypt: bool = False) -> FileBlobs:
    secrets, cell = (folder.with_name(f"{folder.name}-{what}") for what in ("secrets", "cell"))
    cell.mkdir(exist_ok=True)
    keys = FileKeys(secrets, master_token="", now_ms=lambda: 0)
    return FileBlobs(
        folder,
        limits=BlobLimits(INLINE_BYTES, reserve_percent),
        new_id=new_id,
        threads=threads,
        data_keys=DataKeys(cell, keys, new_id=new_id, encrypt=encrypt),
    )


@pytest.fixture(params=["memory", "files", "encrypted files"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, threads: ThreadPoolExecutor) -> Any:
    if request.param == "memory":
        return MemoryBlobs(inline_bytes=INLINE_BYTES, new_id=new_id)
    return files(tmp_path, threads, encrypt=request.param == "encrypted files")


@pytest.fixture
def left(blobs: Any, tmp_path: Path) -> Callable[[], int]:
    """How many files there are, whole or half-written."""
    if isinstance(blobs, MemoryBlobs):
        return lambda: len(blobs)
    return lambda: sum(path.is_file() for path in tmp_path.rglob("*"))


async def kept(blobs: Any, *parts: bytes, max_bytes: int = 0) -> Content:
    async with blobs.stage(pieces(*parts), max_bytes=max_bytes) as staged:
        assert staged.size_bytes == sum(map(len, parts))
        content = await staged.keep()
    assert isinstance(content, Content)
    return content


class TestStage:
    @pytest.mark.parametrize("parts", [(), (b"",), (SMALL,), (b"a", b"b")], ids=["nothing", "empty", "row", "pieces"])
    async def test_a_small_body_goes_into_its_row(self, blobs: Any, left: Any, parts: tuple[bytes, ...]) -> None:
        whole = b"".join(parts)
        content = await kept(blobs, *parts)
        assert replace(content, key=None) == Content(len(whole), hashlib.sha256(whole).digest(), inline=whole)
        assert left() == 0

    @pytest.mark.parametrize("parts", [(SMALL, b"x"), (LARGE,), (b"x", LARGE, b"y"), (HUGE, LARGE)], ids=len)
    async def test_a_large_body_becomes_a_blob(self, blobs: Any, left: Any, parts: tuple[bytes, ...]) -> None:
        whole = b"".join(parts)
        content = await kept(blobs, *parts)
        assert (content.size_bytes, content.sha256, content.inline) == (
            len(whole),
            hashlib.sha256(whole).digest(),
            None,
        )
        assert await joined(blobs.read(content)) == whole
        assert left() == 1

    @pytest.mark.parametrize("whole", [SMALL, LARGE], ids=["small", "large"])
    async def test_the_limit_is_the_last_size_that_fits(self, blobs: Any, left: Any, whole: bytes) -> None:
        assert (await kept(blobs, whole, max_bytes=len(whole))).size_bytes == len(whole)
        there = left()
        with pytest.raises(Refusal) as caught:
            await kept(blobs, whole[:-1], b"xy", max_bytes=len(whole))
        assert (caught.value.kind, caught.value.params) == (BODY_TOO_LARGE, {"limit": len(whole)})
        assert left() == there

    @pytest.mark.parametrize("sent", [b"x", LARGE, HUGE], ids=len)
    async def test_a_body_that_is_cut_leaves_nothing(self, blobs: Any, left: Any, sent: bytes) -> None:
        async def cut() -> AsyncIterator[bytes]:
            yield sent
            raise CutError

        with pytest.raises(CutError):
            async with blobs.stage(cut(), max_bytes=0):
                raise AssertionError("it has not arrived whole")
        assert left() == 0

    async def test_what_is_not_kept_is_dropped(self, blobs: Any, left: Any) -> None:
        async with blobs.stage(pieces(LARGE), max_bytes=0):
            pass
        assert left() == 0

    async def test_what_was_kept_is_dropped_when_the_block_fails(self, blobs: Any, left: Any) -> None:
        with pytest.raises(CutError):
            async with blobs.stage(pieces(LARGE), max_bytes=0) as staged:
                await staged.keep()
                raise CutError
        assert left() == 0

    async def test_a_sender_that_is_cancelled_at_any_moment_leaves_all_or_nothing(
        self, blobs: Any, left: Any
    ) -> None:
        whole = 0
        for moments in range(12):
            task = asyncio.create_task(kept(blobs, LARGE, HUGE, LARGE))
            for _ in range(moments):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            whole += not task.cancelled()
            assert left() == whole


class TestCompose:
    def test_what_is_kept_stays_and_is_read_back(self, blobs: Any, left: Any) -> None:
        with blobs.compose() as draft:
            assert [draft.write(part) for part in (LARGE, b"", HUGE)] == [len(LARGE), 0, len(HUGE)]
            content = draft.keep()
        assert content.sha256 == hashlib.sha256(LARGE + HUGE).digest()
        with blobs.open(content) as file:
            assert file.read() == LARGE + HUGE
        assert left() == 1

    def test_a_small_one_goes_into_its_row(self, blobs: Any, left: Any) -> None:
        with blobs.compose() as draft:
            draft.write(SMALL)
            assert draft.keep().inline == SMALL
        assert left() == 0

    def test_one_that_is_not_kept_or_fails_leaves_nothing(self, blobs: Any, left: Any) -> None:
        with blobs.compose() as draft:
            draft.write(LARGE)
        with pytest.raises(CutError), blobs.compose() as draft:
            draft.write(LARGE)
            draft.keep()
            raise CutError
        assert left() == 0


class TestReading:
    @pytest.mark.parametrize("whole", [SMALL, LARGE, HUGE], ids=["small", "large", "huge"])
    async def test_a_range_is_what_it_says(self, blobs: Any, whole: bytes) -> None:
        content = await kept(blobs, whole)
        for start, end in ((0, None), (0, 0), (0, 1), (3, 9), (len(whole) - 1, None), (len(whole), None)):
            assert await joined(blobs.read(content, start, end)) == whole[start:end]

    async def test_a_reader_is_not_disturbed_by_a_deletion(self, blobs: Any, left: Any) -> None:
        content = await kept(blobs, HUGE)
        not_begun, begun = blobs.read(content), blobs.read(content)
        first = await anext(begun)
        blobs.delete([content.blob])
        assert left() == 0
        assert await joined(not_begun) == HUGE
        assert first + await joined(begun) == HUGE

    async def test_a_reader_may_leave_early(self, blobs: Any) -> None:
        content = await kept(blobs, HUGE)
        for _ in range(3):
            stream = blobs.read(content)
            assert (await anext(stream))[:READ_BYTES] == HUGE[:READ_BYTES]
            await stream.aclose()

    async def test_deleting_twice_is_deleting(self, blobs: Any, left: Any) -> None:
        content = await kept(blobs, LARGE)
        blobs.delete([content.blob, content.blob, "nothing"])
        assert left() == 0

    async def test_synchronous_code_may_seek(self, blobs: Any) -> None:
        for whole in (SMALL, LARGE):
            with blobs.open(await kept(blobs, whole)) as file:
                file.seek(-3, 2)
                assert (file.tell(), file.read()) == (len(whole) - 3, whole[-3:])
                file.seek(1)
                assert file.read(2) == whole[1:3]

    def test_scratch_is_gone_at_its_end(self, blobs: Any, left: Any) -> None:
        with blobs.scratch() as file:
            file.write(HUGE)
            file.seek(5)
            assert file.read(3) == HUGE[5:8]
        assert left() == 0


class TestFullDisk:
    async def test_uploads_stop_at_the_reserve(self, tmp_path: Path, threads: ThreadPoolExecutor) -> None:
        blobs = files(tmp_path, threads, reserve_percent=101)
        with pytest.raises(Refusal) as caught:
            await kept(blobs, b"x")
        assert caught.value.kind is DISK_FULL
        with pytest.raises(Refusal) as caught, blobs.compose():
            pass
        assert caught.value.kind is DISK_FULL

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
    @pytest.mark.parametrize("call", ["fdatasync", "fsync"])
    @pytest.mark.parametrize("encrypt", [False, True])
    async def test_a_disk_that_fills_up_is_a_refusal_that_leaves_nothing(
        self,
        tmp_path: Path,
        threads: ThreadPoolExecutor,
        monkeypatch: pytest.MonkeyPatch,
        call: str,
        code: int,
        encrypt: bool,
    ) -> None:
        blobs = files(tmp_path, threads, encrypt=encrypt)

        def full(_: int) -> None:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as fault:
            fault.setattr(os, call, full)
            with pytest.raises(Refusal) as caught:
                await kept(blobs, LARGE)
        assert (caught.value.kind, caught.value.kind.status) == (DISK_FULL, 507)
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
        assert await joined(blobs.read(await kept(blobs, LARGE))) == LARGE

    async def test_another_fault_of_the_disk_is_no_refusal(
        self, tmp_path: Path, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(_: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        blobs = files(tmp_path, threads)
        monkeypatch.setattr(os, "fdatasync", broken)
        with pytest.raises(OSError, match="Input/output"):
            await kept(blobs, LARGE)


class TestFiles:
    async def test_what_a_dead_process_left_half_written_is_removed(
        self, tmp_path: Path, threads: ThreadPoolExecutor
    ) -> None:
        content = await kept(files(tmp_path, threads), LARGE)
        (tmp_path / "tmp" / "litter").write_bytes(LARGE)
        again = files(tmp_path, threads)
        assert not list((tmp_path / "tmp").iterdir())
        assert await joined(again.read(content)) == LARGE

    async def test_a_sweep_takes_old_blobs_that_nobody_names(
        self, tmp_path: Path, threads: ThreadPoolExecutor
    ) -> None:
        blobs = files(tmp_path, threads)
        named, orphan, young = [await kept(blobs, LARGE) for _ in range(3)]
        for content, age_s in ((named, 10), (orphan, 10), (young, 1_000)):
            assert content.blob is not None
            os.utime(blobs.path(content.blob), (age_s, age_s))
        assert blobs.sweep(100, {named.blob}.__contains__) == [orphan.blob]
        assert await joined(blobs.read(named)) == await joined(blobs.read(young)) == LARGE

    async def test_a_blob_that_is_shorter_than_its_row_says_is_an_error_and_not_a_short_answer(
        self, tmp_path: Path, threads: ThreadPoolExecutor
    ) -> None:
        blobs = files(tmp_path, threads)
        content = await kept(blobs, LARGE)
        assert content.blob is not None
        os.truncate(blobs.path(content.blob), 10)
        with pytest.raises(EOFError):
            await joined(blobs.read(content))


class TestEncrypted:
    @pytest.fixture
    def sealed(self, tmp_path: Path, threads: ThreadPoolExecutor) -> FileBlobs:
        return files(tmp_path, threads, encrypt=True)

    async def test_nothing_of_a_file_is_on_the_disk_in_the_clear(self, sealed: FileBlobs, tmp_path: Path) -> None:
        content = await kept(sealed, LARGE)
        assert content.key is not None and content.blob is not None
        stored = sealed.path(content.blob).read_bytes()
        assert all(LARGE[at : at + 16] not in stored for at in range(0, len(LARGE), 16))
        assert await joined(sealed.read(content)) == LARGE

    async def test_changed_cut_and_foreign_bytes_are_refused(self, sealed: FileBlobs) -> None:
        content, other = await kept(sealed, HUGE), await kept(sealed, HUGE)
        assert content.blob is not None and other.blob is not None
        place = sealed.path(content.blob)
        stored = place.read_bytes()
        at = len(stored) // 2
        changed = stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]
        for wrong in (changed, stored[:at], stored[:-1], sealed.path(other.blob).read_bytes()):
            place.write_bytes(wrong)
            with pytest.raises(Refusal) as caught:
                await joined(sealed.read(content))
            assert caught.value.kind is CONTENT_UNREADABLE
            with pytest.raises(Refusal), sealed.open(content) as file:
                while file.read(100_000):
                    pass
        place.write_bytes(changed)
        assert await joined(sealed.read(content, 0, 1000)) == HUGE[:1000]

    async def test_what_came_before_and_after_the_switch_is_read_alike(
        self, tmp_path: Path, threads: ThreadPoolExecutor
    ) -> None:
        one = await kept(files(tmp_path, threads), LARGE)
        two = await kept(files(tmp_path, threads, encrypt=True), LARGE)
        again = files(tmp_path, threads)
        assert (one.key is None, two.key is None) == (True, False)
        assert await joined(again.read(one)) == await joined(again.read(two)) == LARGE

    async def test_without_its_key_a_file_is_refused(self, tmp_path: Path, threads: ThreadPoolExecutor) -> None:
        content = await kept(files(tmp_path, threads, encrypt=True), LARGE)
        for path in tmp_path.parent.glob(f"{tmp_path.name}-cell/keys/*"):
            path.unlink()
        with pytest.raises(Refusal) as caught:
            files(tmp_path, threads, encrypt=True).read(content)
        assert caught.value.kind is CONTENT_UNREADABLE
