"""Bytes of any length, encrypted and authenticated in chunks, so that a part can be read without the rest.

Each chunk is AES-256-GCM under a nonce that tells its position and whether it is the last: chunks that are changed,
swapped, left out or added are noticed, and so is an end that is none. A key is for one sequence of chunks only. What
does not belong here: where keys come from, and where chunks are kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK_BYTES: Final = 64 * 1024
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32

_SEALED_BYTES: Final = CHUNK_BYTES + TAG_BYTES
_NONCE: Final = struct.Struct(">QI")

Fetch = Callable[[int, int], bytes]
"""So many of the sealed bytes as are asked for second, from the place asked for first; fewer at their end."""


class Tampered(Exception):  # noqa: N818 - what was done to the bytes
    """Sealed bytes are not what was sealed, or the key is another."""


class ChunkCipher:
    """One sequence of chunks under a key of its own."""

    def __init__(self, key: bytes) -> None:
        """*key* has 32 bytes and is for this sequence alone."""
        self._cipher = AESGCM(key)

    def seal(self, index: int, chunk: bytes, *, last: bool) -> bytes:
        """The chunk at that place, sealed."""
        return self._cipher.encrypt(_NONCE.pack(index, last), chunk, None)

    def open(self, index: int, sealed: bytes, *, last: bool) -> bytes:
        """The chunk that was sealed for that place.

        Raises:
            Tampered: it was not.
        """
        try:
            return self._cipher.decrypt(_NONCE.pack(index, last), sealed, None)
        except (InvalidTag, ValueError):
            raise Tampered from None


def sealed_size_bytes(size_bytes: int) -> int:
    """How long *size_bytes* are once they are sealed."""
    return size_bytes + _chunks(size_bytes) * TAG_BYTES


def plain_size_bytes(sealed_bytes: int) -> int:
    """How long what was sealed in *sealed_bytes* is, as far as that can be.

    Raises:
        Tampered: nothing is that long when it is sealed.
    """
    size_bytes = sealed_bytes - -(-sealed_bytes // _SEALED_BYTES) * TAG_BYTES
    if size_bytes < 0 or sealed_size_bytes(size_bytes) != sealed_bytes:
        raise Tampered
    return size_bytes


def _chunks(size_bytes: int) -> int:
    """How many chunks hold that many bytes: one at least, so that nothing at all is sealed too."""
    return max(1, -(-size_bytes // CHUNK_BYTES))


class Sealer:
    """Bytes on their way into chunks."""

    def __init__(self, cipher: ChunkCipher) -> None:
        self._cipher = cipher
        self._index = 0
        self._rest = b""

    def write(self, data: bytes) -> bytes:
        """The chunks that *data* completes, sealed; what may be the last one is held back."""
        held = self._rest + data
        complete = max(0, (len(held) - 1) // CHUNK_BYTES)
        sealed = [
            self._cipher.seal(
                self._index + number, held[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES], last=False
            )
            for number in range(complete)
        ]
        self._index += complete
        self._rest = held[complete * CHUNK_BYTES :]
        return b"".join(sealed)

    def finish(self) -> bytes:
        """The last chunk."""
        return self._cipher.seal(self._index, self._rest, last=True)


def open_span(cipher: ChunkCipher, fetch: Fetch, size_bytes: int, start: int, end: int) -> bytes:
    """The bytes from *start* up to *end* of *size_bytes* that were sealed; only their chunks are fetched.

    Raises:
        Tampered: one of the chunks is not what was sealed, or not there.
    """
    if start >= end:
        return b""
    first, behind = start // CHUNK_BYTES, -(-end // CHUNK_BYTES)
    sealed = fetch(first * _SEALED_BYTES, (behind - first) * _SEALED_BYTES)
    final = _chunks(size_bytes) - 1
    opened = [cipher.open(index, _part(sealed, index - first), last=index == final) for index in range(first, behind)]
    return b"".join(opened)[start - first * CHUNK_BYTES : end - first * CHUNK_BYTES]


def open_all(cipher: ChunkCipher, fetch: Fetch, sealed_bytes: int) -> Iterator[bytes]:
    """All that was sealed in *sealed_bytes*, chunk by chunk.

    Raises:
        Tampered: it is not what was sealed, or not all of it.
    """
    size_bytes = plain_size_bytes(sealed_bytes)
    final = _chunks(size_bytes) - 1
    for index in range(final + 1):
        yield cipher.open(index, fetch(index * _SEALED_BYTES, _SEALED_BYTES), last=index == final)


def _part(sealed: bytes, number: int) -> bytes:
    return sealed[number * _SEALED_BYTES : (number + 1) * _SEALED_BYTES]


class Seekable(Protocol):
    """A file to read at any place."""

    def read(self, size_bytes: int = -1, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...


def fetch_from(file: Seekable, header_bytes: int = 0) -> Fetch:
    """What fetches from *file*, whose chunks begin behind *header_bytes*."""

    def fetch(start: int, size_bytes: int) -> bytes:
        file.seek(header_bytes + start)
        return file.read(size_bytes)

    return fetch


class OpenedFile:
    """A sealed file, read as if it were plain."""

    def __init__(self, cipher: ChunkCipher, fetch: Fetch, size_bytes: int) -> None:
        """*size_bytes* is how long the plain file is."""
        self._cipher = cipher
        self._fetch = fetch
        self._size_bytes = size_bytes
        self._at = 0
        self._known = b""
        self._known_from = 0

    def read(self, size_bytes: int = -1, /) -> bytes:
        """At most *size_bytes* from where the last call ended.

        Raises:
            Tampered: the bytes are not what was sealed.
        """
        end = self._size_bytes if size_bytes < 0 else min(self._at + size_bytes, self._size_bytes)
        data = self._span(self._at, end)
        self._at += len(data)
        return data

    def _span(self, start: int, end: int) -> bytes:
        inside = self._known_from <= start and end <= self._known_from + len(self._known)
        if not inside and end - start < CHUNK_BYTES:  # readers of archives ask for a few bytes at a time
            self._known_from = start
            behind = min(start + CHUNK_BYTES, self._size_bytes)
            self._known = open_span(self._cipher, self._fetch, self._size_bytes, start, behind)
            inside = True
        if inside:
            return self._known[start - self._known_from : end - self._known_from]
        return open_span(self._cipher, self._fetch, self._size_bytes, start, end)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to *offset*, counted from the start (0), from here (1) or from the end (2)."""
        self._at = max(0, offset + (0, self._at, self._size_bytes)[whence])
        return self._at

    def tell(self) -> int:
        """Where the next read starts."""
        return self._at
