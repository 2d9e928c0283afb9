"""Lists of entities: filtered, sorted, paged, with what they lead to.

What does not belong here: one entity by its key (``entities``), making and unmaking links (``links``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from alveary.errors import (
    EXPAND_TOO_MANY,
    EXPAND_UNKNOWN,
    NO_SUCH_ASSOCIATION,
    NO_SUCH_ENTITY,
    NO_SUCH_NAVIGATION,
    QUERY_VALUE,
    Kind,
    Refusal,
)
from alveary.model.edm import Ends, EntitySet, Navigation, Row
from alveary.model.edm_values import EdmType
from alveary.model.entities import Entity, JsonValue
from alveary.model.queries import All, Along, Column, Direction, Expression, Order, Query, Source
from alveary.ports import Ports
from alveary.ports.store import ReadTx
from alveary.usecases import rows
from alveary.usecases.access import Access, Concern, Doing
from alveary.usecases.rows import Address, HasEntities
from alveary.usecases.services import Home, Service
from alveary.wire.odata_filter import parse_filter
from alveary.wire.odata_json import once_per_set
from alveary.wire.odata_options import Expand, ListOptions, after, decode_token, encode_token, parse_order

NEWEST_FIRST: Final = (Order(Column(EdmType.DATETIME, Source.PUBLISHED), descending=True),)
BY_KEY: Final = (Order(Column(EdmType.STRING, Source.KEY)),)
_THEN: Final = (
    Order(Column(EdmType.DATETIME, Source.PUBLISHED)),
    Order(Column(EdmType.STRING, Source.KEY)),
    Order(Column(EdmType.STRING, Source.ID)),
)
"""What every list is sorted by in the end, so that the next page begins where this one ends."""

_TOKEN_CHARS: Final = 2_000
_BY_ID: Final = "."
"""Begins a token that holds an id, which is no letter of the others."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, how many it has in all when that was asked for, and the token of the next page, if any."""

    rows: list[Row]
    count: int | None
    next_token: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What is listed: a set, or what links lead to in it."""

    home: Home
    entity_set: EntitySet
    along: Along | None = None


async def list_page(ports: Ports, access: Access, service: Service, name: str, options: ListOptions) -> Page:
    """The entities of the set of that name, those that *options* want of them.

    Raises:
        Refusal: as Access.require_set; NO_SUCH_ENTITY_SET, FILTER_UNREADABLE and what else is wrong with a filter,
            ORDERBY_UNREADABLE, ORDERBY_LIST, EXPAND_UNKNOWN, EXPAND_TOO_MANY, QUERY_VALUE, QUERY_TOO_LONG,
            QUERY_TOO_LARGE.
    """

    async def find(tx: ReadTx) -> Page:
        home = await access.require_in(tx, service, Concern(name), Doing.READ)
        return await _page(ports, access, service, tx, Target(home, home.named(name)), options)

    return await ports.store.contents(access.here).look(find)


async def count(ports: Ports, access: Access, service: Service, name: str, options: ListOptions) -> int:
    """How many entities the set of that name has, of those that *options* filter.

    Raises:
        Refusal: as :func:`list_page`.
    """

    async def find(tx: ReadTx) -> int:
        home = await access.require_in(tx, service, Concern(name), Doing.READ)
        return await tx.entities.matching(query_of(ports, home.named(name), options, None, home.node))

    return await ports.store.contents(access.here).look(find)


async def list_related(
    ports: Ports, access: Access, service: Service, source: Address, navigation: str, options: ListOptions
) -> tuple[Page, Navigation]:
    """The entities that *navigation* leads to from the one at *source*, and that way; they are a list even of one.

    Raises:
        Refusal: as :func:`list_page`; NO_SUCH_NAVIGATION, NO_SUCH_ENTITY, ENTITY_KEY_UNREADABLE.
    """

    async def find(tx: ReadTx) -> tuple[Page, Navigation]:
        home = await access.require_in(tx, service, Concern(source.entity_set, navigation), Doing.READ)
        way, origin = await _origin(ports, tx, home, source, navigation, (NO_SUCH_NAVIGATION, NO_SUCH_ENTITY))
        target = Target(home, home.named(way.target), along(way, origin.id))
        return await _page(ports, access, service, tx, target, options), way

    return await ports.store.contents(access.here).look(find)


async def list_links(
    ports: Ports, access: Access, service: Service, source: Address, navigation: str, options: ListOptions
) -> tuple[Page, Navigation]:
    """The same ordered by key, for their URLs alone; and the way that led there.

    Raises:
        Refusal: as :func:`list_related`, with NO_SUCH_ASSOCIATION.
    """

    async def find(tx: ReadTx) -> tuple[Page, Navigation]:
        concern = Concern(source.entity_set, navigation, links_alone=True)
        home = await access.require_in(tx, service, concern, Doing.READ)
        way, origin = await _origin(ports, tx, home, source, navigation, (NO_SUCH_ASSOCIATION, NO_SUCH_ENTITY))
        target = home.named(way.target)
        query = replace(linked(target, way, origin.id), order=BY_KEY, skip=options.skip, top=_top(ports, options))
        found = await rows.show(tx, home, target, await tx.entities.query(query))
        counted = await tx.entities.matching(query) if options.count else None
        return Page(found, counted), way

    return await ports.store.contents(access.here).look(find)


async def _origin(
    ports: Ports, tx: HasEntities, home: Home, source: Address, navigation: str, missing: tuple[Kind, Kind]
) -> tuple[Navigation, Entity]:
    """The way along *navigation* and where it begins; *missing* says how the lack of either is told."""
    entity_set = home.named(source.entity_set)
    key = rows.key_of(ports, entity_set, source.key)
    way = entity_set.navigation(navigation)
    if way is None:
        raise Refusal(missing[0])
    return way, await rows.get(tx, home, entity_set, key, missing[1])


# Queries


def along(way: Navigation, origin: str) -> Along:
    """What *way* leads to from the entity of the id *origin*."""
    match way.ends:
        case Ends.MANY_TO_MANY:
            return Along(origin, way.target_type, Direction.BOTH)
        case Ends.ONE_TO_MANY:
            return Along(origin, way.back, Direction.TO)
        case Ends.MANY_TO_ONE | Ends.ONE_TO_ONE:
            return Along(origin, way.target_type, Direction.FROM)


def linked(target: EntitySet, way: Navigation, origin: str) -> Query:
    """The entities of *target* that *way* leads to from the entity of the id *origin*."""
    return Query(target.kind, scope=target.type_id or None, along=along(way, origin))


def query_of(
    ports: Ports, entity_set: EntitySet, options: ListOptions, way: Along | None = None, node: str | None = None
) -> Query:
    """All entities of *entity_set* that *options* filter, those that *way* leads to when given, in their order.

    Raises:
        Refusal: FILTER_UNREADABLE and what else is wrong with a filter, ORDERBY_UNREADABLE, ORDERBY_LIST.
    """
    where = None
    if options.filter is not None:
        where = _filter(ports, entity_set, options.filter)
    order = () if options.orderby is None else parse_order(options.orderby, entity_set)
    return Query(
        entity_set.kind,
        scope=entity_set.type_id or None,
        node=None if entity_set.type_id else node,
        along=way,
        where=where,
        words=options.words,
        order=order,
    )


def _filter(ports: Ports, entity_set: EntitySet, text: str) -> Expression:
    """What the ``$filter`` *text* says; one that was read before of the same set is not read again."""
    known, limits = _known_filters(entity_set), ports.config.limits
    question = text, ports.urls, limits.filter_terms, limits.filter_depth
    found = known.get(question)
    if found is None:
        found = parse_filter(text, entity_set, limits, ports.urls.to_local)
        if len(known) >= _KNOWN_FILTERS:
            known.clear()
        if len(text) <= _KNOWN_CHARS:
            known[question] = found
    return found


_KNOWN_FILTERS: Final = 256
_KNOWN_CHARS: Final = 256


@once_per_set
def _known_filters(_: EntitySet) -> dict[object, Expression]:
    return {}


def part_of(ports: Ports, query: Query, options: ListOptions) -> Query:
    """The part of *query* that *options* want, and one entity more where the list may go on behind it.

    A client that says how many entities it wants gets no more pages than it asked for.

    Raises:
        Refusal: QUERY_VALUE when the token of a page is none.
    """
    if options.skiptoken is not None:
        sorted_by = (*query.order, *_THEN)
        behind = after(sorted_by, decode_token(options.skiptoken, len(sorted_by)))
        query = replace(query, where=_both(query.where, behind))
    top = _top(ports, options)
    return replace(query, skip=options.skip, top=top if options.top is not None else top + 1)


def page_of(part: Query, found: list[Row], options: ListOptions, counted: int | None) -> Page:
    """The page of what was *found* for that part, with the token of the next one if there is more."""
    if options.top is not None or part.top is None or len(found) < part.top:
        return Page(found, counted)
    shown = found[:-1]
    token = _token(part, shown[-1])
    # What is too long for a URL is looked up again by the id.
    return Page(shown, counted, token if len(token) <= _TOKEN_CHARS else f"{_BY_ID}{shown[-1].id}")


def _token(query: Query, last: Row) -> str:
    return encode_token([_value_at(each.column, last) for each in (*query.order, *_THEN)])


async def _with_token(
    tx: HasEntities, home: Home, entity_set: EntitySet, query: Query, options: ListOptions
) -> ListOptions:
    """*options* with the values in the token of a page where it has an id in their place.

    Raises:
        Refusal: QUERY_VALUE when there is no such entity any more.
    """
    token = options.skiptoken
    if token is None or not token.startswith(_BY_ID):
        return options
    last = await tx.entities.get(token.removeprefix(_BY_ID))
    if (
        last is None
        or last.kind is not query.kind
        or query.scope not in {None, last.scope}
        or query.node not in {None, last.node}
    ):
        raise Refusal(QUERY_VALUE, name="$skiptoken", value=token)
    (row,) = await rows.show(tx, home, entity_set, [last])
    return replace(options, skiptoken=_token(query, row))


def _top(ports: Ports, options: ListOptions) -> int:
    limits = ports.config.limits
    if options.top is not None:
        return options.top
    return min(limits.top_default, limits.expand_top_max) if options.expand else limits.top_default


async def _page(
    ports: Ports, access: Access, service: Service, tx: ReadTx, target: Target, options: ListOptions
) -> Page:
    home, entity_set = target.home, target.entity_set
    for concern in concerns_of(home, entity_set, options.expand):
        await access.require_in(tx, service, concern, Doing.READ)
    query = query_of(ports, entity_set, options, target.along, home.node)
    counted = await tx.entities.matching(query) if options.count else None
    part = part_of(ports, query, await _with_token(tx, home, entity_set, query, options))
    found = await rows.show(tx, home, entity_set, await tx.entities.query(part))
    page = page_of(part, found, options, counted)
    return replace(page, rows=await expanded(ports, tx, home, page.rows, options.expand, listed=True))


def _both(one: Expression | None, other: Expression) -> Expression:
    if one is None:
        return other
    return All((*one.parts, other)) if isinstance(one, All) else All((one, other))


def _value_at(column: Column, row: Row) -> JsonValue:
    match column.source:
        case Source.KEY:
            return row.key.name
        case Source.ID:
            return row.id
        case Source.PUBLISHED:
            return row.published_ms
        case Source.UPDATED:
            return row.updated_ms
        case Source.OWNER_KEY:
            return row.owner_key[0]
        case Source.OWNERS_OWNER_KEY:
            return row.owner_key[1]
        case Source.DOCUMENT:
            return column.in_document(row.values)


# What rows lead to


def concerns_of(home: Home, entity_set: EntitySet, expands: Sequence[Expand]) -> list[Concern]:
    """What *expands* of entities of *entity_set* concern, each to be read by who asks.

    Raises:
        Refusal: EXPAND_UNKNOWN.
    """
    found: list[Concern] = []
    for each in expands:
        way = entity_set.navigation(each.name)
        if way is None:
            raise Refusal(EXPAND_UNKNOWN, name=each.name)
        found += [Concern(entity_set.name, each.name), *concerns_of(home, home.named(way.target), each.children)]
    return found


async def expanded(
    ports: Ports, tx: HasEntities, home: Home, found: Sequence[Row], expands: Sequence[Expand], *, listed: bool
) -> list[Row]:
    """*found* with the entities in place that *expands* name; *listed*: they are of a list, which bounds them more.

    Raises:
        Refusal: EXPAND_UNKNOWN, EXPAND_TOO_MANY.
    """
    if not expands:
        return list(found)
    limits = ports.config.limits
    most = limits.expand_list_max if listed else limits.expand_retrieve_max
    return await _Expansion(tx, home, most, limits.expand_total_max).of(found, expands)


class _Expansion:
    """The related entities of one answer being found, which all of them together are bounded by."""

    def __init__(self, tx: HasEntities, home: Home, most: int, total: int) -> None:
        """*most* of one entity along one way, *total* in all."""
        self._tx = tx
        self._home = home
        self._most = most
        self._total = total
        self._left = total

    async def of(self, found: Sequence[Row], expands: Sequence[Expand]) -> list[Row]:
        return [await self._of_row(row, expands) for row in found] if expands else list(found)

    async def _of_row(self, row: Row, expands: Sequence[Expand]) -> Row:
        related: dict[str, tuple[Row, ...]] = {}
        for each in expands:
            way = row.entity_set.navigation(each.name)
            if way is None:
                raise Refusal(EXPAND_UNKNOWN, name=each.name)
            target = self._home.named(way.target)
            query = replace(linked(target, way, row.id), order=NEWEST_FIRST, top=self._most)
            found = await rows.show(self._tx, self._home, target, await self._tx.entities.query(query))
            self._left -= len(found)
            if self._left < 0:
                raise Refusal(EXPAND_TOO_MANY, limit=self._total, what="related entities")
            related[each.name] = tuple(await self.of(found, each.children))
        return replace(row, related=related)
