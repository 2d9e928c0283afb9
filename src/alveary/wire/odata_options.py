"""The query options of OData, and the format that a client wants.

What does not belong here: the grammar of ``$filter`` (``odata_filter``), and what a list does with its options.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Self
from urllib.parse import parse_qsl

import orjson

from alveary.config import Limits
from alveary.errors import (
    EXPAND_TOO_MANY,
    EXPAND_UNREADABLE,
    FILTER_UNREADABLE,
    FORMAT_UNKNOWN,
    INLINECOUNT_UNKNOWN,
    NOT_ACCEPTABLE_ODATA,
    ORDERBY_LIST,
    ORDERBY_UNREADABLE,
    QUERY_NOT_A_NUMBER,
    QUERY_VALUE,
    SELECT_UNREADABLE,
    Refusal,
)
from alveary.model.columns import find_column
from alveary.model.edm import EntitySet
from alveary.model.edm_values import NUMERIC, EdmType
from alveary.model.entities import JsonValue
from alveary.model.queries import All, Column, Compare, Comparison, Expression, Literal, Order, Some, Source
from alveary.model.values import frozen
from alveary.wire import base64url
from alveary.wire.odata_filter import NAME
from alveary.wire.odata_literals import MOMENT, NUMBER, TEXT, WORDS

Query = Mapping[str, str]
"""Query options by name, decoded; the first counts where one is repeated."""

Select = frozenset[str] | None
"""The names of the properties that are wanted, None for all."""

MAX_WORDS_BYTES: Final = 255
"""The longest ``q``, in bytes of UTF-8."""
MAX_ORDERS: Final = 20
"""The most properties that a list is sorted by; what is behind an entity is told by the square of as many parts."""

_INTEGER: Final = re.compile(r"-?[0-9]{1,10}")
_LITERAL: Final = re.compile(rf"{TEXT}|{MOMENT}|{NUMBER}|{'|'.join(WORDS)}")
_PATH: Final = re.compile(rf"{NAME}(?:/{NAME})*")
_ORDER: Final = re.compile(rf"\s*(?P<path>{TEXT}|{MOMENT}|[^\s,]+)(?:\s+(?P<way>asc|desc))?\s*(?P<mark>,|\Z)")
_NAVIGATIONS: Final = re.compile(r"_[A-Za-z0-9_.-]+(?:/_[A-Za-z0-9_.-]+)*")
_COUNTS: Final = {"allpages": True, "none": False}
_VERBOSE: Final = "odata=verbose"


@lru_cache(maxsize=1024)
def parse_query(query_string: str) -> Query:
    """The options in what follows the ``?`` of a URL."""
    return MappingProxyType(dict(reversed(parse_qsl(query_string, keep_blank_values=True))))


# The format


class Format(Enum):
    """The formats of answers."""

    JSON = auto()
    ATOM = auto()


@frozen
class Answer:
    """How a client is answered: the format, and whose ``shape`` JSON has: ``personium`` or ``v2``."""

    format: Format
    shape: str


_FORMATS: Final = {"json": Format.JSON, "atom": Format.ATOM, "xml": Format.ATOM}
_MEDIA_TYPES: Final = (
    (frozenset({"application/json"}), Format.JSON),
    (frozenset({"application/atom+xml", "application/xml"}), Format.ATOM),
    (frozenset({"application/*", "*/*", ""}), Format.JSON),
)
"""What an Accept header may hold, the most telling first."""


def answer_format(query: Query, accept: str, shape: str) -> Answer:
    """What the client wants, by ``$format``, else by its Accept header (empty: anything).

    JSON has the given *shape*, unless the header asks for it as OData V2 has it.

    Raises:
        Refusal: FORMAT_UNKNOWN, NOT_ACCEPTABLE_ODATA.
    """
    format_, _ = _accepted(accept)
    shape = answer_shape(accept, shape)
    wanted = query.get("$format")
    if wanted is not None:
        if wanted.lower() not in _FORMATS:
            raise Refusal(FORMAT_UNKNOWN, value=wanted)
        format_ = _FORMATS[wanted.lower()]
    if format_ is None:
        raise Refusal(NOT_ACCEPTABLE_ODATA, value=accept)
    return Answer(format_, shape)


def answer_shape(accept: str, shape: str) -> str:
    """The given *shape*, unless the Accept header asks for JSON as OData V2 has it."""
    _, is_verbose = _accepted(accept)
    return "v2" if is_verbose else shape


@lru_cache(maxsize=256)
def _accepted(accept: str) -> tuple[Format | None, bool]:
    """The format that a header asks for, None when there is none such, and whether it asks for JSON as V2 has it."""
    ranges = [[part.strip().lower() for part in each.split(";")] for each in accept.split(",")]
    is_verbose = any(name == "application/json" and _VERBOSE in parameters for name, *parameters in ranges)
    names = {name for name, *_ in ranges}
    return next((format_ for those, format_ in _MEDIA_TYPES if not names.isdisjoint(those)), None), is_verbose


# What is shown of an entity


@dataclass(frozen=True, slots=True)
class Expand:
    """A navigation property whose entities are wanted in its place, and which of theirs are."""

    name: str
    children: tuple[Expand, ...] = ()


@frozen
class EntityOptions:
    """What is wanted of one entity."""

    select: Select = None
    expand: tuple[Expand, ...] = ()

    @classmethod
    def parse(cls, query: Query, limits: Limits) -> Self:
        """What *query* says of it.

        Raises:
            Refusal: SELECT_UNREADABLE, EXPAND_UNREADABLE, EXPAND_TOO_MANY.
        """
        return cls(
            select=_select(query.get("$select")),
            expand=_expand(query.get("$expand"), limits.expand_retrieve_properties, limits.expand_depth),
        )


def _select(raw: str | None) -> Select:
    """The names in *raw*, of a path the first."""
    if raw is None or raw.strip() == "*":
        return None
    paths = [each.strip() for each in raw.split(",")]
    if any(_PATH.fullmatch(each) is None or _LITERAL.fullmatch(each) for each in paths):
        raise Refusal(SELECT_UNREADABLE)
    return frozenset(each.partition("/")[0] for each in paths)


_Tree = dict[str, "_Tree"]


def _expand(raw: str | None, most: int, deepest: int) -> tuple[Expand, ...]:
    if raw is None:
        return ()
    tree: _Tree = {}
    count = 0
    for path in raw.split(","):
        names = path.split("/")
        if _NAVIGATIONS.fullmatch(path) is None or len(names) > deepest:
            raise Refusal(EXPAND_UNREADABLE)
        here = tree
        for name in names:
            count += name not in here
            here = here.setdefault(name, {})
    if count > most:
        raise Refusal(EXPAND_TOO_MANY, limit=most, what="navigation properties")
    return _expands(tree)


def _expands(tree: _Tree) -> tuple[Expand, ...]:
    return tuple(Expand(name, _expands(children)) for name, children in tree.items())


# Lists


@frozen
class ListOptions:
    """What is wanted of a list; ``filter`` and ``orderby`` are still texts, as only an entity set can read them.

    ``top`` None: not given. ``count``: also how many there are in all. ``words`` must all be in an entity's texts.
    """

    filter: str | None = None
    orderby: str | None = None
    select: Select = None
    expand: tuple[Expand, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    words: tuple[str, ...] = ()
    skiptoken: str | None = None

    @classmethod
    def parse(cls, query: Query, limits: Limits) -> Self:
        """What *query* says of it.

        Raises:
            Refusal: QUERY_NOT_A_NUMBER, QUERY_VALUE, INLINECOUNT_UNKNOWN, SELECT_UNREADABLE, EXPAND_UNREADABLE,
                EXPAND_TOO_MANY.
        """
        count = _COUNTS.get(query.get("$inlinecount", "none"))
        if count is None:
            raise Refusal(INLINECOUNT_UNKNOWN, value=query["$inlinecount"])
        expand = _expand(query.get("$expand"), limits.expand_list_properties, limits.expand_depth)
        most = min(limits.top_max, limits.expand_top_max) if expand else limits.top_max
        return cls(
            filter=query.get("$filter"),
            orderby=query.get("$orderby"),
            select=_select(query.get("$select")),
            expand=expand,
            top=_number(query, "$top", most),
            skip=_number(query, "$skip", limits.skip_max) or 0,
            count=count,
            words=_words(query.get("q")),
            skiptoken=query.get("$skiptoken"),
        )


def _number(query: Query, name: str, most: int) -> int | None:
    raw = query.get(name)
    if raw is None:
        return None
    if not _INTEGER.fullmatch(raw):
        raise Refusal(QUERY_NOT_A_NUMBER, name=name)
    if not 0 <= int(raw) <= most:
        raise Refusal(QUERY_VALUE, name=name, value=raw)
    return int(raw)


def _words(raw: str | None) -> tuple[str, ...]:
    if raw is None:
        return ()
    if not 1 <= len(raw.encode("utf-8", "replace")) <= MAX_WORDS_BYTES:
        raise Refusal(QUERY_VALUE, name="q", value=raw)
    return tuple(raw.split())


def parse_order(text: str, entity_set: EntitySet) -> tuple[Order, ...]:
    """The columns that *text*, an ``$orderby`` on *entity_set*, sorts by; what it does not have sorts nothing.

    Raises:
        Refusal: ORDERBY_UNREADABLE, ORDERBY_LIST, and FILTER_UNREADABLE for a literal.
    """
    orders: dict[Column, Order] = {}
    at, mark = 0, ","
    while mark:
        found = _ORDER.match(text, at)
        if found is None:
            raise Refusal(ORDERBY_UNREADABLE)
        column = _sorted_by(found["path"], entity_set)
        if column is not None:
            orders.setdefault(column, Order(column, descending=found["way"] == "desc"))
        at, mark = found.end(), found["mark"]
    if len(orders) > MAX_ORDERS:
        raise Refusal(ORDERBY_UNREADABLE)
    return tuple(orders.values())


def _sorted_by(path: str, entity_set: EntitySet) -> Column | None:
    found = find_column(entity_set, tuple(path.split("/")))
    if found is not None:
        if found.property.is_list:
            raise Refusal(ORDERBY_LIST, name=path)
        return found.column
    if _LITERAL.fullmatch(path):
        raise Refusal(FILTER_UNREADABLE, place="")
    if _PATH.fullmatch(path) is None:
        raise Refusal(ORDERBY_UNREADABLE)
    return None


# Where a list goes on


def encode_token(values: Sequence[JsonValue]) -> str:
    """A ``$skiptoken`` of the values that the last entity of a page was sorted by."""
    return base64url.encode(orjson.dumps(list(values)))


def decode_token(raw: str, count: int) -> list[JsonValue]:
    """The *count* values that :func:`encode_token` made *raw* of.

    Raises:
        Refusal: QUERY_VALUE.
    """
    try:
        values = orjson.loads(urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
    except ValueError:
        raise _bad_token(raw) from None
    if not isinstance(values, list) or len(values) != count or any(isinstance(each, list | dict) for each in values):
        raise _bad_token(raw)
    return values


def _bad_token(raw: str) -> Refusal:
    return Refusal(QUERY_VALUE, name="$skiptoken", value=raw)


_NEVER_NULL: Final = frozenset({Source.KEY, Source.ID, Source.PUBLISHED, Source.UPDATED})
_INT64: Final = range(-(2**63), 2**63)
_KINDS: Final[Mapping[EdmType, tuple[type, ...]]] = {
    EdmType.STRING: (str,),
    EdmType.BOOLEAN: (bool,),
    EdmType.DATETIME: (int,),
    **dict.fromkeys(NUMERIC, (int, float)),
}
"""What JSON has for a stored value of each type."""


def after(order: Sequence[Order], values: Sequence[JsonValue]) -> Expression:
    """What is true of the entities behind the one with these *values* of the columns of *order*.

    Entities that *order* does not tell apart from that one are not behind it.

    Raises:
        Refusal: QUERY_VALUE when a value is not of its column's type.
    """
    parts: list[Expression] = []
    same: tuple[Expression, ...] = ()
    for each, raw in zip(order, values, strict=True):
        literal = _literal(each.column, raw)
        parts += [All((*same, behind)) for behind in _behind(each, literal)]
        same = (*same, Compare(Comparison.EQ, each.column, literal))
    return Some(tuple(parts))


def _literal(column: Column, raw: JsonValue) -> Literal:
    if raw is None and column.source not in _NEVER_NULL:
        return Literal(None)
    if isinstance(raw, list | dict) or type(raw) not in _KINDS[column.type]:
        raise Refusal(QUERY_VALUE, name="$skiptoken", value=raw)
    if isinstance(raw, int) and raw not in _INT64:
        raise Refusal(QUERY_VALUE, name="$skiptoken", value=raw)
    return Literal(raw)


def _behind(order: Order, literal: Literal) -> list[Expression]:
    """What stands behind *literal* in one column, in which nulls are last."""
    column, value = order.column, literal.value
    if value is None:
        return []
    behind: list[Expression] = []
    if column.type is not EdmType.BOOLEAN:
        behind.append(Compare(Comparison.LT if order.descending else Comparison.GT, column, literal))
    elif value is order.descending:
        behind.append(Compare(Comparison.EQ, column, Literal(not value)))
    if column.source not in _NEVER_NULL:
        behind.append(Compare(Comparison.EQ, column, Literal(None)))
    return behind
