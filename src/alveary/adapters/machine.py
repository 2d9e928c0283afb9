"""The machine's clock and randomness."""

from __future__ import annotations

import base64
import os
import time


class SystemClock:
    """What time it is, by the machine."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 in UTC."""
        return time.time_ns() // 1_000_000

    def ticks_s(self) -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()


class SystemIds:
    """Fresh names and secrets, from the operating system."""

    def new(self) -> str:
        """An id of 22 characters of base64url: 128 random bits."""
        return base64.urlsafe_b64encode(os.urandom(16))[:22].decode()

    def hex(self) -> str:
        """An id of 32 hexadecimal digits: 128 random bits."""
        return os.urandom(16).hex()

    def random(self, size_bytes: int) -> bytes:
        """Random bytes that nobody can guess."""
        return os.urandom(size_bytes)
