"""Queries of entities as SQL: every value is bound, and what cannot be bound is checked letter by letter.

What does not belong here: running them, and which indexes there are (``indexes``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import apsw
import orjson

from alveary.adapters.sqlite.words import search
from alveary.model.entities import EntityKind
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
    Order,
    Query,
    Some,
    Source,
    Term,
)
from alveary.model.words import holds

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SAFE_STEP: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_LAST_CODE_POINT: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)

_SQL_OF: Final = {
    Comparison.EQ: "IS",
    Comparison.NE: "IS NOT",
    Comparison.GT: ">",
    Comparison.GE: ">=",
    Comparison.LT: "<",
    Comparison.LE: "<=",
}
_RANGES: Final = frozenset(Comparison) - {Comparison.NE}
_COLUMNS: Final = {
    Source.KEY: "key",
    Source.PUBLISHED: "published_ms",
    Source.UPDATED: "updated_ms",
    Source.ID: "id",
    Source.OWNER_KEY: "(SELECT o.key FROM entity AS o WHERE o.id = entity.scope)",
    Source.OWNERS_OWNER_KEY: (
        "(SELECT oo.key FROM entity AS o JOIN entity AS oo ON oo.id = o.scope WHERE o.id = entity.scope)"
    ),
}
_ALONG: Final = {
    Direction.FROM: "id IN (SELECT target FROM ref WHERE source = ? AND kind = ?)",
    Direction.TO: "id IN (SELECT source FROM ref WHERE target = ? AND kind = ?)",
}
_LINKED_BY_EITHER_END: Final = """id IN (
  SELECT id2 FROM link WHERE id1 = ? AND type2 = ? UNION ALL SELECT id1 FROM link WHERE id2 = ? AND type1 = ?)"""


def register(connection: apsw.Connection, check: Callable[[], None] = lambda: None) -> None:
    """Let *connection* compute what queries ask for; each call begins with *check*, which may give up."""

    def checked(compute: Callable[..., Any]) -> Callable[..., Any]:
        def compute_if_time(*arguments: Any) -> Any:
            check()
            return compute(*arguments)

        return compute_if_time

    for name, function in FUNCTIONS.items():
        connection.create_scalar_function(f"odata_{name}", checked(function.of), deterministic=True)
    connection.create_scalar_function("odata_words", checked(_holds_words), 2, deterministic=True)


def _holds_words(*arguments: Any) -> bool:
    document, words = map(orjson.loads, arguments)
    return holds(document, words)


def path_of(column: Column) -> str:
    """The SQL of a document's value: the same letters for the same value, as an index on it needs.

    Raises:
        ValueError: a step of the path is nothing that a column may be called.
    """
    if not all(map(_SAFE_STEP.fullmatch, column.path)):
        raise ValueError(f"no column: {column.path}")
    return "document ->> '$." + ".".join(f'"{step}"' for step in column.path) + "'"


def literal_id(entity_id: str) -> str | None:
    """An id as an SQL literal, None when it holds letters that no id of ours has."""
    return f"'{entity_id}'" if _SAFE_ID.fullmatch(entity_id) else None


def indexable(query: Query) -> Iterator[Column]:
    """The document's values by which an index would narrow *query* down, or sort it."""
    where = query.where
    for part in where.parts if isinstance(where, All) else (where,) if where is not None else ():
        column = _narrowed(part)
        if column is not None:
            yield column
    if query.order and _is_plain(query.order[0].column):
        yield query.order[0].column


def _narrowed(part: Expression) -> Column | None:
    match part:
        case Compare(comparison, Column() as column, Literal()) if comparison in _RANGES and _is_plain(column):
            return column
        case Holds(Call("startswith", (Column() as column, Literal()))) if _is_plain(column):
            return column
    return None


