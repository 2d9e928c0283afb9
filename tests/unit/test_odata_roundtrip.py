"""User data of generated schemas on its way in and out: what was said is stored, and what is stored is said.

What does not belong here: which spellings of a value are refused.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from alveary.model.edm import ComplexType, EntitySet, Fresh, Property, Row
from alveary.model.edm_values import EARLIEST_MS, INT32_MAX, INT32_MIN, LATEST_MS, NOW, EdmType
from alveary.model.entities import Entity, EntityKind
from alveary.usecases.rows import row
from alveary.wire import odata_atom, odata_json
from alveary.wire.odata_json import PERSONIUM, V2, View
from alveary.wire.snapshot.rows import Move, to_entity, to_line
from alveary.wire.snapshot.values import TypeMap
from tests.stores import NOON_MS, Unit, new_id, on_sqlite

Json = Any
SERVICE = "https://unit.example/cell/box/col/"
NOW_MS = 1_700_000_000_123
FRESH = Fresh(NOW_MS, lambda: "0" * 32)
NODE = "node"

# What may be said of a value of a type, and what it then is. A number that is whole may be shown without a fraction.

Said = tuple[Json, Json]
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_ints = st.integers(INT32_MIN, INT32_MAX)
_singles = st.decimals("-99999", "99999", places=5).map(lambda it: (f"{it}", float(it)))
_doubles = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False).filter(
    lambda it: it == 0 or 2.23e-308 <= abs(it) <= 1.79e308
)
_moments = st.integers(EARLIEST_MS, LATEST_MS)

SCALARS: dict[EdmType, st.SearchStrategy[Said]] = {
    EdmType.STRING: st.one_of(
        _texts.map(lambda it: (it, it)),
        _ints.map(lambda it: (it, str(it))),
        st.sampled_from([(True, "true"), (False, "false")]),
    ),
    EdmType.BOOLEAN: st.sampled_from([(True, True), (False, False), ("true", True), ("false", False)]),
    EdmType.INT32: st.one_of(
        _ints.map(lambda it: (it, it)),
        _ints.map(lambda it: (str(it), it)),
        st.integers(0, INT32_MAX).map(lambda it: (f"+{it}", it)),
    ),
    EdmType.SINGLE: st.one_of(
        _singles, _singles.map(lambda it: (it[1], it[1])), st.integers(-(10**6), 10**6).map(lambda it: (it, it))
    ).filter(lambda it: "e" not in str(it[1])),
    EdmType.DOUBLE: st.one_of(
        _doubles.map(lambda it: (it, it)),
        _doubles.map(lambda it: (repr(it), it)),
        st.integers(-(2**70), 2**70).map(lambda it: (it, float(it))),
    ),
    EdmType.DATETIME: st.one_of(
        _moments.map(lambda it: (f"/Date({it})/", f"/Date({it})/")), st.just((NOW, f"/Date({NOW_MS})/"))
    ),
}
DEFAULTS: dict[EdmType, list[Said]] = {
    EdmType.STRING: [("", ""), ("既定", "既定")],
    EdmType.BOOLEAN: [("true", True), ("false", False)],
    EdmType.INT32: [("0", 0), ("-7", -7)],
    EdmType.SINGLE: [("1.5", 1.5), ("10", 10)],
    EdmType.DOUBLE: [("0.0", 0), ("1.0E10", 1e10), ("-2.5", -2.5)],
    EdmType.DATETIME: [(NOW, f"/Date({NOW_MS})/"), ("/Date(0)/", "/Date(0)/")],
}
"""Default values as a schema spells them, and what they come to."""


@dataclass(frozen=True)
class Prop:
    """A property of a generated type: ``kind`` is primitive or the number of a complex type."""

    name: str
    kind: EdmType | int
    is_list: bool
    nullable: bool
    default: Said | None


@dataclass(frozen=True)
class Blueprint:
    """A generated schema: its complex types, of which each uses only those before it, and its entity type."""

    complex_types: tuple[tuple[Prop, ...], ...]
    properties: tuple[Prop, ...]

    def of(self, prop: Prop) -> tuple[Prop, ...]:
        assert not isinstance(prop.kind, EdmType)
        return self.complex_types[prop.kind]


_names = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,8}", fullmatch=True)


@st.composite
def _props(draw: st.DrawFn, complex_count: int) -> tuple[Prop, ...]:
    found = []
    for name in draw(st.lists(_names, min_size=1, max_size=4, unique=True)):
        kinds: list[EdmType | int] = [*EdmType, *range(complex_count)]
        kind, is_list = draw(st.sampled_from(kinds)), draw(st.booleans())
        default = draw(st.none() | st.sampled_from(DEFAULTS[kind])) if isinstance(kind, EdmType) else None
        found.append(Prop(name, kind, is_list, draw(st.booleans()), None if is_list else default))
    return tuple(found)


@st.composite
def blueprints(draw: st.DrawFn) -> Blueprint:
    complex_types = tuple(draw(_props(count)) for count in range(draw(st.integers(0, 3))))
    return Blueprint(complex_types, draw(_props(len(complex_types))))


def _one(blueprint: Blueprint, prop: Prop) -> st.SearchStrategy[Said]:
    if isinstance(prop.kind, EdmType):
        return SCALARS[prop.kind]
    # Personium refuses an object in which nothing is said.
    return members(blueprint, blueprint.of(prop)).filter(lambda it: bool(it[0]))


@st.composite
def members(
    draw: st.DrawFn, blueprint: Blueprint, props: tuple[Prop, ...]
) -> tuple[dict[str, Json], dict[str, Json]]:
    """What a body says of *props*, and what they then are."""
    said: dict[str, Json] = {}
    expected: dict[str, Json] = {}
    for prop in props:
        one = _one(blueprint, prop)
        if prop.default is not None or prop.nullable:
            how = draw(st.sampled_from(["absent", "null", "value"]))
            if how != "value":
                expected[prop.name] = prop.default[1] if prop.default is not None else None
                if how == "null":
                    said[prop.name] = None
                continue
        if not prop.is_list:
            said[prop.name], expected[prop.name] = draw(one)
            continue
        elements = draw(st.lists(st.just((None, None)) | one, max_size=3))
        said[prop.name] = [each for each, _ in elements]
        expected[prop.name] = [each for _, each in elements]
    return said, expected


@st.composite
def cases(draw: st.DrawFn) -> tuple[Blueprint, dict[str, Json], dict[str, Json]]:
    blueprint = draw(blueprints())
    said, expected = draw(members(blueprint, blueprint.properties))
    return blueprint, said, expected


# The schema as a store has it


def schema_entities(blueprint: Blueprint, node: str) -> tuple[str, list[Entity]]:
    """The entities that describe a generated schema; the id of its entity type before them."""
    types = [_entity(EntityKind.COMPLEX_TYPE, node, f"C{at}", node) for at in range(len(blueprint.complex_types))]
    entity_type = _entity(EntityKind.ENTITY_TYPE, node, "Thing", node)
    found = [entity_type, *types]
    for at, props in enumerate(blueprint.complex_types):
        found += _described(EntityKind.COMPLEX_TYPE_PROPERTY, types[at], props, node)
    found += _described(EntityKind.PROPERTY, entity_type, blueprint.properties, node)
    return entity_type.id, found


def _entity(kind: EntityKind, scope: str, key: str, node: str, **fields: Any) -> Entity:
    values = {"Name": key, **fields.pop("values", {})}
    return Entity(new_id(), kind, scope, key, 1, NOON_MS, NOON_MS, values, node=node, **fields)


def _described(kind: EntityKind, owner: Entity, props: tuple[Prop, ...], node: str) -> Iterator[Entity]:
    counts = {"P": itertools.count(1), "C": itertools.count(1)}
    for prop in props:
        is_complex = not isinstance(prop.kind, EdmType)
        values = {
            "Type": f"C{prop.kind}" if is_complex else prop.kind,
            "Nullable": prop.nullable,
            "CollectionKind": "List" if prop.is_list else "None",
            "IsDeclared": True,
            **({} if prop.default is None else {"DefaultValue": prop.default[0]}),
        }
        letter = "C" if is_complex else "P"
        alias = {"Alias": f"{letter}{next(counts[letter]):03}"}
        refs = ((owner.kind.value, owner.id),)
        yield _entity(kind, owner.id, prop.name, node, values=values, hidden=alias, refs=refs)


# The store


@dataclass
class Shelf:
    """A cell on SQLite, driven by an event loop of its own."""

    unit: Unit
    run: Callable[[Any], Any]
    nodes: Iterator[str] = field(default_factory=lambda: (f"{NODE}{at}" for at in itertools.count()))

    def kept(self, blueprint: Blueprint, said: dict[str, Json]) -> tuple[Row, list[Entity]]:
        """The row of an entity that a body says, once it was stored and found again; the schema as it is stored."""
        return self.run(self._kept(blueprint, said))  # type: ignore[no-any-return]

    async def _kept(self, blueprint: Blueprint, said: dict[str, Json]) -> tuple[Row, list[Entity]]:
        node = next(self.nodes)
        type_id, described = schema_entities(blueprint, node)

        async def make(tx: Any) -> Entity:
            for each in described:
                assert await tx.entities.add(each)
            entity_set = (await tx.schemas.of(node)).sets["Thing"]
            parsed = entity_set.parse_new(said, FRESH)
            values = {"scope": type_id, "key": parsed.name, "values": parsed.values, "node": node}
            made = Entity(
                id=new_id(),
                kind=EntityKind.USER_DATA,
                version=1,
                published_ms=NOON_MS,
                updated_ms=NOON_MS,
                **values,
            )
            assert await tx.entities.add(made)
            return made

        made = await self.unit.write(make)

        async def find(tx: Any) -> Row:
            entity_set = (await tx.schemas.of(node)).sets["Thing"]
            found = await tx.entities.find(EntityKind.USER_DATA, type_id, made.key)
            assert found == made
            return row(entity_set, found)

        return await self.unit.read(find), described


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    loop, stack = asyncio.new_event_loop(), AsyncExitStack()
    folder: Path = tmp_path_factory.mktemp("roundtrip")
    yield Shelf(loop.run_until_complete(stack.enter_async_context(on_sqlite(folder))), loop.run_until_complete)
    loop.run_until_complete(stack.aclose())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


# What is answered, read by others than our own readers


def view(shape: str) -> View:
    return View(SERVICE, shape, None, lambda url: url)


def from_json(found: Row, shape: str) -> dict[str, Json]:
    d = json.loads(odata_json.render_entity(found, view(shape)))["d"]
    return dict(d if shape == V2 else d["results"])


def without_metadata(value: Json) -> Json:
    if isinstance(value, list):
        return [without_metadata(each) for each in value]
    if isinstance(value, dict):
        return {name: without_metadata(inner) for name, inner in value.items() if name != "__metadata"}
    return value


def as_body(answer: dict[str, Json]) -> dict[str, Json]:
    """What a client sends back of an answer."""
    own = {"__published", "__updated"}
    return {name: value for name, value in without_metadata(answer).items() if name not in own}


_DATA = "{http://schemas.microsoft.com/ado/2007/08/dataservices}"
_PERSONIUM = "{urn:x-personium:xmlns}"
_META = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"
_CODE = re.compile(r"_x([0-9A-F]{4})_")


def from_atom(found: Row) -> dict[str, Json]:
    """The values in an Atom entry, by what its elements say of their types."""
    entry = etree.fromstring(odata_atom.render_entry(found, view(PERSONIUM)))
    (properties,) = entry.iter(f"{_META}properties")
    return {
        _name_of(each): _read(each)
        for each in properties
        if _name_of(each) not in {"__id", "__published", "__updated"}
    }


def _name_of(element: etree._Element) -> str:
    assert str(element.tag).startswith((_DATA, _PERSONIUM))
    return _CODE.sub(lambda code: chr(int(code[1], 16)), etree.QName(element).localname)


def _read(element: etree._Element) -> Json:
    if element.get(f"{_META}null") == "true":
        assert not len(element) and not element.text
        return None
    kind = element.get(f"{_META}type", "Edm.String")
    if kind.startswith("Bag("):
        assert str(element.tag).startswith(_PERSONIUM)
        inner = kind.removeprefix("Bag(").removesuffix(")")
        typed = [each.get(f"{_META}type", "Edm.String") for each in element if each.get(f"{_META}null") is None]
        assert all(each == inner for each in typed)
        return [_read(each) for each in element]
    if not kind.startswith("Edm."):
        return {_name_of(each): _read(each) for each in element}
    text = element.text or ""
    match EdmType(kind):
        case EdmType.BOOLEAN:
            return {"true": True, "false": False}[text]
        case EdmType.INT32:
            return int(text)
        case EdmType.SINGLE | EdmType.DOUBLE:
            return float(text)
        case EdmType.DATETIME:
            return f"/Date({round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)})/"
        case _:
            return text


_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def as_xml_holds(value: Json) -> Json:
    """*value* with what no XML can hold replaced."""
    if isinstance(value, str):
        return _NOT_IN_XML.sub("\ufffd", value)
    if isinstance(value, list):
        return [as_xml_holds(each) for each in value]
    if isinstance(value, dict):
        return {name: as_xml_holds(inner) for name, inner in value.items()}
    return value


def typed(value: Json) -> Json:
    """*value* in which truth values are told from numbers, and numbers of one size are one."""
    if isinstance(value, list):
        return [typed(each) for each in value]
    if isinstance(value, dict):
        return {name: typed(inner) for name, inner in value.items()}
    return (type(value) is bool, value)


# The claims

_quickly = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Case = tuple[Blueprint, dict[str, Json], dict[str, Json]]


@_quickly
@given(case=cases())
def test_json_shows_what_was_said(shelf: Shelf, case: Case) -> None:
    blueprint, said, expected = case
    found, _ = shelf.kept(blueprint, said)
    for shape in (PERSONIUM, V2):
        answer = from_json(found, shape)
        assert answer.keys() == {"__metadata", "__id", "__published", "__updated", *expected}
        shown = {name: without_metadata(answer[name]) for name in expected}
        assert typed(shown) == typed(expected)


@_quickly
@given(case=cases())
def test_atom_shows_what_was_said(shelf: Shelf, case: Case) -> None:
    blueprint, said, expected = case
    found, _ = shelf.kept(blueprint, said)
    assert typed(from_atom(found)) == typed(as_xml_holds(expected))


@_quickly
@given(case=cases(), shape=st.sampled_from([PERSONIUM, V2]))
def test_what_was_answered_sent_back_changes_nothing(shelf: Shelf, case: Case, shape: str) -> None:
    blueprint, said, _ = case
    found, _ = shelf.kept(blueprint, said)
    body = as_body(from_json(found, shape))
    later = Fresh(NOW_MS + 1, lambda: "1" * 32)
    assert found.entity_set.parse_new(body, later).values == found.values
    assert found.entity_set.parse_merge(body, found, later).values == found.values


@_quickly
@given(case=cases())
def test_a_merge_that_says_nothing_changes_nothing(shelf: Shelf, case: Case) -> None:
    blueprint, said, _ = case
    found, _ = shelf.kept(blueprint, said)
    assert found.entity_set.parse_merge({}, found, FRESH).values == found.values


@_quickly
@given(case=cases())
def test_a_line_of_a_snapshot_holds_what_was_said(shelf: Shelf, case: Case) -> None:
    blueprint, said, _ = case
    found, described = shelf.kept(blueprint, said)
    untyped = TypeMap({})
    types = TypeMap.build([to_line(each, "cell", untyped) for each in described])
    entity = Entity(
        found.id, EntityKind.USER_DATA, found.entity_set.type_id, found.key.name, 1, NOON_MS, NOON_MS, found.values
    )
    line = to_line(entity, "cell", types)
    assert to_entity(type(line).parse(line.render(), line.type, "lines"), 1, Move("cell", "cell"), types) == entity


@given(blueprint=blueprints())
@settings(max_examples=60, deadline=None)
def test_a_schema_is_read_as_it_was_described(shelf: Shelf, blueprint: Blueprint) -> None:
    node = next(shelf.nodes)
    _, described = schema_entities(blueprint, node)

    async def make(tx: Any) -> EntitySet:
        for each in described:
            assert await tx.entities.add(each)
        return (await tx.schemas.of(node)).sets["Thing"]  # type: ignore[no-any-return]

    _compare(blueprint, shelf.run(shelf.unit.write(make)).properties[1:], blueprint.properties)


def _compare(blueprint: Blueprint, found: tuple[Property, ...], props: tuple[Prop, ...]) -> None:
    by_name = {each.name: each for each in found}
    assert by_name.keys() == {prop.name for prop in props}
    assert len({each.column for each in found}) == len(found) == len(props)
    for prop in props:
        one = by_name[prop.name]
        assert (one.is_list, one.nullable) == (prop.is_list, prop.nullable)
        assert one.default_text == (None if prop.default is None else prop.default[0])
        if isinstance(one.type, ComplexType):
            assert one.type.name == f"C{prop.kind}"
            _compare(blueprint, one.type.properties, blueprint.of(prop))
        else:
            assert one.type is prop.kind
