"""The records of a zip archive, as PKWARE's APPNOTE 6.3 lays them out, and what both directions share.

Section numbers are those of that document. What does not belong here: writing and reading.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, Protocol


class SeekableFile(Protocol):
    """Bytes to read at any place: what an archive is read from."""

    def read(self, size_bytes: int, /) -> bytes:
        """At most that many bytes from the current place."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a place and tell where it is, counted from the start."""


class SpoolFile(SeekableFile, Protocol):
    """An empty file to write once and read back."""

    def write(self, data: bytes, /) -> object:
        """Append *data* at the current place."""


class ZipProblem(Exception):  # noqa: N818 - what is wrong with an archive is no error of ours
    """An archive that cannot be trusted: the entry's name (empty: the whole archive) and what is wrong."""

    def __init__(self, entry: str, cause: str) -> None:
        """Blame *entry*; *cause* is the rest of a sentence about it."""
        super().__init__(f"{entry or 'the archive'} {cause}")
        self.entry = entry
        self.cause = cause


class Method(IntEnum):
    """How an entry's bytes are kept (4.4.5)."""

    STORED = 0
    DEFLATED = 8


LOCAL: Final = struct.Struct("<4s5H3L2H")  # 4.3.7
CENTRAL: Final = struct.Struct("<4s2B5H3L5H2L")  # 4.3.12
END64: Final = struct.Struct("<4sQ2B H2L4Q")  # 4.3.14
LOCATOR: Final = struct.Struct("<4sLQL")  # 4.3.15
END: Final = struct.Struct("<4s4H2LH")  # 4.3.16
DESCRIPTOR: Final = struct.Struct("<4s3L")  # 4.3.9
DESCRIPTOR64: Final = struct.Struct("<4sL2Q")

LOCAL_MARK: Final = b"PK\x03\x04"
CENTRAL_MARK: Final = b"PK\x01\x02"
END64_MARK: Final = b"PK\x06\x06"
LOCATOR_MARK: Final = b"PK\x06\x07"
END_MARK: Final = b"PK\x05\x06"
DESCRIPTOR_MARK: Final = b"PK\x07\x08"

MAX_16: Final = 0xFFFF
MAX_32: Final = 0xFFFFFFFF
ZIP64_EXTRA: Final = 1
HAS_DESCRIPTOR: Final = 1 << 3
UTF8: Final = 1 << 11

FILE_TYPE: Final = 0o170000
REGULAR: Final = 0o100000
FOLDER: Final = 0o040000

CHUNK_BYTES: Final = 256 * 1024
"""How much is read or copied at a time."""
