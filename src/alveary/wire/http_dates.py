"""Dates as HTTP headers write them, to the second.

What does not belong here: dates of OData and snapshots, which count milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache


def http_date(moment_ms: int) -> str:
    """*moment_ms* (milliseconds since 1970) in the form ``Sun, 06 Nov 1994 08:49:37 GMT``."""
    return _http_second(moment_ms // 1000)


# What is listed together was often made together: most of its seconds are known.
@lru_cache(maxsize=4096)
def _http_second(moment_s: int) -> str:
    return format_datetime(datetime.fromtimestamp(moment_s, UTC), usegmt=True)


def iso_date(moment_ms: int) -> str:
    """*moment_ms* in the form ``1994-11-06T08:49:37.000+0000``."""
    return f"{_iso_second(moment_ms // 1000)}.{moment_ms % 1000:03d}+0000"


@lru_cache(maxsize=4096)
def _iso_second(moment_s: int) -> str:
    return f"{datetime.fromtimestamp(moment_s, UTC):%Y-%m-%dT%H:%M:%S}"


def parse_http_date(text: str) -> int | None:
    """The date *text* in milliseconds since 1970; None when it is no date, and the header to be ignored."""
    try:
        moment = parsedate_to_datetime(text)
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * 1000
    except (ValueError, OverflowError):
        return None
