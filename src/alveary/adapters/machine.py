"""The machine's clock and randomness."""

from __future__ import annotations

import base64
import os
import time
from typing import Final

_ID_BYTES: Final = 16
_TIME_BYTES: Final = 6
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

    def timed(self) -> str:
        """An id of 22 characters of base64url: 48 bits of the time in milliseconds, then 80 random ones."""
        return base64.urlsafe_b64encode(self._timed())[:22].decode()

    def timed_hex(self) -> str:
        """The same in 32 hexadecimal digits."""
        return self._timed().hex()

    def _timed(self) -> bytes:
        return (time.time_ns() // 1_000_000).to_bytes(_TIME_BYTES, "big") + self._id()[_TIME_BYTES:]

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
