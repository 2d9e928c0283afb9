"""What the use cases may expect of queries of entities, on every adapter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alveary.errors import NO_SUCH_ENTITY, Refusal
from alveary.model.edm_values import EdmType
from alveary.model.entities import Entity, EntityKind, JsonValue, Link
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
)
from tests.contract.rows import entity, link, linked, save
from tests.stores import NOON_MS, Unit, new_id

SCOPE = "people"
NODE = "node"

NAME = Column(EdmType.STRING, path=("P001",))
AGE = Column(EdmType.INT32, path=("P002",))
SIZE = Column(EdmType.DOUBLE, path=("P003",))
IS_IN = Column(EdmType.BOOLEAN, path=("P004",))
BORN = Column(EdmType.DATETIME, path=("P005",))
TAGS = Column(EdmType.STRING, path=("P006",), is_list=True)
MARKS = Column(EdmType.INT32, path=("P007",), is_list=True)
CITY = Column(EdmType.STRING, path=("C001", "P001"))
LATITUDE = Column(EdmType.DOUBLE, path=("C001", "C002", "P001"))
KEY = Column(EdmType.STRING, Source.KEY)
ID = Column(EdmType.STRING, Source.ID)
OWNER = Column(EdmType.STRING, Source.OWNER_KEY)
OWNERS_OWNER = Column(EdmType.STRING, Source.OWNERS_OWNER_KEY)
PUBLISHED = Column(EdmType.DATETIME, Source.PUBLISHED)
UPDATED = Column(EdmType.DATETIME, Source.UPDATED)


class BrokenError(Exception):
    pass


def person(key: str, published_ms: int = NOON_MS, **values: JsonValue) -> Entity:
    made = entity(EntityKind.USER_DATA, key, SCOPE, values=values, node=NODE)
    return replace(made, published_ms=published_ms)


def people(**parts: Any) -> Query:
    return Query(EntityKind.USER_DATA, scope=SCOPE, **parts)


def compared(column: Any, comparison: str, value: Any) -> Compare:
    right = value if isinstance(value, Column | Call) else Literal(value)
    return Compare(Comparison(comparison), column, right)


async def keys(unit: Unit, query: Query) -> str:
    """The keys of what *query* finds, blanks between; it counts as many unless it asks for a part alone."""
    found = [each.key for each in await unit.read(lambda tx: tx.entities.query(query))]
    everything = replace(query, skip=0, top=None)
    count = await unit.read(lambda tx: tx.entities.matching(query))
    assert count == len(await unit.read(lambda tx: tx.entities.query(everything)))
    return " ".join(found)


class TestWhich:
    async def test_a_kind_a_scope_and_a_node_narrow_it_down(self, unit: Unit) -> None:
        await save(
            unit,
            entity(EntityKind.USER_DATA, "a", "one", node="n1"),
            entity(EntityKind.USER_DATA, "b", "two", node="n1"),
            entity(EntityKind.USER_DATA, "c", "three", node="n2"),
            entity(EntityKind.ENTITY_TYPE, "d", "n1", node="n1"),
            entity(EntityKind.ROLE, "e"),
            entity(EntityKind.ROLE, "f", 'it\'s a "scope" of no form'),
        )
        kind = EntityKind.USER_DATA
        table = {
            Query(kind): "a b c",
            Query(kind, scope="one"): "a",
            Query(kind, node="n1"): "a b",
            Query(kind, scope="two", node="n1"): "b",
            Query(kind, scope="three", node="n2"): "c",
            Query(kind, scope="none"): "",
            Query(kind, node="none"): "",
            Query(EntityKind.ENTITY_TYPE, node="n1"): "d",
            Query(EntityKind.ROLE): "e f",
            Query(EntityKind.ROLE, scope=""): "e",
            Query(EntityKind.ROLE, scope='it\'s a "scope" of no form'): "f",
            Query(EntityKind.BOX): "",
        }
        assert {query: await keys(unit, query) for query in table} == table

    async def test_what_is_found_is_whole(self, unit: Unit) -> None:
        full = Entity(
            new_id(), EntityKind.USER_DATA, SCOPE, "key", 3, 5, 7, {"a": [1, 2.5, None, "é\0"]}, {"b": {"c": True}},
            (("other", "r"), ("another", "b")), "box", "node",
        )  # fmt: skip
        await save(unit, full)
        assert await unit.read(lambda tx: tx.entities.query(people())) == [full]

    async def test_a_transaction_finds_what_it_has_changed_and_nobody_what_was_taken_back(self, unit: Unit) -> None:
        ann, bob = person("ann", P002=1), person("bob", P002=2)
        await save(unit, ann)
        old = people(where=compared(AGE, "eq", 1))

        async def change(tx: Any) -> None:
            await tx.entities.save(replace(ann, version=2, values={"P002": 2}))
            assert await tx.entities.add(bob)
            assert [each.key for each in await tx.entities.query(people(order=(Order(KEY),)))] == ["ann", "bob"]
            assert await tx.entities.query(old) == []
            assert (await tx.entities.matching(people()), await tx.entities.matching(old)) == (2, 0)
            await tx.entities.remove(ann.id)
            assert await tx.entities.matching(people()) == 1
            raise BrokenError

        with pytest.raises(BrokenError):
            await unit.write(change)
        assert await unit.read(lambda tx: tx.entities.query(people())) == [ann]
        assert await keys(unit, old) == "ann"


class TestAlong:
    async def test_an_n_to_1_link_is_followed_from_either_end(self, unit: Unit) -> None:
        box, other = entity(EntityKind.BOX, "box"), entity(EntityKind.BOX, "other")
        bound = [entity(EntityKind.ROLE, key, box.id, refs=(("Box", box.id),)) for key in ("r1", "r2")]
        rule = entity(EntityKind.RULE, "rule", box.id, refs=(("Box", box.id), ("Role", bound[0].id)))
        free = entity(EntityKind.ROLE, "free")
        await save(unit, box, other, *bound, rule, free)
        to_box = Along(box.id, "Box", Direction.TO)
        table = {
            Query(EntityKind.ROLE, along=to_box): "r1 r2",
            Query(EntityKind.RULE, along=to_box): "rule",
            Query(EntityKind.BOX, along=to_box): "",
            Query(EntityKind.ROLE, along=replace(to_box, link_type="Role")): "",
            Query(EntityKind.ROLE, along=replace(to_box, entity_id=other.id)): "",
            Query(EntityKind.BOX, along=Along(rule.id, "Box", Direction.FROM)): "box",
            Query(EntityKind.ROLE, along=Along(rule.id, "Role", Direction.FROM)): "r1",
            Query(EntityKind.ROLE, along=Along(rule.id, "Box", Direction.FROM)): "",
            Query(EntityKind.BOX, along=Along(free.id, "Box", Direction.FROM)): "",
            Query(EntityKind.BOX, along=Along("nobody", "Box", Direction.FROM)): "",
            Query(EntityKind.ROLE, along=Along("nobody", "Box", Direction.TO)): "",
        }
        assert {query: await keys(unit, query) for query in table} == table

    async def test_an_n_to_n_link_is_followed_from_either_end(self, unit: Unit) -> None:
        ann, bob = entity(EntityKind.ACCOUNT, "ann"), entity(EntityKind.ACCOUNT, "bob")
        roles = [entity(EntityKind.ROLE, key) for key in ("r1", "r2", "r3")]
        relation = entity(EntityKind.RELATION, "friend")
        await save(unit, ann, bob, *roles, relation)
        await link(unit, linked(ann, roles[0]), linked(ann, roles[1]), linked(bob, roles[1]))
        await link(unit, linked(relation, roles[0]))

        def both(start: Entity, link_type: str) -> Along:
            return Along(start.id, link_type, Direction.BOTH)

        table = {
            Query(EntityKind.ROLE, along=both(ann, "Role")): "r1 r2",
            Query(EntityKind.ROLE, along=both(bob, "Role")): "r2",
            Query(EntityKind.ACCOUNT, along=both(roles[1], "Account")): "ann bob",
            Query(EntityKind.ACCOUNT, along=both(roles[0], "Account")): "ann",
            Query(EntityKind.RELATION, along=both(roles[0], "Relation")): "friend",
            Query(EntityKind.ROLE, along=both(relation, "Role")): "r1",
            Query(EntityKind.ACCOUNT, along=both(roles[2], "Account")): "",
            Query(EntityKind.ACCOUNT, along=both(ann, "Role")): "",
            Query(EntityKind.ROLE, along=both(ann, "Relation")): "",
        }
        assert {query: await keys(unit, query) for query in table} == table

    async def test_links_within_one_type_are_followed_both_ways(self, unit: Unit) -> None:
        one, two, three = person("1"), person("2"), person("3")
        await save(unit, one, two, three)
        for first, second in ((one, two), (two, three), (three, three)):
            await link(unit, Link.between((SCOPE, first.id), (SCOPE, second.id), NOON_MS))
        found = {
            each.key: await keys(unit, people(along=Along(each.id, SCOPE, Direction.BOTH)))
            for each in (one, two, three)
        }
        assert found == {"1": "2", "2": "1 3", "3": "2 3"}

    async def test_what_is_linked_is_filtered_sorted_and_cut_as_well(self, unit: Unit) -> None:
        start = entity(EntityKind.USER_DATA, "start", "others")
        children = [person(str(n), P002=n % 3, **{"other": n}) for n in range(6)]
        children = [replace(each, refs=(("others", start.id),)) for each in children]
        await save(unit, start, *children, person("6", P002=1))
        to = people(along=Along(start.id, "others", Direction.TO))
        table = {
            replace(to, where=compared(AGE, "eq", 1)): "1 4",
            replace(to, order=(Order(AGE), Order(KEY, descending=True))): "3 0 4 1 5 2",
            replace(to, order=(Order(KEY),), skip=1, top=2): "1 2",
            replace(to, scope=None, node=NODE): "0 1 2 3 4 5",
            replace(to, node="elsewhere"): "",
        }
        assert {query: await keys(unit, query) for query in table} == table

    async def test_links_are_followed_within_the_transaction_that_makes_them(self, unit: Unit) -> None:
        one, two = person("1"), person("2")
        await save(unit, one, two)
        way = people(along=Along(one.id, SCOPE, Direction.BOTH))
        joint = Link.between((SCOPE, one.id), (SCOPE, two.id), NOON_MS)

        async def join(tx: Any) -> list[Entity]:
            await tx.links.save(joint)
            found: list[Entity] = await tx.entities.query(way)
            return found

        assert await unit.write(join) == [two]
        await unit.write(lambda tx: tx.links.remove(joint))
        assert await keys(unit, way) == ""


ANN = person(
    "ann", 1_000, P001="Ann", P002=30, P003=1.5, P004=True, P005=-5, P006=["a", "b"], P007=[1, 2],
    C001={"P001": "Kyoto", "C002": {"P001": 35.0}},
)  # fmt: skip
BOB = person(
    "bob", 2_000, P001="bob", P002=-7, P003=2, P004=False, P005=10, P006=[], P007=[2, None],
    C001={"P001": "Osaka"},
)  # fmt: skip
NONE = person("none", 3_000)

WHERE: dict[str, tuple[Expression, str]] = {
    "eq text": (compared(NAME, "eq", "Ann"), "ann"),
    "case counts": (compared(NAME, "eq", "ann"), ""),
    "ne finds nulls too": (compared(NAME, "ne", "Ann"), "bob none"),
    "eq null": (compared(NAME, "eq", None), "none"),
    "ne null": (compared(NAME, "ne", None), "ann bob"),
    "gt text": (compared(NAME, "gt", "Z"), "bob"),
    "le text": (compared(NAME, "le", "Ann"), "ann"),
    "eq number": (compared(AGE, "eq", 30), "ann"),
    "eq number of another type": (compared(AGE, "eq", 30.0), "ann"),
    "a whole number in a fraction's place": (compared(SIZE, "eq", 2.0), "bob"),
    "gt number": (compared(AGE, "gt", -7), "ann"),
    "ge number": (compared(AGE, "ge", -7), "ann bob"),
    "lt number": (compared(AGE, "lt", 30), "bob"),
    "le fraction": (compared(SIZE, "le", 1.5), "ann"),
    "numbers are no texts": (compared(AGE, "gt", 4), "ann"),
    "eq true": (compared(IS_IN, "eq", True), "ann"),
    "eq false": (compared(IS_IN, "eq", False), "bob"),
    "ne true": (compared(IS_IN, "ne", True), "bob none"),
    "eq moment": (compared(BORN, "eq", -5), "ann"),
    "gt moment": (compared(BORN, "gt", -5), "bob"),
    "column eq column": (compared(AGE, "eq", SIZE), "none"),
    "column gt column": (compared(AGE, "gt", SIZE), "ann"),
    "within a complex value": (compared(CITY, "eq", "Kyoto"), "ann"),
    "deeper": (compared(LATITUDE, "gt", 34.5), "ann"),
    "a complex value that is not there": (compared(LATITUDE, "eq", None), "bob none"),
    "key": (compared(KEY, "eq", "bob"), "bob"),
    "key range": (compared(KEY, "ge", "bob"), "bob none"),
    "id": (compared(ID, "eq", ANN.id), "ann"),
    "published": (compared(PUBLISHED, "ge", 2_000), "bob none"),
    "updated": (compared(UPDATED, "eq", NOON_MS), "ann bob none"),
    "a list holds": (Contains(TAGS, Literal("a")), "ann"),
    "a list holds a number": (Contains(MARKS, Literal(2)), "ann bob"),
    "a list does not hold": (Contains(TAGS, Literal("c")), ""),
    "not a list that holds": (Not(Contains(TAGS, Literal("a"))), "bob none"),
    "an empty list is none": (compared(TAGS, "eq", None), "none"),
    "starts": (Holds(Call("startswith", (NAME, Literal("A")))), "ann"),
    "starts with nothing": (Holds(Call("startswith", (NAME, Literal("")))), "ann bob"),
    "not starts": (Not(Holds(Call("startswith", (NAME, Literal("A"))))), "bob none"),
    "starts by column": (Holds(Call("startswith", (KEY, Call("tolower", (NAME,))))), "ann bob"),
    "the last character": (Holds(Call("startswith", (NAME, Literal("\U0010ffff")))), ""),
    "part of": (Holds(Call("substringof", (Literal("n"), NAME))), "ann"),
    "part of nothing": (Holds(Call("substringof", (Literal(""), NAME))), "ann bob"),
    "a part that is computed": (
        Holds(
            Call("substringof", (Call("concat", (Literal("n"), Literal("n"))), Call("concat", (NAME, Literal("!")))))
        ),
        "ann",
    ),
    "ends": (Holds(Call("endswith", (NAME, Literal("b")))), "bob"),
    "a function's value": (compared(Call("toupper", (NAME,)), "eq", "BOB"), "bob"),
    "a function of nothing is nothing": (compared(Call("length", (NAME,)), "eq", None), "none"),
    "a truth that is compared": (compared(Call("startswith", (NAME, Literal("b"))), "eq", False), "ann"),
    "a truth of nothing": (compared(Call("startswith", (NAME, Literal("b"))), "ne", True), "ann none"),
    "arithmetic": (compared(Call("add", (AGE, Literal(1))), "eq", 31), "ann"),
    "division by nothing": (compared(Call("div", (AGE, Literal(0))), "eq", None), "ann bob none"),
    "whole division": (compared(Call("div", (AGE, Literal(2))), "eq", -3), "bob"),
    "remainder": (compared(Call("mod", (AGE, Literal(4))), "eq", -3), "bob"),
    "sign": (compared(Call("negate", (AGE,)), "eq", 7), "bob"),
    "parts of a moment": (compared(Call("year", (BORN,)), "eq", 1969), "ann"),
    "and": (All((compared(AGE, "gt", -10), compared(NAME, "ne", "Ann"))), "bob"),
    "or": (Some((compared(AGE, "eq", 30), compared(NAME, "eq", None))), "ann none"),
    "no part of and": (All(()), "ann bob none"),
    "no part of or": (Some(()), ""),
    "not": (Not(compared(AGE, "gt", 0)), "bob none"),
    "not not": (Not(Not(compared(AGE, "gt", 0))), "ann"),
    "not and": (Not(All((compared(AGE, "gt", 0), compared(NAME, "eq", "Ann")))), "bob none"),
    "or within and": (
        All((Some((compared(AGE, "lt", 0), compared(AGE, "eq", None))), compared(KEY, "ne", "bob"))),
        "none",
    ),
}


class TestWhere:
    async def test_an_expression_holds_of_those_it_is_true_of(self, unit: Unit) -> None:
        await save(unit, ANN, BOB, NONE)
        found = {name: await keys(unit, people(where=where)) for name, (where, _) in WHERE.items()}
        assert found == {name: expected for name, (_, expected) in WHERE.items()}

    async def test_keys_of_owners_are_theirs_and_null_without_one(self, unit: Unit) -> None:
        box = entity(EntityKind.BOX, "box")
        friend, free = entity(EntityKind.RELATION, "friend", box.id), entity(EntityKind.RELATION, "free")
        ext = [entity(EntityKind.EXT_ROLE, key, owner.id) for key, owner in (("a", friend), ("b", free))]
        await save(unit, box, friend, free, *ext)
        table = {
            Query(EntityKind.RELATION, where=compared(OWNER, "eq", "box")): "friend",
            Query(EntityKind.RELATION, where=compared(OWNER, "eq", None)): "free",
            Query(EntityKind.EXT_ROLE, where=compared(OWNER, "eq", "friend")): "a",
            Query(EntityKind.EXT_ROLE, where=compared(OWNERS_OWNER, "eq", "box")): "a",
            Query(EntityKind.EXT_ROLE, where=compared(OWNERS_OWNER, "eq", None)): "b",
            Query(EntityKind.EXT_ROLE, order=(Order(OWNERS_OWNER),)): "a b",
            Query(EntityKind.EXT_ROLE, order=(Order(OWNER),)): "b a",
            Query(EntityKind.RELATION, order=(Order(OWNER, descending=True),)): "friend free",
            Query(EntityKind.RELATION, where=Holds(Call("startswith", (OWNER, Literal("b"))))): "friend",
        }
        assert {query: await keys(unit, query) for query in table} == table

    async def test_texts_and_paths_are_never_more_than_they_are(self, unit: Unit) -> None:
        odd = ["'", '"', "%", "_", "\\", "?", "'; DROP TABLE entity; --", "a\nb", "$.P001", ":1", "😀", "ﬀ"]
        await save(unit, *(person(f"k{n}", P001=text) for n, text in enumerate(odd)))
        for n, text in enumerate(odd):
            assert await keys(unit, people(where=compared(NAME, "eq", text))) == f"k{n}"
            assert await keys(unit, people(where=Holds(Call("endswith", (NAME, Literal(text)))))) == f"k{n}"
            contained = await keys(unit, people(where=Holds(Call("substringof", (Literal(text), NAME)))))
            assert contained.split() == [f"k{m}" for m, other in enumerate(odd) if text in other]


class TestOrder:
    async def test_nulls_come_last_either_way(self, unit: Unit) -> None:
        table: dict[Column, list[tuple[str, JsonValue]]] = {
            NAME: [("a", "Z"), ("b", "a"), ("c", "é"), ("d", "あ"), ("e", "\uffee"), ("f", "😀")],
            AGE: [("a", -10), ("b", -9), ("c", 0), ("d", 9), ("e", 10)],
            SIZE: [("a", -1e300), ("b", -0.5), ("c", 0.25), ("d", 1), ("e", 1.5), ("f", 1e300)],
            IS_IN: [("a", False), ("b", True)],
            BORN: [("a", -6_847_804_800_000), ("b", 0), ("c", 253_402_300_799_999)],
            CITY: [("a", "A"), ("b", "B")],
        }
        for column, values in table.items():
            scope = f"by-{'-'.join(column.path)}"

            def at(column: Column, value: JsonValue) -> dict[str, JsonValue]:
                document: JsonValue = value
                for step in reversed(column.path):
                    document = {step: document}
                assert isinstance(document, dict)
                return document

            await save(
                unit,
                *(entity(EntityKind.USER_DATA, key, scope, values=at(column, value)) for key, value in values),
                entity(EntityKind.USER_DATA, "null1", scope),
                entity(EntityKind.USER_DATA, "null2", scope),
            )
            names = [key for key, _ in values]
            query = Query(EntityKind.USER_DATA, scope=scope)
            up, down = Order(column), Order(column, descending=True)
            assert await keys(unit, replace(query, order=(up,))) == " ".join([*names, "null1", "null2"])
            assert await keys(unit, replace(query, order=(down,))) == " ".join([*names[::-1], "null1", "null2"])

    async def test_equals_come_by_the_next_column_then_in_the_order_of_making(self, unit: Unit) -> None:
        await save(
            unit,
            person("c", 1, P001="x", P002=1),
            person("a", 2, P001="y", P002=1),
            person("b", 2, P001="x", P002=2),
            person("d", 0, P001="x", P002=1),
        )
        table = {
            people(): "d c a b",
            people(order=(Order(NAME),)): "d c b a",
            people(order=(Order(NAME, descending=True),)): "a d c b",
            people(order=(Order(NAME), Order(AGE, descending=True))): "b d c a",
            people(order=(Order(AGE, descending=True), Order(NAME))): "b d c a",
            people(order=(Order(KEY),)): "a b c d",
            people(order=(Order(PUBLISHED, descending=True),)): "a b c d",
            people(order=(Order(UPDATED), Order(KEY, descending=True))): "d c b a",
        }
        assert {query: await keys(unit, query) for query in table} == table

    async def test_of_one_time_and_key_in_several_scopes_the_id_decides(self, unit: Unit) -> None:
        same = [
            replace(entity(EntityKind.ROLE, "r", scope), id=f"id{n}") for n, scope in ((2, ""), (1, "s"), (3, "t"))
        ]
        await save(unit, *same)
        found = await unit.read(lambda tx: tx.entities.query(Query(EntityKind.ROLE)))
        assert [each.id for each in found] == ["id1", "id2", "id3"]


class TestPart:
    async def test_a_part_is_cut_out_of_the_sorted_whole(self, unit: Unit) -> None:
        await save(unit, *(person(f"{n}", n) for n in range(5)))
        table = {
            (0, None): "0 1 2 3 4",
            (2, None): "2 3 4",
            (0, 2): "0 1",
            (3, 2): "3 4",
            (4, 9): "4",
            (5, 1): "",
            (99, None): "",
            (0, 0): "",
        }
        found = {(skip, top): await keys(unit, people(skip=skip, top=top)) for skip, top in table}
        assert found == table


class TestWords:
    async def test_all_words_must_be_in_the_texts_at_whatever_depth(self, unit: Unit) -> None:
        await save(
            unit,
            person("a", P001="The quick brown fox", P002=7),
            person("b", P001="quick", C001={"P001": "東京都に住む", "C002": {"P001": "Fox"}}),
            person("c", P006=["slow", "Quick-step"], P003=1.5),
            person("quick", P004=True),
        )
        table = {
            ("quick",): "a b c",
            ("QUICK", "fox"): "a b",
            ("brown", "quick"): "a",
            ("qui",): "",
            ("step",): "c",
            ("quick-step",): "c",
            ("quick-brown",): "a",
            ("7",): "a",
            ("1.5",): "c",
            ("true",): "",
            ("東京",): "b",
            ("京都",): "b",
            ("都",): "b",
            ("東京", "fox"): "b",
            ("京東",): "",
            ("!!",): "",
            ('"',): "",
            ("quick OR slow",): "",
        }
        assert {words: await keys(unit, people(words=words)) for words in table} == table
        narrowed = people(words=("quick",), where=compared(AGE, "eq", 7))
        assert await keys(unit, narrowed) == "a"


class TestCells:
    async def test_cells_are_filtered_sorted_and_cut_as_entities_are(self, unit: Unit) -> None:
        for name, owner in (("bee", "ann"), ("ant", "bob"), ("wasp", "ann")):
            unit.clock.ms += 1
            await unit.make_cell(name, owner)
        cells = Query(EntityKind.CELL)
        table = {
            replace(cells, where=Holds(Call("startswith", (KEY, Literal("b"))))): "bee",
            replace(cells, where=compared(PUBLISHED, "gt", NOON_MS)): "bee ant wasp",
            replace(cells, order=(Order(KEY, descending=True),)): "wasp cell bee ant",
            replace(cells, scope="ann"): "bee wasp",
            replace(cells, scope="ann", skip=1): "wasp",
            replace(cells, scope="ann", where=compared(KEY, "ne", "bee")): "wasp",
            replace(cells, order=(Order(KEY),), skip=1, top=2): "bee cell",
            replace(cells, words=("bee",)): "",
        }
        for query, names in table.items():
            found = await unit.registry.read(lambda tx, query=query: tx.cells.query(query))
            assert " ".join(each.name for each in found) == names
            everything = replace(query, skip=0, top=None)
            count = await unit.registry.read(lambda tx, query=query: tx.cells.matching(query))
            assert count == len(await unit.registry.read(lambda tx, query=everything: tx.cells.query(query)))


class TestLook:
    async def test_it_answers_what_a_read_does(self, unit: Unit) -> None:
        await save(unit, ANN, BOB)
        assert await unit.contents.look(lambda tx: tx.entities.query(people())) == [ANN, BOB]

    async def test_what_a_body_refuses_is_refused(self, unit: Unit) -> None:
        async def refuse(_: Any) -> None:
            raise Refusal(NO_SUCH_ENTITY)

        with pytest.raises(Refusal) as caught:
            await unit.contents.look(refuse)
        assert caught.value.kind is NO_SUCH_ENTITY
        assert await unit.contents.look(lambda tx: tx.entities.count(EntityKind.ROLE)) == 0

    async def test_it_sees_every_write_that_was_acknowledged(self, unit: Unit) -> None:
        for count in range(1, 4):
            await save(unit, person(str(count)))
            assert await unit.contents.look(lambda tx: tx.entities.matching(people())) == count
