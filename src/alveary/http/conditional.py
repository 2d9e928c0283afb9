"""Conditional requests (RFC 9110, section 13): which headers count for which kind of request.

What does not belong here: the spelling and comparison of tags, which ``wire.etags`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alveary.wire.etags import ETag, Precondition, Tags
from alveary.wire.http_dates import http_date, parse_http_date

UNCONDITIONAL: Final = Precondition()


def change_condition(headers: Mapping[str, str]) -> Precondition:
    """What a request that changes something demands of what is there now; *headers* by lower-case name."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    unmodified = headers.get("if-unmodified-since")
    if match is none_match is unmodified is None:
        return UNCONDITIONAL
    return Precondition.parse(match, none_match, unmodified)


def read_condition(headers: Mapping[str, str]) -> Precondition:
    """What a request that reads demands, short of :func:`is_unchanged`."""
    match, unmodified = headers.get("if-match"), headers.get("if-unmodified-since")
    return UNCONDITIONAL if match is unmodified is None else Precondition.parse(match, None, unmodified)


def is_unchanged(headers: Mapping[str, str], current: ETag) -> bool:
    """Whether a reader already has *current*, so that the answer is 304."""
    none_match = headers.get("if-none-match")
    if none_match is not None:
        return Tags.parse(none_match).match(current)
    since = headers.get("if-modified-since")
    since_ms = None if since is None else parse_http_date(since)
    return since_ms is not None and current.updated_ms // 1000 * 1000 <= since_ms


def range_applies(headers: Mapping[str, str], current: ETag) -> bool:
    """Whether Range counts: If-Range is absent, or names *current* by its strong tag or its exact date."""
    condition = headers.get("if-range")
    return condition is None or condition in {
        None if current.weak else str(current),
        http_date(current.updated_ms),
    }
