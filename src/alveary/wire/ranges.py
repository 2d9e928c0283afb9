"""The ``Range`` header (RFC 9110, section 14) against a representation of known size.

What does not belong here: reading the bytes, and the answer 206.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from alveary.errors import RANGE_NOT_SATISFIABLE, Refusal

MAX_RANGES: Final = 13
"""More in one header are ignored, header and all, as Personium does."""

_HEADER: Final = re.compile(r"\s*bytes\s*=(.*)", re.IGNORECASE | re.DOTALL)
_SPEC: Final = re.compile(r"\s*([0-9]{0,100})\s*-\s*([0-9]{0,100})\s*")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from ``start`` up to ``end``, which is the first that is not part of it."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many bytes it has."""
        return self.end - self.start

    def content_range(self, total_bytes: int) -> str:
        """The value of ``Content-Range`` for this part of *total_bytes*."""
        return f"bytes {self.start}-{self.end - 1}/{total_bytes}"

    @classmethod
    def parse(cls, spec: str, total_bytes: int) -> Self | None:
        """One ``a-b``, ``a-`` or ``-n`` cut at *total_bytes*, perhaps starting beyond it. None: malformed."""
        found = _SPEC.fullmatch(spec)
        if found is None:
            return None
        first, last = found[1], found[2]
        if not first:
            return cls(max(total_bytes - int(last), 0), total_bytes) if last and int(last) else None
        if last and int(first) > int(last):
            return None
        return cls(int(first), min(int(last) + 1, total_bytes) if last else total_bytes)


def parse_ranges(header: str, total_bytes: int) -> tuple[ByteRange, ...]:
    """The satisfiable ranges of *header* in its order; none at all means that the header is to be ignored.

    It is ignored when malformed, of another unit, of more than :data:`MAX_RANGES` ranges, for an empty whole,
    or when the ranges together are larger than the whole, which only serves to wear out servers.

    Raises:
        Refusal: RANGE_NOT_SATISFIABLE when every range starts beyond the end.
    """
    found = _HEADER.fullmatch(header)
    # Elements that are empty are passed over (RFC 9110, section 5.6.1).
    specs = [spec for spec in found[1].split(",") if spec.strip()] if found and total_bytes else []
    ranges = [ByteRange.parse(spec, total_bytes) for spec in specs]
    if not 1 <= len(ranges) <= MAX_RANGES or None in ranges:
        return ()
    satisfiable = tuple(each for each in ranges if each is not None and each.start < total_bytes)
    if not satisfiable:
        raise Refusal(RANGE_NOT_SATISFIABLE, headers={"content-range": f"bytes */{total_bytes}"})
    return satisfiable if sum(each.size_bytes for each in satisfiable) <= total_bytes else ()
