"""The values of user data: Personium's spellings in a snapshot, plain JSON values in a store.

Personium writes Doubles as Java prints them and truth values as words, both as texts; everything else is a
JSON value already. Property names are aliases (``P001``, ``C001`` for complex ones) and stay so. What does
not belong here: checking values against their types; one that does not fit goes in and out as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind, JsonValue
from alveary.wire.snapshot.lines import EntityLine

_DOUBLE: Final = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_WORDS: Final[dict[JsonValue, bool]] = {"true": True, "false": False}
_WORD_OF: Final = {value: word for word, value in _WORDS.items()}


def parse_double(value: JsonValue) -> JsonValue:
    """The number that a text or whole number spells; *value* itself when JSON can hold no such number."""
    if isinstance(value, str) and _DOUBLE.fullmatch(value):
        number = float(value)
        return number if math.isfinite(number) else value
    if type(value) is int and abs(value) <= 1 << 53:
        return float(value)
    return value


def render_double(value: JsonValue) -> JsonValue:
    """A number as Java's ``Double.toString`` prints it; anything else as it is."""
    if type(value) is not float:
        return value
    size = abs(value)
    if size == 0 or 1e-3 <= size < 1e7:
        return repr(value)
    shortest = Decimal(repr(size)).normalize()
    if len(shortest.as_tuple().digits) == 1:  # Java prints two digits at least, the two that come closest
        shortest = Decimal(f"{size:.1e}")
    first, *rest = map(str, shortest.as_tuple().digits)
    sign = "-" if value < 0 else ""
    return f"{sign}{first}.{''.join(rest)}E{shortest.adjusted()}"


def parse_boolean(value: JsonValue) -> JsonValue:
    """The truth value of the words ``true`` and ``false``; anything else as it is."""
    return _WORDS.get(value, value) if isinstance(value, str) else value


def render_boolean(value: JsonValue) -> JsonValue:
    """The word of a truth value; anything else as it is."""
    return _WORD_OF[value] if isinstance(value, bool) else value


_Convert = Callable[[JsonValue], JsonValue]

_CODECS: Final[dict[str, tuple[_Convert, _Convert]]] = {
    "Edm.Double": (parse_double, render_double),
    "Edm.Boolean": (parse_boolean, render_boolean),
}
"""The types that a snapshot spells in its own way: into the store, and out of it."""

_OWNER: Final[dict[str, str]] = {
    EntityKind.PROPERTY: EntityKind.ENTITY_TYPE,
    EntityKind.COMPLEX_TYPE_PROPERTY: EntityKind.COMPLEX_TYPE,
}
"""What a property of either kind belongs to."""

_IN: Final = 0
_OUT: Final = 1


@dataclass(frozen=True, slots=True)
class _Column:
    """What the schema says of one alias: a codec, or the complex type that its objects have."""

    codec: tuple[_Convert, _Convert] | None = None
    complex_type: str | None = None


_COLUMNS: Final = {declared: _Column(codec) for declared, codec in _CODECS.items()}
_PRIMITIVE: Final = frozenset(each.value for each in EdmType)


@dataclass(frozen=True, slots=True)
class TypeMap:
    """The declared types of a cell's user data, those that need conversion: by owner's id, then by alias."""

    columns: Mapping[str, Mapping[str, _Column]]

    @classmethod
    def build(cls, schema: Iterable[EntityLine]) -> TypeMap:
        """The map of a schema: its lines of ComplexType, Property and ComplexTypeProperty, in any order."""
        complex_types: dict[tuple[str | None, JsonValue], str] = {}
        # Complex types may come after what has them; of the rest no more is kept than is used.
        complex_columns: list[tuple[str, str, str | None, str]] = []
        columns: dict[str, dict[str, _Column]] = {}
        for line in schema:
            if line.type == EntityKind.COMPLEX_TYPE:
                complex_types[line.node_id, line.values.get("Name")] = line.id
            if line.type not in _OWNER:
                continue
            owner, alias = dict(line.links).get(_OWNER[line.type]), line.hidden.get("Alias")
            declared = line.values.get("Type")
            if owner is None or not isinstance(alias, str) or not isinstance(declared, str):
                continue
            if declared in _CODECS:
                columns.setdefault(owner, {})[alias] = _COLUMNS[declared]
            elif declared not in _PRIMITIVE:
                complex_columns.append((owner, alias, line.node_id, declared))
        for owner, alias, node_id, declared in complex_columns:
            complex_type = complex_types.get((node_id, declared))
            if complex_type is not None:
                columns.setdefault(owner, {})[alias] = _Column(complex_type=complex_type)
        return cls(columns)

    def to_store(self, type_id: str, values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """The values of a line of user data as a store keeps them."""
        return self._convert(type_id, values, _IN)

    def to_snapshot(self, type_id: str, values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """The values of stored user data as Personium writes them."""
        return self._convert(type_id, values, _OUT)

    def _convert(self, owner: str, values: Mapping[str, JsonValue], way: int) -> dict[str, JsonValue]:
        columns = self.columns.get(owner, {})
        converted = dict(values)
        for alias in columns.keys() & values.keys():
            converted[alias] = self._convert_value(columns[alias], values[alias], way)
        return converted

    def _convert_value(self, column: _Column, value: JsonValue, way: int) -> JsonValue:
        if isinstance(value, list):
            return [self._convert_value(column, each, way) for each in value]
        if column.codec is not None:
            return column.codec[way](value)
        if column.complex_type is not None and isinstance(value, dict):
            return self._convert(column.complex_type, value, way)
        return value
