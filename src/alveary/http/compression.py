"""Files compressed on their way (RFC 9110, section 8.4), for readers who take gzip.

What does not belong here: whether the unit does so at all, and files compressed at rest.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Final

CODING: Final = "gzip"

_WORTH_BYTES: Final = 1024
_LEVEL: Final = 5
_GZIP_FORM: Final = zlib.MAX_WBITS | 16
_COMPRESSIBLE: Final = re.compile(r"text/|json|xml|javascript", re.IGNORECASE)
_NEVER: Final = re.compile(r"q\s*=\s*0(\.0*)?\s*")


@lru_cache(maxsize=256)
def gets_smaller(media_type: str) -> bool:
    """Whether files of that type shrink by much."""
    return _COMPRESSIBLE.search(media_type) is not None


def is_worth_it(size_bytes: int) -> bool:
    """Whether a file of that size is compressed at all."""
    return size_bytes >= _WORTH_BYTES


def takes_gzip(headers: Mapping[str, str]) -> bool:
    """Whether the sender of *headers* (names in lower case) understands gzip and does not refuse it."""
    told = dict(map(_coding, headers.get("accept-encoding", "").split(",")))
    return told.get(CODING, told.get("*", False))


def _coding(element: str) -> tuple[str, bool]:
    name, _, weight = element.partition(";")
    return name.strip().lower(), _NEVER.fullmatch(weight.strip()) is None


def compress(data: bytes) -> bytes:
    """*data* as a gzip file."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_FORM)
    return packer.compress(data) + packer.flush()


async def compressed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """*pieces* as pieces of one gzip file, made beside other requests; *pieces* is closed in the end."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_FORM)
    loop = asyncio.get_running_loop()
    try:
        async for piece in pieces:
            if packed := await loop.run_in_executor(None, packer.compress, piece):
                yield packed
        yield packer.flush()
    finally:
        if (close := getattr(pieces, "aclose", None)) is not None:
            await close()
