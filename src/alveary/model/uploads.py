"""Uploads in several requests: what is known of one before it becomes a file.

What does not belong here: the bytes, which its pieces hold, and how requests speak of it.
"""

from __future__ import annotations

from dataclasses import dataclass

Conditions = tuple[str | None, str | None, str | None]
"""The values of If-Match, If-None-Match and If-Unmodified-Since of the request that began an upload."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload under way, or one that has become a file (``complete``) and is remembered for who missed the answer.

    ``owner`` tells who began it, ``box`` and ``segments`` where the file will be. ``length_bytes`` and ``sha256`` are
    what the whole has to be, as far as the client said so; ``offset_bytes`` is how much has come. After ``until_ms``
    it is forgotten.
    """

    id: str
    owner: str
    box: str
    segments: tuple[str, ...]
    media_type: str
    until_ms: int
    conditions: Conditions = (None, None, None)
    length_bytes: int | None = None
    sha256: bytes | None = None
    offset_bytes: int = 0
    complete: bool = False
