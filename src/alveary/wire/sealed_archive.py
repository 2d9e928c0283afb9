"""An archive in an encrypted file: a header that says how its key comes from a passphrase, then sealed chunks.

What does not belong here: the archive (``wire.zip``), the chunks (``wire.chunks``), and computing the key.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from alveary.model.seals import Seal, Stretch
from alveary.wire.chunks import ChunkCipher, OpenedFile, Sealer, Seekable, Tampered, fetch_from, plain_size_bytes
from alveary.wire.zip import ZipProblem

SALT_BYTES: Final = 20

_MAGIC: Final = b"ALVSEAL1"
_HEADER: Final = struct.Struct(f"<8s3Bx{SALT_BYTES}s")
HEADER_BYTES: Final = _HEADER.size

_MOST_LOG2_N: Final = 20
_MOST_R: Final = 32
_MOST_P: Final = 16


def render_header(stretch: Stretch) -> bytes:
    """The header that tells *stretch*, whose salt has 20 bytes."""
    return _HEADER.pack(_MAGIC, stretch.log2_n, stretch.r, stretch.p, stretch.salt)


def parse_header(start: bytes) -> Stretch | None:
    """What the file that begins so tells of its key; None when it is not encrypted.

    Raises:
        ZipProblem: it asks for more work than any unit would.
    """
    if len(start) < HEADER_BYTES or not start.startswith(_MAGIC):
        return None
    _, log2_n, r, p, salt = _HEADER.unpack_from(start)
    if not (1 <= log2_n <= _MOST_LOG2_N and 1 <= r <= _MOST_R and 1 <= p <= _MOST_P):
        raise ZipProblem("", "is encrypted in a way that is not supported")
    return Stretch(log2_n, r, p, salt)


class SealedSink:
    """What encrypts an archive on its way to *write*."""

    def __init__(self, write: Callable[[bytes], object], seal: Seal) -> None:
        """Begin with the header."""
        self._emit = write
        self._sealer = Sealer(ChunkCipher(seal.key))
        write(render_header(seal.stretch))

    def write(self, data: bytes) -> None:
        """Append *data*."""
        if sealed := self._sealer.write(data):
            self._emit(sealed)

    def finish(self) -> None:
        """Write what was held back: the end of the file."""
        self._emit(self._sealer.finish())


class SealedSource:
    """An encrypted archive, read as if it were plain; what was changed in it is a problem of the archive."""

    def __init__(self, file: Seekable, seal: Seal) -> None:
        """Read *file*, whose header has told the stretch of *seal*.

        Raises:
            Tampered: the key is another, or the file's beginning or length is not what was written.
        """
        size_bytes = plain_size_bytes(file.seek(0, 2) - HEADER_BYTES)
        self._file = OpenedFile(ChunkCipher(seal.key), fetch_from(file, HEADER_BYTES), size_bytes)
        self._file.read(1)
        self._file.seek(0)

    def read(self, size_bytes: int = -1, /) -> bytes:
        """At most *size_bytes* from the current place.

        Raises:
            ZipProblem: they are not what was written.
        """
        try:
            return self._file.read(size_bytes)
        except Tampered:
            raise ZipProblem("", "has been changed since it was encrypted") from None

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a place and tell where it is, counted from the start."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where the next read starts."""
        return self._file.tell()
