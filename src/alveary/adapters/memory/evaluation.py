"""Queries of entities in plain Python: what a query means, without a database's help.

What does not belong here: what there is to ask about (``contents``).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from alveary.model.entities import Entity, JsonValue, Link
from alveary.model.functions import FUNCTIONS
from alveary.model.queries import (
    All,
    Along,
    Call,
    Column,
    Compare,
    Comparison,
    Contains,
    Direction,
    Expression,
    Holds,
    Literal,
    Not,
    Query,
    Some,
    Source,
    Term,
)
from alveary.model.words import holds

_ORDERED: Final[dict[Comparison, Callable[[Any, Any], bool]]] = {
    Comparison.GT: operator.gt,
    Comparison.GE: operator.ge,
    Comparison.LT: operator.lt,
    Comparison.LE: operator.le,
}


class Evaluation:
    """One query over *entities* by id and *links*."""

    def __init__(self, query: Query, entities: Mapping[str, Entity], links: list[Link]) -> None:
        self._query = query
        self._entities = entities
        self._links = links

    def rows(self) -> list[Entity]:
        """The part of the entities that is asked for, in its order."""
        query = self._query
        found = sorted(self.all(), key=lambda each: (each.published_ms, each.key, each.id))
        for order in reversed(query.order):
            # Two stable passes: by value, then the nulls behind all else.
            found.sort(key=lambda each: _sortable(self._term(order.column, each)), reverse=order.descending)
            found.sort(key=lambda each: self._term(order.column, each) is None)
        end = None if query.top is None else query.skip + query.top
        return found[query.skip : end]

    def all(self) -> list[Entity]:
        """All entities that the query is about."""
        linked = None if self._query.along is None else self._linked(self._query.along)
        return [each for each in self._entities.values() if self._matches(each, linked)]

    def _matches(self, entity: Entity, linked: set[str] | None) -> bool:
        query = self._query
        return (
            entity.kind is query.kind
            and query.scope in {None, entity.scope}
            and query.node in {None, entity.node}
            and (linked is None or entity.id in linked)
            and (query.where is None or self._holds(query.where, entity))
            and (not query.words or holds(entity.values, query.words))
        )

    def _linked(self, along: Along) -> set[str]:
        match along.direction:
            case Direction.FROM:
                source = self._entities.get(along.entity_id)
                return {target for kind, target in source.refs if kind == along.link_type} if source else set()
            case Direction.TO:
                wanted = along.link_type, along.entity_id
                return {each.id for each in self._entities.values() if wanted in each.refs}
            case Direction.BOTH:
                ends = [((each.type1, each.id1), (each.type2, each.id2)) for each in self._links]
                ends += [(second, first) for first, second in ends]
                return {
                    there[1] for here, there in ends if here[1] == along.entity_id and there[0] == along.link_type
                }

    def _holds(self, part: Expression, entity: Entity) -> bool:
        match part:
            case Compare(comparison, left, right):
                return _compare(comparison, self._term(left, entity), self._term(right, entity))
            case Contains(column, value):
                found = self._term(column, entity)
                return isinstance(found, list) and value.value in found
            case Holds(term):
                return self._term(term, entity) is True
            case All(parts):
                return all(self._holds(each, entity) for each in parts)
            case Some(parts):
                return any(self._holds(each, entity) for each in parts)
            case Not(inner):
                return not self._holds(inner, entity)

    def _term(self, term: Term, entity: Entity) -> Any:
        match term:
            case Column():
                return self._column(term, entity)
            case Literal(value):
                return value
            case Call(function, arguments):
                return FUNCTIONS[function].of(*(self._term(each, entity) for each in arguments))

    def _column(self, column: Column, entity: Entity) -> JsonValue:
        match column.source:
            case Source.KEY:
                return entity.key
            case Source.PUBLISHED:
                return entity.published_ms
            case Source.UPDATED:
                return entity.updated_ms
            case Source.ID:
                return entity.id
            case Source.OWNER_KEY:
                owner = self._entities.get(entity.scope)
                return owner.key if owner else None
            case Source.OWNERS_OWNER_KEY:
                owner = self._entities.get(entity.scope)
                above = self._entities.get(owner.scope) if owner else None
                return above.key if above else None
            case Source.DOCUMENT:
                return column.in_document(entity.values)


def _compare(comparison: Comparison, left: Any, right: Any) -> bool:
    match comparison:
        case Comparison.EQ:
            return bool(left == right)
        case Comparison.NE:
            return bool(left != right)
    return left is not None and right is not None and _ORDERED[comparison](left, right)


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, 0) if value is None else (1, value)
