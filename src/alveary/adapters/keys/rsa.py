"""RSA key pairs, made in a thread so that nobody else waits for the tenth of a second that one takes."""

from __future__ import annotations

import asyncio
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_BITS: Final = 2048
_EXPONENT: Final = 65537


class RsaKeyPairs:
    """Key pairs for cells."""

    async def make(self) -> bytes:
        """A new RSA key of 2048 bits, its private half as PKCS#8 in PEM."""
        return await asyncio.to_thread(_make)


def _make() -> bytes:
    key = rsa.generate_private_key(public_exponent=_EXPONENT, key_size=_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
