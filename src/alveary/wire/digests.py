"""Digests of bodies as headers write them (RFC 9530): SHA-256, which is kept for every file.

What does not belong here: taking a digest, and what happens when one does not fit. Other algorithms are passed over,
as the specification allows.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from alveary.errors import BAD_HEADER, Refusal

_ALGORITHM: Final = "sha-256"
_DIGEST_BYTES: Final = 32
_BYTES: Final = re.compile(r":([A-Za-z0-9+/]+=*):")
_WANTED: Final = re.compile(r"[1-9]|10")


def render(sha256: bytes) -> str:
    """The value of ``Repr-Digest`` that tells *sha256*."""
    return f"{_ALGORITHM}=:{base64.b64encode(sha256).decode()}:"


def parse(name: str, raw: str) -> bytes | None:
    """The SHA-256 that the header of that *name*, ``Repr-Digest`` or ``Content-Digest``, tells; None: it tells none.

    Raises:
        Refusal: BAD_HEADER.
    """
    for value in _values(raw):
        found = _BYTES.fullmatch(value)
        try:
            sha256 = base64.b64decode(found[1], validate=True) if found else b""
        except binascii.Error:
            sha256 = b""
        if len(sha256) != _DIGEST_BYTES:
            raise Refusal(BAD_HEADER, name=name, value=raw)
        return sha256
    return None


def is_wanted(raw: str) -> bool:
    """Whether ``Want-Repr-Digest`` asks for SHA-256; 0 stands for not wanted."""
    return any(_WANTED.fullmatch(value) for value in _values(raw))


def _values(raw: str) -> Iterator[str]:
    """The values of the algorithm in a dictionary of structured fields, their parameters cut off."""
    for member in raw.split(","):
        algorithm, _, value = member.partition(";")[0].partition("=")
        if algorithm.strip().lower() == _ALGORITHM:
            yield value.strip()
