"""Bytes as base64url without padding, in which tokens, challenges and tags are written (RFC 4648, section 5)."""

from __future__ import annotations

import base64
import binascii


def encode(data: bytes) -> str:
    """*data* in its one canonical form."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes | None:
    """The bytes of *text*; None when it is not what :func:`encode` makes of them."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # Unused bits of the last character could differ between two spellings of one token: only one is good.
    return data if encode(data) == text else None
