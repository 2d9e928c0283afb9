"""Time, ids and randomness, which rooms without I/O ask for.

What does not belong here: anything that could be derived without asking the machine.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """What time it is."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 in UTC."""

    def ticks_s(self) -> float:
        """Seconds on a clock that never jumps: for measuring how long something took."""


class Ids(Protocol):
    """Fresh names and secrets."""

    def new(self) -> str:
        """An id of 22 characters of base64url: 128 random bits."""

    def hex(self) -> str:
        """An id of 32 hexadecimal digits: 128 random bits."""

    def timed(self) -> str:
        """An id of 22 characters of base64url: 48 bits of the time in milliseconds, then 80 random ones.

        For what is kept by the thousand: ids that are made one after another stand together in an index, so a commit
        writes few of its pages. What nobody may guess, and what is spread by its first letters, has random ids.
        """

    def timed_hex(self) -> str:
        """The same in 32 hexadecimal digits."""

    def random(self, size_bytes: int) -> bytes:
        """Random bytes that nobody can guess."""
