"""The machine's clock and randomness."""

from __future__ import annotations

import base64
import os
import time
from typing import Final

_ID_BYTES: Final = 16
_STOCK: Final = 256


class SystemClock:
    """What time it is, by the machine."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 in UTC."""
        return time.time_ns() // 1_000_000

    def ticks_s(self) -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()


class SystemIds:
    """Fresh names and secrets, from the operating system; those of ids are fetched many at a time."""

    def __init__(self) -> None:
        self._stock: list[bytes] = []

    def new(self) -> str:
        """An id of 22 characters of base64url: 128 random bits."""
        return base64.urlsafe_b64encode(self._id())[:22].decode()

    def hex(self) -> str:
        """An id of 32 hexadecimal digits: 128 random bits."""
        return self._id().hex()

    def _id(self) -> bytes:
        try:
            return self._stock.pop()  # one step: no two threads get the same
        except IndexError:
            fresh = os.urandom(_ID_BYTES * _STOCK)
            self._stock += [fresh[at : at + _ID_BYTES] for at in range(_ID_BYTES, len(fresh), _ID_BYTES)]
            return fresh[:_ID_BYTES]

    def random(self, size_bytes: int) -> bytes:
        """Random bytes that nobody can guess."""
        return os.urandom(size_bytes)
