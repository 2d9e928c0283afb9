"""What a snapshot file is encrypted with.

What does not belong here: how it looks in the file (``wire.sealed_archive``), and computing it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stretch:
    """How a passphrase becomes a key by scrypt: N is 2 to the power of ``log2_n``."""

    log2_n: int
    r: int
    p: int
    salt: bytes


@dataclass(frozen=True, slots=True)
class Seal:
    """A key for one file, and how it came from its passphrase."""

    stretch: Stretch
    key: bytes = field(repr=False)
