"""Dates as HTTP headers write them, to the second.

What does not belong here: dates of OData and snapshots, which count milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache


@lru_cache(maxsize=1024)
def http_date(moment_ms: int) -> str:
    """*moment_ms* (milliseconds since 1970) in the form ``Sun, 06 Nov 1994 08:49:37 GMT``."""
    return format_datetime(datetime.fromtimestamp(moment_ms // 1000, UTC), usegmt=True)


def parse_http_date(text: str) -> int | None:
    """The date *text* in milliseconds since 1970; None when it is no date, and the header to be ignored."""
    try:
        moment = parsedate_to_datetime(text)
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * 1000
    except (ValueError, OverflowError):
        return None