def _is_plain(column: Column) -> bool:
    return column.source is Source.DOCUMENT and not column.is_list


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and what its places are bound to."""

    sql: str
    bindings: tuple[Any, ...]


class Compiler:
    """One query on its way to SQL."""

    def __init__(self, query: Query, *, indexed: bool = False, worded: bool = False, source: str = "entity") -> None:
        """*indexed*: an index on a property serves the query; it is of a scope, so none on the kind is looked for.

        *worded*: the words of the query's scope are all in the index of words.

        *source* is what has the columns of entities, under that name.
        """
        self._query = query
        self._source = source
        self._worded = worded
        self._indexed = indexed
        self._bindings: list[Any] = []

    def rows(self, columns: str) -> Statement:
        """The part of the entities that is asked for."""
        query = self._query
        sql = f"SELECT {columns} FROM {self._source} WHERE {self._where()} ORDER BY {self._order()}"  # nosec B608
        if query.top is not None or query.skip:
            sql += " LIMIT ? OFFSET ?"
            self._bindings += (-1 if query.top is None else query.top, query.skip)
        return Statement(sql, tuple(self._bindings))

    def count(self) -> Statement:
        """How many entities there are, whatever part is asked for."""
        return Statement(f"SELECT count(*) FROM {self._source} WHERE {self._where()}", tuple(self._bindings))  # nosec B608

    def _where(self) -> str:
        query = self._query
        parts = list(self._which(query))
        if query.along is not None:
            parts.append(self._along(query.along))
        if query.where is not None:
            parts.append(self._expression(query.where))
        if query.words:
            parts.append(self._words(query.words))
        return " AND ".join(parts)

    def _words(self, words: tuple[str, ...]) -> str:
        if not self._worded:
            self._bindings.append(orjson.dumps(words).decode())
            return "odata_words(json(document), ?)"
        found = search(words)
        if found is None:
            return "0"
        self._bindings.append(found)
        return "entity.rowid IN (SELECT rowid FROM word WHERE word MATCH ?)"

    def _which(self, query: Query) -> Iterator[str]:
        # A plus sign keeps the planner from the index on a column: what is linked is few, and found by its id.
        aside = "+" if query.along is not None else ""
        scope = None if query.scope is None else literal_id(query.scope)
        # Nor from one on a property, which is of a scope: the properties of an entity type share it with its data.
        beside = "+" if self._indexed and scope else aside
        yield f"{beside}kind = '{EntityKind(query.kind).value}'"
        if scope is not None:
            yield f"{aside}scope = {scope}"
        elif query.scope is not None:
            yield f"{aside}scope = ?"
            self._bindings.append(query.scope)
        if query.node is not None:
            yield "node = ?"
            self._bindings.append(query.node)

    def _along(self, along: Along) -> str:
        ends = along.entity_id, along.link_type
        if along.direction is Direction.BOTH:
            self._bindings += (*ends, *ends)
            return _LINKED_BY_EITHER_END
        self._bindings += ends
        return _ALONG[along.direction]

    def _order(self) -> str:
        orders = [self._one_order(each) for each in self._query.order]
        return ", ".join((*orders, "published_ms", "key", *(() if self._query.scope is not None else ("id",))))

    def _one_order(self, order: Order) -> str:
        return f"{self._term(order.column)} {'DESC' if order.descending else 'ASC'} NULLS LAST"

    # Expressions. One whose operand is null is null here, and false to WHERE, AND and OR; only Not must tell it.

    def _expression(self, part: Expression) -> str:
        match part:
            case Compare(comparison, left, right):
                return f"{self._term(left)} {_SQL_OF[comparison]} {self._term(right)}"
            case Contains(column, value):
                self._bindings.append(_bound(value.value))
                path = path_of(column).removeprefix("document ->> ")
                return f"EXISTS (SELECT 1 FROM json_each(entity.document, {path}) AS e WHERE e.value IS ?)"  # nosec B608
            case Holds(Call("startswith", (Column() as column, Literal(str() as start)))):
                return self._starts(column, start)
            case Holds(Call("substringof", (part_term, text))):
                return f"instr({self._swapped(part_term, text)}) > 0"
            case Holds(term):
                return f"({self._term(term)}) IS TRUE"
            case All(parts):
                return self._joined(parts, " AND ", "1")
            case Some(parts):
                return self._joined(parts, " OR ", "0")
            case Not(inner):
                return f"({self._expression(inner)}) IS NOT TRUE"

    def _joined(self, parts: tuple[Expression, ...], word: str, empty: str) -> str:
        return f"({word.join(map(self._expression, parts))})" if parts else empty

    def _starts(self, column: Column, start: str) -> str:
        """A range, which an index serves."""
        after = _after_all(start)
        sql = f"({self._term(column)} >= ?"
        self._bindings.append(start)
        if after is not None:
            sql += f" AND {self._term(column)} < ?"
            self._bindings.append(after)
        return sql + ")"

    def _swapped(self, first: Term, second: Term) -> str:
        """The terms in the other order, their bindings too."""
        mine, self._bindings = self._bindings, []
        first_sql = self._term(first)
        kept, self._bindings = self._bindings, mine
        second_sql = self._term(second)
        self._bindings += kept
        return f"{second_sql}, {first_sql}"

    def _term(self, term: Term) -> str:
        match term:
            case Column(source=Source.DOCUMENT):
                return path_of(term)
            case Column(source=source):
                return _COLUMNS[source]
            case Literal(value):
                self._bindings.append(_bound(value))
                return "?"
            case Call(function, arguments):
                assert function in FUNCTIONS
                return f"odata_{function}({', '.join(map(self._term, arguments))})"


def _bound(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _after_all(start: str) -> str | None:
    """The least text that is after all that begin with *start*, None when there is none."""
    for index in range(len(start) - 1, -1, -1):
        code = ord(start[index])
        if code < _LAST_CODE_POINT:
            following = code + 1 if code + 1 not in _SURROGATES else _SURROGATES.stop
            return start[:index] + chr(following)
    return None
