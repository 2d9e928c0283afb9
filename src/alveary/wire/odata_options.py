"""The query options of OData, and the format that a client wants.

What does not belong here: what a list does with its options.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl

from alveary.config import Limits
from alveary.errors import (
    FORMAT_UNKNOWN,
    INLINECOUNT_UNKNOWN,
    NOT_ACCEPTABLE_ODATA,
    QUERY_NOT_A_NUMBER,
    QUERY_UNREADABLE,
    QUERY_VALUE,
    Refusal,
)

Query = Mapping[str, str]
"""Query options by name, decoded; the first counts where one is repeated."""

_INTEGER: Final = re.compile(r"-?[0-9]{1,10}")
_COUNTS: Final = {"allpages": True, "none": False}
_WITHOUT_EFFECT: Final = ("$select", "$orderby", "$filter", "$expand", "q")
_JSON: Final = frozenset({"application/json", "application/*", "*/*"})


def parse_query(query_string: str) -> Query:
    """The options in what follows the ``?`` of a URL.

    Raises:
        Refusal: QUERY_UNREADABLE when one has no effect here: the answer would not be what was asked for.
    """
    query = dict(reversed(parse_qsl(query_string, keep_blank_values=True)))
    if any(name in query for name in _WITHOUT_EFFECT):
        raise Refusal(QUERY_UNREADABLE)
    return query


def check_format(query: Query, accept: str = "") -> None:
    """Return when JSON is what the client wants, by ``$format``, else by its Accept header (empty: anything).

    Raises:
        Refusal: FORMAT_UNKNOWN, NOT_ACCEPTABLE_ODATA.
    """
    wanted = query.get("$format")
    if wanted == "atom":
        raise Refusal(NOT_ACCEPTABLE_ODATA, value=wanted)
    if wanted not in {None, "json"}:
        raise Refusal(FORMAT_UNKNOWN, value=wanted)
    media_types = {each.partition(";")[0].strip().lower() for each in accept.split(",")}
    if wanted is None and media_types.isdisjoint(_JSON) and media_types != {""}:
        raise Refusal(NOT_ACCEPTABLE_ODATA, value=accept)


@dataclass(frozen=True, slots=True)
class Paging:
    """The part of a list that is wanted: at most ``top`` rows after ``skip``; ``count``: also how many in all."""

    top: int
    skip: int = 0
    count: bool = False

    @classmethod
    def parse(cls, query: Query, limits: Limits) -> Self:
        """What *query* says of it.

        Raises:
            Refusal: QUERY_NOT_A_NUMBER, QUERY_VALUE, INLINECOUNT_UNKNOWN.
        """
        count = _COUNTS.get(query.get("$inlinecount", "none"))
        if count is None:
            raise Refusal(INLINECOUNT_UNKNOWN, value=query["$inlinecount"])
        return cls(
            top=_number(query, "$top", limits.top_default, limits.top_max),
            skip=_number(query, "$skip", 0, limits.skip_max),
            count=count,
        )


def _number(query: Query, name: str, default: int, most: int) -> int:
    raw = query.get(name)
    if raw is None:
        return default
    if not _INTEGER.fullmatch(raw):
        raise Refusal(QUERY_NOT_A_NUMBER, name=name)
    if not 0 <= int(raw) <= most:
        raise Refusal(QUERY_VALUE, name=name, value=raw)
    return int(raw)
