"""The text forms in which Personium stores password hashes.

scrypt: ``$<params in hex>$<salt>$<hash>``, params being ``log2(N) << 16 | r << 8 | p``, salt and hash in base64.
sha-256 (deprecated): lower-case hex of the digest of password and a unit-wide salt. What does not belong here:
hashing.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final, Self

SCRYPT: Final = "scrypt"
SHA256: Final = "sha-256"


@dataclass(frozen=True, slots=True)
class ScryptHash:
    """The parts of an scrypt hash. The memory it takes is ``128 * r * N`` bytes."""

    log2_n: int
    r: int
    p: int
    salt: bytes
    key: bytes

    @property
    def memory_bytes(self) -> int:
        """How much memory the hash function takes, with room for its own needs."""
        return 128 * self.r * (1 << self.log2_n) + 128 * self.r * self.p + 1024 * 1024

    def render(self) -> str:
        """The text form."""
        params = self.log2_n << 16 | self.r << 8 | self.p
        return f"${params:x}${base64.b64encode(self.salt).decode()}${base64.b64encode(self.key).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The parts of *text*; None when it is no scrypt hash, or one that no unit would make (N over 2^20)."""
        parts = text.split("$")
        if len(parts) != 4 or parts[0]:
            return None
        try:
            params = int(parts[1], 16)
            salt = base64.b64decode(parts[2], validate=True)
            key = base64.b64decode(parts[3], validate=True)
        except (ValueError, binascii.Error):
            return None
        log2_n, r, p = params >> 16, params >> 8 & 0xFF, params & 0xFF
        if not (1 <= log2_n <= 20 and 1 <= r <= 64 and 1 <= p <= 64 and salt and 16 <= len(key) <= 128):
            return None
        return cls(log2_n, r, p, salt, key)
