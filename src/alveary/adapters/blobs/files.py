"""Blobs as files, named by id, beside the database whose rows name them.

A file is written under ``tmp``, encrypted where the cell's keys say so, flushed, renamed to its place and its folder
flushed, all before the row: a crash leaves litter under ``tmp`` or an orphan, never a name without bytes. What does
not belong here: rows.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO, FileIO
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from alveary.adapters.keys.data_keys import DataKeys
from alveary.adapters.waiting import outlast
from alveary.errors import BODY_TOO_LARGE, CONTENT_UNREADABLE, DISK_FULL, Refusal
from alveary.model.tree import Content
from alveary.ports.blobs import BlobFile
from alveary.wire.chunks import ChunkCipher, OpenedFile, Sealer, Tampered, fetch_from, open_span

READ_BYTES: Final = 512 * 1024
WRITE_BYTES: Final = 1024 * 1024
_SPACE_KNOWN_S: Final = 0.01
"""How long a disk that had room is believed to have it; a write that finds none is refused all the same."""

_CHECK_SPACE_BYTES: Final = 64 * 1024 * 1024
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@dataclass(frozen=True, slots=True)
class BlobLimits:
    """Up to how many bytes stay in the row, and what share of the disk stays free (percent)."""

    inline_bytes: int = 16 * 1024
    disk_reserve_percent: int = 5


def place_of(blobs: Path, blob: str) -> Path:
    """Where under the folder *blobs* the blob of that name is."""
    return blobs / blob[:2] / blob


class _OsErrors:
    """Within a block of it, a disk that takes no more is refused in the catalogue's words."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            raise Refusal(DISK_FULL) from error


_os_errors: Final = _OsErrors()


class FileBlobs:
    """The blobs under one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        limits: BlobLimits,
        new_id: Callable[[], str],
        threads: Executor,
        pinned: Callable[[], AbstractContextManager[None]] = nullcontext,
        data_keys: DataKeys,
    ) -> None:
        """Use *folder*, which exists; what an earlier process left half-written there is removed.

        *pinned* is entered while something is being written: who writes will want to write its row. *data_keys* say
        whether it is encrypted.
        """
        self._folder = folder / "blobs"
        self._tmp = folder / "tmp"
        self._limits = limits
        self._new_id = new_id
        self._threads = threads
        self._pinned = pinned
        self._data_keys = data_keys
        self._space_until_s = 0.0
        shutil.rmtree(self._tmp, ignore_errors=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._tmp.mkdir(mode=0o700, exist_ok=True)

    # Writing

    def stage(self, body: AsyncIterator[bytes], *, max_bytes: int) -> _Staging:
        """The whole of *body*, at most *max_bytes* (0: any number).

        Raises:
            Refusal: BODY_TOO_LARGE, DISK_FULL.
        """
        self._require_space()
        return _Staging(
            body,
            max_bytes,
            inline_bytes=self._limits.inline_bytes,
            new_draft=self._draft,
            key=self._key(),
            threads=self._threads,
            pin=self._pinned(),
        )

    @contextmanager
    def compose(self) -> Iterator[FileDraft]:
        """A new file for synchronous code, dropped at the end of the block unless kept.

        Raises:
            Refusal: DISK_FULL from its methods.
        """
        self._require_space()
        with self._pinned():
            draft = self._draft()
            try:
                yield draft
            except BaseException:
                draft.discard()
                raise
            if not draft.kept:
                draft.discard()

    def _draft(self) -> FileDraft:
        blob, key = self._new_id(), self._key()
        sealer = None if key is None else Sealer(self._data_keys.blob_cipher(key, blob))
        path = self._tmp / blob
        return FileDraft(path, self._place, self._require_space, self._limits.inline_bytes, key, sealer)

    def _key(self) -> str | None:
        with _os_errors:  # the first one makes it
            return self._data_keys.current()

    def _place(self, blob: str) -> Path:
        return place_of(self._folder, blob)

    def _require_space(self) -> None:
        now_s = time.monotonic()
        if now_s < self._space_until_s:
            return
        disk = os.statvfs(self._tmp)
        if disk.f_bavail * 100 < disk.f_blocks * self._limits.disk_reserve_percent:
            raise Refusal(DISK_FULL)
        self._space_until_s = now_s + _SPACE_KNOWN_S

    # Reading

    def read(self, content: Content, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from *start* up to *end* (default: all), in pieces; opened before the first is asked for."""
        stop = content.size_bytes if end is None else end
        if content.blob is None:
            return _once(_inline(content)[start:stop])
        pread = os.pread
        if content.key is not None:
            pread = partial(_pread_sealed, self._data_keys.blob_cipher(content.key, content.blob), content.size_bytes)
        return _Reading(self._place(content.blob), start, stop, self._threads, pread)

    @contextmanager
    def open(self, content: Content) -> Iterator[BlobFile]:
        """The bytes of *content* for synchronous code.

        Raises:
            Refusal: CONTENT_UNREADABLE, as do its methods.
        """
        if content.blob is None:
            yield BytesIO(_inline(content))
            return
        with self._place(content.blob).open("rb", buffering=256 * 1024) as file, _readable():
            if content.key is None:
                yield file
                return
            cipher = self._data_keys.blob_cipher(content.key, content.blob)
            yield OpenedFile(cipher, fetch_from(file), content.size_bytes)

    @contextmanager
    def scratch(self) -> Iterator[IO[bytes]]:
        """A temporary file for synchronous code."""
        path = self._tmp / self._new_id()
        with _os_errors, path.open("w+b", buffering=256 * 1024) as file:
            path.unlink()
            yield file

    # Cleaning

    def delete(self, blobs: Iterable[str]) -> None:
        """Delete those blobs; ones that are not there are none to delete."""
        for blob in blobs:
            with suppress(FileNotFoundError):
                self._place(blob).unlink()

    def sweep(self, older_than_s: float, named: Callable[[str], bool]) -> list[str]:
        """Delete the blobs written before *older_than_s* (seconds since 1970) that no row names; their ids."""
        orphans = [
            path.name
            for path in self._folder.glob("*/*")
            if path.stat().st_mtime < older_than_s and not named(path.name)
        ]
        self.delete(orphans)
        return orphans

    def path(self, blob: str) -> Path:
        """Where the bytes of *blob* are."""
        return self._place(blob)


