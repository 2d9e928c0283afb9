"""One ``$filter`` means the same everywhere: to SQLite, to the stores in memory, and to plain Python over the JSON.

The generator makes the text of a filter together with what it must come to for an entity as a client sent it.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alveary.config import Limits
from alveary.model.edm import ComplexType, EntitySet, Fresh, Property
from alveary.model.edm_values import EARLIEST_MS, LATEST_MS, NUMERIC, EdmType
from alveary.model.entities import Entity, EntityKind
from alveary.model.queries import Expression, Query
from alveary.wire.odata_filter import parse_filter
from tests.stores import Unit, in_memory, new_id, on_sqlite

STRING, BOOLEAN, INT32, SINGLE, DOUBLE, DATETIME = EdmType
Json = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]

# Values, as a client sends them: a moment is its milliseconds here, and is sent in OData's form

letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.sampled_from(
    [
        "",
        "a",
        "ab",
        "aba",
        "Ab",
        "b'c",
        "%",
        "_",
        "\\",
        "\\u0041",
        "あ",
        "é",
        "😀",
        "\U0010ffff",
        " a ",
        "ß",
        "10",
        "9",
    ]
) | st.text(letters, max_size=4)
wholes = st.sampled_from([-(2**31), -7, -1, 0, 1, 2, 3, 7, 2**31 - 1])
singles = st.sampled_from([0.0, -1.5, 0.1, 1.0, 2.25, 2.5, 7.0, 99999.99999])
doubles = st.sampled_from(
    [0.0, -2.5, 0.1, 0.5, 1.0, 2.0, 2.5, 7.0, 1e300, -1e-300, 2.0**53, 2.0**53 + 2]
) | st.floats(-1.79e308, 1.79e308, allow_subnormal=False).filter(lambda number: not 0 < abs(number) < 2.23e-308)
moments = st.sampled_from([EARLIEST_MS, -1, 0, 1, 1_577_836_799_999, 1_577_836_800_000, LATEST_MS])
VALUES: dict[EdmType, st.SearchStrategy[Json]] = {
    STRING: texts,
    BOOLEAN: st.booleans(),
    INT32: wholes,
    SINGLE: singles,
    DOUBLE: doubles,
    DATETIME: moments,
}


def spelled(kind: EdmType, value: Json, *, alone: bool) -> str:
    """A literal of that value; *alone*: beside no property whose type says what it is."""
    match kind:
        case EdmType.STRING:
            return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
        case EdmType.BOOLEAN:
            return "true" if value else "false"
        case EdmType.INT32:
            return str(value)
        case EdmType.DATETIME:
            if not alone and value % 3 == 0:
                return str(value)
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
            return f"datetime'{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}'"
        case _:
            digits = format(Decimal(repr(value)), "f")
            return digits if "." in digits or not alone else f"{digits}.0"


# Schemas

Path_ = tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """What a path of names leads to."""

    path: Path_
    type: EdmType
    is_list: bool = False


def declared(draw: Draw, prefix: str, depth: int) -> tuple[tuple[Property, ...], list[Field]]:
    """Properties, complex ones among them while *depth* lasts, and what can be asked for below them."""
    made: list[Property] = []
    fields: list[Field] = []
    kinds = draw(st.lists(st.sampled_from([*EdmType, "complex", "list"]), min_size=2, max_size=6))
    for number, kind in enumerate(kinds):
        name, column = f"{prefix}{number}", f"P{number:03}"
        if kind == "complex":
            if not depth:
                continue
            members, below = declared(draw, f"{name}_", depth - 1)
            inner = ComplexType(f"Type{name}", members)
            made.append(Property(name, inner, nullable=True, column=f"C{number:03}"))
            fields += [Field((name, *each.path), each.type, each.is_list) for each in below]
            continue
        is_list = kind == "list"
        scalar = draw(st.sampled_from([*EdmType])) if is_list else kind
        made.append(Property(name, scalar, nullable=True, is_list=is_list, column=column))
        fields.append(Field((name,), scalar, is_list))
    return tuple(made), fields


def sent(draw: Draw, properties: tuple[Property, ...]) -> dict[str, Json]:
    """The values of an entity or complex value, some of them null or left out."""
    found: dict[str, Json] = {}
    for each in properties:
        if draw(st.integers(0, 4)) == 0:
            found.update({each.name: None} if draw(st.booleans()) else {})
        elif isinstance(each.type, ComplexType):
            found[each.name] = sent(draw, each.type.properties) or None
        elif each.is_list:
            found[each.name] = draw(st.lists(st.none() | VALUES[each.type], max_size=3))
        else:
            found[each.name] = draw(VALUES[each.type])
    return found


def in_odata_form(properties: tuple[Property, ...], values: dict[str, Json]) -> dict[str, Json]:
    """The same with moments as OData spells them."""

    def of(each: Property, value: Json) -> Json:
        if value is None:
            return None
        if isinstance(value, list):
            return [of(each, element) for element in value]
        if isinstance(each.type, ComplexType):
            return in_odata_form(each.type.properties, value)
        return f"/Date({value})/" if each.type is DATETIME else value

    return {each.name: of(each, values[each.name]) for each in properties if each.name in values}


# Terms and claims: a text, and what it comes to


@dataclass(frozen=True)
class Term:
    """What has a value, None for a null."""

    text: str
    type: EdmType
    value: Callable[[dict[str, Json]], Json]
    is_literal: bool = False


@dataclass(frozen=True)
class Claim:
    """What is true of an entity or not; a ``joint`` one is written in parentheses within another."""

    text: str
    holds: Callable[[dict[str, Json]], bool]
    joint: bool = False


def at(path: Path_) -> Callable[[dict[str, Json]], Json]:
    def value(entity: dict[str, Json]) -> Json:
        here: Json = entity
        for name in path:
            here = here.get(name) if isinstance(here, dict) else None
        return here

    return value


def bounded(number: float) -> float | None:
    """A number as a store can hold it."""
    if isinstance(number, int):
        return number if -(2**63) < number < 2**63 else float(number)
    return number if math.isfinite(number) else None


def truncated(left: int, right: int) -> tuple[int, int]:
    """How often *right* goes into *left*, and what is left, which has the sign of *left*."""
    times, rest = divmod(abs(left), abs(right))
    return times if (left < 0) == (right < 0) else -times, rest if left >= 0 else -rest


def divided(left: float, right: float, *, whole: bool) -> float | None:
    if right == 0:
        return None
    return truncated(int(left), int(right))[0] if whole else left / right


def remaining(left: float, right: float) -> float | None:
    if right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        return truncated(left, right)[1]
    return math.fmod(left, right)


def rounded(number: float, how: str) -> float:
    if isinstance(number, int):
        return number
    match how:
        case "floor":
            return float(math.floor(number))
        case "ceiling":
            return float(math.ceil(number))
        case _:
            return float(Decimal(number).quantize(Decimal(1), ROUND_HALF_UP)) if abs(number) < 1e20 else number


def computed(kind: EdmType, text: str, work: Callable[..., Json], *arguments: Term) -> Term:
    """What *work* makes of the values of *arguments*; nothing of nothing."""

    def value(entity: dict[str, Json]) -> Json:
        values = [each.value(entity) for each in arguments]
        return None if None in values else work(*values)

    return Term(text, kind, value)


def part(text: str, start: int, length: int | None = None) -> str | None:
    if start < 0 or (length or 0) < 0:
        return None
    return text[start:] if length is None else text[start : start + length]


def moment_part(name: str) -> Callable[[int], int]:
    def value(moment_ms: int) -> int:
        return int(getattr(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment_ms), name))

    return value


class Generator:
    """Terms and claims about entities with those *fields*."""

    def __init__(self, draw: Draw, fields: list[Field]) -> None:
        self._draw = draw
        self._fields = fields

    def _one_of(self, *choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def literal(self, kind: EdmType, *, alone: bool = True) -> Term:
        value = self._draw(VALUES[kind])
        return Term(spelled(kind, value, alone=alone), kind, lambda _: value, is_literal=True)

    def property(self, kinds: frozenset[EdmType]) -> Term | None:
        found = [each for each in self._fields if each.type in kinds and not each.is_list]
        if not found:
            return None
        field = self._one_of(*found)
        return Term("/".join(field.path), field.type, at(field.path))

    def text(self, depth: int) -> Term:
        if depth and self._draw(st.booleans()):
            name = self._one_of("tolower", "toupper", "trim", "concat", "replace", "substring")
            inner = self.text(depth - 1)
            if name == "concat":
                other = self.text(depth - 1)
                return computed(STRING, f"concat({inner.text},{other.text})", lambda a, b: a + b, inner, other)
            if name == "replace":
                old, new = self.literal(STRING), self.literal(STRING)
                said = f"replace({inner.text} , {old.text},{new.text})"
                return computed(STRING, said, lambda a, b, c: a.replace(b, c), inner, old, new)
            if name == "substring":
                bounds = [self.whole() for _ in range(self._one_of(1, 2))]
                said = ", ".join(each.text for each in (inner, *bounds))
                return computed(STRING, f"substring({said})", part, inner, *bounds)
            work = {"tolower": str.lower, "toupper": str.upper, "trim": str.strip}[name]
            return computed(STRING, f"{name}({inner.text})", work, inner)
        return self.property(frozenset({STRING})) or self.literal(STRING)

    def whole(self) -> Term:
        found = self.property(frozenset({INT32})) if self._draw(st.booleans()) else None
        return found or self.small()

    def small(self) -> Term:
        value = self._draw(st.integers(-1, 4))
        return Term(str(value), INT32, lambda _: value, is_literal=True)

    def number(self, depth: int) -> Term:
        if not depth or self._draw(st.integers(0, 2)) == 0:
            return self.property(NUMERIC) or self.literal(self._one_of(INT32, DOUBLE))
        name = self._one_of(
            "add", "sub", "mul", "div", "mod", "-", "round", "floor", "ceiling", "length", "indexof", "year", "second"
        )
        if name == "length":
            inner = self.text(depth - 1)
            return computed(INT32, f"length({inner.text})", len, inner)
        if name == "indexof":
            inner, other = self.text(depth - 1), self.text(depth - 1)
            return computed(INT32, f"indexof({inner.text},{other.text})", lambda a, b: a.find(b), inner, other)
        if name in {"year", "second"}:
            inner = self.property(frozenset({DATETIME})) or self.literal(DATETIME)
            return computed(INT32, f"{name}({inner.text})", moment_part(name), inner)
        left = self.number(depth - 1)
        if name == "-":
            return computed(left.type, f"-({left.text})", lambda a: -a, left)
        if name in {"round", "floor", "ceiling"}:
            return computed(left.type, f"{name}({left.text})", lambda a: rounded(a, name), left)
        right = self.number(depth - 1) if self._draw(st.booleans()) else self.literal(self._one_of(INT32, DOUBLE))
        kind = max((left.type, right.type), key=[INT32, SINGLE, DOUBLE].index)
        work: dict[str, Callable[[Any, Any], Any]] = {
            "add": lambda a, b: bounded(a + b),
            "sub": lambda a, b: bounded(a - b),
            "mul": lambda a, b: bounded(a * b),
            "div": lambda a, b: None if (c := divided(a, b, whole=kind is INT32)) is None else bounded(c),
            "mod": remaining,
        }
        return computed(kind, f"({left.text} {name} {right.text})", guarded(work[name]), left, right)

    def truth(self, depth: int) -> Term:
        name = self._one_of("startswith", "endswith", "substringof")
        one, other = self.text(depth), self.text(depth)
        work: Callable[[str, str], bool] = {
            "startswith": lambda a, b: a[: len(b)] == b,
            "endswith": lambda a, b: b == "" or a[-len(b) :] == b,
            "substringof": lambda a, b: a in b,
        }[name]
        return computed(BOOLEAN, f"{name}({one.text},{other.text})", work, one, other)

    def comparison(self, depth: int) -> Claim | None:
        """A comparison of what has a value with a constant, a null, or another."""
        kind = self._one_of(STRING, BOOLEAN, INT32, DOUBLE, DATETIME)
        match kind:
            case EdmType.STRING:
                left: Term | None = self.text(depth)
            case EdmType.BOOLEAN:
                left = self.truth(depth) if self._draw(st.booleans()) else self.property(frozenset({BOOLEAN}))
            case EdmType.DATETIME:
                left = self.property(frozenset({DATETIME}))
            case _:
                left = self.number(depth)
        if left is None or left.is_literal:
            return None
        operators = ["eq", "ne"] if left.type is BOOLEAN else ["eq", "ne", "gt", "ge", "lt", "le"]
        operator = self._one_of(*operators)
        right = self.right_of(left, depth, may_be_null=operator in {"eq", "ne"})
        if right is None:
            return None
        return Claim(
            f"{left.text} {operator} {right.text}",
            lambda entity: compared(operator, left.value(entity), right.value(entity)),
        )

    def right_of(self, left: Term, depth: int, *, may_be_null: bool) -> Term | None:
        how = self._one_of("literal", "literal", "term", *(["null"] if may_be_null else []))
        if how == "null":
            return Term("null", left.type, lambda _: None)
        if how == "term":
            match left.type:
                case EdmType.STRING:
                    return self.text(depth)
                case EdmType.BOOLEAN:
                    return self.truth(depth)
                case EdmType.DATETIME:
                    return self.property(frozenset({DATETIME}))
            other = self.number(depth)
            # A literal must fit the property that it is compared with.
            return other if not other.is_literal else None
        return self.literal(left.type, alone="(" in left.text)

    def held(self) -> Claim | None:
        """A list that holds something, or is null."""
        lists = [each for each in self._fields if each.is_list]
        if not lists:
            return None
        field, operator = self._one_of(*lists), self._one_of("eq", "ne")
        path, value = "/".join(field.path), at(field.path)
        if self._draw(st.integers(0, 3)) == 0:
            return Claim(f"{path} {operator} null", lambda entity: (value(entity) is None) == (operator == "eq"))
        element = self.literal(field.type, alone=False)

        def holds(entity: dict[str, Json]) -> bool:
            elements = value(entity) or []
            return any(same(each, element.value(entity)) for each in elements) == (operator == "eq")

        return Claim(f"{path} {operator} {element.text}", holds)

    def claim(self, depth: int) -> Claim:
        if depth:
            match self._one_of("leaf", "not", "and", "or"):
                case "not":
                    inner = self.claim(depth - 1)
                    return Claim(f"not ({inner.text})", lambda entity: not inner.holds(entity))
                case "and":
                    return self.joined("and", all, depth)
                case "or":
                    return self.joined("or", any, depth)
        for _ in range(3):
            found = self.held() if self._draw(st.integers(0, 4)) == 0 else self.comparison(2)
            if found is not None:
                return found
        truth = self.truth(1)
        return Claim(truth.text, lambda entity: truth.value(entity) is True)

    def joined(self, word: str, holds: Callable[[Iterator[bool]], bool], depth: int) -> Claim:
        parts = [self.claim(depth - 1) for _ in range(self._one_of(2, 3))]
        text = f" {word} ".join(f"({each.text})" if each.joint else each.text for each in parts)
        return Claim(text, lambda entity: holds(each.holds(entity) for each in parts), joint=True)


def guarded(work: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def value(left: float, right: float) -> Json:
        try:
            return work(left, right)
        except OverflowError:
            return None

    return value


def same(left: Json, right: Json) -> bool:
    return bool(left == right) and (left is None) == (right is None)


def compared(operator: str, left: Json, right: Json) -> bool:
    if operator in {"eq", "ne"}:
        return same(left, right) == (operator == "eq")
    if left is None or right is None:
        return False
    return bool({"gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right}[operator])


# What the three say


class Stores:
    """A unit in memory and one on SQLite, asked the same."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._folder = tempfile.TemporaryDirectory()
        self._scopes = count()
        folder = Path(self._folder.name)
        self._units: list[Unit] = [
            self._runner.run(self._stack.enter_async_context(each)) for each in (in_memory(folder), on_sqlite(folder))
        ]

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()
        self._folder.cleanup()

    def keep(self, documents: dict[str, Any]) -> str:
        """Keep entities with those documents, by their keys; their scope."""
        scope = f"scope{next(self._scopes)}"

        async def save(tx: Any) -> None:
            for key, document in documents.items():
                await tx.entities.add(Entity(new_id(), EntityKind.USER_DATA, scope, key, 1, 1, 1, document))

        for unit in self._units:
            self._runner.run(unit.write(save))
        return scope

    def ask(self, scope: str, where: Expression) -> list[list[str]]:
        """The keys that each finds, after it has counted as many."""
        query = Query(EntityKind.USER_DATA, scope=scope, where=where)

        async def find(tx: Any) -> list[str]:
            found = [each.key for each in await tx.entities.query(query)]
            assert await tx.entities.matching(query) == len(found)
            return found

        return [self._runner.run(unit.read(find)) for unit in self._units]


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    made = Stores()
    yield made
    made.close()


@given(st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_filter_finds_the_same_everywhere(stores: Stores, data: st.DataObject) -> None:
    properties, fields = declared(data.draw, "p", 2)
    key = Property("__id")
    entity_set = EntitySet(
        "Thing", "UserData", EntityKind.USER_DATA, key=("__id",), properties=(key, *properties), type_id="thing"
    )
    fields.append(Field(("__id",), STRING))
    things = {f"k{n}": {"__id": f"k{n}", **sent(data.draw, properties)} for n in range(6)}
    fresh = Fresh(0, new_id)
    documents = {
        name: entity_set.parse_new({"__id": name, **in_odata_form(properties, values)}, fresh).values
        for name, values in things.items()
    }
    scope = stores.keep(documents)
    generator = Generator(data.draw, fields)
    for _ in range(4):
        claim = generator.claim(2)
        where = parse_filter(claim.text, entity_set, Limits(), lambda url: url)
        expected = [name for name, values in things.items() if claim.holds(values)]
        assert stores.ask(scope, where) == [expected, expected], claim.text
