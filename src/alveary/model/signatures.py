"""Signatures as values: which hashes are taken for good, and what a signature says of who made it.

What does not belong here: making and verifying one (the identity port) and how a document carries it (``wire``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Hash(StrEnum):
    """The hashes that a signature of another unit may use; SHA-1 is none of them."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


@dataclass(frozen=True, slots=True)
class Signature:
    """An RSA signature (RSASSA-PKCS1-v1_5) over *signed*, and who claims to have made it.

    ``certificate`` is DER; ``subject_name`` is the text that was written beside it, None when there was none. Nothing
    of this is believed before :meth:`Identity.verifies <alveary.ports.identity.Identity.verifies>` says so.
    """

    hash: Hash
    signed: bytes
    value: bytes
    certificate: bytes
    subject_name: str | None
