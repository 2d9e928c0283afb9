"""Blobs in a dictionary.

What does not belong here: which rows name them.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from io import BytesIO
from typing import IO

from alveary.errors import BODY_TOO_LARGE, Refusal
from alveary.model.tree import Content


class MemoryBlobs:
    """The blobs of one part."""

    def __init__(self, *, inline_bytes: int, new_id: Callable[[], str]) -> None:
        """Files of up to *inline_bytes* go into their rows."""
        self._inline_bytes = inline_bytes
        self._new_id = new_id
        self._blobs: dict[str, bytes] = {}

    # Writing

    def stage(self, body: AsyncIterator[bytes], *, max_bytes: int) -> AbstractAsyncContextManager[_Staged]:
        """The whole of *body*, at most *max_bytes* (0: any number).

        Raises:
            Refusal: BODY_TOO_LARGE.
        """
        return self._stage(body, max_bytes)

    @asynccontextmanager
    async def _stage(self, body: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[_Staged]:
        with self.compose() as draft:
            async for piece in body:
                draft.write(piece)
                if max_bytes and draft.size_bytes > max_bytes:
                    raise Refusal(BODY_TOO_LARGE, limit=max_bytes)
            yield _Staged(draft)

    @contextmanager
    def compose(self) -> Iterator[MemoryDraft]:
        """A new file, dropped at the end of the block unless kept."""
        draft = MemoryDraft(self._keep)
        try:
            yield draft
        except BaseException:
            self.delete(draft.kept)
            raise

    def _keep(self, data: bytes) -> Content:
        digest = hashlib.sha256(data).digest()
        if len(data) <= self._inline_bytes:
            return Content(len(data), digest, inline=data)
        blob = self._new_id()
        self._blobs[blob] = data
        return Content(len(data), digest, blob=blob)

    # Reading

    def read(self, content: Content, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from *start* up to *end* (default: all); opened before the first is asked for."""
        return _once(self._data(content)[start:end])

    @contextmanager
    def open(self, content: Content) -> Iterator[IO[bytes]]:
        """The bytes of *content* for synchronous code."""
        yield BytesIO(self._data(content))

    def _data(self, content: Content) -> bytes:
        return content.inline or b"" if content.blob is None else self._blobs[content.blob]

    @contextmanager
    def scratch(self) -> Iterator[IO[bytes]]:
        """A temporary file for synchronous code."""
        yield BytesIO()

    # Cleaning

    def delete(self, blobs: Iterable[str]) -> None:
        """Delete those blobs; ones that are not there are none to delete."""
        for blob in blobs:
            self._blobs.pop(blob, None)

    def __len__(self) -> int:
        """How many blobs there are."""
        return len(self._blobs)


class MemoryDraft:
    """A file being written."""

    def __init__(self, keep: Callable[[bytes], Content]) -> None:
        self._keep = keep
        self._pieces: list[bytes] = []
        self.size_bytes = 0
        self.kept: list[str] = []

    def write(self, data: bytes) -> int:
        """Append *data*."""
        self._pieces.append(data)
        self.size_bytes += len(data)
        return len(data)

    def keep(self) -> Content:
        """Put what was written among the blobs, or leave it to its row when it is small."""
        content = self._keep(b"".join(self._pieces))
        if content.blob is not None:
            self.kept.append(content.blob)
        return content


class _Staged:
    """A body that has arrived whole."""

    def __init__(self, draft: MemoryDraft) -> None:
        self._draft = draft
        self.size_bytes = draft.size_bytes

    async def keep(self) -> Content:
        """Put the bytes among the blobs."""
        return self._draft.keep()


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    if piece:
        yield piece
