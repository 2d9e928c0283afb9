"""Where the bytes of large files are kept, beside the rows that name them.

A blob is named by an id of its own, written once and never changed. Order of a write: stage the bytes, keep them
(durable now), then the row; an orphan is swept later, a dangling row would never heal. What does not belong here:
names, media types, privileges.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from alveary.model.tree import Content


class Staged(Protocol):
    """Bytes that have arrived whole and belong to nobody yet; dropped at the end of their block unless kept."""

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""

    async def keep(self) -> Content:
        """Make them durable; dropped all the same when the block ends with an exception."""


class Draft(Protocol):
    """A file being composed by synchronous code off the event loop."""

    def write(self, data: bytes) -> int:
        """Append *data*; how many bytes that were."""

    def keep(self) -> Content:
        """Make what was written durable. Nothing can be written afterwards."""


class BlobFile(Protocol):
    """A blob opened for synchronous code off the event loop."""

    def read(self, size_bytes: int = -1) -> bytes:
        """At most *size_bytes* from where the last call ended."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to *offset*, counted from the start (0), from here (1) or from the end (2)."""

    def tell(self) -> int:
        """Where the next read starts."""


class Scratch(Protocol):
    """A temporary file for synchronous code, gone at the end of its block."""

    def write(self, data: bytes) -> int: ...

    def read(self, size_bytes: int = -1) -> bytes: ...

    def seek(self, offset: int, whence: int = 0) -> int: ...


class Blobs(Protocol):
    """The blobs of one part of a store."""

    def stage(self, body: AsyncIterator[bytes], *, max_bytes: int) -> AbstractAsyncContextManager[Staged]:
        """The whole of *body*, at most *max_bytes* (0: any number).

        Raises:
            Refusal: BODY_TOO_LARGE, DISK_FULL.
        """

    def read(self, content: Content, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from *start* up to *end* (default: all), in pieces. They stay readable while they are read.

        The blob is opened before the first piece is asked for, so a later replacement does not disturb it.
        """

    def compose(self) -> AbstractContextManager[Draft]:
        """A new file for synchronous code, dropped at the end of the block unless kept.

        Raises:
            Refusal: DISK_FULL from its methods.
        """

    def open(self, content: Content) -> AbstractContextManager[BlobFile]:
        """The bytes of *content* for synchronous code.

        Raises:
            Refusal: CONTENT_UNREADABLE, as do its methods.
        """

    def scratch(self) -> AbstractContextManager[Scratch]:
        """A temporary file for synchronous code."""
