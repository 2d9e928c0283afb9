"""Which headers of a request speak of digests, and what an answer tells (RFC 9530).

What does not belong here: their spelling (``wire.digests``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from alveary.errors import BAD_HEADER, Refusal
from alveary.wire import digests

WHOLE: Final = "repr-digest"
"""Tells of the file that a body is, or is a part of."""

PART: Final = "content-digest"
"""Tells of the body."""


def sent_digest(headers: Mapping[str, str], names: Sequence[str] = (WHOLE, PART)) -> bytes | None:
    """The SHA-256 that those headers tell, of the body of a PUT all of them; None when the client does not say.

    *headers* have names in lower case.

    Raises:
        Refusal: BAD_HEADER when a header cannot be read, or two contradict each other.
    """
    told = {digests.parse(name, headers[name]) for name in names if name in headers} - {None}
    if len(told) > 1:
        raise Refusal(BAD_HEADER, name="Content-Digest", value=headers["content-digest"])
    return told.pop() if told else None


def told_digest(headers: Mapping[str, str], sha256: bytes) -> dict[str, str]:
    """The header that tells *sha256* to who asked for it."""
    asked = headers.get("want-repr-digest")
    return {"repr-digest": digests.render(sha256)} if asked is not None and digests.is_wanted(asked) else {}


def refuse_part(headers: Mapping[str, str]) -> None:
    """Return when the body of a PUT is a whole file (RFC 9110, section 14.5): a part of one is not to replace it.

    Raises:
        Refusal: BAD_HEADER.
    """
    if "content-range" in headers:
        raise Refusal(BAD_HEADER, name="Content-Range", value=headers["content-range"])
