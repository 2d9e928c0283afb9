"""The headers of resumable uploads (draft-ietf-httpbis-resumable-upload): flags, counts, limits.

What does not belong here: what follows from them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

PARTIAL: Final = "application/partial-upload"
"""The media type of the body of a PATCH that goes on with an upload."""

_FLAGS: Final = {"?0": False, "?1": True}
_COUNT: Final = re.compile(r"[0-9]{1,15}")


def parse_flag(raw: str | None) -> bool | None:
    """The value of ``Upload-Complete``; None when the header is not there or, as the draft says, to be ignored."""
    return _FLAGS.get(_item(raw))


def parse_count(raw: str | None) -> int | None:
    """The value of ``Upload-Offset`` or ``Upload-Length``; None as for :func:`parse_flag`."""
    text = _item(raw)
    return int(text) if _COUNT.fullmatch(text) else None


def render_flag(flag: bool) -> str:
    """*flag* in the form that :func:`parse_flag` reads."""
    return "?1" if flag else "?0"


def render_limits(limits: Mapping[str, int]) -> str:
    """The value of ``Upload-Limit``."""
    return ", ".join(f"{name}={value}" for name, value in limits.items())


def _item(raw: str | None) -> str:
    return (raw or "").partition(";")[0].strip()