class FileDraft:
    """A file being written; its digest is taken on the way. It has no file of its own while it fits a row."""

    def __init__(
        self,
        path: Path,
        place: Callable[[str], Path],
        require_space: Callable[[], None],
        inline_bytes: int,
        key: str | None,
        sealer: Sealer | None,
    ) -> None:
        """Write to *path*; *place* says where a blob of that name belongs once it is kept.

        *sealer* encrypts what has a file of its own, under the data key of that id.
        """
        self._path = path
        self._place = place
        self._require_space = require_space
        self._inline_bytes = inline_bytes
        self._key = key
        self._sealed = _as_it_is if sealer is None else sealer.write
        self._sealer = sealer
        self._small: list[bytes] = []
        self._file: FileIO | None = None
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._unchecked_bytes = 0
        self._kept: Path | None = None

    @property
    def kept(self) -> bool:
        """Whether the bytes are durable in their place."""
        return self._kept is not None

    @property
    def size_bytes(self) -> int:
        """How many bytes were written."""
        return self._size_bytes

    def write(self, data: bytes) -> int:
        """Append *data*.

        Raises:
            Refusal: DISK_FULL.
        """
        self._digest.update(data)
        self._size_bytes += len(data)
        if self._file is None:
            self._small.append(data)
            if self._size_bytes > self._inline_bytes:
                with _os_errors:
                    self._file = self._path.open("xb", buffering=0)
                self._append(self._file, self._sealed(b"".join(self._small)))
                self._small = []
        else:
            self._append(self._file, self._sealed(data))
        return len(data)

    def _append(self, file: FileIO, data: bytes) -> None:
        with _os_errors:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
        self._unchecked_bytes += len(data)
        if self._unchecked_bytes >= _CHECK_SPACE_BYTES:
            self._unchecked_bytes = 0
            self._require_space()

    def write_all(self, pieces: list[bytes]) -> None:
        """Append *pieces*.

        Raises:
            Refusal: DISK_FULL.
        """
        self.write(b"".join(pieces) if len(pieces) > 1 else pieces[0])

    def keep(self) -> Content:
        """Make what was written durable: small ones to go into the row, others in their place.

        Raises:
            Refusal: DISK_FULL.
        """
        if self._file is None:
            return Content(self._size_bytes, self._digest.digest(), inline=b"".join(self._small), key=self._key)
        if self._sealer is not None:
            self._append(self._file, self._sealer.finish())
        with _os_errors:
            os.fdatasync(self._file.fileno())
            self._file.close()
            place = self._place(self._path.name)
            if not place.parent.exists():
                place.parent.mkdir(mode=0o700, exist_ok=True)
                _sync_folder(place.parent.parent)
            self._path.rename(place)
            self._kept = place
            _sync_folder(place.parent)
        return Content(self._size_bytes, self._digest.digest(), blob=place.name, key=self._key)

    def discard(self) -> None:
        """Drop the bytes, kept or not."""
        if self._file is not None:
            self._file.close()
            with suppress(FileNotFoundError):
                (self._kept or self._path).unlink()


class _Staging:
    """A body on its way in, which has arrived whole within its block."""

    def __init__(
        self,
        body: AsyncIterator[bytes],
        max_bytes: int,
        *,
        inline_bytes: int,
        new_draft: Callable[[], FileDraft],
        key: str | None,
        threads: Executor,
        pin: AbstractContextManager[None],
    ) -> None:
        """At most *max_bytes* (0: any number), in a draft when more than *inline_bytes*; *pin* is held meanwhile.

        *key* is that of what goes into a row.
        """
        self._body = body
        self._max_bytes = max_bytes
        self._inline_bytes = inline_bytes
        self._new_draft = new_draft
        self._key = key
        self._threads = threads
        self._pin = pin
        self._inline = b""
        self._draft: FileDraft | None = None
        self.size_bytes = 0

    async def __aenter__(self) -> _Staging:
        self._pin.__enter__()
        try:
            await self._arrive()
        except BaseException:
            self._leave(discard=True)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(discard=kind is not None)

    def _leave(self, *, discard: bool) -> None:
        draft = self._draft
        if draft is not None and (discard or not draft.kept):
            draft.discard()
        self._pin.__exit__(None, None, None)

    async def _arrive(self) -> None:
        pieces: list[bytes] = []
        pending_bytes = 0
        async for piece in self._body:
            self.size_bytes += len(piece)
            if self._max_bytes and self.size_bytes > self._max_bytes:
                raise Refusal(BODY_TOO_LARGE, limit=self._max_bytes)
            pieces.append(piece)
            pending_bytes += len(piece)
            if pending_bytes >= WRITE_BYTES or (self._draft is None and self.size_bytes > self._inline_bytes):
                await self._write(pieces)
                pieces, pending_bytes = [], 0
        if self._draft is None:
            self._inline = b"".join(pieces)
        elif pieces:
            await self._write(pieces)

    async def _write(self, pieces: list[bytes]) -> None:
        draft = self._draft = self._draft or self._new_draft()
        await outlast(asyncio.get_running_loop().run_in_executor(self._threads, draft.write_all, pieces))

    async def keep(self) -> Content:
        """Make the bytes durable.

        Raises:
            Refusal: DISK_FULL.
        """
        if self._draft is None:
            sha256 = hashlib.sha256(self._inline).digest()
            return Content(self.size_bytes, sha256, inline=self._inline, key=self._key)
        return await outlast(asyncio.get_running_loop().run_in_executor(self._threads, self._draft.keep))


class _Reading:
    """Pieces of a file that is open from the start, the next one read while the last is being sent."""

    def __init__(
        self, path: Path, start: int, end: int, threads: Executor, pread: Callable[[int, int, int], bytes]
    ) -> None:
        """*pread* takes a descriptor, how many bytes and from where, as the system's own does."""
        self._file = path.open("rb", buffering=0)
        self._at = start
        self._end = end
        self._threads = threads
        self._pread = pread
        self._job: asyncio.Future[bytes] | None = None

    def __aiter__(self) -> _Reading:
        return self

    async def __anext__(self) -> bytes:
        if self._at >= self._end:
            await self.aclose()
            raise StopAsyncIteration
        job = self._job = self._job or self._read_on()
        try:
            piece = await asyncio.shield(job)
        except Refusal:
            await self.aclose()
            raise
        if not piece:
            await self.aclose()
            raise EOFError("a blob is shorter than its row says")
        self._at += len(piece)
        self._job = self._read_on() if self._at < self._end else None
        return piece

    def _read_on(self) -> asyncio.Future[bytes]:
        size_bytes = min(READ_BYTES, self._end - self._at)
        return asyncio.get_running_loop().run_in_executor(
            self._threads, self._pread, self._file.fileno(), size_bytes, self._at
        )

    async def aclose(self) -> None:
        """Close the file, once nobody reads from it."""
        job, self._job = self._job, None
        if job is not None:
            await asyncio.wait([job])
        self._file.close()


def _as_it_is(data: bytes) -> bytes:
    return data


def _inline(content: Content) -> bytes:
    if content.inline is None and content.size_bytes:
        raise Refusal(CONTENT_UNREADABLE)
    return content.inline or b""


def _pread_sealed(cipher: ChunkCipher, total_bytes: int, descriptor: int, size_bytes: int, at: int) -> bytes:
    with _readable():
        end = min(at + size_bytes, total_bytes)
        return open_span(cipher, lambda start, count: os.pread(descriptor, count, start), total_bytes, at, end)


@contextmanager
def _readable() -> Iterator[None]:
    """Within the block, sealed bytes that are not what was sealed are refused in the catalogue's words."""
    try:
        yield
    except Tampered:
        raise Refusal(CONTENT_UNREADABLE) from None


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    if piece:
        yield piece


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
